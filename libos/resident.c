/* SPDX-License-Identifier: MIT */
/*
 * resident.c - pages that are always there: threads' records, rings, the console's page.
 *
 *   P1  a page that is never mapped lies below and above each vm_alloc and the window
 *
 * They lie one after another from a place on that is drawn at each start (docs/design/libos.md, Layout).
 */
#include "resident.h"

#include "batch.h"
#include "table.h"

#define RESIDENT_BASE 0x0000001000000000ull
#define RESIDENT_END  0x0000002000000000ull
/* 32 of the 64 GiB, in steps of 2 MiB, and there within the first MiB, so that an application which
 * needs no more than 256 resident pages takes one page table for them, wherever they are. */
#define BLOCK_BITS  14
#define OFFSET_BITS 8

static uint64_t window, resident_next;

void *vm_alloc(uint32_t pages, uint32_t type)
{
    uint64_t start = resident_next, end = start + (uint64_t)pages * EXO_PAGE_SIZE;

    if (pages > (RESIDENT_END - start) / EXO_PAGE_SIZE - 1)
        return NULL;
    for (uint64_t at = start, count; at < end; at += count * EXO_PAGE_SIZE) {
        count = MIN((end - at) / EXO_PAGE_SIZE, MIN(EXO_BATCH_MAX, 512 - table_index(at)));
        if (!table_fill_some(at, (uint32_t)count, type)) {
            table_empty(start, at + count * EXO_PAGE_SIZE);
            return NULL;
        }
    }
    resident_next += ((uint64_t)pages + 1) * EXO_PAGE_SIZE; /* P1 */
    return (void *)start;
}

void *vm_window(frame_t frame)
{
    frame_t table = table_for(window, true);

    if (!table.n)
        return NULL;
    exo_pt_unmap(table, table_index(window)); /* EMPTY at first */
    if (!frame.n || exo_pt_map(table, table_index(window), frame, EXO_WRITE) < 0)
        return NULL;
    return (void *)window;
}

bool resident_guards(uint64_t address)
{
    return address >= window - EXO_PAGE_SIZE && address < resident_next;
}

void resident_init(uint64_t drawn)
{
    window = RESIDENT_BASE + (drawn & ((1ull << BLOCK_BITS) - 1)) * (2ull << 20) +
             (drawn >> 32 & ((1ull << OFFSET_BITS) - 1)) * EXO_PAGE_SIZE + EXO_PAGE_SIZE;
    resident_next = window + 2 * EXO_PAGE_SIZE; /* P1 */
}
