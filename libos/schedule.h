/* SPDX-License-Identifier: MIT */
/*
 * schedule.h - what an application asks of its scheduling policy for one of its threads.
 *
 * Each policy reads what it knows of and ignores the rest (docs/design/sched.md). A thread begins
 * with weight and priority of the one that made it and with no budget. pthread_setschedprio() sets
 * the priority, too.
 */
#ifndef LIBOS_SCHEDULE_H
#define LIBOS_SCHEDULE_H

#include <stdint.h>

#define SCHED_WEIGHT         100u
#define SCHED_WEIGHT_MAX     10000u
#define SCHED_PRIORITIES     64u
#define SCHED_PERIOD_MAX_NS  10000000000ull /* 10 s */
#define SCHED_RUNTIME_MIN_NS 1000u

struct sched_params {
    uint32_t weight;   /* stride, eevdf: share of the CPU against others, 1 to SCHED_WEIGHT_MAX */
    uint32_t priority; /* priority: more is more urgent, 0 to SCHED_PRIORITIES - 1 */

    /* edf: so much CPU time in each period, from the time at which the thread becomes ready, done by
     * the period's end. Both 0: none, the thread gets what is left. */
    uint64_t runtime_ns, period_ns;
};

#define SCHED_PARAMS ((struct sched_params){.weight = SCHED_WEIGHT})

/*
 * Ask for `params` for the thread `id` (gettid(); 0: who calls). 0, or
 *   -EINVAL  out of the limits above
 *   -ESRCH   there is no such thread
 *   -EBUSY   the policy cannot promise it beside what it has promised others
 * If it is refused nothing changes. It may make another thread run at once.
 */
int libos_sched_set(int id, const struct sched_params *params);

/* What holds for it now: 0 or -ESRCH. */
int libos_sched_get(int id, struct sched_params *params);

#endif
