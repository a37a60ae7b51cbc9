/* SPDX-License-Identifier: MIT */
/* settings.h - FREEHOLD_ADDRESS and its kin, from text to numbers. */
#ifndef LIBNET_SETTINGS_H
#define LIBNET_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define NET_MEMORY_LEAST (32u * 1024)

struct net_settings {
    bool dhcp;
    uint32_t address, netmask, gateway; /* host order; gateway 0: none */
    bool has_address6, has_gateway6;
    uint8_t address6[16], gateway6[16]; /* the prefix has 64 bits */
    uint32_t rx_buffers, tx_buffers;
    uint32_t memory; /* bytes */
};

/* The texts of FREEHOLD_ADDRESS, _GATEWAY, _NET_BUFFERS, _NET_MEMORY, _ADDRESS6 and _GATEWAY6; NULL: not
 * there. */
struct net_settings_text {
    const char *address, *gateway, *buffers, *memory, *address6, *gateway6;
};

/* False: `why` has a sentence that names the setting and what it should look like. */
bool net_settings_read(const struct net_settings_text *text, struct net_settings *settings,
                       char *why, unsigned why_size);

#endif
