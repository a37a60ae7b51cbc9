/* SPDX-License-Identifier: MIT */
/*
 * prefer.h - what an application would rather lose when its parent takes pages of it by force.
 *
 * The list lies at the start of a DATA frame of the application's, which revoke_prefer names and
 * the kernel pins. Once the deadline of a revocation (control.h) has passed, revoke_take goes along
 * it from its start, each entry once: it reads the three words, frees the frame if the application
 * itself could (its own DATA frame, not pinned, not granted, mapped nowhere or at this entry of this
 * PT alone), and writes `outcome`. It never comes back to an entry; whoever wants more to be taken
 * registers a list anew, which may be the same frame again.
 */
#ifndef EXO_ABI_PREFER_H
#define EXO_ABI_PREFER_H

#include "types.h"

enum exo_outcome {
    EXO_PREFERRED_KEPT = 0,    /* what the application writes */
    EXO_PREFERRED_TAKEN = 1,   /* the frame is not its any more, the entry of the table is empty */
    EXO_PREFERRED_SKIPPED = 2, /* it could not be freed: nothing was done */
};

struct exo_preferred {
    uint32_t frame;
    uint32_t table; /* the PT that maps it, EXO_FRAME_NONE if none does */
    uint32_t index; /* where in the table */
    uint32_t outcome;
};

_Static_assert(EXO_PREFER_MAX * sizeof(struct exo_preferred) <= EXO_PAGE_SIZE,
               "a list fits its frame");

#endif
