/* SPDX-License-Identifier: MIT */
/*
 * vcpu.c - an application on several CPUs: further virtual CPUs, which are children that act as it.
 *
 *   V1  one has its application's root table, a control page that is a frame of the application's, and
 *       nothing else: what it asks for in a call, and whom it names as EXO_ENV_SELF, is the
 *       application, but for the calls that are about who makes them (`vcpu` in calls.toml)
 *                                                                    inv_env_vcpus
 *   V2  it ends with its application, and the application with it if it ends by a fault of its own;
 *       it is reclaimed before its application has lost a frame
 *   V3  positions of its CPU are its own and not its application's, whoever of the two is named when
 *       they are given, so that others need not know of it            inv_env_vcpus
 *   V4  the application knows the CPUs of which it, or such a one, has a position; if it asked to
 *       be told (wants_cpus), all of them are when one is gained or lost       inv_env_cpus
 */
#include "env.h"
#include "exo_handlers.h"
#include "machine.h"
#include "processor.h"
#include "slice.h"

struct env *vcpu_at(const struct env *app, uint32_t cpu)
{
    struct env *vcpu = &envs[app->vcpu[cpu]];

    return vcpu->state == EXO_ENV_LIVE || vcpu->state == EXO_ENV_EMBRYO ? vcpu : NULL;
}

static bool has_some(const struct env *env, uint32_t cpu)
{
    uint32_t first = cpu * slice_each;

    return set_from(&env->positions, first, first + slice_each) != SET_NONE;
}

void vcpus_count(struct env *app, uint32_t cpu)
{
    const struct env *vcpu = &envs[app->vcpu[cpu]];
    bool has = has_some(app, cpu) || (app->vcpu[cpu] && has_some(vcpu, cpu));

    if (has == (app->cpus_had >> cpu & 1))
        return;
    app->cpus_had ^= 1ull << cpu;
    if (!app->control.n)
        return;
    struct exo_control *control = machine_frame(app->control);
    control->cpus = app->cpus_had;
    if (!*(const volatile uint64_t *)&control->wants_cpus)
        return;
    for (uint32_t i = 0; i <= processor_count; i++) {
        struct env *env = i < processor_count ? &envs[app->vcpu[i]] : app;
        if (env->state == EXO_ENV_LIVE)
            env_pend(env, EXO_UP_CPUS);
    }
}

int64_t vcpu_set(struct env *app, struct env *env, uint64_t cpu)
{
    if (cpu >= processor_count)
        return -EXO_E_RANGE;
    if (app->vcpu[cpu] || env->root.n || env->control.n || env->slices)
        return -EXO_E_BUSY;

    env->acts_as = (uint16_t)(app - envs);
    env->acts_on = (uint8_t)cpu;
    env->root = app->root;
    app->vcpu[cpu] = (uint16_t)(env - envs);
    __builtin_memcpy(env->label, app->label, sizeof(env->label));
    for (uint32_t i = (uint32_t)cpu * slice_each; i < (cpu + 1) * slice_each; i++)
        if (slice_owner[i] == app - envs)
            call_slice_set(app, i, app);
    return 0;
}
