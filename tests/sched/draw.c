/* SPDX-License-Identifier: MIT */
/* draw.c - numbers that are random but repeat, the same on every machine. */
#include "sim.h"

/* xorshift64* (Vigna, 2016). */
uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

/* splitmix64 (Steele, Lea, Flood, 2014): never 0 for the generator above. */
uint64_t draw_seed(uint64_t seed, uint64_t index)
{
    uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return z ? z : 1;
}

/* log2(value) in 32.32: the integer part is the highest bit, the rest comes from squaring. */
static uint64_t log2_of(uint32_t value)
{
    unsigned high = 31 - (unsigned)__builtin_clz(value);
    uint64_t mantissa = (uint64_t)value << (63 - high); /* 1.63, 1 <= it < 2 */
    uint64_t log = (uint64_t)high << 32;

    for (unsigned bit = 32; bit--;) {
        mantissa = (uint64_t)((unsigned __int128)mantissa * mantissa >> 64); /* 2.62 */
        if (mantissa >> 63)
            log |= 1ull << bit;
        else
            mantissa <<= 1;
    }
    return log;
}

uint64_t draw_exponential(uint64_t *state, uint64_t mean)
{
    const uint64_t ln2 = 2977044472; /* in 0.32 */
    uint32_t uniform = (uint32_t)(draw(state) >> 32);
    uint64_t minus_log2 = (32ull << 32) - log2_of(uniform ? uniform : 1);
    uint64_t minus_ln = (uint64_t)((unsigned __int128)minus_log2 * ln2 >> 32);

    return (uint64_t)((unsigned __int128)mean * minus_ln >> 32);
}
