/* SPDX-License-Identifier: MIT */
/*
 * apps.c - the applications of the bundle: started, watched, taken back, started again.
 *
 * An application that ends is restarted as its description says: at once if it ran for SETTLED_NS
 * or ends for the first time, else after a pause that doubles from 1 s to 30 s, so that a broken
 * one costs little. Whoever speaks over the channel (command.c) may wish otherwise.
 *
 * An application may be under another, its steward, which starts it and looks after it by this same code
 * (apps/steward). When a steward ends, what it started lives on: init adopts it, and from then on it is as
 * if it had been init's from the start. So a steward is not started again by itself.
 */
#include "apps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bundle_check.h"
#include "child.h"
#include "libos.h"
#include "orphans.h"
#include "peers.h"
#include "rings.h"
#include "slices.h"

#define SECOND     UINT64_C(1000000000)
#define SETTLED_NS (10 * SECOND)
#define PAUSE_MAX  (30 * SECOND)
#define RECLAIM_NS (SECOND / 100) /* until a device is asked again to let go */

struct app apps[BUNDLE_APPS];
uint32_t app_count;

static const char *bundle;
static uint32_t own; /* whose applications are started: as `under` in the bundle has it */

static bool is_own(const struct app *app)
{
    return app->told.under == own || app->adopted;
}

struct app *app_steward(const struct app *app)
{
    return is_own(app) || !app->told.under ? NULL : &apps[app->told.under - 1];
}

/* Is `app` one that `steward`, which has ended, had started, and that was adopted? */
static bool is_adopted_of(const struct app *app, const struct app *steward)
{
    return app->adopted && app->told.under == (uint32_t)(steward - apps) + 1;
}

/* A steward starts what is under it: those that live on without it are ended first. */
static bool is_clear(const struct app *steward)
{
    bool clear = !orphans_expected();

    for (uint32_t i = 0; i < app_count; i++) {
        if (!is_adopted_of(&apps[i], steward))
            continue;
        app_stop(&apps[i]);
        clear &= !apps[i].env.n;
    }
    for (uint32_t i = 0; clear && i < app_count; i++)
        apps[i].adopted &= !is_adopted_of(&apps[i], steward);
    return clear;
}

static void start(uint32_t i)
{
    struct app *app = &apps[i];

    if (app->told.cpus && !is_clear(app)) {
        app->again = time_ns() + RECLAIM_NS;
        return;
    }
    app->again = 0;
    app->wish = WISH_RULE;
    app->env = child_start(bundle, &app->told, ring_empty(i), &app->image_base);
    if (!app->env.n)
        return;
    peers_tell(i, app->env);
    app->started = time_ns();
    const char *time = slices_give(&app->told, i, app->env);
    printf("started %s (environment %u, %u pages, %s, image at 0x%" PRIx64 ")\n", app->told.name,
           EXO_ENV_SLOT(app->env.n), app->told.pages, time, app->image_base);
}

bool apps_adopt(env_t env, const char *name)
{
    struct app *app = app_find(name);
    struct app *steward = app ? app_steward(app) : NULL;

    if (!steward || (steward->env.n && !steward->over))
        return false;
    app->adopted = true;
    app->env = env;
    app->image_base = 0; /* its steward knew */
    app->started = time_ns();
    app->wish = WISH_RULE;
    peers_tell((uint32_t)(app - apps), env);
    const char *time = slices_give(&app->told, (uint32_t)(app - apps), env);
    printf("%s goes on without %s (environment %u, %s)\n", name, steward->told.name,
           EXO_ENV_SLOT(env.n), time);
    return true;
}

/* Code of its image by how far in it lies, behind a +: as the symbols have it. */
static void tell_exception(const struct app *app, uint32_t vector)
{
    uint64_t rip = (uint64_t)exo_info(EXO_INFO_ENV, app->env.n, EXO_ENV_END_RIP);
    bool within = rip - app->image_base < EXO_IMAGE_SIZE;

    printf("%s was ended: exception %u at %s0x%" PRIx64 " while it handled an upcall\n",
           app->told.name, vector, within ? "+" : "", within ? rip - app->image_base : rip);
}

