/* SPDX-License-Identifier: MIT */
/*
 * policy.h - the contract between libos and a scheduling policy: which thread runs next.
 *
 * A policy is one object of type `struct sched` in a file of its own (libos/sched/, or the
 * application's). libos on the machine and the simulator on the host (tests/sched) call it by the
 * same rules; docs/design/sched.md tells them at length.
 *
 *   C1  Calls come one at a time, whatever the number of CPUs: a policy needs no lock.
 *   C2  They come with upcalls off, on a small stack that is always in memory: a function here must
 *       not block, allocate, print by stdio or touch a thread's stack. It works on `struct thread`
 *       alone and takes a bounded time; all it may call is time_ns().
 *   C3  A thread is in the policy's hands from `enqueue` or `yield` to the `pick_next` or `dequeue`
 *       that takes it out, and is READY exactly as long.
 *   C4  `pick_next` returns NULL only when no thread is in the policy's hands: no CPU is left idle.
 *   C5  `ran_ns` of a running thread is up to date in every call (but `yield_next`) that is about it, and
 *       comes from the CPU on which it runs; else it is as old as its last event there. It counts what
 *       the thread had of a CPU, not the time in which the CPU was another application's.
 *
 * Who breaks C3 or C4, or lets a thread wait past the bound though `starves` is not set, is found
 * out by watch.c and replaced.
 */
#ifndef LIBOS_POLICY_H
#define LIBOS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"
#include "schedule.h"

#define SCHED_CPUS 64u        /* CPUs of one application, numbered from 0 */
#define NOT_URGENT UINT64_MAX /* `urgency` and `inherited` of a thread that is in no hurry */

/* What a function must keep is pushed on the stack; these are the rest. */
struct thread_saved {
    uint64_t sp;
    uint32_t mxcsr;
    uint16_t x87; /* control word */
};
#define KEPT_WORDS 6 /* registers below the address at which it goes on */

enum thread_state { THREAD_FREE, THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED };

struct thread {
    /* For the policy, while the thread is in its hands; thread_list.h and thread_heap.h use them. */
    struct thread *next, *prev, *up;
    uint64_t key;
    uint32_t rank;

    /* The policy's own at all times; 0 for a new thread. */
    uint64_t policy[4];
    uint64_t urgency;  /* who of those that wait for a lock gets it: the smallest */
    uint64_t slice_ns; /* set when picked: how long until `tick`; 0: sched_quantum_ns */

    /* For the policy to read. */
    uint32_t cpu;                /* where it runs or ran last */
    struct sched_params params;  /* what the application asked for */
    uint64_t ran_ns;             /* CPU time so far */
    uint64_t inherited;          /* least urgency of all that wait for a lock it holds */
    const struct thread *holder; /* BLOCKED until this one gives up a lock; NULL: none known */
    uint32_t waiters;            /* threads whose holder this is */

    int id;
    enum thread_state state;
    char name[16];

    /* Registers while it does not run (switching.c): on its stack, or here if it was preempted. */
    struct thread_saved saved;
    uint64_t fs_base; /* as musl has set it */
    struct exo_context context;
    uint64_t restart; /* ends a frame whose other words are the last of `context` */
    uint8_t fpu[512] __attribute__((aligned(16)));

    /* Why it is BLOCKED. */
    struct thread *wait_next; /* queue of an address's hash; wait_prev is below */
    uint64_t wake_at;         /* time stamp, 0: no time-out */
    const void *address;      /* futex word, NULL: none */
    uint32_t bits;
    bool timed_out;

    /* For watch.c. */
    struct thread *all_next; /* list of all records, FREE ones too */
    uint64_t slice_seen;     /* slice_from at the last look */
    uint32_t waits;

