/* SPDX-License-Identifier: MIT */
/*
 * large.c - memory in pieces larger than a page (large.h).
 *
 * Blocks have addresses of their own, in which nothing else is ever mapped: where a block shall be
 * there is no page table in the way.
 */
#include "large.h"

#include "libos.h"
#include "readable.h"

#define SELF       ((env_t){EXO_ENV_SELF})
#define LARGE_BASE 0x0000007000000000ull
#define LARGE_SLOT 256u /* addresses for so many at once */

/* The PD for a block's address, made if it is not there. */
static frame_t directory_for(uint64_t address)
{
    frame_t table = {(uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT)};

    for (uint32_t level = 0; level < 2; level++) {
        uint32_t index = address >> (39 - 9 * level) & 511;
        int64_t next = exo_pt_read(table, index);
        if (next < 0) {
            next = exo_page_alloc(SELF, (frame_t){EXO_FRAME_ANY}, EXO_PDPT + level);
            if (next < 0)
                return (frame_t){EXO_FRAME_NONE};
            exo_pt_map(table, index, (frame_t){(uint32_t)next}, 0);
        }
        table.n = (uint32_t)next;
    }
    return table;
}

void *large_alloc(void)
{
    void *made = NULL;

    critical_enter();
    frame_t table = directory_for(LARGE_BASE);
    int64_t block = table.n ? exo_block_alloc(SELF, (frame_t){EXO_FRAME_ANY}) : -1;
    for (uint32_t i = 0; block > 0 && !made && i < LARGE_SLOT; i++)
        if (exo_pt_map(table, i, (frame_t){(uint32_t)block}, EXO_WRITE) == 0)
            made = (void *)(LARGE_BASE + (uint64_t)i * LARGE_BLOCK);
    if (block > 0 && !made)
        exo_page_free((frame_t){(uint32_t)block});
    critical_exit();
    return made;
}

void large_free(void *block)
{
    critical_enter();
    int64_t frame = exo_pt_unmap(directory_for(LARGE_BASE),
                                 (uint32_t)(((uint64_t)block - LARGE_BASE) / LARGE_BLOCK));
    if (frame > 0)
        exo_page_free((frame_t){(uint32_t)frame});
    critical_exit();
}

/* Take this run. False: somebody was quicker; nothing is taken. */
static bool take(uint32_t first, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++)
        if (exo_page_alloc(SELF, (frame_t){first + i}, EXO_DATA) < 0) {
            while (i--)
                exo_page_free((frame_t){first + i});
            return false;
        }
    return true;
}

/* The first of so many frames side by side, which are ours now; 0: there are none. */
static uint32_t find(const volatile struct exo_frame_fact *fact, uint32_t count, uint32_t pages)
{
    uint32_t run = 0;

    for (uint32_t n = 1; n < count; n++) {
        run = fact[n].type == EXO_FREE ? run + 1 : 0;
        if (run < pages)
            continue;
        if (take(n + 1 - pages, pages))
            return n + 1 - pages;
        run = 0;
    }
    return 0;
}

void *large_contiguous(uint32_t pages)
{
    uint32_t count, first = 0;
    const volatile struct exo_frame_fact *fact = readable_frames(&count);
    uint64_t size = (uint64_t)pages * EXO_PAGE_SIZE;
    bool mapped = true;

    critical_enter();
    long start = fact && pages ? vm_map(0, size, VM_SHARED, false) : -1;
    if (start > 0)
        first = find(fact, count, pages);
    for (uint32_t i = 0; first && i < pages; i++) {
        mapped &= vm_map_frame((uint64_t)start + (uint64_t)i * EXO_PAGE_SIZE, (frame_t){first + i},
                               EXO_WRITE);
        if (!mapped)
            exo_page_free((frame_t){first + i}); /* BUSY if it is mapped: vm_unmap frees it */
    }
    mapped &= first != 0;
    if (start > 0 && !mapped)
        vm_unmap((uint64_t)start, size); /* and frees what was mapped */
    critical_exit();
    return mapped ? (void *)start : NULL;
}
