/* SPDX-License-Identifier: MIT */
/*
 * paging.h - building four-level page tables.
 *
 * No firmware and no hardware in here beyond the format of the tables: tests/unit builds the same
 * file for the host.
 */
#ifndef UEFI_PAGING_H
#define UEFI_PAGING_H

#include "types.h"

/* Bits of a table entry (Intel SDM volume 3, 4.5 "4-level paging"). */
#define PAGE_PRESENT    (1ull << 0)
#define PAGE_WRITE      (1ull << 1)
#define PAGE_LARGE      (1ull << 7)
#define PAGE_GLOBAL     (1ull << 8)
#define PAGE_NO_EXECUTE (1ull << 63)
#define PAGE_ADDRESS    0x000ffffffffff000ull

struct paging {
    uint64_t *root;
    /* A zeroed frame for one more table, at the address the CPU sees it at; NULL: none left. */
    uint64_t *(*table)(void *context, bool upper_half);
    void *context;
    bool gigabyte_pages; /* the CPU has them */
};

/*
 * Map `count` pages from `virt` to `phys` with the given leaf bits (PAGE_PRESENT is added), with
 * large pages where both addresses and the length allow if `large`. Nothing may be mapped there
 * yet. False when tables ran out.
 */
bool paging_map(struct paging *paging, uint64_t virt, uint64_t phys, uint64_t count, uint64_t bits,
                bool large);

#endif