/* Tell how it ended. True if that counts as a failure. */
static bool tell_end(const struct app *app)
{
    uint64_t end = (uint64_t)exo_info(EXO_INFO_ENV, app->env.n, EXO_ENV_END);
    uint32_t status = (uint32_t)end;
    const char *name = app->told.name;

    switch (end >> 32) {
    case EXO_END_SELF:
        printf("%s ended with status %u\n", name, status);
        return status != 0;
    case EXO_END_KILLED:
        printf("%s was killed\n", name);
        return true;
    case EXO_END_REVOKED:
        printf("%s was ended: %u of the pages that it was to give back are missing\n", name,
               status);
        return true;
    case EXO_END_UPCALL:
        printf("%s was ended: its control page names no usable upcall entry\n", name);
        return true;
    default:
        tell_exception(app, status);
        return true;
    }
}

/* All that it had is back: is it to run again, and when? */
static void settle(struct app *app)
{
    uint32_t rule = app->told.cpus ? BUNDLE_NEVER : app->told.restart;
    uint64_t now = time_ns();

    app->env.n = EXO_ENV_SELF;
    app->over = false;
    app->again = 0;
    if (app->wish == WISH_START) {
        app->pause = 0;
        app->again = now;
        app->restarts++;
        return;
    }
    if (app->wish == WISH_STOP || rule == BUNDLE_NEVER ||
        (rule == BUNDLE_ON_FAILURE && !app->failed))
        return;
    if (now - app->started >= SETTLED_NS)
        app->pause = 0;
    app->again = now + app->pause + 1;
    app->restarts++;
    if (app->pause)
        printf("%s is restarted in %" PRIu64 " s\n", app->told.name, app->pause / SECOND);
    else
        printf("%s is restarted now\n", app->told.name);
    app->pause = app->pause ? MIN(2 * app->pause, PAUSE_MAX) : SECOND;
}

static void take_back(struct app *app)
{
    if (!app->over) {
        app->failed = tell_end(app);
        peers_tell((uint32_t)(app - apps), (env_t){EXO_ENV_SELF});
        slices_over((uint32_t)(app - apps));
        if (app->told.environments || app->told.cpus)
            orphans_expect();
    }
    app->over = true;
    if (child_reclaim(app->env))
        settle(app);
    else
        app->again = time_ns() + RECLAIM_NS;
}

static bool is_over(const struct app *app)
{
    return app->env.n && exo_info(EXO_INFO_ENV, app->env.n, EXO_ENV_STATE) == EXO_ENV_ZOMBIE;
}

uint64_t apps_look_after(void)
{
    uint64_t next = 0;

    for (uint32_t i = 0; i < app_count; i++) {
        struct app *app = &apps[i];
        if (is_over(app) && (!app->over || app->again <= time_ns()))
            take_back(app);
        if (!app->over && app->again && app->again <= time_ns())
            start(i);
        if (app->again && (!next || app->again < next))
            next = app->again;
    }
    uint64_t look = orphans_look_after();
    return look && (!next || look < next) ? look : next;
}

void apps_start(const char *checked, uint32_t under)
{
    bundle = checked;
    own = under;
    app_count = ((const struct bundle_header *)bundle)->apps;
    slices_plan(bundle_apps(bundle), app_count);
    if (!peers_make(bundle_apps(bundle), app_count))
        printf("There is no memory for the directory: who asks for it is not started.\n");
    for (uint32_t i = 0; i < app_count; i++) {
        apps[i].told = bundle_apps(bundle)[i];
        if (is_own(&apps[i]) && slices_suffice(bundle_apps(bundle), i, true))
            start(i);
    }
}

struct app *app_find(const char *name)
{
    for (uint32_t i = 0; i < app_count; i++)
        if (!strcmp(apps[i].told.name, name))
            return &apps[i];
    return NULL;
}

bool app_runs(const struct app *app)
{
    return app->env.n && !app->over && !is_over(app);
}

bool app_stop(struct app *app)
{
    bool something = app->env.n || app->again;

    app->wish = WISH_STOP;
    if (app_runs(app))
        exo_env_kill(app->env, 0);
    else if (!app->over)
        app->again = 0; /* it is not to be started */
    return something;
}

bool app_restart(struct app *app)
{
    if (!slices_suffice(bundle_apps(bundle), (uint32_t)(app - apps), false))
        return false;
    app->adopted |= app->told.under != own;
    app->wish = WISH_START;
    if (app_runs(app)) {
        exo_env_kill(app->env, 0);
    } else if (!app->env.n) {
        app->pause = 0;
        app->again = time_ns();
        app->restarts++;
    }
    return true;
}
