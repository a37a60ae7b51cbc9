/* SPDX-License-Identifier: MIT */
/*
 * paging.c - building four-level page tables.
 *
 * Entries above the leaves allow everything, so that a leaf's bits alone decide. A leaf is as large
 * as asked for and possible, which never maps a byte more than was asked for.
 */
#include "paging.h"

enum { ENTRIES = 512, LEVELS = 4 };

/* Pages below one entry of a table of the given level (1: a table of 4 KiB leaves). */
static uint64_t pages_below(int level)
{
    return 1ull << (9 * (level - 1));
}

static uint64_t *entry_of(uint64_t *table, uint64_t virt, int level)
{
    return &table[(virt >> (EXO_PAGE_SHIFT + 9 * (level - 1))) % ENTRIES];
}

static int leaf_level(const struct paging *paging, uint64_t virt, uint64_t phys, uint64_t count)
{
    for (int level = paging->gigabyte_pages ? 3 : 2; level > 1; level--) {
        uint64_t pages = pages_below(level);
        if (count >= pages && (virt | phys) / EXO_PAGE_SIZE % pages == 0)
            return level;
    }
    return 1;
}

static bool map_leaf(struct paging *paging, uint64_t virt, uint64_t phys, uint64_t bits, int leaf)
{
    uint64_t *table = paging->root;

    for (int level = LEVELS; level > leaf; level--) {
        uint64_t *entry = entry_of(table, virt, level);
        if (!(*entry & PAGE_PRESENT)) {
            uint64_t *below = paging->table(paging->context, virt >> 63);
            if (!below)
                return false;
            *entry = (uint64_t)below | PAGE_WRITE | PAGE_PRESENT;
        }
        table = (uint64_t *)(*entry & PAGE_ADDRESS);
    }
    *entry_of(table, virt, leaf) = phys | bits | PAGE_PRESENT | (leaf > 1 ? PAGE_LARGE : 0);
    return true;
}

bool paging_map(struct paging *paging, uint64_t virt, uint64_t phys, uint64_t count, uint64_t bits,
                bool large)
{
    while (count) {
        int leaf = large ? leaf_level(paging, virt, phys, count) : 1;
        if (!map_leaf(paging, virt, phys, bits, leaf))
            return false;
        virt += pages_below(leaf) * EXO_PAGE_SIZE;
        phys += pages_below(leaf) * EXO_PAGE_SIZE;
        count -= pages_below(leaf);
    }
    return true;
}
