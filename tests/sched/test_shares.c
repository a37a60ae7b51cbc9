/* SPDX-License-Identifier: MIT */
/*
 * test_shares.c - stride and eevdf give shares by weight, to 1 % over 10 s, on one CPU and on two;
 * also beside threads that sleep, and round_robin does not.
 */
#include "example.h"

static struct sim_result result;

/* The largest difference of a group's share from its weight's, in ten-thousandths of the latter. */
static uint64_t worst(const struct sim_workload *w)
{
    uint64_t weights = 0, had = 0, found = 0;

    for (unsigned i = 0; i < w->groups; i++)
        if (w->group[i].kind == SIM_BUSY) {
            weights += (uint64_t)w->group[i].count * w->group[i].params.weight;
            had += result.group[i].cpu_ns;
        }
    for (unsigned i = 0; i < w->groups; i++) {
        if (w->group[i].kind != SIM_BUSY)
            continue;
        uint64_t due = had / weights * w->group[i].params.weight;
        uint64_t ends[2] = {result.group[i].least_cpu_ns, result.group[i].most_cpu_ns};
        for (unsigned j = 0; j < 2; j++) {
            uint64_t off = ends[j] > due ? ends[j] - due : due - ends[j];
            if (off * 10000 / due > found)
                found = off * 10000 / due;
        }
    }
    return found;
}

static struct sim_workload spinners(unsigned cpus)
{
    static const uint32_t weights[] = {100, 150, 200, 250, 300, 400};
    static const char *const names[] = {"w100", "w150", "w200", "w250", "w300", "w400"};
    struct sim_workload w = {.cpus = cpus, .duration_ns = 10 * S, .seed = 1, .switch_ns = US};

    for (unsigned i = 0; i < 6; i++)
        example_group(&w, names[i], SIM_BUSY, 1)->params.weight = weights[i];
    return w;
}

int main(void)
{
    const struct sched *const fair[] = {&sched_stride, &sched_eevdf};

    for (unsigned i = 0; i < 2; i++)
        for (unsigned cpus = 1; cpus <= 2; cpus++) {
            struct sim_workload w = spinners(cpus);
            sim_run(&w, fair[i], NULL, &result);
            tap_ok(worst(&w) <= 100 && !result.broken,
                   "%s, %u CPU: each thread's share is its weight's to %lu.%02lu %%", fair[i]->name,
                   cpus, worst(&w) / 100, worst(&w) % 100);
            sim_free(&result);

            struct sim_group *sleepers = example_group(&w, "sleepers", SIM_LOOP, 4);
            sleepers->interval_ns = 3 * MS;
            sleepers->service_ns = 300 * US;
            sleepers->exponential = true;
            sleepers->params.weight = 400; /* far more than they use */
            sim_run(&w, fair[i], NULL, &result);
            tap_ok(worst(&w) <= 100 && !result.broken,
                   "%s, %u CPU: also beside threads that sleep: %lu.%02lu %%", fair[i]->name, cpus,
                   worst(&w) / 100, worst(&w) % 100);
            uint64_t median = sim_quantile(&result.group[6].latency[0], 500000);
            sim_free(&result);
            if (fair[i] != &sched_eevdf)
                continue;
            sim_run(&w, &sched_stride, NULL, &result);
            uint64_t other = sim_quantile(&result.group[6].latency[0], 500000);
            tap_ok(median < other,
                   "%u CPU: who sleeps waits less under eevdf than under stride: median %lu us, "
                   "not %lu",
                   cpus, median / US, other / US);
            sim_free(&result);
        }
    struct sim_workload w = spinners(1);
    sim_run(&w, &sched_round_robin, NULL, &result);
    tap_ok(worst(&w) > 1000, "round_robin knows no weights: this test would see it");
    sim_free(&result);
    return tap_done();
}
