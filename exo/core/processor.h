/* SPDX-License-Identifier: MIT */
/*
 * processor.h - what the core knows of each CPU: whom it runs, on whose time, and until when.
 *
 * A CPU that runs anybody walks its own part of the slice vector (slice.h). All of this is the
 * core's and, as the rest of it, used by one CPU at a time; another that must decide anew
 * because of that is named in processors_stirred, and the machine tells it.
 */
#ifndef EXO_CORE_PROCESSOR_H
#define EXO_CORE_PROCESSOR_H

#include "env.h"

struct processor {
    uint32_t number;
    struct env *current; /* whose registers are on it, or NULL; set by cpu_next */
    struct env *payer;   /* whose time it is: `current`, or one that waits for `current` */
    struct env *sleeper; /* it sleeps, and that is all that the core knows of it (C10); or NULL */
    uint32_t position;   /* in the slice vector */
    uint64_t slice_end;  /* time stamp */
    uint64_t alarm;      /* what cpu_next said last */
    uint64_t since;      /* `current` has it, or nobody has, since then */
    struct env
        *unbooked;   /* who runs by a call of `current` that is to be booked (gate.c), or NULL */
    uint64_t called; /* when that began */
    uint64_t idle_ticks;
    bool yielded;            /* `current` gave up the rest of its slice */
    bool ending;             /* `current` was told that its slice is over, and has its grace */
    const uint32_t *readers; /* trace.c: how many map its ring of events, */
    const struct env *told;  /* who had it when the ring was last looked after, */
    uint64_t told_preempts;  /* and how often that one had been preempted by then */
    /* Node i holds the earlier of nodes 2i and 2i + 1, node env_count + slot when the timer or
     * deadline of that environment passes if this is its home, else UINT64_MAX: never. */
    uint64_t *expiry;
};

extern struct processor *processors; /* at most EXO_CPUS */
extern uint32_t processor_count;

/* Bit n: nobody else wants processor n, so it has no alarm at its slice's end: it is to be stirred when
 * that changes. */
extern uint64_t processors_quiet;

/* Bit n: processor n must call cpu_next, for what it decided on has changed. */
extern uint64_t processors_stirred;

/* Boot and tests: nobody has run yet. `expiry` has room for two stamps an environment and CPU. */
void cpu_init(struct processor *table, uint32_t count, uint64_t *expiry);

/*
 * Decide who runs on `p` now: accounts the time since the last decision, expires timers and deadlines,
 * moves along the slice vector at a slice's end, delivers upcalls (or the result of `wait`) into
 * env->context. Returns NULL when nobody can run. *alarm gets the time stamp at
 * which the machine must call again at the latest (UINT64_MAX: no need).
 */
struct env *cpu_next(struct processor *p, uint64_t now, uint64_t *alarm);

/* Does it sleep and pass for one that can run (C10)? */
static inline bool is_sleeper(const struct env *env)
{
    return processors[env->home].sleeper == env;
}

/* gate.c: `env` has had the CPU since `when`, on the time of who had it before and waits for it now. What was
 * decided holds on. */
void cpu_handed_on(struct processor *p, struct env *env, uint64_t when);

/* gate.c: on so many CPUs a call is under way that is not booked yet. Who takes the lock books them first; the
 * machine has it beside that lock. */
extern uint32_t calls_unbooked;
void calls_book(void);

/* `self`, which a CPU runs, raised an exception: queue EXO_UP_FAULT or end it. Call cpu_next after. */
void cpu_fault(struct env *self, uint64_t vector, uint64_t error, uint64_t address);

/*
 * Carry out call `number` of `self`, which is LIVE and which a CPU runs, with the arguments in its context. Call
 * cpu_next after if a CPU is stirred, or `self` has reasons for an upcall that it wants.
 */
int64_t cpu_act(struct env *self, uint64_t number);

/* Its bit in a word that has one for each. */
static inline uint64_t processor_bit(uint32_t number)
{
    return 1ull << number % EXO_CPUS;
}

static inline void processor_stir(uint32_t number)
{
    processors_stirred |= processor_bit(number);
}

/* The CPU that runs `env`, if one does, must decide anew. */
static inline void env_stir(const struct env *env)
{
    if (env->on)
        processor_stir(env->on - 1u);
}

#endif
