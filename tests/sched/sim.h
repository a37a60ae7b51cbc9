/* SPDX-License-Identifier: MIT */
/*
 * sim.h - the simulator: scheduling policies of libos on virtual CPUs in virtual time.
 *
 * The policy's object is the one that applications are linked with, and so are inherit.c and watch.c;
 * this is in the place of the rest of libos (libos/thread.c) and of the application. It calls the
 * policy by the rules of policy.h and is deterministic: the same workload gives the same result, to
 * the last digit, and each policy is given the same requests at the same times.
 */
#ifndef SCHED_SIM_H
#define SCHED_SIM_H

#include "policy.h"
#include "watch.h"

#define SIM_GROUPS  32u
#define SIM_THREADS 4096u
#define SIM_LOCKS   16u
#define SIM_NAME    32u

enum sim_kind {
    SIM_BUSY,     /* always has work */
    SIM_PERIODIC, /* each thread: a job every `interval_ns`, to be done by the next */
    SIM_POISSON,  /* requests come to the group as a whole, `interval_ns` apart on average; each is
                     done by one of its threads, and waits if none is free */
    SIM_LOOP,     /* each thread: a job, then a pause of `interval_ns` on average, and again */
};

struct sim_group {
    char name[SIM_NAME];
    enum sim_kind kind;
    unsigned count; /* threads */
    struct sched_params params;
    uint64_t interval_ns, start_ns;

    /* A job's length: `service_ns`, or drawn from the exponential distribution with that mean; of a
     * million jobs `long_share` take `long_ns` instead. */
    uint64_t service_ns, long_ns;
    uint32_t long_share;
    bool exponential;

    int lock; /* -1: none; then it ends with `hold_ns` more under that lock */
    uint64_t hold_ns;
};

struct sim_workload {
    unsigned cpus, groups;
    uint64_t duration_ns, seed, switch_ns;
    uint64_t quantum_ns; /* 0: the policy's own */
    uint64_t on_ns,
        off_ns; /* the CPUs are the application's for so long, then others'; 0: always */
    uint64_t lost_ns, back_ns; /* the last CPU is lost then and comes back; 0: it stays */
    bool no_inheritance;       /* locks do not tell the policy who waits for whom */
    bool admitted_only;        /* groups whose promise is refused do not run */
    struct sim_group group[SIM_GROUPS];
};

/* Sorted when the run is over. */
struct sim_series {
    uint64_t *value;
    size_t count, room;
};

struct sim_group_result {
    unsigned refused; /* threads whose parameters the policy refused */
    uint64_t jobs, missed, cpu_ns;
    uint64_t most_cpu_ns, least_cpu_ns; /* of its threads */
    struct sim_series latency[2];       /* of jobs, of long ones */
    struct sim_series slowdown;         /* latency by length, in hundredths */
};

struct sim_result {
    const char *policy;
    uint64_t switches, preemptions, idle_ns, switching_ns, digest;
    uint64_t longest_wait_ns; /* of a thread for a lock */
    struct watch_finding watch;
    uint64_t watch_ns;  /* when that was */
    const char *broken; /* what the policy did against its contract, NULL: nothing */
    struct sim_series
        cut; /* how long threads ran that were preempted, from when they were picked */
    struct sim_group_result group[SIM_GROUPS];
};

/* Run to the end. `trace`: a line for each logical event, if not NULL (a FILE *). */
void sim_run(const struct sim_workload *workload, const struct sched *policy, void *trace,
             struct sim_result *result);
void sim_free(struct sim_result *result);

/* --- work.c: jobs that come, and what is kept of those that are done */
struct job {
    uint64_t release_ns, length_ns; /* when it came; without what it does under a lock */
    bool is_long;
};
struct job_stream {
    uint64_t random, next_ns; /* when the next one comes */
};
/* The requests of a group of SIM_POISSON, in order. */
void stream_start(struct job_stream *stream, const struct sim_workload *workload, unsigned group);
struct job stream_take(struct job_stream *stream, const struct sim_group *group);
/* A thread of another kind, counted from 0 over all groups: its numbers, its next job, and when that
 * comes, which may be before now. */
uint64_t job_seed(const struct sim_workload *workload, unsigned thread);
struct job job_own(const struct sim_group *group, uint64_t *random, uint64_t release_ns);
uint64_t job_after(const struct sim_group *group, uint64_t *random, const struct job *job,
                   uint64_t now_ns);

void thread_name(char *name, size_t size, const struct sim_group *group, unsigned number);

void series_note(struct sim_series *series, uint64_t value);
void job_done(const struct sim_group *group, struct sim_group_result *result, const struct job *job,
              uint64_t now_ns);
/* At the end of the run it was not done. */
void job_cut(const struct sim_group *group, struct sim_group_result *result, const struct job *job,
             uint64_t now_ns);
void thread_had(struct sim_group_result *result, uint64_t cpu_ns, bool is_first);
void result_sort(const struct sim_workload *workload, struct sim_result *result);
/* The value that `per_million` of a sorted series do not exceed; 0 if it is empty. */
uint64_t sim_quantile(const struct sim_series *series, uint32_t per_million);

/* --- draw.c: numbers that repeat */
uint64_t draw(uint64_t *state);
uint64_t draw_exponential(uint64_t *state, uint64_t mean); /* integer arithmetic alone */
uint64_t draw_seed(uint64_t seed, uint64_t index);

/* --- events.c: what happens when; at the same time, in the order in which it was said */
enum event_kind {
    EVENT_REQUEST,
    EVENT_JOB,
    EVENT_CPU,
    EVENT_ON,
    EVENT_OFF,
    EVENT_LOST,
    EVENT_BACK
};
struct event {
    uint64_t at, order;
    enum event_kind kind;
    uint32_t which; /* group, thread or CPU */
    uint64_t round; /* of a CPU: an older one is void */
};
void events_clear(void);
void events_add(uint64_t at, enum event_kind kind, uint32_t which, uint64_t round);
bool events_take(struct event *event);

/* --- text.c: a workload as lines, and the result as lines; false: *error says what is wrong */
bool workload_read(void *file, struct sim_workload *workload, char *error, size_t size);
void result_write(void *file, const struct sim_workload *workload, const struct sim_result *result);

#endif
