/* SPDX-License-Identifier: MIT */
/*
 * plan.c - who gets which slices of the CPU and how many network queues.
 *
 *   L1  an application that is not refused gets as many positions as it asks for
 *   L2  at least one position stays with init, which must be able to run to restart the others
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

/* Returns how many slices the applications get together. */
static uint32_t admit(struct plan *plan, const struct bundle_app *apps, uint32_t count,
                      const struct plan_machine *machine)
{
    uint32_t slices = 0, queues = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (refuse(plan, i, "slices", apps[i].slices, machine->slices - 1 - slices) ||
            refuse(plan, i, "network queues", apps[i].queues, machine->queues - queues))
            continue;
        slices += apps[i].slices;
        queues += apps[i].queues;
    }
    return slices;
}

/* The application that is furthest behind its share when position `at` of `total` is given. */
static uint32_t furthest_behind(const struct plan *plan, const struct bundle_app *apps,
                                uint32_t count, const uint32_t *given, uint32_t at, uint32_t total)
{
    uint32_t who = PLAN_NOBODY;
    int64_t most = 0;

    for (uint32_t i = 0; i < count; i++) {
        int64_t behind = (int64_t)apps[i].slices * (at + 1) - (int64_t)given[i] * total;
        if (!plan->lacks[i] && behind > most) {
            most = behind;
            who = i;
        }
    }
    return who;
}

void plan_make(struct plan *plan, const struct bundle_app *apps, uint32_t count,
               const struct plan_machine *machine)
{
    uint32_t given[BUNDLE_APPS] = {0};

    memset(plan, 0, sizeof(*plan));
    uint32_t total = admit(plan, apps, count, machine);
    for (uint32_t at = 0; at < EXO_SLICES; at++) {
        plan->position[at] = PLAN_NOBODY;
        if (at < total) {
            uint32_t who = furthest_behind(plan, apps, count, given, at, total);
            plan->position[at] = who;
            given[who]++;
        }
    }
}
