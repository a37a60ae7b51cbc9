/* SPDX-License-Identifier: MIT */
/* large.h - memory in pieces larger than a page: 2 MiB blocks, and runs of frames side by side. */
#ifndef LIBOS_LARGE_H
#define LIBOS_LARGE_H

#include <stdint.h>

#define LARGE_BLOCK (2u << 20)

/*
 * A zeroed block of 2 MiB, mapped writable by one entry, until large_free. It takes 512 pages of the
 * quota. NULL: no block is wholly free, or the quota is out.
 */
void *large_alloc(void);
void large_free(void *block);

/*
 * `pages` zeroed pages, mapped writable, whose frames lie side by side in memory. They are looked for
 * in the table of frames: NULL without the right "tables" to read it, or if there is no such run.
 */
void *large_contiguous(uint32_t pages);

#endif
