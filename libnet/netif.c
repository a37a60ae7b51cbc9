/* SPDX-License-Identifier: MIT */
/*
 * netif.c - the rings as a network interface of lwIP's.
 *
 * Receive is without a copy: lwIP and the sockets get the ring's buffer itself, which goes back to
 * the kernel when the last of them lets go. When fewer than a quarter of the buffers are left with
 * the kernel, packets are copied out, so that sockets that are not read cannot stop the others.
 *
 * What comes from the network is looked at before lwIP sees it (net_frame_ok).
 */
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "netif/ethernet.h"

#include "net.h"
#include "rings.h"

struct netif net_card;
struct net_card_stats net_card_stats;

#define ROUND 64 /* packets taken before somebody else has a turn */

static struct rx_buffer {
    struct pbuf_custom pbuf; /* first: lwIP hands this back */
} * rx_buffers;
static uint32_t rx_buffer_count;

/* --- receiving ------------------------------------------------------------------------------- */

enum { ARP_LENGTH = 28, IPV4_LENGTH = 20 };

static uint32_t word16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/*
 * lwIP 2.2.1 reads an ARP packet's 28 bytes without a look at the length (etharp_input), so a frame
 * that ends before is dropped here; RFC 826 gives the fields. IPv4's own header is checked there.
 */
bool net_frame_ok(const uint8_t *frame, uint32_t length)
{
    uint32_t type = length >= SIZEOF_ETH_HDR ? word16(frame + 12) : 0;
    const uint8_t *body = frame + SIZEOF_ETH_HDR;

    if (type == ETHTYPE_IP) {
        if (length >= SIZEOF_ETH_HDR + IPV4_LENGTH)
            return true;
    } else if (type == ETHTYPE_ARP) {
        if (length >= SIZEOF_ETH_HDR + ARP_LENGTH && word16(body) == 1 &&
            word16(body + 2) == ETHTYPE_IP && body[4] == 6 && body[5] == 4)
            return true;
    } else if (length >= SIZEOF_ETH_HDR) {
        net_card_stats.rx_foreign++;
        return false;
    }
    net_card_stats.rx_malformed++;
    return false;
}

static void give_back(struct pbuf *p)
{
    rings_give((uint32_t)((struct rx_buffer *)p - rx_buffers));
}

static struct pbuf *pbuf_of(const struct packet *packet)
{
    struct pbuf *p;

    if (rings_posted() >= rx_buffer_count / 4)
        return pbuf_alloced_custom(PBUF_RAW, (u16_t)packet->length, PBUF_REF,
                                   &rx_buffers[packet->buffer].pbuf, packet->data, EXO_BUFFER_SIZE);
    p = pbuf_alloc(PBUF_RAW, (u16_t)packet->length, PBUF_RAM);
    if (p) {
        memcpy(p->payload, packet->data, packet->length);
        net_card_stats.rx_copied++;
    } else {
        net_card_stats.rx_no_memory++;
    }
    rings_give(packet->buffer);
    return p;
}

bool net_card_receive(void)
{
    struct packet packet;
    int count = 0;

    while (count < ROUND && rings_take(&packet)) {
        count++;
        if (!net_frame_ok(packet.data, packet.length)) {
            rings_give(packet.buffer);
            continue;
        }
        struct pbuf *p = pbuf_of(&packet);
        if (p && net_card.input(p, &net_card) != ERR_OK)
            pbuf_free(p);
    }
    return count;
}

/* --- sending --------------------------------------------------------------------------------- */

static err_t send(struct netif *netif, struct pbuf *p)
{
    (void)netif;
    if (p->tot_len > EXO_PACKET_MAX)
        return ERR_IF;
    uint8_t *to = rings_send_buffer();
    if (!to)
        return ERR_MEM;
    pbuf_copy_partial(p, to, p->tot_len, 0);
    rings_send(p->tot_len);
    return ERR_OK;
}

/* --- start ----------------------------------------------------------------------------------- */

static err_t init(struct netif *netif)
{
    memcpy(netif->name, "en", 2);
    netif->output = etharp_output;
    netif->linkoutput = send;
    netif->mtu = EXO_PACKET_MAX - SIZEOF_ETH_HDR;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

bool net_card_open(uint64_t mac, uint32_t count)
{
    rx_buffers = net_memory_zeroed(count, sizeof(*rx_buffers));
    if (!rx_buffers)
        return false;
    rx_buffer_count = count;
    for (uint32_t i = 0; i < count; i++)
        rx_buffers[i].pbuf.custom_free_function = give_back;
    netif_add_noaddr(&net_card, NULL, init, ethernet_input);
    for (int i = 0; i < ETH_HWADDR_LEN; i++)
        net_card.hwaddr[i] = (u8_t)(mac >> (40 - 8 * i));
    netif_set_default(&net_card);
    netif_set_up(&net_card);
    netif_set_link_up(&net_card);
    return true;
}
