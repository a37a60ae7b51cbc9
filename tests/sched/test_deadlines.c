/* SPDX-License-Identifier: MIT */
/*
 * test_deadlines.c - edf: what is admitted misses nothing, what does not fit is refused, and who
 * overruns harms itself alone.
 */
#include "example.h"

#include <errno.h>

static struct sim_result result;

static struct sim_group *promised(struct sim_workload *w, const char *name, uint64_t runtime,
                                  uint64_t period)
{
    struct sim_group *group = example_group(w, name, SIM_PERIODIC, 1);

    group->interval_ns = group->params.period_ns = period;
    group->params.runtime_ns = runtime;
    group->service_ns = runtime - 5 * US; /* the switches of a period are part of what it needs */
    return group;
}

/* Periods that do not divide each other, together 90 % of a CPU, beside threads that take the rest. */
static struct sim_workload full(unsigned cpus)
{
    struct sim_workload w = {.cpus = cpus, .seed = 3, .switch_ns = US, .admitted_only = true};

    for (unsigned i = 0; i < cpus; i++) {
        promised(&w, "p1", 250 * US, 1 * MS);
        promised(&w, "p2", 350 * US, 1700 * US)->start_ns = 13 * US;
        promised(&w, "p3", 600 * US, 2900 * US);
        promised(&w, "p4", 1150 * US, 5300 * US)->start_ns = 700 * US;
    }
    example_group(&w, "busy", SIM_BUSY, 3);
    /* 1/1000 + 1/1700 + 1/2900 + 1/5300 jobs a microsecond, a CPU. */
    w.duration_ns = 110000 / cpus * 472 * US;
    return w;
}

static uint64_t missed(const struct sim_workload *w, uint64_t *jobs, unsigned *refused)
{
    uint64_t sum = 0;

    *jobs = *refused = 0;
    for (unsigned i = 0; i < w->groups; i++)
        if (w->group[i].kind == SIM_PERIODIC) {
            sum += result.group[i].missed;
            *jobs += result.group[i].jobs;
            *refused += result.group[i].refused;
        }
    return sum;
}

static void none_is_missed(unsigned cpus)
{
    struct sim_workload w = full(cpus);
    uint64_t jobs, misses;
    unsigned refused;

    sim_run(&w, &sched_edf, NULL, &result);
    misses = missed(&w, &jobs, &refused);
    tap_ok(!misses && jobs >= 100000 && !result.broken && (cpus > 1 || !refused),
           "%u CPU: of %lu periods of admitted threads %lu are missed (%u threads refused)", cpus,
           jobs, misses, refused);
    sim_free(&result);
    if (cpus > 1)
        return;
    sim_run(&w, &sched_round_robin, NULL, &result);
    misses = missed(&w, &jobs, &refused);
    tap_ok(misses > jobs / 100, "round_robin misses %lu: this test would see it", misses);
    sim_free(&result);
}

static void refuses_what_does_not_fit(void)
{
    static struct thread one, two, three;
    const struct sched_params half = {SCHED_WEIGHT, 0, 5 * MS, 10 * MS};
    const struct sched_params rest = {SCHED_WEIGHT, 0, 4490 * US, 10 * MS};
    const struct sched_params bit = {SCHED_WEIGHT, 0, 20 * US, 10 * MS};
    const struct sched_params none = SCHED_PARAMS;

    sched_edf.init();
    sched_edf.cpu_gained(0);
    one.params = two.params = three.params = none;
    bool good = !sched_edf.set(&one, &half);
    one.params = half;
    tap_ok(good && sched_edf.set(&two, &half) == -EBUSY, "two halves are more than 95 %% of a CPU");
    good = !sched_edf.set(&two, &rest);
    two.params = rest;
    tap_ok(good && sched_edf.set(&three, &bit) == -EBUSY, "almost 95 %% fit, and then hardly more");
    sched_edf.leave(&two, true);
    tap_ok(!sched_edf.set(&three, &bit), "what a thread had that has ended is free again");
    good = !sched_edf.set(&one, &none);
    one.params = none;
    three.params = bit;
    tap_ok(good && !sched_edf.set(&two, &rest), "and so is what one has given up");
}

/* One uses four times what it was promised; another loops for ever without any promise. */
static void overrun_harms_nobody_else(void)
{
    struct sim_workload w = {.cpus = 1, .seed = 5, .switch_ns = US, .duration_ns = 20 * S};

    promised(&w, "good", 300 * US, 1 * MS);
    promised(&w, "greedy", 400 * US, 2 * MS)->service_ns = 1600 * US;
    promised(&w, "slow", 3 * MS, 10 * MS);
    example_group(&w, "busy", SIM_BUSY, 1);
    sim_run(&w, &sched_edf, NULL, &result);
    tap_ok(result.group[0].jobs > 19000 && !result.group[0].missed && !result.group[2].missed,
           "beside one that overruns others miss nothing in %lu and %lu periods",
           result.group[0].jobs, result.group[2].jobs);
    tap_ok(result.group[1].missed > 1000, "who overruns misses its own: %lu",
           result.group[1].missed);
    uint64_t due = 20 * S / 5;
    tap_ok(result.group[1].cpu_ns <= due + due / 50 && result.group[1].cpu_ns >= due - due / 50,
           "and gets what it was promised while others want the rest: %lu us of %lu",
           result.group[1].cpu_ns / US, due / US);
    tap_ok(result.group[3].cpu_ns > S, "who was promised nothing has what is left: %lu us",
           result.group[3].cpu_ns / US);
    sim_free(&result);
}

int main(void)
{
    none_is_missed(1);
    none_is_missed(2);
    refuses_what_does_not_fit();
    overrun_harms_nobody_else();
    return tap_done();
}
