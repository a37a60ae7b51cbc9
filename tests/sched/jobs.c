/* SPDX-License-Identifier: MIT */
/*
 * jobs.c - what the simulated threads do: take jobs (work.c), compute, want locks.
 *
 *   J2  a lock that is free has no waiters
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

/* Of each group of SIM_POISSON. */
static struct {
    struct job_stream stream;
    struct sim_thread *free; /* threads without a job */
    struct job *waiting;     /* a ring of those that no thread has taken */
    size_t first, count, room;
} queue[SIM_GROUPS];

static struct {
    struct sim_thread *owner, *waiting; /* newest first */
} lock[SIM_LOCKS];

static const struct sim_group *group_of(const struct sim_thread *thread)
{
    return &sim.workload->group[thread->group];
}

/* --- jobs begin and end ----------------------------------------------------------------------- */

static void take(struct sim_thread *thread, struct job job)
{
    thread->phase = PHASE_SERVICE;
    thread->job = job;
    thread->left_ns = job.length_ns ? job.length_ns : 1;
}

/* Its own next job, of a kind that has some, that came at `at_ns`. */
static void take_own(struct sim_thread *thread, uint64_t at_ns)
{
    take(thread, job_own(group_of(thread), &thread->random, at_ns));
}

void job_request(unsigned index)
{
    struct job request = stream_take(&queue[index].stream, &sim.workload->group[index]);
    struct sim_thread *thread = queue[index].free;

    events_add(queue[index].stream.next_ns, EVENT_REQUEST, index, 0);
    if (thread) {
        queue[index].free = thread->next_free;
        take(thread, request);
        thread_ready(thread, thread->runs ? ENQUEUE_WOKEN : ENQUEUE_NEW);
        return;
    }
    if (queue[index].count == queue[index].room) {
        size_t room = queue[index].room ? queue[index].room * 2 : 256;
        struct job *longer = malloc(room * sizeof(*longer));
        if (!longer)
            abort();
        for (size_t i = 0; i < queue[index].count; i++)
            longer[i] = queue[index].waiting[(queue[index].first + i) % queue[index].room];
        free(queue[index].waiting);
        queue[index].waiting = longer;
        queue[index].room = room;
        queue[index].first = 0;
    }
    queue[index].waiting[(queue[index].first + queue[index].count++) % queue[index].room] = request;
}

void job_begin(struct sim_thread *thread)
{
    take_own(thread, sim.now);
    thread_ready(thread, thread->runs ? ENQUEUE_WOKEN : ENQUEUE_NEW);
}

/* The thread of `cpu` has done its job. What it does next is either at hand, or it waits. */
static void over(struct sim_cpu *cpu)
{
    struct sim_thread *thread = cpu->running;
    const struct sim_group *group = group_of(thread);
    unsigned index = thread->group;

    job_done(group, &sim.result->group[index], &thread->job, sim.now);
    thread->phase = PHASE_NONE;
    if (group->kind == SIM_POISSON) {
        if (queue[index].count) {
            take(thread, queue[index].waiting[queue[index].first]);
            queue[index].first = (queue[index].first + 1) % queue[index].room;
            queue[index].count--;
            return;
        }
        thread->next_free = queue[index].free;
        queue[index].free = thread;
        cpu_block(cpu);
        return;
    }
    uint64_t next = job_after(group, &thread->random, &thread->job, sim.now);
    if (next <= sim.now) {
        take_own(thread, next);
        return;
    }
    events_add(next, EVENT_JOB, (uint32_t)(thread - sim.thread), 0);
    cpu_block(cpu);
}

/* --- locks -------------------------------------------------------------------------------------- */

static void hold(struct sim_thread *thread)
{
    thread->phase = PHASE_HOLD;
    thread->left_ns = group_of(thread)->hold_ns ? group_of(thread)->hold_ns : 1;
}

static void acquire(struct sim_cpu *cpu)
{
    struct sim_thread *thread = cpu->running;
    int wanted = group_of(thread)->lock;

    if (!lock[wanted].owner) {
        lock[wanted].owner = thread;
        hold(thread);
        return;
    }
    thread->waits_since = sim.now;
    thread->next_waiting = lock[wanted].waiting;
    lock[wanted].waiting = thread;
    if (!sim.workload->no_inheritance)
        inherit_block(sim.policy, &thread->t, &lock[wanted].owner->t);
    cpu_block(cpu);
}

/* The most urgent, among equals the oldest; without inheritance the oldest. */
static struct sim_thread *next_owner(int of)
{
    struct sim_thread **found = NULL, *thread;

    for (struct sim_thread **at = &lock[of].waiting; *at; at = &(*at)->next_waiting)
        if (!found || sim.workload->no_inheritance ||
            thread_urgency(&(*at)->t) <= thread_urgency(&(*found)->t))
            found = at;
    if (!found)
        return NULL;
    thread = *found;
    *found = thread->next_waiting;
    return thread;
}

