/* SPDX-License-Identifier: MIT */
/* plan.h - who gets which slices of which CPU, and how many network queues, decided once at the start. */
#ifndef INIT_PLAN_H
#define INIT_PLAN_H

#include "bundle.h"
#include "types.h"

#define PLAN_NOBODY BUNDLE_APPS /* the position stays with init */

/* What there is to divide: at most EXO_SLICES on all CPUs together, and EXO_QUEUES. */
struct plan_machine {
    uint32_t cpus, slices, queues; /* slices of each CPU: CPU n has those from n * slices on */
};

struct plan {
    uint32_t position[EXO_SLICES]; /* the application's index, or PLAN_NOBODY */
    uint64_t cpus[BUNDLE_APPS];    /* where its positions are, a bit each */
    const char
        *lacks[BUNDLE_APPS];     /* what the machine cannot give it, in the plural; NULL: nothing */
    uint32_t left[BUNDLE_APPS];  /* how many of these were left for it */
    uint32_t wants[BUNDLE_APPS]; /* how many it wants */
};

/*
 * Divide slices and queues among the applications of a checked bundle, in its order: who wants more
 * than is left gets nothing, and the next is asked.
 */
void plan_make(struct plan *plan, const struct bundle_app *apps, uint32_t count,
               const struct plan_machine *machine);

#endif
