/* SPDX-License-Identifier: MIT */
/* machine.h - what sim.c and jobs.c share. */
#ifndef SCHED_MACHINE_H
#define SCHED_MACHINE_H

#include <stdio.h>

#include "inherit.h"
#include "sim.h"

enum sim_phase { PHASE_NONE, PHASE_SERVICE, PHASE_HOLD, PHASE_UNLOCKED };

struct sim_thread {
    struct thread t; /* first: a policy's thread is one of these */
    unsigned group;
    unsigned runs; /* how often it got a CPU */
    uint64_t random;

    /* The job that it does. */
    enum sim_phase phase;
    uint64_t left_ns; /* of the phase */
    struct job job;

    uint64_t waits_since; /* for a lock */
    struct sim_thread *next_free, *next_waiting;
};

struct sim_cpu {
    unsigned number;
    bool ours;
    struct sim_thread *running, *last;
    uint64_t picked_at;
    uint64_t since; /* its thread has made progress up to here; in the future while it switches */
    uint64_t slice_end, idle_since, round;
};

struct sim_machine {
    const struct sim_workload *workload;
    const struct sched *policy;
    struct sim_result *result;
    FILE *trace;
    uint64_t now, look_at;
    uint64_t away_since, away_ns; /* the CPUs were others' */
    bool away;                    /* they are now */
    unsigned ready_count, threads;
    struct sim_thread *thread;
    struct thread *all; /* by all_next */
    struct sim_cpu cpu[SCHED_CPUS];
    struct thread *running[SCHED_CPUS];
};

extern struct sim_machine sim;

/* --- sim.c */
void sim_trace(const char *what, const struct sim_thread *thread, unsigned cpu);
void thread_enqueue(struct sim_thread *thread, enum enqueue_why why);
void thread_place(struct sim_thread *thread); /* it was enqueued: does it run at once? */
void thread_ready(struct sim_thread *thread, enum enqueue_why why); /* both */
void cpu_account(struct sim_cpu *cpu);
void cpu_dispatch(struct sim_cpu *cpu);
void cpu_preempt(struct sim_cpu *cpu);
void cpu_block(struct sim_cpu *cpu);

/* --- jobs.c */
void jobs_start(void);
void jobs_finish(void);
void job_request(unsigned group);          /* one comes to a SIM_POISSON group */
void job_begin(struct sim_thread *thread); /* the time of a thread's next job has come */
void job_phase_over(struct sim_cpu *cpu);  /* its thread has done what was left of the phase */

#endif
