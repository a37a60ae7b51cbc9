/* SPDX-License-Identifier: MIT */
/*
 * stride.c - shares by weight: who has had the least of what is due to it runs next.
 *
 * Stride scheduling (Waldspurger and Weihl 1995), charged by the time that a thread really had. Each
 * thread has a pass, which goes on by time / weight; the smallest pass runs.
 *
 *   S1  passes of threads that are ready lie within a quantum / weight of each other, so that of any
 *       stretch of time each gets its share but for a quantum
 *   S2  who was away begins no earlier than where the others are: sleeping saves nothing up, and a
 *       debt stays
 *
 * S1 wants that no weight is more than all weights / CPUs: one thread runs on one CPU at a time.
 * O(log n) to enqueue, dequeue and pick.
 */
#include "policy.h"
#include "thread_heap.h"

#define QUANTUM_NS 1000000u
#define SCALE      12 /* a pass counts ns << SCALE / weight; its distances fit 26 days at weight 1 */

static struct thread_heap ready;
static uint64_t here; /* the pass of who was picked last */

#define PASS(thread)    ((thread)->policy[0])
#define CHARGED(thread) ((thread)->policy[1]) /* of its ran_ns */

static void stride_init(void)
{
    ready = (struct thread_heap){0};
    here = 0;
}

static void charge(struct thread *thread)
{
    uint64_t ran = thread->ran_ns - CHARGED(thread);

    CHARGED(thread) = thread->ran_ns;
    PASS(thread) += (ran << SCALE) / thread->params.weight;
}

static void stride_enqueue(struct thread *thread, enum enqueue_why why)
{
    charge(thread);
    if (why != ENQUEUE_PREEMPTED && key_before(PASS(thread), here))
        PASS(thread) = here;
    thread_heap_add(&ready, thread, PASS(thread));
}

static void stride_dequeue(struct thread *thread)
{
    thread_heap_remove(&ready, thread);
}

static struct thread *stride_pick_next(unsigned cpu)
{
    struct thread *thread = thread_heap_take(&ready);

    (void)cpu;
    if (thread && key_before(here, PASS(thread)))
        here = PASS(thread);
    return thread;
}

static bool stride_tick(struct thread *running)
{
    charge(running);
    return ready.root && key_before(PASS(ready.root), PASS(running));
}

/* At most a quantum a CPU until who wakes has its turn. */
static int stride_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    (void)woken, (void)running, (void)cpus;
    return -1;
}

static void stride_yield(struct thread *running)
{
    stride_enqueue(running, ENQUEUE_PREEMPTED);
}

static void stride_leave(struct thread *running, bool ended)
{
    (void)ended;
    charge(running);
}

/* What it has had was by its old weight. */
static int stride_set(struct thread *thread, const struct sched_params *wanted)
{
    (void)wanted;
    charge(thread);
    return 0;
}

static void stride_dump(void (*print)(const char *line))
{
    thread_heap_dump(&ready, print);
}

extern const struct sched sched_stride;
const struct sched sched_stride = {
    .name = SCHED_NAME("stride"),
    .quantum_ns = QUANTUM_NS,
    .init = stride_init,
    .enqueue = stride_enqueue,
    .dequeue = stride_dequeue,
    .pick_next = stride_pick_next,
    .tick = stride_tick,
    .wakeup = stride_wakeup,
    .yield = stride_yield,
    .leave = stride_leave,
    .set = stride_set,
    .dump = stride_dump,
};
