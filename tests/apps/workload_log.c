/* SPDX-License-Identifier: MIT */
/*
 * workload_log.c - stands between libos and the policy: what libos tells it and what it answers is
 * passed on, and counted as the simulator counts it.
 *
 *   L1  all that is touched here is in memory before it is needed, and there is room for it: it is
 *       called with upcalls off
 *
 * Compiled without FPU registers: an upcall leaves those of the thread that it interrupts alone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switching.h"
#include "workload.h"

#define EVENTS 40000u

struct event_note {
    uint64_t at_ns;
    const struct thread *thread;
    const char *what;
    unsigned cpu;
};

bool log_full;

static const struct sched *inner;
static struct sched outer;

static struct event_note *events;
static unsigned event_count;

/* Of each CPU. */
static struct {
    const struct thread *last;
    uint64_t picked_at;
    int64_t idle_since;
    bool idle;
} cpus[SCHED_CPUS];

void series_reserve(struct sim_series *series, uint64_t values)
{
    series->room = values;
    series->value = malloc(values * sizeof(*series->value));
    if (!series->value) {
        printf("error: memory is out: a shorter workload fits\n");
        exit(2);
    }
    memset(series->value, 0xff, values * sizeof(*series->value));
}

void series_keep(struct sim_series *series, uint64_t value)
{
    if (series->count == series->room)
        log_full = true;
    else
        series->value[series->count++] = value;
}

static bool runs(int64_t now)
{
    return now >= 0 && now < (int64_t)workload.duration_ns;
}

static void note(int64_t now, const char *what, const struct thread *thread, unsigned cpu)
{
    if (!events || !runs(now))
        return;
    if (event_count == EVENTS)
        log_full = true;
    else
        events[event_count++] = (struct event_note){(uint64_t)now, thread, what, cpu};
}

/* Of the time of a CPU that had nothing to do what lies within the workload. */
static void idle_ends(unsigned cpu, int64_t now)
{
    int64_t since = cpus[cpu].idle_since, from = since > 0 ? since : 0,
            end = (int64_t)workload.duration_ns;
    int64_t to = now < end ? now : end;

    if (cpus[cpu].idle && to > from)
        result.idle_ns += (uint64_t)(to - from);
    cpus[cpu].idle = false;
}

static void enqueue(struct thread *thread, enum enqueue_why why)
{
    int64_t now = now_ns();

    if (workload.cpus == 1) /* else it may be for another */
        idle_ends(0, now);
    if (why != ENQUEUE_PREEMPTED) {
        note(now, "ready", thread, thread->cpu);
    } else if (runs(now)) {
        result.preemptions++;
        series_keep(&result.cut, (uint64_t)now - cpus[thread->cpu].picked_at);
    }
    inner->enqueue(thread, why);
}

static struct thread *pick_next(unsigned cpu)
{
    struct thread *thread = inner->pick_next(cpu);
    int64_t now = now_ns();

    if (thread)
        idle_ends(cpu, now);
    if (!runs(now))
        return thread;
    if (thread) {
        result.switches += thread != cpus[cpu].last;
        cpus[cpu].last = thread;
        cpus[cpu].picked_at = (uint64_t)now;
        note(now, "runs", thread, cpu);
    }
    return thread;
}

static void leave(struct thread *running, bool ended)
{
    int64_t now = now_ns();

    note(now, "waits", running, running->cpu);
    if (inner->leave)
        inner->leave(running, ended);
    if (!thread_ready) {
        cpus[running->cpu].idle = true;
        cpus[running->cpu].idle_since = now;
    }
}

void log_start(bool wanted)
{
    uint64_t most = workload.duration_ns / 4000 + 1024;

    series_reserve(&result.cut, most < 1u << 20 ? most : 1u << 20);
    if (wanted && (events = malloc(EVENTS * sizeof(*events))))
        memset(events, 0xff, EVENTS * sizeof(*events));
    critical_enter();
    inner = thread_policy;
    outer = *inner;
    outer.enqueue = enqueue;
    outer.pick_next = pick_next;
    outer.leave = leave;
    outer.yield_next = NULL;
    result.policy = inner->name;
    thread_policy = &outer;
    critical_exit();
}

void log_finish(void)
{
    if (thread_policy != &outer)
        result.broken = "the watch found it out, and the machine's log says what it found";
}

void log_write(void)
{
    for (unsigned i = 0; i < event_count; i++)
        printf("event %" PRIu64 " cpu%u %s %s\n", events[i].at_ns, events[i].cpu, events[i].what,
               events[i].thread->name);
}
