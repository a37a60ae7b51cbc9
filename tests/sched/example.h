/* SPDX-License-Identifier: MIT */
/* example.h - workloads in a few words, for the tests. */
#ifndef SCHED_EXAMPLE_H
#define SCHED_EXAMPLE_H

#include <stdio.h>
#include <string.h>

#include "../unit/tap.h"
#include "inherit.h"
#include "sim.h"

#define US 1000ul
#define MS 1000000ul
#define S  1000000000ul

extern const struct sched sched_central, sched_edf, sched_eevdf, sched_priority, sched_round_robin,
    sched_steal, sched_stride;

/* The workload's next group, of `count` threads, which the caller completes. */
__attribute__((unused)) static struct sim_group *
example_group(struct sim_workload *workload, const char *name, enum sim_kind kind, unsigned count)
{
    struct sim_group *group = &workload->group[workload->groups++];

    *group = (struct sim_group){.kind = kind, .count = count, .params = SCHED_PARAMS, .lock = -1};
    snprintf(group->name, sizeof(group->name), "%s", name);
    return group;
}

/* Both kinds of jobs, locks, sleepers and spinners, drawn by `seed`. */
__attribute__((unused)) static struct sim_workload example_mixture(uint64_t seed, unsigned cpus)
{
    struct sim_workload w = {.cpus = cpus, .duration_ns = 200 * MS, .seed = seed, .switch_ns = US};
    uint64_t random = draw_seed(seed, 99);

    for (unsigned i = 0; i < 6; i++) {
        static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
        struct sim_group *group =
            example_group(&w, names[i], draw(&random) % 4, 1 + draw(&random) % 8);
        group->interval_ns = 20 * US + draw(&random) % (2 * MS);
        group->start_ns = draw(&random) % (5 * MS);
        group->service_ns = US + draw(&random) % (200 * US);
        group->exponential = draw(&random) & 1;
        group->long_ns = 3 * MS;
        group->long_share = draw(&random) & 1 ? 20000 : 0;
        group->params.weight = 1 + draw(&random) % 500;
        group->params.priority = draw(&random) % SCHED_PRIORITIES;
        if (draw(&random) & 1) {
            group->params.period_ns = 5 * MS;
            group->params.runtime_ns = 20 * US + draw(&random) % (400 * US);
        }
        if (group->kind != SIM_BUSY && draw(&random) & 1) {
            group->lock = draw(&random) % 3;
            group->hold_ns = draw(&random) % (50 * US);
        }
    }
    return w;
}

#endif
