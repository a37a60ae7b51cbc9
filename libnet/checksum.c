/* SPDX-License-Identifier: MIT */
/*
 * checksum.c - the Internet checksum (RFC 1071), eight bytes at a time.
 *
 * Section 2 of the RFC: the sum may be taken in any width and byte order, carries are added back
 * in. A chain of `adc` adds each word with the carry of the one before.
 */
#include <string.h>

#include "lwipopts.h"

struct block {
    uint64_t word[8];
} __attribute__((packed));

static uint64_t add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word); /* the carry */
}

static uint64_t add_block(uint64_t sum, const struct block *block)
{
    __asm__("addq 0(%1), %0\n"
            "adcq 8(%1), %0\n"
            "adcq 16(%1), %0\n"
            "adcq 24(%1), %0\n"
            "adcq 32(%1), %0\n"
            "adcq 40(%1), %0\n"
            "adcq 48(%1), %0\n"
            "adcq 56(%1), %0\n"
            "adcq $0, %0"
            : "+&r"(sum)
            : "r"(block), "m"(*block)
            : "cc");
    return sum;
}

/* The last bytes, fewer than eight, as if zeroes followed. */
static uint64_t last_word(const uint8_t *at, int length)
{
    uint64_t word = 0;
    uint32_t four;
    uint16_t two;

    if (length & 1)
        word = at[length - 1];
    if (length & 2) {
        memcpy(&two, at + (length & 4), 2);
        word = word << 16 | two;
    }
    if (length & 4) {
        memcpy(&four, at, 4);
        word = word << 32 | four;
    }
    return word;
}

/* Sum of the 16-bit words as they lie in memory, not complemented. `data` at any address. */
uint16_t net_checksum(const void *data, int length)
{
    const uint8_t *at = data;
    uint64_t sum = 0, word;

    for (; length >= (int)sizeof(struct block); at += sizeof(struct block)) {
        sum = add_block(sum, (const struct block *)at);
        length -= (int)sizeof(struct block);
    }
    for (; length >= 8; at += 8, length -= 8) {
        memcpy(&word, at, 8);
        sum = add(sum, word);
    }
    if (length > 0)
        sum = add(sum, last_word(at, length));
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}