    /* Ticks of the application's own clock (cpu_clock). */
    uint64_t ran;        /* what it had; while it runs, less the reading at which it got the CPU */
    uint64_t slice_from; /* when its slice began, or the last that it had */
    int *clear_tid;      /* zeroed and woken when the thread ends */
    uint64_t stack_low, stack_high;
    uint64_t unmap_base, unmap_size; /* of a detached thread that has ended */
    struct thread *wait_prev;
};

enum enqueue_why {
    ENQUEUE_NEW,       /* it never ran */
    ENQUEUE_WOKEN,     /* it was BLOCKED */
    ENQUEUE_PREEMPTED, /* it ran: `tick` or `wakeup` said so, its CPU was lost, or it was taken out */
};

struct sched {
    const char *name; /* SCHED_NAME("...") */

    /* How long a thread runs until `tick` is asked, in ns; 0: never asked. The machine file may say
     * otherwise: sched_quantum_ns is what holds. */
    uint64_t quantum_ns;

    /* A thread that is READY may wait for ever by design, because others are. */
    bool starves;

    /* Once, before all else: no thread, no CPU. */
    void (*init)(void);

    /* `thread` can run. */
    void (*enqueue)(struct thread *thread, enum enqueue_why why);

    /* Take a READY thread out of the policy's hands. */
    void (*dequeue)(struct thread *thread);

    /* Take out and return the thread that is to run on `cpu`; NULL if there is none. */
    struct thread *(*pick_next)(unsigned cpu);

    /* The slice of `running` is over: shall another run on its CPU? If so `enqueue` follows. */
    bool (*tick)(struct thread *running);

    /* `woken` was just enqueued and no CPU is idle. `running` has what each CPU runs, NULL for one
     * that is not ours: which of these shall ask `pick_next` at once? -1: none. */
    int (*wakeup)(struct thread *woken, struct thread *const *running, unsigned cpus);

    /* `running` calls sched_yield(): it is in the policy's hands again. */
    void (*yield)(struct thread *running);

    /* `yield` and `pick_next` in one step, for the quickest switch that there is; `ran_ns` is not up to
     * date. Only for a policy that leaves slice_ns 0. NULL: libos calls the two. */
    struct thread *(*yield_next)(struct thread *running);

    /* `running` blocks, or has ended. NULL: the policy need not know. */
    void (*leave)(struct thread *running, bool ended);

    /* `inherited` of `thread` has changed; if it is READY it is in the policy's hands. NULL: the
     * policy knows no urgency. */
    void (*inherit)(struct thread *thread);

    /* The application asks for `wanted`, which is within the limits of schedule.h, for a thread in
     * whatever state: 0, and libos puts it into `params` after that, or -EBUSY. NULL: anything. */
    int (*set)(struct thread *thread, const struct sched_params *wanted);

    /* A CPU begins, or has ceased, to run threads of this application. One that is lost had its
     * thread enqueued before. That slices of a CPU come and go in turn is not told. NULL: the
     * policy need not know. */
    void (*cpu_gained)(unsigned cpu);
    void (*cpu_lost)(unsigned cpu);

    /* Tell `print` about the policy's state, a line a call. */
    void (*dump)(void (*print)(const char *line));
};

/* The quantum that holds, fixed before `init`. */
extern uint64_t sched_quantum_ns;

/* Nanoseconds since boot; the simulator's own clock there. */
uint64_t time_ns(void);

/* A policy's name, so that tools find it in a program that brings the policy along. */
#define SCHED_NAME(name) (&("freehold policy " name)[sizeof("freehold policy ") - 1])

/* What the machine file can choose from. libos' own list has every file of libos/sched; a program
 * that defines these two itself has what it names, and none of the others. */
extern const struct sched *const sched_policies[];
extern const unsigned sched_policy_count;

/* What a broken policy is replaced by. */
extern const struct sched sched_fifo;

static inline uint64_t thread_urgency(const struct thread *thread)
{
    return thread->urgency < thread->inherited ? thread->urgency : thread->inherited;
}

#endif
