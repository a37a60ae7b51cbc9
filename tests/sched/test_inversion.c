/* SPDX-License-Identifier: MIT */
/*
 * test_inversion.c - an urgent thread waits for a lock no longer than critical sections last, because
 * the holder inherits its urgency; without that it waits for threads that do not even want the lock.
 */
#include "example.h"

#define HOLD (500 * US)

static struct sim_result result;

/* Low holds the lock for a time, high wants it, medium spins; all under `policy`. */
static struct sim_workload inversion(bool edf)
{
    struct sim_workload w = {.cpus = 1, .seed = 7, .switch_ns = US, .duration_ns = 10 * S};
    struct sim_group *low = example_group(&w, "low", SIM_LOOP, 2);
    struct sim_group *high = example_group(&w, "high", SIM_PERIODIC, 1);
    struct sim_group *medium = example_group(&w, "medium", SIM_PERIODIC, 3);

    low->interval_ns = 2 * MS;
    low->service_ns = 100 * US;
    low->lock = high->lock = 0;
    low->hold_ns = HOLD;
    high->hold_ns = 50 * US;
    high->interval_ns = 10 * MS;
    high->service_ns = 20 * US;
    medium->interval_ns = 50 * MS;
    medium->service_ns = 12 * MS;
    low->params.priority = 1;
    medium->params.priority = 20;
    high->params.priority = 40;
    if (edf) {
        high->params.runtime_ns = 1 * MS;
        high->params.period_ns = 10 * MS;
        medium->params.runtime_ns = 13 * MS;
        medium->params.period_ns = 50 * MS;
    }
    return w;
}

static void with(const struct sched *policy)
{
    struct sim_workload w = inversion(policy == &sched_edf);

    sim_run(&w, policy, NULL, &result);
    uint64_t worst = sim_quantile(&result.group[1].latency[0], 1000000);
    tap_ok(!result.broken && result.group[1].jobs >= 999 && worst < 70 * US + HOLD + 20 * US &&
               worst > 70 * US + HOLD / 2,
           "%s: with inheritance the urgent thread waits for one critical section at most: %lu us",
           policy->name, worst / US);
    sim_free(&result);

    w.no_inheritance = true;
    sim_run(&w, policy, NULL, &result);
    worst = sim_quantile(&result.group[1].latency[0], 1000000);
    tap_ok(worst > 10 * MS, "%s: without it, for others: %lu us", policy->name, worst / US);
    sim_free(&result);
}

/* a waits for b, b for c: c hurries as a does, and no more when a is done. */
static void along_a_chain(void)
{
    static struct thread t[3];
    struct thread *all = NULL;

    for (unsigned i = 0; i < 3; i++) {
        t[i] = (struct thread){.id = (int)i + 1, .state = THREAD_RUNNING, .inherited = NOT_URGENT};
        t[i].urgency = 10 + 10 * i;
        t[i].all_next = all;
        all = &t[i];
    }
    bool good = inherit_block(&sched_fifo, &t[1], &t[2]) && t[2].inherited == 20;
    t[1].state = THREAD_BLOCKED;
    good = good && inherit_block(&sched_fifo, &t[0], &t[1]) && t[1].inherited == 10;
    t[0].state = THREAD_BLOCKED;
    tap_ok(good && t[2].inherited == 10 && inv_inherited(all),
           "urgency goes along a chain of locks");
    tap_ok(!inherit_block(&sched_fifo, &t[2], &t[0]) && !t[2].holder, "a circle is refused");
    inherit_unblock(&sched_fifo, all, &t[0]);
    tap_ok(t[1].inherited == NOT_URGENT && t[2].inherited == 20 && inv_inherited(all),
           "and is taken back along it");
    inherit_end(all, &t[2]);
    tap_ok(!t[1].holder && !t[2].waiters, "nobody points to one that has ended");
}

int main(void)
{
    with(&sched_priority);
    with(&sched_edf);
    along_a_chain();
    return tap_done();
}