/* The new owner, which is READY; NULL: there is none. */
static struct sim_thread *release(int of)
{
    struct sim_thread *next = lock[of].owner = next_owner(of);

    if (!next)
        return NULL;
    if (sim.now - next->waits_since > sim.result->longest_wait_ns)
        sim.result->longest_wait_ns = sim.now - next->waits_since;
    if (!sim.workload->no_inheritance) {
        inherit_unblock(sim.policy, sim.all, &next->t);
        for (struct sim_thread *at = lock[of].waiting; at; at = at->next_waiting) {
            inherit_unblock(sim.policy, sim.all, &at->t);
            inherit_block(sim.policy, &at->t, &next->t);
        }
    }
    hold(next);
    thread_enqueue(next, ENQUEUE_WOKEN);
    return next;
}

/* `next` has the lock of who runs on `cpu`, which may be less urgent now than others that are ready, and
 * so the policy is asked before it gets any further (futex_unlock_pi). */
static bool gave_way(struct sim_cpu *cpu, struct sim_thread *next)
{
    uint64_t round = cpu->round;

    thread_place(next);
    if (cpu->round == round && !sim.workload->no_inheritance)
        cpu_preempt(cpu);
    return cpu->round != round;
}

void job_phase_over(struct sim_cpu *cpu)
{
    struct sim_thread *thread = cpu->running;
    int of = group_of(thread)->lock;

    if (thread->phase == PHASE_SERVICE && of >= 0) {
        acquire(cpu);
        return;
    }
    if (thread->phase == PHASE_HOLD) {
        struct sim_thread *next = release(of);
        thread->phase = PHASE_UNLOCKED;
        if (next && gave_way(cpu, next))
            return;
    }
    over(cpu);
}

/* --- start and end ------------------------------------------------------------------------------- */

static void start_thread(struct sim_thread *thread, unsigned index, unsigned number)
{
    const struct sim_group *group = &sim.workload->group[index];

    thread_name(thread->t.name, sizeof(thread->t.name), group, number);
    thread->t.id = (int)(thread - sim.thread) + 1;
    thread->t.state = THREAD_BLOCKED;
    thread->t.inherited = NOT_URGENT;
    thread->t.params = SCHED_PARAMS;
    thread->t.all_next = sim.all;
    sim.all = &thread->t;
    thread->group = index;
    thread->random = job_seed(sim.workload, thread->t.id - 1);
    if (sim.policy->set && sim.policy->set(&thread->t, &group->params)) {
        sim.result->group[index].refused++;
        if (sim.workload->admitted_only)
            return;
    } else {
        thread->t.params = group->params;
    }
    if (group->kind == SIM_POISSON) {
        thread->next_free = queue[index].free;
        queue[index].free = thread;
    } else {
        events_add(group->start_ns, EVENT_JOB, (uint32_t)(thread - sim.thread), 0);
    }
}

void jobs_start(void)
{
    unsigned threads = 0;

    memset(queue, 0, sizeof(queue));
    memset(lock, 0, sizeof(lock));
    for (unsigned i = 0; i < sim.workload->groups; i++)
        threads += sim.workload->group[i].count;
    sim.threads = threads;
    sim.thread = calloc(threads + 1, sizeof(*sim.thread));
    if (!sim.thread)
        abort();
    struct sim_thread *next = sim.thread;
    for (unsigned i = 0; i < sim.workload->groups; i++) {
        const struct sim_group *group = &sim.workload->group[i];
        for (unsigned j = 0; j < group->count; j++)
            start_thread(next++, i, j);
        stream_start(&queue[i].stream, sim.workload, i);
        if (group->kind == SIM_POISSON)
            events_add(queue[i].stream.next_ns, EVENT_REQUEST, i, 0);
    }
}

/* Jobs of SIM_PERIODIC whose deadline is over but which are not done count as missed. */
void jobs_finish(void)
{
    for (unsigned i = 0; i < sim.threads; i++) {
        struct sim_thread *thread = &sim.thread[i];
        struct sim_group_result *result = &sim.result->group[thread->group];
        thread_had(result, thread->t.ran_ns, !i || sim.thread[i - 1].group != thread->group);
        if (thread->phase != PHASE_NONE)
            job_cut(group_of(thread), result, &thread->job, sim.now);
    }
    for (unsigned i = 0; i < sim.workload->groups; i++)
        free(queue[i].waiting);
    result_sort(sim.workload, sim.result);
}

void sim_free(struct sim_result *result)
{
    for (unsigned i = 0; i < SIM_GROUPS; i++) {
        free(result->group[i].latency[0].value);
        free(result->group[i].latency[1].value);
        free(result->group[i].slowdown.value);
    }
    free(result->cut.value);
}
