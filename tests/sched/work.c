/* SPDX-License-Identifier: MIT */
/*
 * work.c - which jobs come and how long they are, and what is kept of those that are done: the same for
 * the simulator (jobs.c) and for threads of the machine (tests/apps/workload.c).
 *
 *   J1  when jobs come, and how long they are, does not depend on the policy: each group (SIM_POISSON)
 *       or thread draws from numbers of its own
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define FOR_EVER (UINT64_MAX / 4)

/* --- jobs come ------------------------------------------------------------------------------- */

static void draw_length(const struct sim_group *group, uint64_t *random, struct job *job)
{
    job->is_long = group->long_share && draw(random) % 1000000 < group->long_share;
    if (job->is_long)
        job->length_ns = group->long_ns;
    else
        job->length_ns =
            group->exponential ? draw_exponential(random, group->service_ns) : group->service_ns;
}

void stream_start(struct job_stream *stream, const struct sim_workload *workload, unsigned index)
{
    const struct sim_group *group = &workload->group[index];

    stream->random = draw_seed(workload->seed ^ 0x5eed, index);
    stream->next_ns = group->start_ns + draw_exponential(&stream->random, group->interval_ns);
}

struct job stream_take(struct job_stream *stream, const struct sim_group *group)
{
    struct job job = {.release_ns = stream->next_ns};

    draw_length(group, &stream->random, &job);
    stream->next_ns += draw_exponential(&stream->random, group->interval_ns) + 1;
    return job;
}

uint64_t job_seed(const struct sim_workload *workload, unsigned thread)
{
    return draw_seed(workload->seed, thread + 1);
}

struct job job_own(const struct sim_group *group, uint64_t *random, uint64_t release_ns)
{
    struct job job = {.release_ns = release_ns, .length_ns = FOR_EVER};

    if (group->kind != SIM_BUSY)
        draw_length(group, random, &job);
    return job;
}

uint64_t job_after(const struct sim_group *group, uint64_t *random, const struct job *job,
                   uint64_t now_ns)
{
    if (group->kind == SIM_PERIODIC)
        return job->release_ns + group->interval_ns;
    return now_ns + draw_exponential(random, group->interval_ns);
}

void thread_name(char *name, size_t size, const struct sim_group *group, unsigned number)
{
    snprintf(name, size, "%.8s %u", group->name, (number + 1) % 100000);
}

/* --- what is kept of them ---------------------------------------------------------------------- */

void series_note(struct sim_series *series, uint64_t value)
{
    if (series->count == series->room) {
        series->room = series->room ? series->room * 2 : 1024;
        series->value = realloc(series->value, series->room * sizeof(*series->value));
        if (!series->value)
            abort();
    }
    series->value[series->count++] = value;
}

void job_done(const struct sim_group *group, struct sim_group_result *result, const struct job *job,
              uint64_t now_ns)
{
    uint64_t took = now_ns - job->release_ns;
    uint64_t length = job->length_ns + (group->lock >= 0 ? group->hold_ns : 0);

    result->jobs++;
    series_note(&result->latency[job->is_long], took);
    series_note(&result->slowdown, took * 100 / (length ? length : 1));
    if (group->kind == SIM_PERIODIC && took > group->interval_ns)
        result->missed++;
}

void job_cut(const struct sim_group *group, struct sim_group_result *result, const struct job *job,
             uint64_t now_ns)
{
    if (group->kind == SIM_PERIODIC)
        result->missed += (now_ns - job->release_ns) / group->interval_ns;
}

void thread_had(struct sim_group_result *result, uint64_t cpu_ns, bool is_first)
{
    result->cpu_ns += cpu_ns;
    if (is_first || cpu_ns < result->least_cpu_ns)
        result->least_cpu_ns = cpu_ns;
    if (is_first || cpu_ns > result->most_cpu_ns)
        result->most_cpu_ns = cpu_ns;
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

void result_sort(const struct sim_workload *workload, struct sim_result *result)
{
    for (unsigned i = 0; i < workload->groups; i++) {
        sort(&result->group[i].latency[0]);
        sort(&result->group[i].latency[1]);
        sort(&result->group[i].slowdown);
    }
    sort(&result->cut);
}

uint64_t sim_quantile(const struct sim_series *series, uint32_t per_million)
{
    if (!series->count)
        return 0;
    /* The smallest value that at least that many do not exceed. */
    size_t rank = (series->count * per_million + 999999) / 1000000;
    return series->value[rank ? rank - 1 : 0];
}
