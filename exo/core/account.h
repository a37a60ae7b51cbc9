/* SPDX-License-Identifier: MIT */
/* account.h - the table of accounts, and where what may be read lies (exo/abi/facts.h). */
#ifndef EXO_CORE_ACCOUNT_H
#define EXO_CORE_ACCOUNT_H

#include "facts.h"
#include "types.h"

extern struct exo_account *accounts;          /* env_count of them */
extern frame_t account_owners, account_frame; /* first frames of the two tables */

/*
 * Boot, after frame_init: the table of frames lies from frame `owners` on, `table` from `first` on,
 * each from the beginning of a page and with nothing else in its last. EXO_FRAME_NONE: nowhere that
 * can be mapped.
 */
void account_init(frame_t owners, struct exo_account *table, frame_t first);

/* From the time stamp account_due on: bring some accounts up to date; the next are due a slice later. */
extern uint64_t account_due;
void account_refresh(uint64_t now, uint64_t slice);

#endif
