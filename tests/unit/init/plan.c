/* SPDX-License-Identifier: MIT */
/* plan.c - dividing slices and queues: what is asked for, evenly spread, and no more than there is.
 */
#include "plan.h"

#include <string.h>

#include "../tap.h"

#define SLICES 64u
#define QUEUES 32u

static struct plan plan;
static struct plan_machine machine = {1, SLICES, QUEUES};
static struct bundle_app apps[BUNDLE_APPS];

static void ask(uint32_t i, uint32_t slices, uint32_t queues)
{
    apps[i].slices = (uint16_t)slices;
    apps[i].cpu = BUNDLE_ANY_CPU;
    apps[i].vcpus = 1;
    apps[i].cpus = 0;
    apps[i].under = 0;
    apps[i].queues = queues;
}

static uint32_t given(uint32_t app)
{
    uint32_t count = 0;

    for (uint32_t at = 0; at < SLICES; at++)
        count += plan.position[at] == app;
    return count;
}

/* L3: whose CPU is it? */
static bool is_for(uint32_t who, uint32_t count, uint32_t cpu)
{
    for (uint32_t i = 0; i < count; i++)
        if (apps[i].cpus >> cpu & 1)
            return apps[who].under == i + 1;
    return !apps[who].under;
}

/* L1 to L3 of plan.c. */
static bool inv_plan(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (given(i) != (plan.lacks[i] ? 0 : apps[i].slices * apps[i].vcpus))
            return false;
    for (uint32_t at = 0; at < SLICES; at++) {
        uint32_t who = plan.position[at];
        if (who == PLAN_NOBODY)
            continue;
        if (who >= count || !(plan.cpus[who] >> at / machine.slices & 1))
            return false;
        if (apps[who].cpu != BUNDLE_ANY_CPU && !(plan.cpus[who] >> apps[who].cpu & 1))
            return false;
        if (!is_for(who, count, at / machine.slices))
            return false;
    }
    for (uint32_t at = 0; at < machine.slices; at++)
        if (plan.position[at] == PLAN_NOBODY)
            return true;
    return false;
}

static bool lacks(uint32_t app, const char *what, uint32_t wants, uint32_t left)
{
    return plan.lacks[app] && !strcmp(plan.lacks[app], what) && plan.wants[app] == wants &&
           plan.left[app] == left;
}

static void test_spread(void)
{
    bool even = true;

    ask(0, 8, 1);
    ask(1, 8, 1);
    ask(2, 4, 1);
    plan_make(&plan, apps, 3, &machine);
    tap_ok(inv_plan(3), "each gets what it asks for");
    /* In any five positions of the first twenty the shares are those of the whole, give or take
     * one. */
    for (uint32_t first = 0; first + 5 <= 20; first++) {
        uint32_t count[3] = {0};
        for (uint32_t at = first; at < first + 5; at++)
            count[plan.position[at]]++;
        even &= count[0] >= 1 && count[0] <= 3 && count[1] >= 1 && count[1] <= 3 && count[2] <= 2;
    }
    tap_ok(even, "and gets it evenly spread");
}

static void test_limits(void)
{
    ask(0, SLICES - 1, 0);
    plan_make(&plan, apps, 1, &machine);
    tap_ok(inv_plan(1) && !plan.lacks[0], "one application may have all but one slice");
    ask(0, SLICES, 0);
    plan_make(&plan, apps, 1, &machine);
    tap_ok(inv_plan(1) && lacks(0, "slices", SLICES, SLICES - 1), "and not that one");
    ask(0, UINT16_MAX, 0);
    ask(1, 60, 0);
    ask(2, 4, 0);
    ask(3, 3, 0);
    plan_make(&plan, apps, 4, &machine);
    tap_ok(inv_plan(4) && lacks(0, "slices", UINT16_MAX, SLICES - 1) && lacks(2, "slices", 4, 3) &&
               !plan.lacks[3],
           "who wants too many slices is told, and the next is asked");
    ask(0, 1, QUEUES - 1);
    ask(1, 1, 2);
    ask(2, 1, 1);
    ask(3, 1, UINT32_MAX);
    plan_make(&plan, apps, 4, &machine);
    tap_ok(inv_plan(4) && lacks(1, "network queues", 2, 1) && !plan.lacks[2] &&
               lacks(3, "network queues", UINT32_MAX, 0),
           "who wants too many queues is told, and the next is asked");
    plan_make(&plan, apps, 0, &machine);
    tap_ok(inv_plan(0) && given(PLAN_NOBODY) == SLICES, "no application, no slice given");
}

