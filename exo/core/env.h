/* SPDX-License-Identifier: MIT */
/*
 * env.h - environments and their virtual CPU.
 *
 * All kernel state is in tables sized at boot. One CPU at a time is in the core, with interrupts
 * off: the machine sees to that (docs/design/locking.md).
 */
#ifndef EXO_CORE_ENV_H
#define EXO_CORE_ENV_H

#include "control.h"
#include "filter.h"
#include "info.h"
#include "list.h"
#include "set.h"

#define RECLAIM 64u /* things of a ZOMBIE taken back by one call, of most kinds */

/* In a switch of a function whose answers these are. */
#define CASE(value, ...)                                                                           \
    case value:                                                                                    \
        return __VA_ARGS__

#define FLAGS_USER 0x202u /* interrupts on; bit 1 is always 1 (Intel SDM vol. 1, 3.4.3) */

#define ENV_KERNEL 0u /* slot 0 stands for "nobody" */

/* Its part in calls through gates (gate.c). Environments by their slots, 0: none. */
struct env_gate {
    struct set own; /* places of its gates in their table */

    /* as one who called */
    uint16_t callee;        /* whom it waits for */
    bool served;            /* that one has the call; else it is in that one's list */
    struct link link;       /* in that list */
    gate_t name;            /* what it called through */
    struct exo_words words; /* what it said */

    /* as one who is called */
    struct list waiting; /* those who wait for it to take their calls, in order */
    bool serves;         /* it took a call and has not replied */
    uint16_t caller;     /* whose; none if that one has ended or given up */

    struct set lent;                  /* positions of all who wait for it, however indirectly */
    uint8_t height;                   /* calls that hang above it, one on another */
    uint16_t waiters[EXO_GATE_DEPTH]; /* how many wait for it with so many above themselves */

    /* the short way: to whom from here, and from whom to here */
    uint16_t way_to, way_from;
    struct gate_way {
        uint64_t gate, tag, caller;        /* its name, or its application's */
        struct env *callee;                /* NULL: the way is closed */
        struct exo_control *control, *own; /* the callee's and the caller's */
    } way;                                 /* for gate.S */
};

/* What the parent wants back, and what its child would rather lose (revoke.c). */
struct revoke {
    uint32_t floor;          /* pages that are never asked back */
    uint32_t missing;        /* asked back and not there yet; 0: nothing is wanted */
    uint64_t deadline;       /* time stamp from which pages are taken by force */
    uint32_t taken, skipped; /* entries of the list gone through for this demand */
    bool forced;             /* taking by force has begun */
    frame_t list;            /* 0: none */
    uint32_t listed, next;   /* entries of the list, and how many of them were gone through */
};

struct env {
    struct exo_context
        context; /* registers while not running; the machine's entry counts on its place */
    env_t name;  /* slot and generation; 0 while FREE */
    enum exo_env_state state;
    uint32_t acts_as; /* slot of the application whose further vCPU it is; 0: its own (vcpu.c) */
    env_t parent;
    char label[17];
    uint32_t generation; /* kept while FREE */

    /* resources: what it has and may have */
    uint32_t used[EXO_RESOURCES], quota[EXO_RESOURCES];
    uint32_t slices;
    struct set positions;        /* of the slice vector, that it owns */
    struct set children, queues; /* slots, and numbers of queues */
    struct set ready_children;   /* those that can run, while it is LIVE */
    struct list frames;          /* its tables, then all others */
    struct list grants[2];       /* grants that it gave, and received: slots */
    frame_t root, control;
    uint32_t rights; /* EXO_RIGHT_... */
    struct revoke revoke;
    uint32_t allowances; /* what its filters must lie within: one of these */
    struct exo_filter allow[EXO_ALLOWANCES];

    /* its vCPU */
    _Alignas(16) uint8_t fpu[512]; /* FXSAVE image, saved by the machine on a switch */
    uint32_t pending;              /* reasons not yet delivered */
    bool waiting;                  /* in `wait`: runs when pending or past the deadline */
    bool ready;                    /* it can run: cpu_consider keeps it so */
    uint8_t on;                    /* the CPU that runs it, by its number and 1; 0: none */
    uint8_t home;                  /* number of the one that did last */
    uint64_t cpus;                 /* CPUs of positions that are or were its own, or lent to it */
    uint8_t loaded_on; /* the machine's: the CPU whose registers are newer than others' */
    uint8_t forfeits;  /* 1: it overran its grace, and its next slice is passed over */
    uint64_t deadline; /* of `wait` or of a call through a gate; 0: none */
    uint64_t timer;    /* of `timer`; 0: none */
    env_t notifiers[EXO_NOTIFIERS]; /* whom it allowed to notify it */
    struct env_gate gate;

