/* SPDX-License-Identifier: MIT */
/*
 * random.c - unpredictable bytes: ChaCha20 (RFC 8439, 2.3) keyed by the seed that the parent gave.
 *
 * After each request the key is replaced by output that nobody saw, so what was handed out cannot
 * be found again from memory. For the same reason the seed is wiped from the start page.
 */
#include "libos.h"

#include <string.h>

static uint32_t key[8];

static uint32_t rotate(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static void quarter(uint32_t *s, int a, int b, int c, int d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

static void block(uint32_t counter, uint32_t out[16])
{
    uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

    memcpy(in + 4, key, sizeof(key));
    in[12] = counter;
    memcpy(out, in, sizeof(in));
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            quarter(out, i, 4 + i, 8 + i, 12 + i);
        for (int i = 0; i < 4; i++)
            quarter(out, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (int i = 0; i < 16; i++)
        out[i] += in[i];
}

void random_init(void)
{
    memcpy(key, libos_start_info->seed, sizeof(key));
    vm_wipe_start(offsetof(struct exo_start, seed), sizeof(libos_start_info->seed));
}

/* The next 64 bytes. Critical. */
static void next_block(uint32_t out[16])
{
    uint32_t next[16];

    block(0, out);
    block(1, next);
    memcpy(key, next, sizeof(key));
}

void random_bytes_critical(void *to, size_t length)
{
    uint32_t out[16];

    for (uint8_t *at = to; length;) {
        size_t count = MIN(length, sizeof(out));
        next_block(out);
        memcpy(at, out, count);
        at += count;
        length -= count;
    }
}

void random_bytes(void *to, size_t length)
{
    uint32_t out[16];
    uint8_t *at = to;

    /* The destination is written outside the critical stretch: its page may not be there yet. */
    while (length) {
        size_t count = MIN(length, sizeof(out));
        critical_enter();
        next_block(out);
        critical_exit();
        memcpy(at, out, count);
        at += count;
        length -= count;
    }
}
