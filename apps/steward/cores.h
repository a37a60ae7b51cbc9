/* SPDX-License-Identifier: MIT */
/* cores.h - how many CPUs the latency-critical applications have: decisions alone, of the policy `cores`. */
#ifndef STEWARD_CORES_H
#define STEWARD_CORES_H

#include "types.h"

#define CORES_PATIENCE_NS 50000u /* how long a CPU stays with them that they do not use */

struct cores {
    uint32_t cpus;     /* that there are to divide */
    uint32_t critical; /* of these, theirs; the others are the batch applications' */
    uint64_t since;    /* when they were first seen not to use all; 0: they do */
};

/*
 * `wanting` of them could run at the time `now`; `patience` is CORES_PATIENCE_NS in its unit. Returns when to
 * ask again at the latest, 0: when that number changes.
 */
uint64_t cores_decide(struct cores *c, uint32_t wanting, uint64_t now, uint64_t patience);

#endif
