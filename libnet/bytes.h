/* SPDX-License-Identifier: MIT */
/* bytes.h - a number in a packet: in network order, at any address. */
#ifndef LIBNET_BYTES_H
#define LIBNET_BYTES_H

#include <stdint.h>

static inline uint16_t word16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

#endif
