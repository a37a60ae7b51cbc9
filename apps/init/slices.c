/* SPDX-License-Identifier: MIT */
/* slices.c - init's part of slices.h: each application has its slices as planned at the start (plan.h). */
#include "slices.h"

#include <stdio.h>

#include "libos.h"
#include "plan.h"

static struct plan plan;
static struct plan_machine machine;

void slices_plan(const struct bundle_app *apps, uint32_t count)
{
    machine.cpus = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_CPUS);
    machine.slices = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_CPU_SLICES);
    machine.queues = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_QUEUES);
    plan_make(&plan, apps, count, &machine);
}

bool slices_suffice(const struct bundle_app *apps, uint32_t app, bool tell)
{
    if (plan.lacks[app] && tell)
        printf("%s is not started: it wants %u %s, %u are left.\n", apps[app].name, plan.wants[app],
               plan.lacks[app], plan.left[app]);
    return !plan.lacks[app];
}

const char *slices_give(const struct bundle_app *app, uint32_t index, env_t env)
{
    static char words[40];

    for (uint32_t position = 0; position < machine.cpus * machine.slices; position++)
        if (plan.position[position] == index || app->cpus >> position / machine.slices & 1)
            exo_slice_set(position, env);
    if (app->cpus)
        snprintf(words, sizeof(words), "%u whole CPUs", (uint32_t)__builtin_popcountll(app->cpus));
    else
        snprintf(words, sizeof(words), "%u slices of %s%u%s", app->slices,
                 app->vcpus > 1 ? "each of " : "CPU ",
                 app->vcpus > 1 ? app->vcpus : (uint32_t)__builtin_ctzll(plan.cpus[index]),
                 app->vcpus > 1 ? " CPUs" : "");
    return words;
}

void slices_over(uint32_t index)
{
    (void)index; /* what it had is init's again once it is taken back */
}
