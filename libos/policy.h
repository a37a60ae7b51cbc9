/* SPDX-License-Identifier: MIT */
/*
 * policy.h - the contract between libos and a scheduling policy: which thread runs next.
 *
 * A policy is one object of type `struct sched` in a file of its own. libos calls it with upcalls
 * off and on a small stack that is always in memory: a function here must not block, allocate,
 * print by stdio or touch a thread's stack; it works on `struct thread` alone and takes a bounded
 * time.
 *
 * libos keeps the rest: who sleeps or waits for what, saving registers, timers. A thread is known
 * to the policy from `enqueue` to the `pick_next` or `dequeue` that takes it out.
 */
#ifndef LIBOS_POLICY_H
#define LIBOS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"

enum thread_state { THREAD_FREE, THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED };

struct thread {
    /* For the policy, while the thread is in its hands. */
    struct thread *next, *prev;
    uint64_t ran_ns;    /* CPU time so far; libos keeps it */
    uint64_t policy[4]; /* whatever it likes; 0 for a new thread */

    int id;
    enum thread_state state;
    char name[16];

    /* Registers while it does not run: all of them if it was preempted, else on its stack. */
    bool preempted;
    uint64_t sp, fs_base;
    struct exo_context context;
    uint8_t fpu[512] __attribute__((aligned(16)));

    /* Why it is BLOCKED. */
    struct thread *wait_next; /* list of all that are blocked */
    uint64_t wake_at;         /* time stamp, 0: no time-out */
    const void *address;      /* futex word, NULL: none */
    uint32_t bits;
    bool timed_out;

    uint64_t switched_in; /* time stamp */
    int *clear_tid;       /* zeroed and woken when the thread ends */
    uint64_t stack_low, stack_high;
    uint64_t unmap_base, unmap_size; /* of a detached thread that has ended */
};

struct sched {
    const char *name;

    /* How long a thread runs until `tick` is asked, in ns; 0: never asked. */
    uint64_t quantum_ns;

    /* Once, before the first thread. */
    void (*init)(void);

    /* The thread can run: new, woken, or preempted. */
    void (*enqueue)(struct thread *thread);

    /* Take a READY thread out of the policy's hands. */
    void (*dequeue)(struct thread *thread);

    /* Take out and return the thread that runs next; NULL if there is none. */
    struct thread *(*pick_next)(void);

    /* The quantum of `running` is over: shall another thread run now? */
    bool (*tick)(struct thread *running);

    /* `woken` was just enqueued while `running` runs: shall it run at once? */
    bool (*wakeup)(struct thread *woken, struct thread *running);

    /* `running` calls sched_yield(); put it where it belongs. */
    void (*yield)(struct thread *running);

    /* The application's CPU came back or is about to go. */
    void (*cpu_gained)(void);
    void (*cpu_lost)(void);

    /* Tell `print` about the policy's state, a line a call. */
    void (*dump)(void (*print)(const char *line));
};

extern const struct sched sched_fifo, sched_round_robin;

#endif
