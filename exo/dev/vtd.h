/* SPDX-License-Identifier: MIT */
/* vtd.h - the remapping units of Intel VT-d (vtd.c), as the tables' owner (dma.c) needs them. */
#ifndef EXO_DEV_VTD_H
#define EXO_DEV_VTD_H

#include "types.h"

/*
 * Boot: map the registers of each unit in boot.dma and see whether all can do what is needed. NULL,
 * or why not, as the end of a sentence. *levels becomes the number of table levels to use.
 */
const char *vtd_find(uint32_t *levels);

/*
 * Boot: from now on every device reaches what the root table at physical address `root` lets it
 * reach; those of other PCI segments than 0 what the one at `others` does.
 */
void vtd_start(uint64_t root, uint64_t others);

/* Tables were written here: units that do not look into the CPU's caches see it after this. */
void vtd_stored(const void *at, uint64_t size);

/*
 * Every unit forgets what it remembers of the domain's pages (of all devices and domains if it is
 * VTD_ALL), and no request that began before is under way any more. Panics if a unit does not
 * answer.
 */
#define VTD_ALL 0u
void vtd_forget(uint16_t domain);

/* Entries that were empty are not: units that remember even empty ones forget them. */
void vtd_added(uint16_t domain);

/* vtd_faults.c: look for faults that a unit has recorded, tell them in the log, and clear them. */
struct vtd_unit;
void faults_start(struct vtd_unit *unit);
/* After a rest that too many faults have caused, listen again. True: there is one, and it is not over. */
bool faults_resume(uint64_t now);

#endif
