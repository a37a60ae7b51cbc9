/* SPDX-License-Identifier: MIT */
/* apps.h - the applications of the bundle: started, watched, taken back, started again. */
#ifndef INIT_APPS_H
#define INIT_APPS_H

#include "bundle.h"
#include "types.h"

struct app {
    struct bundle_app told; /* as the bundle has it, but for `pages`, which may be changed */
    env_t env;              /* EXO_ENV_SELF: there is none */
    uint64_t image_base;    /* where its image was put (exo/abi/start.h) */
    bool over;              /* it has ended, and what it had is being taken back */
    bool failed;            /* that it ended counts as a failure */
    bool adopted;           /* it was started by its steward, which has ended */
    enum { WISH_RULE, WISH_STOP, WISH_START } wish; /* what is to follow its end */
    uint32_t restarts;                              /* how often it was started again */
    uint64_t started;                               /* ns since boot */
    uint64_t again; /* when to start it or to go on taking back, ns since boot; 0: not at all */
    uint64_t pause;
};

extern struct app apps[BUNDLE_APPS];
extern uint32_t app_count;

/*
 * Start what a checked bundle names that is under this application (`under` in struct bundle_app), but for
 * what the machine cannot give.
 */
void apps_start(const char *bundle, uint32_t under);

/* Go on with what an application started that has ended. False: it is none of those under it. */
bool apps_adopt(env_t env, const char *name);

/* Who starts and ends it instead; NULL: nobody does. */
struct app *app_steward(const struct app *app);

/* One round over all; returns when the next thing is due, 0: nothing is. */
uint64_t apps_look_after(void);

/* The application of this name, or NULL. */
struct app *app_find(const char *name);

/* It runs, and is not over. */
bool app_runs(const struct app *app);

/* End it, or cancel that it is to be started; it then stays so. False: it neither runs nor is to. */
bool app_stop(struct app *app);

/*
 * End it if it runs; start it, whatever its restart rule says, as soon as what it had is back. False:
 * the machine has not what it takes.
 */
bool app_restart(struct app *app);

#endif
