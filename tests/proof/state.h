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

/* Every inv_ of the core's headers. */
void state_invariants(void);

/* Asserts that the manual names an error, and for each result that it cannot be: these must fail. */
void state_results(int64_t result);

#endif
