/* SPDX-License-Identifier: MIT */
/*
 * share.h - memory shared with other applications, by grants.
 *
 * Whoever owns the pages offers them to one application, under a number that both know; the other
 * maps them. To share with several, offer to each. Either side ends it at any time, and then the
 * other faults at its next access: a crash report says so, and a libos_fault_hook may go on.
 */
#ifndef LIBOS_SHARE_H
#define LIBOS_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "types.h"

#define SHARE_NUMBERS 256u  /* numbers from 0 on; each means what two applications agree on */
#define SHARE_PAGES   4096u /* at most in one share */

/*
 * The application of this name in the machine file, if it runs now. EXO_ENV_SELF: it does not, or
 * the machine file did not give this one the right "directory".
 */
env_t peer_find(const char *name);

/*
 * Let `peer` map `pages` pages of ours from `address` on, that are there (vm_alloc, or written to),
 * with at most `perm`. 0, or the negated error of page_grant, with nothing offered.
 */
int64_t share_offer(env_t peer, uint32_t number, const void *address, uint32_t pages,
                    uint32_t perm);

/* Take back what was offered to `peer` under this number, mapped or not. How many pages it was. */
uint32_t share_take_back(env_t peer, uint32_t number);

/*
 * Map all pages that `peer` offers under this number, with `perm`, one behind the other; *pages is
 * how many. NULL: it offers nothing (yet), or less than `perm`, or memory for tables is out.
 */
void *share_map(env_t peer, uint32_t number, uint32_t perm, uint32_t *pages);

/* Unmap what share_map gave and give the grants back. */
void share_unmap(env_t peer, uint32_t number, void *address, uint32_t pages);

#endif
