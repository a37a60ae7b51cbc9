/* SPDX-License-Identifier: MIT */
/*
 * jobs.c - what the simulated threads do: jobs come, take CPU time, want locks, and are measured.
 *
 *   J1  when jobs come, and how long they are, does not depend on the policy: each group (SIM_POISSON)
 *       or thread draws from numbers of its own
 *   J2  a lock that is free has no waiters
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#define FOR_EVER (UINT64_MAX / 4)

struct request {
    uint64_t at_ns, length_ns;
    bool is_long;
};

/* Of each group of SIM_POISSON. */
static struct {
    uint64_t random;
    struct sim_thread *free; /* threads without a job */
    struct request *waiting; /* a ring of those that no thread has taken */
    size_t first, count, room;
} queue[SIM_GROUPS];

static struct {
    struct sim_thread *owner, *waiting; /* newest first */
} lock[SIM_LOCKS];

static const struct sim_group *group_of(const struct sim_thread *thread)
{
    return &sim.workload->group[thread->group];
}

/* --- what is measured ----------------------------------------------------------------------- */

static void note(struct sim_series *series, uint64_t value)
{
    if (series->count == series->room) {
        series->room = series->room ? series->room * 2 : 1024;
        series->value = realloc(series->value, series->room * sizeof(*series->value));
        if (!series->value)
            abort();
    }
    series->value[series->count++] = value;
}

static void measure(struct sim_thread *thread)
{
    const struct sim_group *group = group_of(thread);
    struct sim_group_result *result = &sim.result->group[thread->group];
    uint64_t took = sim.now - thread->release_ns;

    result->jobs++;
    note(&result->latency[thread->is_long], took);
    note(&result->slowdown, took * 100 / (thread->length_ns ? thread->length_ns : 1));
    if (group->kind == SIM_PERIODIC && took > group->interval_ns)
        result->missed++;
}

/* --- jobs begin and end ----------------------------------------------------------------------- */

static uint64_t draw_length(const struct sim_group *group, uint64_t *random, bool *is_long)
{
    *is_long = group->long_share && draw(random) % 1000000 < group->long_share;
    if (*is_long)
        return group->long_ns;
    return group->exponential ? draw_exponential(random, group->service_ns) : group->service_ns;
}

static void take(struct sim_thread *thread, struct request request)
{
    const struct sim_group *group = group_of(thread);

    thread->phase = PHASE_SERVICE;
    thread->release_ns = request.at_ns;
    thread->is_long = request.is_long;
    thread->left_ns = request.length_ns ? request.length_ns : 1;
    thread->length_ns = request.length_ns + (group->lock >= 0 ? group->hold_ns : 0);
}

/* Its own next job, of a kind that has some, that came at `at_ns`. */
static void take_own(struct sim_thread *thread, uint64_t at_ns)
{
    struct request request = {.at_ns = at_ns, .length_ns = FOR_EVER};

    if (group_of(thread)->kind != SIM_BUSY)
        request.length_ns = draw_length(group_of(thread), &thread->random, &request.is_long);
    take(thread, request);
}

void job_request(unsigned index)
{
    const struct sim_group *group = &sim.workload->group[index];
    struct request request = {.at_ns = sim.now};
    struct sim_thread *thread = queue[index].free;

    request.length_ns = draw_length(group, &queue[index].random, &request.is_long);
    events_add(sim.now + draw_exponential(&queue[index].random, group->interval_ns) + 1,
               EVENT_REQUEST, index, 0);
    if (thread) {
        queue[index].free = thread->next_free;
        take(thread, request);
        thread_ready(thread, thread->runs ? ENQUEUE_WOKEN : ENQUEUE_NEW);
        return;
    }
    if (queue[index].count == queue[index].room) {
        size_t room = queue[index].room ? queue[index].room * 2 : 256;
        struct request *longer = malloc(room * sizeof(*longer));
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
    uint64_t next = sim.now;

    measure(thread);
    thread->phase = PHASE_NONE;
    switch (group->kind) {
    case SIM_BUSY:
        abort(); /* its job has no end */
    case SIM_PERIODIC:
        next = thread->release_ns + group->interval_ns;
        break;
    case SIM_LOOP:
        next = sim.now + draw_exponential(&thread->random, group->interval_ns);
        break;
    case SIM_POISSON:
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
        over(cpu);
        if (next && next->t.state == THREAD_READY)
            thread_place(next);
        return;
    }
    over(cpu);
}

/* --- start and end ------------------------------------------------------------------------------- */

static void start_thread(struct sim_thread *thread, unsigned index, unsigned number)
{
    const struct sim_group *group = &sim.workload->group[index];

    snprintf(thread->t.name, sizeof(thread->t.name), "%.8s %u", group->name, (number + 1) % 100000);
    thread->t.id = (int)(thread - sim.thread) + 1;
    thread->t.state = THREAD_BLOCKED;
    thread->t.inherited = NOT_URGENT;
    thread->t.params = SCHED_PARAMS;
    thread->t.all_next = sim.all;
    sim.all = &thread->t;
    thread->group = index;
    thread->random = draw_seed(sim.workload->seed, thread->t.id);
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
        queue[i].random = draw_seed(sim.workload->seed ^ 0x5eed, i);
        if (group->kind == SIM_POISSON)
            events_add(group->start_ns + draw_exponential(&queue[i].random, group->interval_ns),
                       EVENT_REQUEST, i, 0);
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void sort(struct sim_series *series)
{
    if (series->count)
        qsort(series->value, series->count, sizeof(*series->value), by_value);
}

/* Jobs of SIM_PERIODIC whose deadline is over but which are not done count as missed. */
void jobs_finish(void)
{
    for (unsigned i = 0; i < sim.threads; i++) {
        struct sim_thread *thread = &sim.thread[i];
        const struct sim_group *group = group_of(thread);
        struct sim_group_result *result = &sim.result->group[thread->group];
        bool first = !i || sim.thread[i - 1].group != thread->group;
        result->cpu_ns += thread->t.ran_ns;
        if (first || thread->t.ran_ns < result->least_cpu_ns)
            result->least_cpu_ns = thread->t.ran_ns;
        if (first || thread->t.ran_ns > result->most_cpu_ns)
            result->most_cpu_ns = thread->t.ran_ns;
        if (group->kind == SIM_PERIODIC && thread->phase != PHASE_NONE)
            result->missed += (sim.now - thread->release_ns) / group->interval_ns;
    }
    for (unsigned i = 0; i < sim.workload->groups; i++) {
        sort(&sim.result->group[i].latency[0]);
        sort(&sim.result->group[i].latency[1]);
        sort(&sim.result->group[i].slowdown);
        free(queue[i].waiting);
    }
}

void sim_free(struct sim_result *result)
{
    for (unsigned i = 0; i < SIM_GROUPS; i++) {
        free(result->group[i].latency[0].value);
        free(result->group[i].latency[1].value);
        free(result->group[i].slowdown.value);
    }
}

uint64_t sim_quantile(const struct sim_series *series, uint32_t per_million)
{
    if (!series->count)
        return 0;
    /* The smallest value that at least that many do not exceed. */
    size_t rank = (series->count * per_million + 999999) / 1000000;
    return series->value[rank ? rank - 1 : 0];
}
