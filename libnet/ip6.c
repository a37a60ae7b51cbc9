/* SPDX-License-Identifier: MIT */
/*
 * ip6.c - this application's IPv6: its addresses, its gateway, and which packets lwIP gets to see.
 *
 *   I1  without FREEHOLD_ADDRESS6 there is no IPv6: every such frame is dropped before lwIP
 *   I2  addresses and gateway are those of the machine file, whatever the network says: messages of routers
 *       are dropped before lwIP
 *
 * The addresses are the link-local one that the MAC leads to (RFC 4291, appendix A), for neighbour
 * discovery and ping alone, and the one given. Nobody is asked whether somebody else has them already: the
 * question comes from no address (RFC 4862), and the kernel lets nobody send such.
 */
#include <arpa/inet.h>
#include <string.h>

#include "lwip/ethip6.h"
#include "lwip/ip6.h"
#include "lwip/netif.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/nd6.h"

#include "bytes.h"
#include "hooks.h"
#include "libos.h"
#include "net.h"
#include "settings.h"

enum { LINK_LOCAL, GIVEN }; /* their places in lwIP's table */
enum { SOLICITED_HEADER = 24, TOO_BIG_HEADER = 8 };

static ip6_addr_t gateway;
static bool has_gateway;

/* --- what comes in ----------------------------------------------------------------------------- */

/*
 * RFC 4861, section 4.6 and 7.1: an option has its length in its second byte, in eights of bytes and not 0,
 * and ends with the message. lwIP 2.2.1 reads the six bytes of an address without a look at that.
 */
static bool options_ok(const uint8_t *message, uint32_t length)
{
    uint32_t at = SOLICITED_HEADER;

    if (length < at)
        return false;
    while (at < length) {
        if (length - at < 8 || message[at + 1] == 0 || message[at + 1] * 8u > length - at)
            return false;
        at += message[at + 1] * 8u;
    }
    return true;
}

static bool icmp6_ok(const uint8_t *message, uint32_t length)
{
    if (length < TOO_BIG_HEADER)
        return false;
    switch (message[0]) {
    case ICMP6_TYPE_NS:
    case ICMP6_TYPE_NA:
        return options_ok(message, length);
    case ICMP6_TYPE_PTB: /* RFC 8201, section 4: no path is narrower than 1280; lwIP would believe 1 */
        return !word16(message + 4) && word16(message + 6) >= IP6_MIN_MTU_LENGTH;
    case ICMP6_TYPE_RA: /* I2 */
    case ICMP6_TYPE_RD:
        return false;
    default:
        return true;
    }
}

bool net_ip6_ok(const uint8_t *packet, uint32_t length)
{
    if (length < IP6_HLEN)
        return false;
    uint32_t payload = word16(packet + 4);
    if (payload > length - IP6_HLEN)
        return false;
    switch (packet[6]) {
    case IP6_NEXTH_TCP:
        return net_tcp_ok(packet + IP6_HLEN, payload);
    case IP6_NEXTH_UDP:
        return true;
    case IP6_NEXTH_ICMP6:
        return icmp6_ok(packet + IP6_HLEN, payload);
    default: /* extension headers too: the kernel lets nobody in or out behind them */
        return false;
    }
}

/* --- addresses --------------------------------------------------------------------------------- */

bool net_ip6_on(void)
{
    return ip6_addr_isvalid(netif_ip6_addr_state(&net_card, GIVEN));
}

static void tell(void)
{
    char local[INET6_ADDRSTRLEN], given[INET6_ADDRSTRLEN], router[INET6_ADDRSTRLEN] = "none";

    inet_ntop(AF_INET6, netif_ip6_addr(&net_card, LINK_LOCAL)->addr, local, sizeof(local));
    inet_ntop(AF_INET6, netif_ip6_addr(&net_card, GIVEN)->addr, given, sizeof(given));
    if (has_gateway)
        inet_ntop(AF_INET6, gateway.addr, router, sizeof(router));
    console_printf("network: IPv6 address %s, gateway %s, link-local %s\n", given, router, local);
}

void net_ip6_start(const struct net_settings *settings)
{
    ip6_addr_t address = {0};

    if (!settings->has_address6)
        return;
    net_card.output_ip6 = ethip6_output;
    netif_create_ip6_linklocal_address(&net_card, 1);
    netif_ip6_addr_set_state(&net_card, LINK_LOCAL, IP6_ADDR_PREFERRED);
    memcpy(address.addr, settings->address6, sizeof(settings->address6));
    netif_ip6_addr_set(&net_card, GIVEN, &address);
    netif_ip6_addr_set_state(&net_card, GIVEN, IP6_ADDR_PREFERRED);
    has_gateway = settings->has_gateway6;
    memcpy(gateway.addr, settings->gateway6, sizeof(settings->gateway6));
    tell();
}

const ip6_addr_t *net_gateway6(struct netif *netif, const ip6_addr_t *to)
{
    (void)to;
    return has_gateway && netif == &net_card ? &gateway : NULL;
}
