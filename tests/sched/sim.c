/* SPDX-License-Identifier: MIT */
/*
 * sim.c - virtual CPUs that run threads by a policy (sim.h). What the threads do is in jobs.c.
 *
 *   M1  a thread is RUNNING exactly while it is the `running` of one CPU
 *   M2  `ready_count` threads are READY, and the policy has them in its hands
 *   M3  no CPU of ours is idle while a thread is READY, once an event has been dealt with
 */
#include "machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_machine sim;
uint64_t sched_quantum_ns;

uint64_t time_ns(void)
{
    return sim.now;
}

void sim_trace(const char *what, const struct sim_thread *thread, unsigned cpu)
{
    uint64_t word =
        sim.now ^ (uint64_t)thread->t.id << 40 ^ (uint64_t)cpu << 56 ^ (uint64_t)what[0] << 32;

    /* FNV-1a, a word at a time: two runs that differ in anything differ in this. */
    sim.result->digest = (sim.result->digest ^ word) * 0x100000001b3;
    if (sim.trace)
        fprintf(sim.trace, "%" PRIu64 " cpu%u %s %s\n", sim.now, cpu, what, thread->t.name);
}

/* --- time passes on a CPU ----------------------------------------------------------------- */

void cpu_account(struct sim_cpu *cpu)
{
    struct sim_thread *thread = cpu->running;

    if (!thread || sim.away || sim.now <= cpu->since)
        return;
    uint64_t ran = sim.now - cpu->since;
    thread->t.ran_ns += ran;
    thread->left_ns -= ran < thread->left_ns ? ran : thread->left_ns;
    cpu->since = sim.now;
}

/* Says when there is news of this CPU: its thread's phase or slice is over. */
static void arm(struct sim_cpu *cpu)
{
    cpu->round++;
    if (!cpu->running || sim.away)
        return;
    uint64_t at = cpu->since + cpu->running->left_ns;
    if (cpu->slice_end < at)
        at = cpu->slice_end;
    events_add(at > sim.now ? at : sim.now, EVENT_CPU, cpu->number, cpu->round);
}

static void slice_begin(struct sim_cpu *cpu)
{
    uint64_t ns = cpu->running->t.slice_ns ? cpu->running->t.slice_ns : sched_quantum_ns;

    cpu->slice_end = ns ? cpu->since + ns : UINT64_MAX;
}

/* --- a broken policy ------------------------------------------------------------------------ */

static void replace(struct watch_finding found)
{
    if (sim.result->watch.verdict == WATCH_GOOD) {
        sim.result->watch = found;
        sim.result->watch_ns = sim.now;
    }
    sim.policy = &sched_fifo;
    watch_replace(sim.policy, sim.all);
}

/* What the application had of its CPUs so far, of which the watch counts time. */
static uint64_t own_ns(void)
{
    uint64_t gone = sim.away ? sim.now - sim.away_since : 0;

    return sim.now - sim.away_ns - gone;
}

static void look(void)
{
    if (own_ns() < sim.look_at)
        return;
    sim.look_at = own_ns() + WATCH_NS;
    struct watch_finding found = watch_look(sim.policy, sim.all);
    if (found.verdict != WATCH_GOOD)
        replace(found);
}

static struct sim_thread *pick(unsigned cpu)
{
    for (;;) {
        struct thread *thread = sim.policy->pick_next(cpu);
        if (thread ? thread->state == THREAD_READY : !sim.ready_count)
            return (struct sim_thread *)thread;
        sim.result->broken = thread ? "pick_next gave a thread that is not READY"
                                    : "pick_next gave none though threads are READY";
        replace(watch_faulty(sim.policy, sim.all, thread));
    }
}

/* --- switching -------------------------------------------------------------------------------- */

