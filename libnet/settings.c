/* SPDX-License-Identifier: MIT */
/* settings.c - FREEHOLD_ADDRESS and its kin, from text to numbers. */
#include "settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define BUFFERS_DEFAULT 64
#define MEMORY_DEFAULT  256 /* KiB */

/* A decimal number of at most `max`, without sign, space or leading zeros. Moves *at behind it. */
static bool number(const char **at, uint32_t max, uint32_t *value)
{
    const char *from = *at;
    uint64_t n = 0;

    while (**at >= '0' && **at <= '9' && *at - from < 10)
        n = n * 10 + (uint64_t)(*(*at)++ - '0');
    if (*at == from || n > max || (*from == '0' && *at - from > 1))
        return false;
    *value = (uint32_t)n;
    return true;
}

/* Four numbers with dots between. */
static bool address(const char **at, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t byte;
        if ((i && *(*at)++ != '.') || !number(at, 255, &byte))
            return false;
        *value = *value << 8 | byte;
    }
    return true;
}

/* Can a host have this address in this subnet? RFC 1122, section 3.2.1.3. */
static bool host_address(uint32_t a, uint32_t netmask)
{
    uint32_t host = a & ~netmask;

    return a >> 24 != 0 && a >> 24 != 127 && a >> 28 != 14 && a >> 28 != 15 &&
           (netmask >= 0xfffffffe || (host != 0 && host != ~netmask));
}

static bool read_address(const char *text, struct net_settings *s)
{
    uint32_t bits;

    s->dhcp = !strcmp(text, "dhcp");
    if (s->dhcp)
        return true;
    if (!address(&text, &s->address) || *text++ != '/' || !number(&text, 32, &bits) || *text ||
        bits == 0)
        return false;
    s->netmask = 0xffffffffu << (32 - bits);
    return host_address(s->address, s->netmask);
}

static bool read_gateway(const char *text, struct net_settings *s)
{
    return address(&text, &s->gateway) && !*text && host_address(s->gateway, 0xffffffff) &&
           (s->dhcp || ((s->gateway ^ s->address) & s->netmask) == 0);
}

/* Can a host have this address, beside its link-local one? RFC 4291, section 2.4: not ::/8, which has the
 * unspecified one, loopback and the mapped ones; not fe80::/10; not ff00::/8. */
static bool host_address6(const uint8_t a[16])
{
    return a[0] && a[0] != 0xff && !(a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

static bool read_address6(const char *text, struct net_settings *s)
{
    char address[INET6_ADDRSTRLEN];
    const char *bits = strchr(text, '/');

    if (!bits || strcmp(bits, "/64") || (size_t)(bits - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(bits - text));
    address[bits - text] = 0;
    s->has_address6 = inet_pton(AF_INET6, address, s->address6) == 1 && host_address6(s->address6);
    return s->has_address6;
}

static bool read_gateway6(const char *text, struct net_settings *s)
{
    static const uint8_t link_local[8] = {0xfe, 0x80};

    s->has_gateway6 = s->has_address6 && inet_pton(AF_INET6, text, s->gateway6) == 1 &&
                      (!memcmp(s->gateway6, link_local, sizeof(link_local)) ||
                       (!memcmp(s->gateway6, s->address6, 8) &&
                        memcmp(s->gateway6, s->address6, sizeof(s->address6)) != 0));
    return s->has_gateway6;
}

static bool buffers_ok(uint32_t count)
{
    return count >= 2 && count <= 256 && count % 2 == 0;
}

static bool read_buffers(const char *text, struct net_settings *s)
{
    return number(&text, 256, &s->rx_buffers) && *text++ == '/' &&
           number(&text, 256, &s->tx_buffers) && !*text && buffers_ok(s->rx_buffers) &&
           buffers_ok(s->tx_buffers);
}

static bool read_memory(const char *text, struct net_settings *s)
{
    uint32_t kib;

    if (!number(&text, 1024 * 1024, &kib) || *text || kib < NET_MEMORY_LEAST / 1024)
        return false;
    s->memory = kib * 1024;
    return true;
}

static bool refuse(char *why, unsigned size, const char *name, const char *text, const char *want)
{
    snprintf(why, size, "%s is '%.40s' and must be %s", name, text, want);
    return false;
}

bool net_settings_read(const struct net_settings_text *text, struct net_settings *s, char *why,
                       unsigned size)
{
    *s = (struct net_settings){.rx_buffers = BUFFERS_DEFAULT,
                               .tx_buffers = BUFFERS_DEFAULT,
                               .memory = MEMORY_DEFAULT * 1024};
    if (!read_address(text->address, s))
        return refuse(why, size, "FREEHOLD_ADDRESS", text->address,
                      "a host's address and the bits of its subnet, like 10.0.2.15/24, or dhcp");
    if (text->gateway && !read_gateway(text->gateway, s))
        return refuse(why, size, "FREEHOLD_GATEWAY", text->gateway,
                      "a host's address in the subnet of FREEHOLD_ADDRESS, like 10.0.2.2");
    if (text->address6 && !read_address6(text->address6, s))
        return refuse(why, size, "FREEHOLD_ADDRESS6", text->address6,
                      "a host's IPv6 address and 64 bits of prefix, like fd00::15/64");
    if (text->gateway6 && !read_gateway6(text->gateway6, s))
        return refuse(why, size, "FREEHOLD_GATEWAY6", text->gateway6,
                      "another address of FREEHOLD_ADDRESS6's prefix, or link-local, like fe80::1");
    if (text->buffers && !read_buffers(text->buffers, s))
        return refuse(why, size, "FREEHOLD_NET_BUFFERS", text->buffers,
                      "two even numbers from 2 to 256, like 64/64");
    if (text->memory && !read_memory(text->memory, s))
        return refuse(why, size, "FREEHOLD_NET_MEMORY", text->memory,
                      "KiB, from 32 to 1048576, like 256");
    return true;
}
