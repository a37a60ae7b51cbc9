/* SPDX-License-Identifier: MIT */
/* steward.h - what the files of the steward need of each other. */
#ifndef STEWARD_H
#define STEWARD_H

#include "bundle.h"
#include "types.h"

#define STEWARD_NOW UINT64_MAX

/* An application that runs under this steward. */
struct client {
    env_t env; /* EXO_ENV_SELF: it does not run */
    uint32_t weight;
};

extern struct client clients[BUNDLE_UNDER];

/* CPUs that are the steward's own, a bit each. */
extern uint64_t steward_cpus;

/* Who can run, a bit a client; of those that fell asleep or woke it is told by EXO_UP_READY. Critical. */
uint32_t clients_ready(void);

/* CPU time that a client has had, in ticks. */
uint64_t client_ticks(uint32_t client);

/* What a policy does on the machine. */
struct policy {
    const char *name;
    /* Read what follows the policy's name in `arguments`. NULL, or what is wrong with it. */
    const char *(*init)(const struct bundle_app *apps, uint32_t count, char **words);
    void (*joined)(uint32_t client);
    void (*left)(uint32_t client);
    /*
     * Hand out time as things are. Returns the time stamp at which it is to be called again if nothing happens
     * before, 0: there is none, STEWARD_NOW: at once. Critical.
     */
    uint64_t (*turn)(void);
};

extern const struct policy policy_stride, policy_cores;

#endif
