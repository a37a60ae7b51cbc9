/* SPDX-License-Identifier: MIT */
/* table.h - the page tables of this application (table.c), for vm.c and resident.c. */
#ifndef LIBOS_TABLE_H
#define LIBOS_TABLE_H

#include "libos.h"

void table_init(void);

/* The PT for an address; made if `make`. EXO_FRAME_NONE: there is none. */
frame_t table_for(uint64_t address, bool make);
static inline uint32_t table_index(uint64_t address)
{
    return address >> EXO_PAGE_SHIFT & 511;
}

/* A new page at `address`. False: memory is out, nothing changed. */
bool table_fill(uint64_t address, uint32_t perm, uint32_t type);

/* New pages at `address`, as many as one table and one batch hold. False: not all of them; those that
 * are mapped the caller empties. */
bool table_fill_some(uint64_t address, uint32_t count, uint32_t type);

/* Of a stretch: give back all pages; is any there; change what is there. */
void table_empty(uint64_t start, uint64_t end);
bool table_holds(uint64_t start, uint64_t end);
void table_protect(uint64_t start, uint64_t end, uint32_t perm);

#endif
