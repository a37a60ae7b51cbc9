/* SPDX-License-Identifier: MIT */
/* environment.c - other environments, their time, and calls that are not. */
#include "hostile.h"

#include <unistd.h>

#define GENERATIONS 4u
#define SPIN_MS     300u

int64_t each_other(int64_t (*attempt)(env_t env))
{
    uint32_t self = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    uint32_t slots = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_ENVS);
    int64_t worst = 0;

    for (uint32_t slot = 0; slot < slots + 4; slot++)
        for (uint32_t generation = 0; generation <= GENERATIONS; generation++) {
            env_t env = {generation << EXO_ENV_SLOT_BITS | slot};
            if (env.n == EXO_ENV_SELF || env.n == self)
                continue;
            if (let_through(attempt(env), &worst))
                return worst;
        }
    return worst;
}

static int64_t kill_one(env_t env)
{
    return exo_env_kill(env, 1);
}

static int64_t run_one(env_t env)
{
    return exo_env_run(env, EXO_IMAGE_BASE, EXO_STACK_TOP, 0);
}

static int64_t set_one(env_t env)
{
    return exo_env_set(env, EXO_ENV_SET_ROOT, stretch.root.n, 0);
}

static int64_t look_at_one(env_t env)
{
    return exo_info(EXO_INFO_ENV, env.n, EXO_ENV_ROOT);
}

static int64_t page_for_one(env_t env)
{
    return exo_page_alloc(env, ANY, EXO_DATA);
}

static int64_t slice_for_one(env_t env)
{
    int64_t worst = 0;

    for (uint32_t i = 0; i < EXO_SLICES; i += i / 4 + 1) /* all low ones, and some of the others */
        if (let_through(exo_slice_set(i, env), &worst))
            break;
    return worst;
}

static int64_t kill_others(void)
{
    return each_other(kill_one);
}

static int64_t reclaim_others(void)
{
    return each_other(exo_env_reclaim);
}

static int64_t run_others(void)
{
    return each_other(run_one);
}

static int64_t set_others(void)
{
    return each_other(set_one);
}

static int64_t look_at_others(void)
{
    return each_other(look_at_one);
}

static int64_t pages_for_others(void)
{
    return each_other(page_for_one);
}

static int64_t slices_for_others(void)
{
    return each_other(slice_for_one);
}

static int64_t steal_slices(void)
{
    uint32_t self = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    int64_t worst = 0;

    for (uint32_t i = 0; i < EXO_SLICES + 8; i++)
        if (exo_info(EXO_INFO_SLICE, i, 0) != (int64_t)self &&
            let_through(exo_slice_set(i, SELF), &worst))
            break;
    return worst;
}

static int64_t notify_one(env_t env)
{
    return exo_notify(env, ~0ull);
}

static int64_t notify_others(void)
{
    return each_other(notify_one);
}

/* What it was allowed once and then no more. */
static int64_t notify_after_leave(void)
{
    if (exo_notify_allow(SELF, 1) || exo_notify_allow(SELF, 0))
        return NOT_TRIED;
    return exo_notify(SELF, ~0ull);
}

static int64_t allow_oddly(env_t env)
{
    return exo_notify_allow(env, 2);
}

static int64_t allow_others_oddly(void)
{
    return each_other(allow_oddly);
}

static int64_t use_channel(void)
{
    int64_t worst = 0;

    let_through(exo_channel_read(), &worst);
    let_through(exo_channel_write(1, 'x', 0), &worst);
    return worst;
}

static int64_t set_itself(void)
{
    return exo_env_set(SELF, EXO_ENV_SET_MAC, 0x020000000001, 0);
}

static int64_t child_with_everything(void)
{
    static const uint32_t much[] = {0xffffffff, 0x7fffffff, 1u << 20};
    int64_t worst = 0;

    for (uint32_t i = 0; i < EXO_RESOURCES * (sizeof(much) / sizeof(*much)); i++) {
        uint32_t quota[EXO_RESOURCES] = {0};
        quota[i % EXO_RESOURCES] = much[i / EXO_RESOURCES];
        if (let_through(exo_env_create(quota[0], quota[1], quota[2], quota[3], quota[4], quota[5]),
                        &worst))
            break;
    }
    return worst;
}

