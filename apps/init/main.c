/* SPDX-License-Identifier: MIT */
/*
 * main.c - init, the first environment: starts the applications of the bundle and keeps them going.
 *
 * An application that ends is restarted as its description says: at once if it ran for SETTLED_NS,
 * else after a pause that doubles from 1 s to 30 s, so that a broken one costs little.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bundle_check.h"
#include "child.h"
#include "libos.h"

#define SECOND     1000000000ull
#define SETTLED_NS (10 * SECOND)
#define PAUSE_MAX  (30 * SECOND)

static const char *bundle = (const char *)EXO_BUNDLE_ADDRESS;

static struct app {
    const struct bundle_app *told;
    env_t env;        /* EXO_ENV_SELF: it does not run */
    uint64_t started; /* ns since boot */
    uint64_t again;   /* when to start it, ns since boot; 0: not at all */
    uint64_t pause;
    bool refused; /* the machine cannot give it its slices */
} apps[BUNDLE_APPS];
static uint32_t app_count;

/* Position in the slice vector -> application; app_count: stays ours. */
static uint32_t plan[EXO_SLICES];

/*
 * Spread the positions evenly: each goes to the application that is furthest behind its share.
 * One position stays with init, which must be able to run to restart the others.
 */
static void slices_plan(void)
{
    uint32_t total = 0, given[BUNDLE_APPS] = {0};

    for (uint32_t i = 0; i < app_count; i++) {
        if (total + apps[i].told->slices > EXO_SLICES - 1) {
            printf("%s is not started: it wants %u slices, %u are left.\n", apps[i].told->name,
                   apps[i].told->slices, EXO_SLICES - 1 - total);
            apps[i].refused = true;
            continue;
        }
        total += apps[i].told->slices;
    }
    for (uint32_t position = 0; position < EXO_SLICES; position++) {
        int64_t most = 0;
        plan[position] = app_count;
        for (uint32_t i = 0; position < total && i < app_count; i++) {
            int64_t behind = apps[i].refused ? 0
                                             : (int64_t)apps[i].told->slices * (position + 1) -
                                                   (int64_t)given[i] * total;
            if (behind > most && given[i] < apps[i].told->slices) {
                most = behind;
                plan[position] = i;
            }
        }
        if (plan[position] < app_count)
            given[plan[position]]++;
    }
}

static void slices_give(uint32_t app)
{
    for (uint32_t position = 0; position < EXO_SLICES; position++)
        if (plan[position] == app)
            exo_slice_set(position, apps[app].env);
}

static void start(uint32_t i)
{
    struct app *app = &apps[i];

    app->again = 0;
    app->env = child_start(bundle, app->told);
    if (!app->env.n)
        return;
    slices_give(i);
    app->started = time_ns();
    printf("started %s (environment %u, %u pages, %u slices)\n", app->told->name,
           EXO_ENV_SLOT(app->env.n), app->told->pages, app->told->slices);
}

/* Tell how it ended. True if that counts as a failure. */
static bool tell_end(const struct app *app)
{
    uint64_t end = (uint64_t)exo_info(EXO_INFO_ENV, app->env.n, EXO_ENV_END);
    uint32_t status = (uint32_t)end;
    const char *name = app->told->name;

    switch (end >> 32) {
    case EXO_END_SELF:
        printf("%s ended with status %u\n", name, status);
        return status != 0;
    case EXO_END_KILLED:
        printf("%s was killed\n", name);
        return true;
    case EXO_END_UPCALL:
        printf("%s was ended: its control page names no usable upcall entry\n", name);
        return true;
    default:
        printf("%s was ended: exception %u at 0x%" PRIx64 " while it handled an upcall\n", name,
               status, (uint64_t)exo_info(EXO_INFO_ENV, app->env.n, EXO_ENV_END_RIP));
        return true;
    }
}

static void ended(struct app *app)
{
    bool failed = tell_end(app);
    uint64_t now = time_ns();

    child_reclaim(app->env);
    app->env.n = EXO_ENV_SELF;
    if (app->told->restart == BUNDLE_NEVER || (app->told->restart == BUNDLE_ON_FAILURE && !failed))
        return;
    if (now - app->started >= SETTLED_NS)
        app->pause = 0;
    app->again = now + app->pause + 1;
    if (app->pause)
        printf("%s is restarted in %" PRIu64 " s\n", app->told->name, app->pause / SECOND);
    else
        printf("%s is restarted now\n", app->told->name);
    app->pause = app->pause ? MIN(2 * app->pause, PAUSE_MAX) : SECOND;
}

static bool is_over(const struct app *app)
{
    return app->env.n && exo_info(EXO_INFO_ENV, app->env.n, EXO_ENV_STATE) == EXO_ENV_ZOMBIE;
}

/* One round over all; returns when the next restart is due, 0: none. */
static uint64_t look_after(void)
{
    uint64_t next = 0;

    for (uint32_t i = 0; i < app_count; i++) {
        if (is_over(&apps[i]))
            ended(&apps[i]);
        if (apps[i].again && apps[i].again <= time_ns())
            start(i);
        if (apps[i].again && (!next || apps[i].again < next))
            next = apps[i].again;
    }
    return next;
}

static void tell_broken(const char *wrong, uint32_t at)
{
    if (at < BUNDLE_APPS)
        printf("The bundle %s It is application %u of %u, \"%.15s\".\n", wrong, at + 1,
               ((const struct bundle_header *)bundle)->apps, bundle_apps(bundle)[at].name);
    else
        printf("The bundle %s\n", wrong);
    printf("No application is started. Build the image again with tools/freehold.\n");
}

int main(void)
{
    uint32_t at;
    const char *wrong = bundle_check(bundle, libos_start_info->bundle_size, &at);
    const struct bundle_header *header = (const struct bundle_header *)bundle;

    if (wrong) {
        tell_broken(wrong, at);
        return 1;
    }
    app_count = header->apps;
    printf("machine %.31s: %u applications\n", header->machine, app_count);
    for (uint32_t i = 0; i < app_count; i++)
        apps[i].told = &bundle_apps(bundle)[i];
    slices_plan();
    for (uint32_t i = 0; i < app_count; i++)
        if (!apps[i].refused)
            start(i);
    for (;;) {
        uint32_t seen = *(volatile uint32_t *)&libos_child_events;
        uint64_t next = look_after(), now = time_ns();
        futex_call(&libos_child_events, 0, seen, next > now ? next - now : 1, next != 0, 0);
    }
}
