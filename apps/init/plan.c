/* SPDX-License-Identifier: MIT */
/*
 * plan.c - who gets which slices of which CPU, and how many network queues.
 *
 *   L1  an application that is not refused gets as many positions as it asks for, of as many CPUs
 *   L2  at least one position of the first CPU stays with init, which must be able to run to restart the others
 *   L3  on the CPUs that an application has whole only those under it have positions, for the time when it
 *       has ended and they live on
 */
#include "plan.h"

#include <string.h>

static bool refuse(struct plan *plan, uint32_t app, const char *what, uint32_t wants, uint32_t left)
{
    if (wants <= left)
        return false;
    plan->lacks[app] = what;
    plan->wants[app] = wants;
    plan->left[app] = left;
    return true;
}

/* How many positions of each CPU are not given yet. */
static uint32_t left[EXO_CPUS];

/* CPUs on which it may have positions: those of the one that it is under, or those that nobody has whole. */
static uint64_t cpus_for(const struct bundle_app *apps, uint32_t count, uint32_t i)
{
    uint64_t whole = 0;

    if (apps[i].under)
        return apps[apps[i].under - 1].cpus;
    for (uint32_t j = 0; j < count; j++)
        whole |= apps[j].cpus;
    return ~whole;
}

/* Of these CPUs the one of which most is left. */
static uint32_t most_left(uint64_t cpus, const struct plan_machine *machine)
{
    uint32_t best = (uint32_t)__builtin_ctzll(cpus);

    for (uint32_t cpu = best + 1; cpu < machine->cpus; cpu++)
        if (cpus >> cpu & 1 && left[cpu] > left[best])
            best = cpu;
    return best;
}

/* Does it get the CPUs that it wants whole? */
static bool gets_cpus(struct plan *plan, const struct bundle_app *app, uint32_t i,
                      const struct plan_machine *machine)
{
    uint32_t wants = app->cpus ? 64 - (uint32_t)__builtin_clzll(app->cpus) : 0;

    return !refuse(plan, i, "CPUs", wants, machine->cpus);
}

/* Does it get positions of so many CPUs, the first where it wants, the others where most is left? */
static bool gets_slices(struct plan *plan, const struct bundle_app *apps, uint32_t count,
                        uint32_t i, const struct plan_machine *machine)
{
    uint64_t there = cpus_for(apps, count, i) & ~0ull >> (EXO_CPUS - machine->cpus) % EXO_CPUS,
             given = 0;
    uint32_t cpu = apps[i].cpu == BUNDLE_ANY_CPU && there ? most_left(there, machine) : apps[i].cpu;

    if ((apps[i].cpu != BUNDLE_ANY_CPU && refuse(plan, i, "CPUs", cpu + 1, machine->cpus)) ||
        refuse(plan, i, "CPUs", apps[i].vcpus, (uint32_t)__builtin_popcountll(there)))
        return false;
    for (uint32_t n = 0; n < apps[i].vcpus; n++) {
        if (n)
            cpu = most_left(there, machine);
        if (refuse(plan, i, "slices", apps[i].slices, there >> cpu % EXO_CPUS & 1 ? left[cpu] : 0))
            return false;
        there &= ~(1ull << cpu % EXO_CPUS);
        given |= 1ull << cpu % EXO_CPUS;
    }
    plan->cpus[i] = given;
    for (; given; given &= given - 1)
        left[__builtin_ctzll(given)] -= apps[i].slices;
    return true;
}

/* Who gets what it wants, and on which CPU. */
static void admit(struct plan *plan, const struct bundle_app *apps, uint32_t count,
                  const struct plan_machine *machine)
{
    uint32_t queues = 0;

    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++)
        left[cpu] = machine->slices - !cpu;
    for (uint32_t i = 0; i < count; i++) {
        if (refuse(plan, i, "network queues", apps[i].queues, machine->queues - queues) ||
            !gets_cpus(plan, &apps[i], i, machine) ||
            (!apps[i].cpus && !gets_slices(plan, apps, count, i, machine)))
            continue;
        queues += apps[i].queues;
    }
}

/* The application of this CPU that is furthest behind its share when position `at` of `total` is given. */
static uint32_t furthest_behind(const struct plan *plan, const struct bundle_app *apps,
                                uint32_t count, uint32_t cpu, const uint32_t *given, uint32_t at,
                                uint32_t total)
{
    uint32_t who = PLAN_NOBODY;
    int64_t most = 0;

    for (uint32_t i = 0; i < count; i++) {
        int64_t behind = (int64_t)apps[i].slices * (at + 1) - (int64_t)given[i] * total;
        if (!plan->lacks[i] && plan->cpus[i] >> cpu & 1 && behind > most) {
            most = behind;
            who = i;
        }
    }
    return who;
}

void plan_make(struct plan *plan, const struct bundle_app *apps, uint32_t count,
               const struct plan_machine *machine)
{
    memset(plan, 0, sizeof(*plan));
    for (uint32_t at = 0; at < EXO_SLICES; at++)
        plan->position[at] = PLAN_NOBODY;
    admit(plan, apps, count, machine);
    for (uint32_t cpu = 0; cpu < machine->cpus; cpu++) {
        uint32_t total = machine->slices - !cpu - left[cpu], given[BUNDLE_APPS] = {0};
        for (uint32_t at = 0; at < total; at++) {
            uint32_t who = furthest_behind(plan, apps, count, cpu, given, at, total);
            plan->position[cpu * machine->slices + at] = who;
            given[who]++;
        }
    }
}
