/* SPDX-License-Identifier: MIT */
/*
 * main.c - steward: owns all slices of some CPUs and hands them out, by a policy of its own, to the applications
 * that are under it in the machine file. It starts them and looks after them by init's code.
 *
 * Its first argument is the policy: `stride`, or `cores` and the names of the latency-critical applications.
 */
#include <stdio.h>
#include <string.h>

#include "../init/apps.h"
#include "../init/bundle_check.h"
#include "../init/slices.h"
#include "libos.h"
#include "steward.h"

static const char *bundle = (const char *)EXO_BUNDLE_ADDRESS;
static const struct policy *const policies[] = {&policy_stride, &policy_cores, NULL};
static const struct policy *policy;

struct client clients[BUNDLE_UNDER];
uint64_t steward_cpus;

uint32_t clients_ready(void)
{
    uint32_t ready = 0;

    for (uint32_t i = 0; i < BUNDLE_UNDER; i++) {
        uint32_t slot = EXO_ENV_SLOT(clients[i].env.n);
        if (clients[i].env.n && control->ready[slot / 64] >> slot % 64 & 1)
            ready |= 1u << i;
    }
    return ready;
}

uint64_t client_ticks(uint32_t client)
{
    int64_t ticks = exo_info(EXO_INFO_ENV, clients[client].env.n, EXO_ENV_TICKS);

    return ticks > 0 ? (uint64_t)ticks : 0;
}

/* --- slices.h, for apps.c ----------------------------------------------------------------- */

void slices_plan(const struct bundle_app *apps, uint32_t count)
{
    (void)apps;
    (void)count;
}

bool slices_suffice(const struct bundle_app *apps, uint32_t app, bool tell)
{
    (void)apps;
    (void)app;
    (void)tell;
    return true;
}

const char *slices_give(const struct bundle_app *app, uint32_t index, env_t env)
{
    static char words[40];

    clients[index] = (struct client){env, app->slices};
    policy->joined(index);
    snprintf(words, sizeof(words), "weight %u by %s", app->slices, policy->name);
    return words;
}

void slices_over(uint32_t index)
{
    policy->left(index);
    clients[index].env.n = EXO_ENV_SELF;
}

/* ------------------------------------------------------------------------------------------- */

/* This application's place in the bundle, counted from 1. */
static uint32_t own_number(void)
{
    uint32_t number = 1;

    for (const struct bundle_app *at = bundle_apps(bundle); strcmp(at->name, libos_name()) != 0;
         at++)
        number++;
    return number;
}

static const char *policy_find(char **words)
{
    const struct bundle_header *header = (const void *)bundle;

    for (uint32_t i = 0; *words && policies[i]; i++)
        if (!strcmp(policies[i]->name, *words))
            policy = policies[i];
    return policy ? policy->init(bundle_apps(bundle), header->apps, words + 1)
                  : "its first argument is no policy: there are stride and cores";
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a && (!b || a < b) ? a : b;
}

/* One turn of the policy, and sleep if it is done; `seen` is the count of ends that were looked after. */
static void go_on(uint32_t seen, uint64_t look)
{
    critical_enter();
    uint64_t again = policy->turn();
    if (again != STEWARD_NOW && *(volatile uint32_t *)&libos_child_events == seen)
        thread_events((uint32_t)exo_wait(earlier(again, look), (env_t){EXO_ENV_SELF}));
    critical_exit();
}

int main(int argc, char **argv)
{
    const char *wrong = "no application has it as `under`, or it has no `cpus`";

    (void)argc;
    if (libos_start_info->bundle_size) {
        steward_cpus = bundle_apps(bundle)[own_number() - 1].cpus;
        wrong = policy_find(argv + 1);
    }
    if (wrong) {
        printf("nothing is started: %s\n", wrong);
        return 1;
    }
    control->watch = 1;
    apps_start(bundle, own_number());
    for (uint64_t look = 0;;) {
        static uint32_t looked;
        uint32_t seen = *(volatile uint32_t *)&libos_child_events;
        if (seen != looked || (look && time_tsc() >= look)) {
            uint64_t next = apps_look_after(), now = time_ns();
            looked = seen;
            look = next ? time_deadline(next > now ? next - now : 1) : 0;
        }
        go_on(seen, look);
    }
}
