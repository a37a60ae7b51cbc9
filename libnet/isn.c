/* SPDX-License-Identifier: MIT */
/*
 * isn.c - first sequence numbers that nobody can guess: RFC 6528, section 3.
 *
 * ISN = M + F(local address, local port, remote address, remote port, secret), where M ticks every
 * 4 microseconds and F is SipHash-2-4 (Aumasson and Bernstein, 2012), a keyed hash.
 */
#include <string.h>

#include "hooks.h"
#include "libos.h"
#include "net.h"

static uint64_t secret[2];

void net_isn_init(void)
{
    random_bytes(secret, sizeof(secret));
}

static uint64_t rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

uint64_t net_siphash(const uint64_t key[2], const uint64_t *words, unsigned count);

/* SipHash-2-4 of `count` whole words. */
uint64_t net_siphash(const uint64_t key[2], const uint64_t *words, unsigned count)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};

    for (unsigned i = 0; i <= count; i++) {
        /* The last block holds the length in its top byte. */
        uint64_t m = i < count ? words[i] : (uint64_t)count * 8 << 56;
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t net_tcp_isn(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
                     uint16_t remote_port)
{
    uint64_t words[5] = {(uint64_t)local_port << 16 | remote_port};
    unsigned count = 2;

    if (IP_IS_V6(local)) {
        memcpy(&words[1], ip_2_ip6(local)->addr, 16);
        memcpy(&words[3], ip_2_ip6(remote)->addr, 16);
        count = 5;
    } else {
        words[1] =
            (uint64_t)ip4_addr_get_u32(ip_2_ip4(local)) << 32 | ip4_addr_get_u32(ip_2_ip4(remote));
    }
    return (uint32_t)(time_ns() / 4000) + (uint32_t)net_siphash(secret, words, count);
}