static void test_cpus(void)
{
    machine = (struct plan_machine){4, SLICES / 4, QUEUES};
    for (uint32_t i = 0; i < 4; i++)
        ask(i, 4, 0);
    plan_make(&plan, apps, 4, &machine);
    tap_ok(inv_plan(4) && plan.cpus[0] == 1u << 1 && plan.cpus[1] == 1u << 2 &&
               plan.cpus[2] == 1u << 3 && plan.cpus[3] == 1u << 0,
           "each goes where most is left");
    apps[0].cpu = 2;
    apps[1].cpu = 4;
    plan_make(&plan, apps, 4, &machine);
    tap_ok(inv_plan(4) && plan.cpus[0] == 1u << 2 && lacks(1, "CPUs", 5, 4) &&
               plan.cpus[2] == 1u << 1,
           "or where it wants to be, if there is such a CPU");
    ask(0, SLICES / 4, 0);
    ask(1, SLICES / 4, 0);
    apps[0].cpu = apps[1].cpu = 3;
    plan_make(&plan, apps, 2, &machine);
    tap_ok(inv_plan(2) && !plan.lacks[0] && lacks(1, "slices", SLICES / 4, 0),
           "a CPU of which nothing is left has nothing for the next");
}

/* Has the application so many positions of this CPU? */
static bool has_of(uint32_t app, uint32_t cpu, uint32_t slices)
{
    uint32_t count = 0;

    for (uint32_t at = cpu * machine.slices; at < (cpu + 1) * machine.slices; at++)
        count += plan.position[at] == app;
    return count == slices;
}

static void test_vcpus(void)
{
    machine = (struct plan_machine){4, SLICES / 4, QUEUES};
    ask(0, 4, 0);
    ask(1, 6, 0);
    apps[0].cpu = 0;
    apps[1].vcpus = 3;
    plan_make(&plan, apps, 2, &machine);
    tap_ok(inv_plan(2) && plan.cpus[1] == 0xe && has_of(1, 1, 6) && has_of(1, 2, 6) &&
               has_of(1, 3, 6) && has_of(0, 0, 4),
           "who wants several CPUs has as many slices of each, where most is left");
    apps[1].cpu = 0;
    apps[1].vcpus = 2;
    plan_make(&plan, apps, 2, &machine);
    tap_ok(inv_plan(2) && plan.cpus[1] == 3, "the first may be named");
    apps[1].vcpus = 5;
    plan_make(&plan, apps, 2, &machine);
    tap_ok(inv_plan(2) && lacks(1, "CPUs", 5, 4), "more than there are it does not get");
    ask(1, SLICES / 4, 0);
    apps[1].vcpus = 4;
    plan_make(&plan, apps, 2, &machine);
    tap_ok(inv_plan(2) && lacks(1, "slices", SLICES / 4, 11) && plan.cpus[0] == 1,
           "nor if one of them has too few");
}

static void test_whole_cpus(void)
{
    machine = (struct plan_machine){4, SLICES / 4, QUEUES};
    for (uint32_t i = 0; i < 6; i++)
        ask(i, 8, 0);
    apps[0].slices = 0;
    apps[0].cpus = 12;
    apps[1].under = apps[2].under = apps[3].under = 1;
    plan_make(&plan, apps, 6, &machine);
    tap_ok(inv_plan(6) && plan.cpus[1] == 1u << 2 && plan.cpus[2] == 1u << 3 &&
               plan.cpus[3] == 1u << 2 && plan.cpus[4] == 1u << 1 && plan.cpus[5] == 1u << 0,
           "whole CPUs are for those under their owner, the others for the others");
    ask(4, 4, 0);
    apps[4].cpu = 2;
    apps[3].slices = 17;
    plan_make(&plan, apps, 6, &machine);
    tap_ok(inv_plan(6) && lacks(4, "slices", 4, 0) && lacks(3, "slices", 17, 8),
           "nobody else gets slices there, and those no more than there are");
    apps[0].cpus = 24;
    plan_make(&plan, apps, 6, &machine);
    tap_ok(lacks(0, "CPUs", 5, 4), "a whole CPU that is not there is refused");
}

static void test_random(void)
{
    uint32_t broken = 0;

    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t count = (uint32_t)tap_random() % (BUNDLE_APPS + 1);
        machine.cpus = 1u << tap_random() % 4;
        machine.slices = SLICES / machine.cpus;
        for (uint32_t i = 0; i < count; i++)
            ask(i, 1 + (uint32_t)tap_random() % (tap_random() % 8 ? 6 : 80),
                (uint32_t)tap_random() % (tap_random() % 8 ? 2 : 40));
        for (uint32_t i = 0; i < count; i++)
            if (tap_random() % 4 == 0)
                apps[i].cpu = (uint16_t)(tap_random() % 5);
        if (count > 1 && tap_random() % 2) {
            apps[0].slices = 0;
            apps[0].cpus = tap_random() & 0xfe;
            apps[0].slices = !apps[0].cpus;
            for (uint32_t i = 1; apps[0].cpus && i < count; i++)
                apps[i].under = tap_random() % 2;
        }
        plan_make(&plan, apps, count, &machine);
        broken += !inv_plan(count);
    }
    tap_ok(broken == 0, "20000 random machines are divided as plan.c promises");
}

int main(void)
{
    test_spread();
    test_limits();
    test_cpus();
    test_vcpus();
    test_whole_cpus();
    test_random();
    return tap_done();
}
