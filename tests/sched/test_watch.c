/* SPDX-License-Identifier: MIT */
/*
 * test_watch.c - policies that break their contract are found out, fifo takes over and every thread
 * goes on; a policy that is good is not blamed, even if the machine gives it hardly any CPU.
 */
#include "example.h"

static struct sim_result result;
static const struct sched *inner;
static unsigned enqueued;
static struct thread *kept;

/* --- broken in four ways ------------------------------------------------------------------- */

static void losing(struct thread *thread, enum enqueue_why why)
{
    if (++enqueued != 1000)
        inner->enqueue(thread, why);
}

/* It hides one thread for ever, but knows of it. */
static void starving(struct thread *thread, enum enqueue_why why)
{
    if (++enqueued == 1000)
        kept = thread;
    else
        inner->enqueue(thread, why);
}

static struct thread *starving_pick(unsigned cpu)
{
    struct thread *thread = inner->pick_next(cpu), *last = kept;

    if (thread)
        return thread;
    kept = NULL;
    return last;
}

static struct thread *twice(unsigned cpu)
{
    static struct thread *last;
    struct thread *thread = ++enqueued == 1000 && last ? last : inner->pick_next(cpu);

    last = thread;
    return thread;
}

static struct thread *invented(unsigned cpu)
{
    static struct thread none = {.state = THREAD_RUNNING};

    return ++enqueued == 1000 ? &none : inner->pick_next(cpu);
}

static bool never(struct thread *running)
{
    (void)running;
    return false;
}

/* --- what becomes of them --------------------------------------------------------------------- */

static struct sim_workload service(void)
{
    struct sim_workload w = {.cpus = 1, .seed = 13, .switch_ns = US, .duration_ns = 30 * S};
    struct sim_group *clients = example_group(&w, "clients", SIM_LOOP, 8);

    clients->interval_ns = 2 * MS;
    clients->service_ns = 200 * US;
    example_group(&w, "busy", SIM_BUSY, 1);
    return w;
}

static void run(const struct sim_workload *w, const struct sched *policy)
{
    enqueued = 0;
    kept = NULL;
    sim_run(w, policy, NULL, &result);
}

static void lives(const char *what, enum watch_verdict verdict, uint64_t within_ns)
{
    tap_ok(result.watch.verdict == verdict && result.watch_ns <= within_ns,
           "%s: found after %lu ms", what, result.watch_ns / MS);
    tap_ok(result.group[0].jobs > 10000 &&
               result.group[0].least_cpu_ns * 10 > result.group[0].most_cpu_ns * 8,
           "%s: each thread goes on", what);
    sim_free(&result);
}

static void broken_policies(void)
{
    struct sim_workload w = service();
    struct sched policy = *(inner = &sched_round_robin);

    policy.enqueue = losing;
    run(&w, &policy);
    tap_ok(result.watch.count == 1 && result.watch.thread != NULL,
           "the thread that was lost is known");
    lives("a policy that loses a thread", WATCH_LOST, 10 * S);

    policy.starves = true; /* it may let a thread wait, but not lose it */
    run(&w, &policy);
    lives("the same if it may starve", WATCH_LOST, 10 * S);
    policy.starves = false;

    w.groups = 1; /* no other thread is ready most of the time */
    run(&w, &policy);
    lives("the same with an idle CPU", WATCH_LOST, 2 * S);
    w.groups = 2;

    policy = *inner;
    policy.enqueue = starving;
    policy.pick_next = starving_pick;
    run(&w, &policy);
    lives("a policy that starves a thread", WATCH_STARVED, 10 * S);

    policy = *inner;
    policy.pick_next = twice;
    run(&w, &policy);
    lives("a policy that gives a thread out twice", WATCH_WRONG, 10 * S);

    policy.pick_next = invented;
    run(&w, &policy);
    tap_ok(!result.watch.thread, "what is no thread is not taken for one");
    lives("a policy that gives out what is no thread", WATCH_WRONG, 10 * S);
}

static void good_policies(void)
{
    struct sim_workload w = service();
    struct sched policy = *(inner = &sched_priority);
    struct sim_workload denied = {.cpus = 1, .seed = 17, .switch_ns = US, .duration_ns = 100 * S};

    w.group[1].params.priority = 9;
    sim_run(&w, &policy, NULL, &result);
    tap_ok(result.watch.verdict == WATCH_GOOD && !result.group[0].jobs,
           "a policy that starves by design is not blamed");
    sim_free(&result);
    policy.starves = false;
    sim_run(&w, &policy, NULL, &result);
    tap_ok(result.watch.verdict == WATCH_STARVED, "but it is if it says that it does not");
    sim_free(&result);

    /* 100 threads in turn, 1 ms each, of which the machine gives 10 in a second. */
    example_group(&denied, "busy", SIM_BUSY, 100);
    denied.on_ns = 10 * MS;
    denied.off_ns = 990 * MS;
    sim_run(&denied, &sched_round_robin, NULL, &result);
    tap_ok(result.watch.verdict == WATCH_GOOD && !result.broken && result.group[0].least_cpu_ns > 0,
           "a policy that was denied CPU is not blamed, though a turn takes 10 s");
    sim_free(&result);

    denied.duration_ns = 1000 * S;
    policy = sched_round_robin;
    policy.tick = never;
    sim_run(&denied, &policy, NULL, &result);
    tap_ok(result.watch.verdict == WATCH_STARVED && result.watch_ns > 400 * S,
           "but one that starves threads is, after as much CPU time as ever: %lu s",
           result.watch_ns / S);
    sim_free(&result);
}

int main(void)
{
    broken_policies();
    good_policies();
    return tap_done();
}