/* `cpu` runs nothing: what next? */
void cpu_dispatch(struct sim_cpu *cpu)
{
    look();
    struct sim_thread *thread = pick(cpu->number);
    cpu->running = thread;
    sim.running[cpu->number] = thread ? &thread->t : NULL;
    if (!thread) {
        cpu->idle_since = sim.now;
        cpu->round++;
        return;
    }
    sim.ready_count--;
    thread->t.state = THREAD_RUNNING;
    thread->t.cpu = cpu->number;
    thread->t.slice_from = sim.now;
    thread->runs++;
    cpu->picked_at = sim.now;
    cpu->since = sim.away ? sim.away_since : sim.now; /* others_turn adds how long that was */
    if (thread != cpu->last) {
        sim.result->switches++;
        sim.result->switching_ns += sim.workload->switch_ns;
        cpu->since += sim.workload->switch_ns;
    }
    cpu->last = thread;
    sim_trace("runs", thread, cpu->number);
    slice_begin(cpu);
    arm(cpu);
}

void cpu_preempt(struct sim_cpu *cpu)
{
    struct sim_thread *thread = cpu->running;

    cpu_account(cpu);
    sim.result->preemptions++;
    series_note(&sim.result->cut, sim.now - cpu->picked_at);
    sim.running[cpu->number] = NULL;
    cpu->running = NULL;
    thread->t.state = THREAD_READY;
    sim.ready_count++;
    sim.policy->enqueue(&thread->t, ENQUEUE_PREEMPTED);
    cpu_dispatch(cpu);
}

/* The one where the thread ran last, if that is idle. */
static struct sim_cpu *idle_cpu(unsigned wanted)
{
    for (unsigned i = 0; i < sim.workload->cpus; i++) {
        struct sim_cpu *cpu = &sim.cpu[(wanted + i) % sim.workload->cpus];
        if (cpu->ours && !cpu->running)
            return cpu;
    }
    return NULL;
}

void thread_enqueue(struct sim_thread *thread, enum enqueue_why why)
{
    thread->t.state = THREAD_READY;
    sim.ready_count++;
    sim_trace("ready", thread, thread->t.cpu);
    sim.policy->enqueue(&thread->t, why);
}

void thread_place(struct sim_thread *thread)
{
    struct sim_cpu *cpu;

    if ((cpu = idle_cpu(thread->t.cpu))) {
        sim.result->idle_ns += sim.now - cpu->idle_since;
        cpu_dispatch(cpu);
        return;
    }
    int found = sim.policy->wakeup(&thread->t, sim.running, sim.workload->cpus);
    if (found >= 0 && sim.cpu[found].running)
        cpu_preempt(&sim.cpu[found]);
}

void thread_ready(struct sim_thread *thread, enum enqueue_why why)
{
    thread_enqueue(thread, why);
    thread_place(thread);
}

/* The RUNNING thread of `cpu` waits for something. */
void cpu_block(struct sim_cpu *cpu)
{
    struct sim_thread *thread = cpu->running;

    thread->t.state = THREAD_BLOCKED;
    sim_trace("waits", thread, cpu->number);
    if (sim.policy->leave)
        sim.policy->leave(&thread->t, false);
    sim.running[cpu->number] = NULL;
    cpu->running = NULL;
    cpu_dispatch(cpu);
}

/* --- events ------------------------------------------------------------------------------------- */

static void cpu_news(struct sim_cpu *cpu)
{
    cpu_account(cpu);
    if (!cpu->running->left_ns) {
        job_phase_over(cpu);
    } else if (sim.now >= cpu->slice_end) {
        if (sim.policy->tick(&cpu->running->t) || own_ns() >= sim.look_at) {
            cpu_preempt(cpu);
            return;
        }
        slice_begin(cpu);
    }
    if (cpu->running)
        arm(cpu);
}

/* The machine gives the CPUs to others for a while: threads stay where they are. */
static void others_turn(bool away)
{
    for (unsigned i = 0; i < sim.workload->cpus; i++) {
        struct sim_cpu *cpu = &sim.cpu[i];
        if (away) {
            cpu_account(cpu);
        } else if (cpu->running) {
            cpu->since += sim.now - sim.away_since;
            if (cpu->slice_end != UINT64_MAX)
                cpu->slice_end += sim.now - sim.away_since;
        }
    }
    if (away)
        sim.away_since = sim.now;
    else
        sim.away_ns += sim.now - sim.away_since;
    sim.away = away;
    for (unsigned i = 0; i < sim.workload->cpus; i++)
        arm(&sim.cpu[i]);
    events_add(sim.now + (away ? sim.workload->off_ns : sim.workload->on_ns),
               away ? EVENT_ON : EVENT_OFF, 0, 0);
}

