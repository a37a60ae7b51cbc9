/* SPDX-License-Identifier: MIT */
/*
 * discard.h - memory that this application can do without, for when its parent wants pages back.
 *
 * An application keeps, say, a cache in a mapping and calls it discardable. When pages are wanted
 * back (docs/design/revocation.md), libos then
 *   - without a watch (libos_on_revoke) frees discardable pages at once, as many as are wanted;
 *   - with one, leaves the choice to it until the deadline;
 *   - either way tells the kernel which pages to take, if it comes to that.
 * A page that is gone reads as zeroes, also when there is no memory to put another in its place; a
 * write to it takes a new page and fails, as all memory on demand, when the quota is used up. It can
 * go at any instant, so nothing that must hold together lies there: no stack, no lock, no buffer of
 * a call; and what is read there is checked, for instance by a word in each page that is not zero.
 */
#ifndef LIBOS_DISCARD_H
#define LIBOS_DISCARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The pages of this stretch, part of one writable anonymous mapping, are discardable from now on.
 * 0, -EINVAL: it is no such stretch, -ENOMEM. At most 256 pages of all are named to the kernel at a time:
 * the lowest.
 */
long vm_discardable(void *address, size_t size);

/*
 * Have a thread call `asked` when pages are wanted back: how many are missing, and ns until the
 * deadline; it frees what it likes (munmap, madvise(MADV_DONTNEED), free) and returns. `lost` (or
 * NULL) is called there for discardable memory that was taken, a stretch at a time. Once. False: the
 * thread cannot be made.
 */
bool libos_on_revoke(void (*asked)(uint64_t pages, uint64_t ns),
                     void (*lost)(void *address, size_t size));

#endif
