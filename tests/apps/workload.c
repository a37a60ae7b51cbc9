/* SPDX-License-Identifier: MIT */
/*
 * workload.c - a workload of the simulator (tests/sched) on the machine, with threads of its own:
 *
 *     workload table|trace BEGIN WORDS...
 *
 * It begins BEGIN ms after the machine's boot, if that is still to come: so several applications of one
 * machine can do so one after the other. WORDS are what workload_read reads. The same jobs come at the
 * same moments as in the simulator, and what comes of them is written in the same lines; with `trace`
 * each event as well.
 *
 * A request waits for its moment in the thread that will serve it: that thread sleeps until then. So
 * requests come when they should, whatever the policy does, and no thread is needed to hand them out.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

#define STACK   16384u
#define LEAD_NS 1000000u /* the threads are all there so long before the workload begins */

struct worker {
    pthread_t thread;
    unsigned group, number;
    uint64_t random, began_ns, had_ns;
    bool refused;
};

struct sim_workload workload;
struct sim_result result;

static struct job_stream streams[SIM_GROUPS];
static pthread_mutex_t locks[SIM_LOCKS];
static struct worker *workers;
static unsigned worker_count;
static uint32_t there, begun; /* workers that are ready to begin; they may */

static const struct sim_group *group_of(const struct worker *self)
{
    return &workload.group[self->group];
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void keep(const struct worker *self, const struct job *job)
{
    const struct sim_group *group = group_of(self);
    struct sim_group_result *of = &result.group[self->group];

    critical_enter();
    if (of->latency[job->is_long].count == of->latency[job->is_long].room ||
        of->slowdown.count == of->slowdown.room)
        log_full = true;
    else
        job_done(group, of, job, (uint64_t)now_ns());
    critical_exit();
}

static void lock(unsigned number)
{
    int64_t before = now_ns();

    pthread_mutex_lock(&locks[number]);
    uint64_t waited = (uint64_t)(now_ns() - before);
    if (waited > result.longest_wait_ns)
        result.longest_wait_ns = waited;
}

/* False: the workload was over before. */
static bool serve(const struct worker *self, const struct job *job)
{
    const struct sim_group *group = group_of(self);

    if (!compute(job->length_ns))
        return false;
    if (group->lock >= 0) {
        lock((unsigned)group->lock);
        bool done = compute(group->hold_ns);
        pthread_mutex_unlock(&locks[group->lock]);
        if (!done)
            return false;
    }
    keep(self, job);
    return true;
}

static void serve_requests(const struct worker *self)
{
    struct job job;

    do {
        critical_enter();
        job = stream_take(&streams[self->group], group_of(self));
        critical_exit();
    } while (sleep_until(job.release_ns) && serve(self, &job));
}

static void serve_own(struct worker *self)
{
    const struct sim_group *group = group_of(self);
    uint64_t at = group->start_ns;

    while (sleep_until(at)) {
        struct job job = job_own(group, &self->random, at);
        if (!serve(self, &job)) {
            job_cut(group, &result.group[self->group], &job, workload.duration_ns);
            break;
        }
        at = job_after(group, &self->random, &job, (uint64_t)now_ns());
    }
}

/* --- threads ----------------------------------------------------------------------------------- */

static void *work(void *argument)
{
    struct worker *self = argument;
    const struct sim_group *group = group_of(self);

    self->refused = libos_sched_set(0, &group->params) != 0;
    char name[sizeof(thread_current->name)];
    thread_name(name, sizeof(name), group, self->number);
    critical_enter();
    memcpy(thread_current->name, name, sizeof(name));
    if (++there == worker_count)
        thread_wake(&there, UINT32_MAX, 1);
    if (!begun)
        thread_block(&begun, UINT32_MAX, 0);
    critical_exit();
    self->began_ns = thread_ran_ns();
    if (self->refused && workload.admitted_only)
        return NULL;
    if (group->kind == SIM_POISSON)
        serve_requests(self);
    else
        serve_own(self);
    self->had_ns = thread_ran_ns() - self->began_ns;
    return NULL;
}

static void prepare(void)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    if (!workload.no_inheritance)
        pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    for (unsigned i = 0; i < SIM_LOCKS; i++)
        pthread_mutex_init(&locks[i], &attributes);
    for (unsigned i = 0; i < workload.groups; i++) {
        const struct sim_group *group = &workload.group[i];
        worker_count += group->count;
        if (group->kind == SIM_BUSY)
            continue;
        /* Twice as many as are to be expected. */
        uint64_t each = group->interval_ns + (group->kind == SIM_LOOP ? group->service_ns : 0);
        uint64_t jobs = workload.duration_ns / (each ? each : 1) * 2 + 64;
        jobs *= group->kind == SIM_POISSON ? 1 : group->count;
        series_reserve(&result.group[i].latency[0], jobs);
        series_reserve(&result.group[i].slowdown, jobs);
        if (group->long_share)
            series_reserve(&result.group[i].latency[1], jobs * group->long_share / 1000000 + 64);
        if (group->kind == SIM_POISSON)
            stream_start(&streams[i], &workload, i);
    }
}

