/* SPDX-License-Identifier: MIT */
/* model.h - a small machine as data: how it begins and which steps may be taken at any time. */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include "world.h"

enum kind {
    STEP_END = 0, /* ends a list */
    STEP_CALL,    /* `call` with arguments, by any living environment */
    STEP_TICKS,   /* time passes: so much; 0: until the alarm */
    STEP_FAULT,   /* the running program faults */
    STEP_FOREIGN, /* the running program makes a call that the table does not have */
    STEP_NEWS,    /* an interrupt brings news to the queue of slot [0] */
    STEP_CONTROL, /* a program writes into its control page: word [0] = value [1] */
    STEP_RECEIVE, /* a packet for the MAC [0] comes from the wire */
    STEP_SENT,    /* the device has sent what it was given */
    STEP_CARRY,   /* the kernel's loop carries on with packets to groups */
    STEP_INDEX,   /* slot [0] writes ring [1]'s shared index: the kernel's + [2] */
    STEP_DESC,    /* slot [0] writes ring [1]'s descriptor [2]: buffer [3], length [4] */
    STEP_ARM,     /* slot [0] asks to be woken by ring [1] */
    STEP_ARRIVE,  /* [0] bytes come over the channel */
    STEP_LIST,    /* slot [0] writes entry [1] of its list: frame [2], table [3], index [4] */
    STEP_BATCHED, /* slot [0] writes operation [1] of its batch: `call` with the arguments [2..5] */
    STEP_FILTER,  /* slot [0] writes into its control page, [1], a filter: MAC [2], UDP port [3] */
    STEP_PACKET,  /* slot [0] writes into its buffer 0 a packet to the MAC [1] from the MAC [2] */
};

#define STEP_NO_CALL 63u /* number of no call */

/* One step, by the environment in slot `actor`. */
struct step {
    uint8_t kind, call, actor;
    uint64_t a[6];
};

/* Every combination of some values for each argument; none given: 0. */
struct values {
    uint32_t count;
    const uint64_t *value;
};
#define OF(...)                                                                                    \
    {                                                                                              \
        sizeof((uint64_t[]){__VA_ARGS__}) / 8, (const uint64_t[])                                  \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
struct choice {
    uint8_t kind, call;
    struct values a[6];
};

struct model {
    const char *name;
    uint32_t frames;          /* WORLD_KERNEL and the first environment's two included */
    uint32_t depth;           /* steps explored if nobody says otherwise; 0: to the closure */
    bool cpu;                 /* only `current` makes calls, and cpu_next decides after each */
    bool order;               /* the order of an owner's frames matters: there is env_reclaim */
    const struct step *setup; /* from a machine just booted; each must succeed */
    const struct choice *choice;
};

extern const struct model models[];
extern const uint32_t model_count;

/* Where a program keeps the filters that it writes, in its control page. */
#define STEP_FILTER_PLACE(number) (1024u + (number) * (uint32_t)sizeof(struct exo_filter))

/* Where an environment's batch lies in its control page. */
#define STEP_BATCH 2048u

/* step.c */

#define STEP_IMPOSSIBLE INT64_MIN /* there is no such actor, ring or packet now */

/* Take one step; the call's result, 0 for the others. */
int64_t step_take(const struct model *model, const struct step *step);

/* The step as a line of C for tests/unit/core; `result` is what step_take returned. */
void step_print(const struct model *model, const struct step *step, int64_t result);

#endif
