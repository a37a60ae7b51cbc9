/* SPDX-License-Identifier: MIT */
/*
 * watch.h - finds a scheduling policy that breaks its contract (policy.h).
 *
 *   W1  a fault is told of a policy only if it had CPU: time is what the application had of its CPUs
 *   W2  whatever the policy did, afterwards each READY thread is in the hands of the one that
 *       follows, once
 *
 * All functions: upcalls off. `all` is the list of all threads, by all_next.
 */
#ifndef LIBOS_WATCH_H
#define LIBOS_WATCH_H

#include "policy.h"

/* A thread that was READY for so long, all the time, is waited for no more: looked at every
 * WATCH_NS, it was so for WATCH_TIMES looks. */
#define WATCH_NS    500000000ull
#define WATCH_TIMES 10u

enum watch_verdict {
    WATCH_GOOD,
    WATCH_LOST,    /* the policy does not give it out any more */
    WATCH_STARVED, /* it would, but has let it wait past the bound */
    WATCH_WRONG,   /* the policy gave out what is not READY, or something twice */
};

struct watch_finding {
    enum watch_verdict verdict;
    struct thread *thread; /* the first that it is about; NULL: none that is known */
    unsigned count;        /* of READY threads that it is about */
};

/*
 * Look, once each WATCH_NS of CPU time. Most times that takes a step a thread. If one has waited too
 * long all are taken out of the policy's hands to see what it has, and given back unless it is
 * found faulty: then they are in nobody's.
 */
struct watch_finding watch_look(const struct sched *policy, struct thread *all);

/* The same at once, because pick_next gave nothing though threads are READY, or gave `picked`, which
 * is not READY (else NULL). */
struct watch_finding watch_faulty(const struct sched *policy, struct thread *all,
                                  struct thread *picked);

/* Give every READY thread to `fallback`, which is initialised first, in the order of their ids. */
void watch_replace(const struct sched *fallback, struct thread *all);

/* "lost", ... */
const char *watch_word(enum watch_verdict verdict);

#endif
