/* SPDX-License-Identifier: MIT */
/*
 * round_robin.c - preemptive: each thread in turn for at most a quantum. Every function takes a fixed
 * number of steps.
 */
#include "policy.h"
#include "thread_list.h"

#define QUANTUM_NS 1000000u /* 1 ms: half a slice of the kernel's */

static struct thread_list ready;

static void round_robin_init(void)
{
    ready = (struct thread_list){0};
}

static void round_robin_enqueue(struct thread *thread, enum enqueue_why why)
{
    (void)why;
    thread_list_append(&ready, thread);
}

static void round_robin_dequeue(struct thread *thread)
{
    thread_list_remove(&ready, thread);
}

static struct thread *round_robin_pick_next(unsigned cpu)
{
    (void)cpu;
    return thread_list_take(&ready);
}

static bool round_robin_tick(struct thread *running)
{
    (void)running;
    return ready.first != NULL;
}

/* Who wakes waits for its turn: at most one quantum a ready thread. */
static int round_robin_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    (void)woken, (void)running, (void)cpus;
    return -1;
}

static void round_robin_yield(struct thread *running)
{
    thread_list_append(&ready, running);
}

static struct thread *round_robin_yield_next(struct thread *running)
{
    return thread_list_rotate(&ready, running);
}

static void round_robin_dump(void (*print)(const char *line))
{
    thread_list_dump(&ready, print);
}

extern const struct sched sched_round_robin;
const struct sched sched_round_robin = {
    .name = SCHED_NAME("round_robin"),
    .quantum_ns = QUANTUM_NS,
    .init = round_robin_init,
    .enqueue = round_robin_enqueue,
    .dequeue = round_robin_dequeue,
    .pick_next = round_robin_pick_next,
    .tick = round_robin_tick,
    .wakeup = round_robin_wakeup,
    .yield = round_robin_yield,
    .yield_next = round_robin_yield_next,
    .dump = round_robin_dump,
};