static void cpu_lost(struct sim_cpu *cpu)
{
    struct sim_thread *thread = cpu->running;

    cpu_account(cpu);
    cpu->ours = false;
    cpu->running = NULL;
    cpu->round++;
    sim.running[cpu->number] = NULL;
    if (thread)
        thread_ready(thread, ENQUEUE_PREEMPTED);
    if (sim.policy->cpu_lost)
        sim.policy->cpu_lost(cpu->number);
}

static void cpu_back(struct sim_cpu *cpu)
{
    cpu->ours = true;
    if (sim.policy->cpu_gained)
        sim.policy->cpu_gained(cpu->number);
    cpu_dispatch(cpu);
}

static void deal_with(const struct event *event)
{
    struct sim_cpu *last = &sim.cpu[sim.workload->cpus - 1];

    switch (event->kind) {
    case EVENT_REQUEST:
        job_request(event->which);
        break;
    case EVENT_JOB:
        job_begin(&sim.thread[event->which]);
        break;
    case EVENT_CPU:
        if (sim.cpu[event->which].round == event->round)
            cpu_news(&sim.cpu[event->which]);
        break;
    case EVENT_OFF:
    case EVENT_ON:
        others_turn(event->kind == EVENT_OFF);
        break;
    case EVENT_LOST:
        cpu_lost(last);
        break;
    case EVENT_BACK:
        cpu_back(last);
        break;
    }
}

/* M1 to M3, N1. */
static bool inv_sim(void)
{
    unsigned ready = 0, running = 0, busy = 0, idle = 0;

    for (unsigned i = 0; i < sim.threads; i++) {
        ready += sim.thread[i].t.state == THREAD_READY;
        running += sim.thread[i].t.state == THREAD_RUNNING;
    }
    for (unsigned i = 0; i < sim.workload->cpus; i++) {
        busy += sim.cpu[i].running != NULL;
        idle += sim.cpu[i].ours && !sim.cpu[i].running;
    }
    return ready == sim.ready_count && running == busy && !(idle && ready) &&
           (sim.workload->no_inheritance || inv_inherited(sim.all));
}

static void finish(void)
{
    for (unsigned i = 0; i < sim.workload->cpus; i++) {
        struct sim_cpu *cpu = &sim.cpu[i];
        cpu_account(cpu);
        if (cpu->ours && !cpu->running)
            sim.result->idle_ns += sim.now - cpu->idle_since;
    }
    jobs_finish();
    events_clear();
    free(sim.thread);
}

void sim_run(const struct sim_workload *workload, const struct sched *policy, void *trace,
             struct sim_result *result)
{
    struct event event;
    uint64_t looked = 0;

    memset(result, 0, sizeof(*result));
    memset(&sim, 0, sizeof(sim));
    result->policy = policy->name;
    sim = (struct sim_machine){
        .workload = workload, .policy = policy, .trace = trace, .result = result};
    sim.look_at = WATCH_NS;
    sched_quantum_ns =
        workload->quantum_ns && policy->quantum_ns ? workload->quantum_ns : policy->quantum_ns;
    policy->init();
    for (unsigned i = 0; i < workload->cpus; i++) {
        sim.cpu[i] = (struct sim_cpu){.number = i, .ours = true};
        if (policy->cpu_gained)
            policy->cpu_gained(i);
    }
    jobs_start();
    if (workload->off_ns)
        events_add(workload->on_ns, EVENT_OFF, 0, 0);
    if (workload->lost_ns)
        events_add(workload->lost_ns, EVENT_LOST, 0, 0);
    if (workload->back_ns)
        events_add(workload->back_ns, EVENT_BACK, 0, 0);
    while (events_take(&event) && event.at <= workload->duration_ns) {
        sim.now = event.at;
        deal_with(&event);
        /* Not after each: that would be most of the time. */
        if (++looked % 64 == 0 && !inv_sim() && !result->broken)
            result->broken = "a thread was run twice, lost, or a CPU left idle";
    }
    sim.now = workload->duration_ns;
    finish();
}
