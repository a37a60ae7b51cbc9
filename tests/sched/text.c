/* SPDX-License-Identifier: MIT */
/*
 * text.c - a workload as lines of words, written by tools/freehold from the TOML file that it has
 * checked, and the result as lines that it makes tables and pictures of.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t quantiles[] = {0,      100000, 250000, 500000, 750000, 900000, 950000, 980000,
                                     990000, 995000, 998000, 999000, 999500, 999900, 1000000};

struct field {
    const char *name;
    size_t offset;
    bool wide;
};

#define WIDE(type, member)                                                                         \
    {                                                                                              \
#member, offsetof(struct type, member), true                                               \
    }
#define SLIM(type, member)                                                                         \
    {                                                                                              \
#member, offsetof(struct type, member), false                                              \
    }
static const struct field workload_fields[] = {
    SLIM(sim_workload, cpus),      WIDE(sim_workload, duration_ns), WIDE(sim_workload, seed),
    WIDE(sim_workload, switch_ns), WIDE(sim_workload, quantum_ns),  WIDE(sim_workload, on_ns),
    WIDE(sim_workload, off_ns),    WIDE(sim_workload, lost_ns),     WIDE(sim_workload, back_ns),
};
static const struct field group_fields[] = {
    SLIM(sim_group, kind),
    SLIM(sim_group, count),
    WIDE(sim_group, interval_ns),
    WIDE(sim_group, start_ns),
    WIDE(sim_group, service_ns),
    WIDE(sim_group, long_ns),
    SLIM(sim_group, long_share),
    SLIM(sim_group, lock),
    WIDE(sim_group, hold_ns),
    SLIM(sim_group, params.weight),
    SLIM(sim_group, params.priority),
    WIDE(sim_group, params.runtime_ns),
    WIDE(sim_group, params.period_ns),
};

static bool put(const struct field *fields, size_t count, void *at, const char *name,
                uint64_t value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name))
            continue;
        if (fields[i].wide)
            memcpy((char *)at + fields[i].offset, &value, 8);
        else
            memcpy((char *)at + fields[i].offset, &(uint32_t){(uint32_t)value}, 4);
        return true;
    }
    return false;
}

#define PUT(fields, at, name, value)                                                               \
    put(fields, sizeof(fields) / sizeof(fields[0]), at, name, value)

/* What the simulator's own arrays and arithmetic want; tools/freehold says more, and sooner. */
static const char *unfit(const struct sim_workload *workload)
{
    unsigned threads = 0;

    if (workload->cpus < 1 || workload->cpus > SCHED_CPUS)
        return "cpus is out of range";
    for (unsigned i = 0; i < workload->groups; i++) {
        const struct sim_group *group = &workload->group[i];
        threads += group->count;
        if (!group->count || threads > SIM_THREADS || threads < group->count)
            return "count is out of range";
        if (group->kind > SIM_LOOP || group->lock >= (int)SIM_LOCKS)
            return "kind or lock is out of range";
        if (group->kind != SIM_BUSY && !group->interval_ns && group->kind != SIM_LOOP)
            return "interval_ns is 0";
        if (!group->params.weight || group->params.weight > SCHED_WEIGHT_MAX ||
            group->params.priority >= SCHED_PRIORITIES)
            return "weight or priority is out of range";
    }
    return threads ? NULL : "there is no thread";
}

bool workload_read(void *file, struct sim_workload *workload, char *error, size_t size)
{
    char name[64], value[64];
    struct sim_group *group = NULL;

    memset(workload, 0, sizeof(*workload));
    while (fscanf(file, "%63s %63s", name, value) == 2) {
        uint64_t number = strtoull(value, NULL, 10);
        bool good = true;
        if (!strcmp(name, "group")) {
            good = workload->groups < SIM_GROUPS;
            if (good) {
                group = &workload->group[workload->groups++];
                group->lock = -1;
                group->params = SCHED_PARAMS;
                snprintf(group->name, sizeof(group->name), "%.31s", value);
            }
        } else if (!strcmp(name, "no_inheritance")) {
            workload->no_inheritance = number;
        } else if (!strcmp(name, "admitted_only")) {
            workload->admitted_only = number;
        } else if (group && !strcmp(name, "exponential")) {
            group->exponential = number;
        } else {
            good = group ? PUT(group_fields, group, name, number)
                         : PUT(workload_fields, workload, name, number);
        }
        if (!good) {
            snprintf(error, size, "%s %s has no place here", name, value);
            return false;
        }
    }
    if (unfit(workload))
        snprintf(error, size, "%s", unfit(workload));
    return !unfit(workload);
}

/* In lines of no more than EXO_CONSOLE_MAX characters. */
static void write_series(FILE *file, const char *group, const char *what,
                         const struct sim_series *series)
{
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        if (i % 8 == 0)
            fprintf(file, "%sseries %s %s %zu", i ? "\n" : "", group, what, series->count);
        fprintf(file, " %" PRIu32 ":%" PRIu64, quantiles[i], sim_quantile(series, quantiles[i]));
    }
    fprintf(file, "\n");
}

/* Both sorted series as one. */
static struct sim_series merged(const struct sim_series *a, const struct sim_series *b)
{
    struct sim_series all = {malloc((a->count + b->count + 1) * sizeof(*all.value)), 0, 0};
    size_t i = 0, j = 0;

    if (!all.value)
        abort();
    while (i < a->count || j < b->count)
        if (j == b->count || (i < a->count && a->value[i] <= b->value[j]))
            all.value[all.count++] = a->value[i++];
        else
            all.value[all.count++] = b->value[j++];
    return all;
}

void result_write(void *to, const struct sim_workload *workload, const struct sim_result *result)
{
    FILE *file = to;

    fprintf(file, "policy %s\nswitches %" PRIu64 "\npreemptions %" PRIu64 "\n", result->policy,
            result->switches, result->preemptions);
    fprintf(file, "idle_ns %" PRIu64 "\nswitching_ns %" PRIu64 "\n", result->idle_ns,
            result->switching_ns);
    fprintf(file, "longest_wait_ns %" PRIu64 "\n", result->longest_wait_ns);
    fprintf(file, "digest %016" PRIx64 "\n", result->digest);
    if (result->broken)
        fprintf(file, "broken %s\n", result->broken);
    if (result->watch.verdict)
        fprintf(file, "watch %" PRIu64 " %s %u %s\n", result->watch_ns,
                watch_word(result->watch.verdict), result->watch.count,
                result->watch.thread ? "some" : "none");
    for (unsigned i = 0; i < workload->groups; i++) {
        const struct sim_group_result *r = &result->group[i];
        const char *name = workload->group[i].name;
        fprintf(file,
                "group %s refused %u jobs %" PRIu64 " missed %" PRIu64 " cpu_ns %" PRIu64
                " least_cpu_ns %" PRIu64 " most_cpu_ns %" PRIu64 "\n",
                name, r->refused, r->jobs, r->missed, r->cpu_ns, r->least_cpu_ns, r->most_cpu_ns);
        if (!r->jobs)
            continue;
        struct sim_series all = merged(&r->latency[0], &r->latency[1]);
        write_series(file, name, "all", &all);
        free(all.value);
        if (r->latency[1].count) {
            write_series(file, name, "short", &r->latency[0]);
            write_series(file, name, "long", &r->latency[1]);
        }
        write_series(file, name, "slowdown", &r->slowdown);
    }
    if (result->cut.count)
        write_series(file, "-", "cut", &result->cut);
}