    /* accounting */
    uint64_t slices_run, preempts, ticks, upcalls, calls;

    /* vcpu.c */
    uint8_t acts_on;         /* the CPU that it is for, if it is such a one */
    uint16_t vcpu[EXO_CPUS]; /* slots of its own further vCPUs, by their CPUs; 0: none */
    uint64_t cpus_had;       /* CPUs of which it, or such a one, has positions */

    /* why it is a ZOMBIE */
    enum exo_end end;
    uint32_t end_status;
    uint64_t end_rip, end_address;
};

extern struct env *envs;
extern uint32_t env_count;

/* Boot: `table` has room for `count` environments and is zero but, perhaps, for generations. */
void env_init(struct env *table, uint32_t count);

/* Look up by name; NULL if there is none. EXO_ENV_SELF is `self`. */
struct env *env_find(struct env *self, env_t name);

/* Is `env` that one, or a child, grandchild, ... of it? A step a level. */
bool env_is_under(const struct env *env, const struct env *ancestor);

/*
 * A few environments that may do something, by their names: who gets the slot of another does not
 * inherit its right, and nobody has to be forgotten. Putting in may be refused: there is no room.
 */
bool names_have(const env_t *names, uint32_t count, env_t name);
bool names_put(env_t *names, uint32_t count, env_t name, bool in);

/* self is env, or env is an EMBRYO child of self. */
bool env_acts_for(const struct env *self, const struct env *env);

/* Boot: make the first environment, an EMBRYO with every quota and slice, allowed every filter, and no parent. */
struct env *env_first(uint32_t pages);

/* An EMBRYO with root and control page starts to live. */
void env_start(struct env *env, uint64_t rip, uint64_t rsp, uint64_t rdi);

/* Add reasons for an upcall. Marks them in the control page and wakes a waiting vCPU. */
void env_pend(struct env *env, uint32_t reasons);

/* Whether `env` can run has changed: its parent knows. Returns that one if it was told by a reason, which
 * may change whether it can run itself. */
struct env *env_tell_parent(const struct env *env);

/* Take reasons back, or away since they are delivered. */
void env_unpend(struct env *env, uint32_t reasons);

/* revoke.c: the kernel uses the list of `env` no more. */
void revoke_forget(struct env *env);

/* End `env`. Safe for the current one: the machine asks cpu_next afterwards. */
void env_end(struct env *env, enum exo_end why, uint32_t status, uint64_t address);

/* --- vcpu.c: further vCPUs of an application ----------------------------------------- */

/* Whose property, rights and name it has in a call: its application, or itself. */
static inline struct env *env_application(struct env *env)
{
    return env->acts_as ? &envs[env->acts_as] : env;
}

/* The vCPU of `app` for this CPU that has not ended, NULL: there is none. */
struct env *vcpu_at(const struct env *app, uint32_t cpu);

/* A position of this CPU came to `app`, or a vCPU of it, or went. */
void vcpus_count(struct env *app, uint32_t cpu);

/* `env`, an EMBRYO child of `app` without root table and control page, becomes its vCPU for this CPU. */
int64_t vcpu_set(struct env *app, struct env *env, uint64_t cpu);

/* --- cpu.c: slices, waiting, upcalls (processor.h has what the machine calls) ------- */

/* Whether `env` can run, or when it wants to be told of the time, may have changed. */
void cpu_consider(struct env *env);

/* `env` has ended: no CPU's time is its own any more. */
void cpu_forget(const struct env *env);

/* Time stamp ticks that `env` had a CPU, and that CPUs had nobody. */
uint64_t cpu_ticks(const struct env *env);
uint64_t cpu_idle_ticks(void);

/* console.c: one line in the log, "[label] line". */
void console_line(const char *label, const char *line, uint32_t length);

/* channel.c: whose the channel is, set at boot, and, for the machine: bytes have come. */
extern env_t channel_owner;
void channel_arrived(void);

#endif
