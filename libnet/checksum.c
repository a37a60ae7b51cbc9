/* SPDX-License-Identifier: MIT */
/*
 * checksum.c - the Internet checksum (RFC 1071), eight bytes at a time.
 *
 * Section 2 of the RFC: the sum may be taken in any width and byte order, carries are added back
 * in.
 */
#include <string.h>

#include "lwipopts.h"

/* Sum of the 16-bit words as they lie in memory, not complemented. `data` at any address. */
uint16_t net_checksum(const void *data, int length)
{
    const uint8_t *at = data;
    uint64_t sum = 0, word;

    while (length >= 8) {
        memcpy(&word, at, 8);
        sum += word;
        sum += sum < word; /* the carry */
        at += 8;
        length -= 8;
    }
    if (length > 0) {
        word = 0;
        memcpy(&word, at, (size_t)length);
        sum += word;
        sum += sum < word;
    }
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}
