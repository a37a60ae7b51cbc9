/* SPDX-License-Identifier: MIT */
/*
 * seed.c - random bytes for the kernel, and how far they can be believed.
 *
 * Every source is folded into the seed by exclusive or, which no source can make worse; the number
 * of bits counts the best source alone. The firmware's generator is believed as far as it goes
 * (whole entropy is what EFI_RNG_PROTOCOL promises), so is RDSEED; RDRAND is a generator that is
 * reseeded from at most 256 bits; jitter of the time stamp counter counts for nothing.
 */
#include "loader.h"

enum { WORDS = 8, RETRIES = 1000, RDRAND_BITS = 256 };

#define CPUID_RDRAND (1u << 30) /* leaf 1, ECX */
#define CPUID_RDSEED (1u << 18) /* leaf 7, EBX */

static bool from_firmware(uint64_t words[WORDS])
{
    static EFI_GUID guid = EFI_RNG_PROTOCOL_GUID;
    EFI_RNG_PROTOCOL *source;

    return firmware->BootServices->LocateProtocol(&guid, NULL, (void **)&source) == EFI_SUCCESS &&
           source->GetRNG(source, NULL, WORDS * sizeof(words[0]), (UINT8 *)words) == EFI_SUCCESS;
}

static bool rdrand(uint64_t *word)
{
    bool good;
    __asm__ volatile("rdrand %0" : "=r"(*word), "=@ccc"(good));
    return good;
}

static bool rdseed(uint64_t *word)
{
    bool good;
    __asm__ volatile("rdseed %0" : "=r"(*word), "=@ccc"(good));
    return good;
}

static bool from_cpu(bool (*instruction)(uint64_t *word), uint64_t words[WORDS])
{
    bool stuck = true;

    for (int i = 0; i < WORDS; i++) {
        int tries = 0;
        while (!instruction(&words[i]))
            if (++tries == RETRIES)
                return false;
        /* Some CPUs' instruction, after waking up, answers the same value for ever. */
        if (words[i] != words[0])
            stuck = false;
    }
    return !stuck;
}

/* Bit mixing of splitmix64 (Steele, Lea, Flood, 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

static void from_jitter(uint64_t words[WORDS])
{
    uint64_t state = 0;

    for (int i = 0; i < WORDS; i++) {
        for (int round = 0; round < 64; round++) {
            firmware->BootServices->Stall(1);
            state = mix(state + rdtsc());
        }
        words[i] = state;
    }
}

static void fold(struct boot_info *info, const uint64_t words[WORDS], uint32_t bits)
{
    const uint8_t *bytes = (const uint8_t *)words;

    for (uint32_t i = 0; i < sizeof(info->seed); i++)
        info->seed[i] ^= bytes[i];
    if (bits > info->seed_bits)
        info->seed_bits = bits;
}

void seed_gather(struct boot_info *info)
{
    _Static_assert(sizeof(info->seed) == WORDS * sizeof(uint64_t), "one word of seed a word");
    uint64_t words[WORDS];
    bool has_leaf_7 = cpuid(0, 0).eax >= 7;

    from_jitter(words);
    fold(info, words, 0);
    if (cpuid(1, 0).ecx & CPUID_RDRAND && from_cpu(rdrand, words))
        fold(info, words, RDRAND_BITS);
    if (has_leaf_7 && cpuid(7, 0).ebx & CPUID_RDSEED && from_cpu(rdseed, words))
        fold(info, words, sizeof(info->seed) * 8);
    if (from_firmware(words))
        fold(info, words, sizeof(info->seed) * 8);
}

uint64_t seed_draw(struct boot_info *info)
{
    /* From the end: init's seed is the first half. */
    static uint8_t drawn;
    uint8_t *last = info->seed + sizeof(info->seed) - ++drawn * sizeof(uint64_t);
    uint64_t word;

    __builtin_memcpy(&word, last, sizeof(word));
    __builtin_memset(last, 0, sizeof(word));
    return word;
}
