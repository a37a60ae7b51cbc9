/* SPDX-License-Identifier: MIT */
/* stride.h - whose turn it is by weight: decisions alone, of the steward's policy `stride`. */
#ifndef STEWARD_STRIDE_H
#define STEWARD_STRIDE_H

#include "bundle.h"
#include "types.h"

#define STRIDE_NOBODY BUNDLE_UNDER

struct stride_client {
    bool here;
    uint32_t weight;
    uint64_t pass;  /* CPU time that it had by its weight; who has least is next */
    uint64_t ticks; /* CPU time that it had, as last charged */
};

struct stride {
    struct stride_client client[BUNDLE_UNDER];
    uint32_t ready; /* who could run when it was last asked, a bit each */
    uint64_t now;   /* the pass of whose turn it was last */
};

/* `ticks`: CPU time that it has had so far. */
void stride_join(struct stride *s, uint32_t app, uint32_t weight, uint64_t ticks);
void stride_leave(struct stride *s, uint32_t app);
void stride_charge(struct stride *s, uint32_t app, uint64_t ticks);

/* Who is next of those that can run, `ready`, and are not among `busy`; or STRIDE_NOBODY. */
uint32_t stride_next(struct stride *s, uint32_t ready, uint32_t busy);

#endif