static int64_t calls_that_are_not(void)
{
    static const uint64_t numbers[] = {EXO_CALLS,  EXO_CALLS + 1,    255,        1ull << 31,
                                       1ull << 32, (1ull << 32) + 1, 1ull << 63, ~0ull};
    int64_t worst = 0;

    for (uint32_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (let_through(raw_call(numbers[i], 0, 0, 0), &worst))
            break;
    return worst;
}

/* The same while it takes no upcalls: then there is nothing that the kernel could make of them. */
static int64_t calls_that_are_not_deaf(void)
{
    critical_enter();
    int64_t result = calls_that_are_not();
    critical_exit();
    return result;
}

static bool let_in(struct exo_context *context)
{
    context->rax = 0; /* let through, if the kernel came here with upcalls disabled */
    return true;
}

/* A foreign call within the handling of another would be an upcall within an upcall. */
static bool nest(struct exo_context *context)
{
    libos_foreign_hook = let_in;
    context->rax = (uint64_t)raw_call(EXO_CALLS + 1, 0, 0, 0);
    libos_foreign_hook = nest;
    return true;
}

static int64_t nested_foreign_call(void)
{
    libos_foreign_hook = nest;
    int64_t result = raw_call(EXO_CALLS, 0, 0, 0);
    libos_foreign_hook = NULL;
    return result;
}

/* An argument that is right in its low 32 bits. */
static int64_t wide_arguments(void)
{
    int64_t worst = 0;

    for (uint32_t bit = 32; bit < 64; bit++)
        if (let_through(raw_call(EXO_CALL_PT_READ, stretch.pd.n | 1ull << bit, 0, 0), &worst) ||
            let_through(raw_call(EXO_CALL_PT_READ, stretch.pd.n, 1ull << bit, 0), &worst))
            break;
    return worst;
}

/* Never wait: at the end of its slices the CPU goes on all the same. Where nobody else wants it, it may stay. */
static int64_t spin_doing(void (*something)(void))
{
    int64_t before = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SLICES_RUN);
    uint64_t end =
        time_tsc() + (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_TSC_HZ) / 1000 * SPIN_MS;

    while (time_tsc() < end)
        something();
    int64_t turns = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SLICES_RUN) - before;
    return turns > 5 ? BY_REMOVAL : NOT_TRIED;
}

static void nothing(void)
{
}

static void timer_that_is_due(void)
{
    exo_timer(1);
}

static int64_t spin(void)
{
    return spin_doing(nothing);
}

/* It is told of the time as soon as it takes upcalls again, once. */
static int64_t timers_deaf(void)
{
    critical_enter();
    int64_t result = spin_doing(timer_that_is_due);
    critical_exit();
    return result;
}

/* The same while it takes no upcalls. */
static int64_t spin_deaf(void)
{
    critical_enter();
    int64_t result = spin();
    critical_exit();
    return result;
}

const struct attack environment_attacks[] = {
    {"kill every other environment", kill_others},
    {"reclaim every other environment", reclaim_others},
    {"start every other environment anew", run_others},
    {"change every other environment", set_others},
    {"look at every other environment", look_at_others},
    {"take pages for every other environment", pages_for_others},
    {"notify every other environment", notify_others},
    {"notify itself after it took its own leave back", notify_after_leave},
    {"let others notify it in a way that there is none of", allow_others_oddly},
    {"give its slices to strangers", slices_for_others},
    {"steal the slices of others", steal_slices},
    {"read and write the machine's channel", use_channel},
    {"change itself", set_itself},
    {"make a child with more than it has", child_with_everything},
    {"make calls that do not exist", calls_that_are_not},
    {"make them with upcalls off", calls_that_are_not_deaf},
    {"make one inside the upcall that one became", nested_foreign_call},
    {"name things by numbers of more than 32 bits", wide_arguments},
    {"spin and keep the CPU", spin},
    {"spin with upcalls off and keep the CPU", spin_deaf},
    {"set timers that are due and keep the CPU", timers_deaf},
    {NULL, NULL},
};
