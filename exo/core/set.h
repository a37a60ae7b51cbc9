/* SPDX-License-Identifier: MIT */
/*
 * set.h - a set of small numbers whose smallest, or next, member is found in a few instructions.
 *
 * A bit a number, and a bit for each word that has any: two looks find a member however many
 * there are, which is what keeps a call's cost the same with 4 environments and with 1,000. What a
 * set holds is all that it knows: no order of insertion, nothing to keep in step.
 */
#ifndef EXO_CORE_SET_H
#define EXO_CORE_SET_H

#include "types.h"

#define SET_WORDS 16u
#define SET_MAX   (64u * SET_WORDS) /* members are below */
#define SET_NONE  UINT32_MAX

struct set {
    uint64_t some; /* bit w: word[w] is not 0 */
    uint64_t word[SET_WORDS];
};

static inline bool set_has(const struct set *set, uint32_t n)
{
    return set->word[n / 64] >> n % 64 & 1;
}

static inline void set_add(struct set *set, uint32_t n)
{
    set->word[n / 64] |= 1ull << n % 64;
    set->some |= 1ull << n / 64;
}

static inline void set_remove(struct set *set, uint32_t n)
{
    set->word[n / 64] &= ~(1ull << n % 64);
    if (!set->word[n / 64])
        set->some &= ~(1ull << n / 64);
}

static inline void set_put(struct set *set, uint32_t n, bool in)
{
    if (in)
        set_add(set, n);
    else
        set_remove(set, n);
}

/* The smallest member, or SET_NONE. */
static inline uint32_t set_first(const struct set *set)
{
    if (!set->some)
        return SET_NONE;
    uint32_t w = (uint32_t)__builtin_ctzll(set->some);
    return 64 * w + (uint32_t)__builtin_ctzll(set->word[w]);
}

/* The smallest member that is at least `n` and below `end`, or SET_NONE. */
static inline uint32_t set_from(const struct set *set, uint32_t n, uint32_t end)
{
    if (n >= end)
        return SET_NONE;
    uint32_t w = n / 64;
    uint64_t word = set->word[w] & ~0ull << n % 64;
    if (!word) {
        uint64_t words = w + 1 < 64 ? set->some & ~0ull << (w + 1) : 0;
        if (!words)
            return SET_NONE;
        w = (uint32_t)__builtin_ctzll(words);
        word = set->word[w];
    }
    uint32_t found = 64 * w + (uint32_t)__builtin_ctzll(word);
    return found < end ? found : SET_NONE;
}

/* The smallest member above n, else the smallest of all, else SET_NONE. */
static inline uint32_t set_after(const struct set *set, uint32_t n)
{
    uint32_t next = set_from(set, n + 1, SET_MAX);

    return next != SET_NONE ? next : set_first(set);
}

/* All members of `part` come into `set`, or leave it: a step a word that has any. */
static inline void set_put_all(struct set *set, const struct set *part, bool in)
{
    for (uint64_t words = part->some; words; words &= words - 1) {
        uint32_t w = (uint32_t)__builtin_ctzll(words);
        set->word[w] = in ? set->word[w] | part->word[w] : set->word[w] & ~part->word[w];
        set->some = set->word[w] ? set->some | 1ull << w : set->some & ~(1ull << w);
    }
}

#endif
