/* SPDX-License-Identifier: MIT */
/* state.h - what prove.py writes for each file of the core and for the call that is proved. */
#ifndef TESTS_PROOF_STATE_H
#define TESTS_PROOF_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* Every variable of the core: arbitrary, saved, compared. */
void state_arbitrary(void);
void state_save(void);
bool state_unchanged(void);

extern bool state_assuming; /* what must hold is assumed, not asserted */
extern bool state_inside;   /* a call of the core is under way: its indices are checked */

/* Who calls, and with what: anybody and anything, or one case of several that are all there is. */
uint32_t state_actor(void);
uint64_t state_argument(uint32_t i);

/* Every inv_ of the core's headers. */
void state_invariants(void);

/* Is it an error of the call itself? */
bool state_refused(int64_t result);

/* Asserts that the manual names an error, and for each result that it cannot be: these must fail. */
void state_results(int64_t result);

#endif