static void start_workers(void)
{
    unsigned index = 0;
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setguardsize(&attributes, 0); /* or 1,000 threads were more than 1,024 ranges */
    workers = calloc(worker_count, sizeof(*workers));
    for (unsigned i = 0; workers && i < workload.groups; i++)
        for (unsigned j = 0; j < workload.group[i].count; j++, index++) {
            struct worker *worker = &workers[index];
            *worker = (struct worker){.group = i, .number = j};
            worker->random = job_seed(&workload, index);
            if (pthread_create(&worker->thread, &attributes, work, worker)) {
                printf("error: there is no room for a thread %u\n", index + 1);
                exit(2);
            }
        }
    critical_enter();
    if (there < worker_count)
        thread_block(&there, UINT32_MAX, 0);
    critical_exit();
}

static void run(uint64_t begin_ns)
{
    uint64_t soon = time_ns() + LEAD_NS;

    time_begin(begin_ns > soon ? begin_ns : soon);
    critical_enter();
    begun = 1;
    thread_wake(&begun, UINT32_MAX, UINT32_MAX);
    critical_exit();
    for (unsigned i = 0; i < worker_count; i++)
        pthread_join(workers[i].thread, NULL);
}

static void sum_up(void)
{
    uint64_t had = 0;

    for (unsigned i = 0; i < worker_count; i++) {
        struct sim_group_result *of = &result.group[workers[i].group];
        bool is_first = !i || workers[i - 1].group != workers[i].group;
        thread_had(of, workers[i].had_ns, is_first);
        of->refused += workers[i].refused;
        had += workers[i].had_ns;
    }
    had += result.idle_ns;
    uint64_t whole = workload.duration_ns * workload.cpus;
    result.switching_ns = had < whole ? whole - had : 0;
    result_sort(&workload, &result);
}

static bool read_workload(int count, char **words)
{
    static char text[EXO_START_STRINGS];
    char error[160] = "";

    for (int i = 3; i < count; i++)
        strcat(strcat(text, words[i]), "\n");
    FILE *file = fmemopen(text, strlen(text), "r");
    bool good = file && workload_read(file, &workload, error, sizeof(error));
    if (!good)
        printf("error: the workload is wrong: %s\n", error);
    else if (workload.cpus != (unsigned)sysconf(_SC_NPROCESSORS_ONLN))
        printf("error: the workload is for %u CPUs, the application has others\n", workload.cpus);
    return good && workload.cpus == (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
}

int main(int count, char **words)
{
    if (count < 4 || !read_workload(count, words))
        return 2;
    prepare();
    time_measure_spin();
    start_workers();
    log_start(!strcmp(words[1], "trace"));
    run(strtoull(words[2], NULL, 10) * 1000000);
    log_finish();
    if (log_full) {
        printf("error: there was more to keep than was foreseen\n");
        return 1;
    }
    sum_up();
    result_write(stdout, &workload, &result);
    log_write();
    printf("done\n");
    return 0;
}
