/* SPDX-License-Identifier: MIT */
/*
 * vcpu.h - the virtual CPUs of this application, what each has of its own, and the lock between them.
 *
 * The first is the environment itself, the others are children that act as it (EXO_ENV_SET_VCPU). Each has
 * a control page, behind whose first part lies the rest of struct vcpu; gs leads there, and nobody sets
 * gs but vcpu.c. So a word of the vCPU that this code runs on is read or written by one instruction,
 * between which and the next the thread may go on elsewhere, unless upcalls are off.
 */
#ifndef LIBOS_VCPU_H
#define LIBOS_VCPU_H

#include "control.h"
#include "policy.h"
#include "types.h"

struct exo_trace;

struct vcpu {
    struct exo_control page; /* the control page */
    struct thread *current;  /* the RUNNING one; NULL: none */
    uint64_t stack;          /* rsp for upcalls and for the way between threads: always in memory */

    /* entry.S: what resume_full is about to go on with. */
    uint64_t resume_frame[3]; /* rip, flags, rsp */
    uint64_t resume_spare[3]; /* rax, rcx, r11 */
    uint64_t *resume_flags_at;

    /* yield.S: `slices` of the control page while the short way is open */
    uint64_t yield_slices;

    /* cpu_clock.c: the clock is the time stamp less `elsewhere`, if `slices` is this after it was read;
     * else that has to be asked for */
    uint64_t clock_slices, clock_elsewhere, clock_last;

    uint64_t armed;          /* for when the kernel's timer is set; NO_ALARM: it is not */
    struct exo_trace *trace; /* its ring of events; NULL: it has none */
    bool watched;            /* upcalls have more to do: there is a ring, or another vCPU */
    bool switch_due;         /* `current` shall give way */

    /* vcpu.c; under the lock */
    uint64_t kicks;  /* whom to wake when the lock is given up: a bit for each number */
    bool idle;       /* it waits for a thread to become READY */
    bool online;     /* the policy was told of it */
    bool lost;       /* its CPU belongs to others */
    unsigned number; /* the policy's: place in the table */
    uint32_t cpu;    /* the machine's */
    env_t env;
    env_t told; /* whom it notified: that one has the slice if there is nothing to do here */
};

/* The one that this code runs on. */
#ifdef LIBOS_ON_HOST /* in a test, where gs is the host's */
extern struct vcpu vcpu_host;
#define VCPU (&vcpu_host)
#else
#define VCPU ((volatile __seg_gs struct vcpu *)0)
#endif

#define thread_current (VCPU->current)

/* Its address; upcalls off. It follows from where the control page lies, which nobody moves. */
static inline struct vcpu *vcpu_self(void)
{
#ifdef LIBOS_ON_HOST
    return VCPU;
#else
    return (struct vcpu *)((uint64_t)VCPU->resume_flags_at & ~(EXO_PAGE_SIZE - 1ull));
#endif
}

/* --- the lock: whoever has upcalls off holds it, so that what holds for one CPU holds for all -- */

/* False: there is one vCPU alone, and upcalls off suffice. It becomes true once, before the second. */
extern bool vcpus_many;

/* vcpu.c. Upcalls off. Who waits lends its time to the holder, if that one has no CPU. */
void vcpus_lock(void);
void vcpus_unlock(void);

static inline void vcpu_lock(void)
{
    if (__builtin_expect(vcpus_many, 0))
        vcpus_lock();
}

static inline void vcpu_unlock(void)
{
    if (__builtin_expect(vcpus_many, 0))
        vcpus_unlock();
}

/* --- all of it critical --------------------------------------------------------------------- */

void vcpu_first(void);  /* at the start; before anything else of this header */
void vcpus_start(void); /* as many as FREEHOLD_VCPUS says, once there is a policy */
/* Among these reasons may be that a CPU was gained or lost: vCPUs are made, stopped and resumed. */
void vcpus_events(uint32_t reasons);
unsigned vcpus_count(void);
uint64_t vcpus_online(void); /* bit n: the policy's CPU n runs threads, or would */

/* These are for more than one. A thread has become READY: an idle vCPU is woken, or the policy asked. */
void vcpus_offer(struct thread *woken, enum enqueue_why why);
/* Threads are READY: wake an idle vCPU. */
void vcpus_share(void);
/* Nothing to run here: wait, as the call `wait` does. */
uint32_t vcpu_wait(uint64_t deadline);
/* If its CPU is lost, stay here until it is back. */
void vcpu_park(void);

#endif
