/* SPDX-License-Identifier: MIT */
/*
 * fifo.c - cooperative: a thread runs until it blocks or yields, then the one that waits longest.
 *
 * With a quantum, which it has of its own accord only in place of a broken policy (watch.c), a
 * thread goes to the end of the queue after it. Every function takes a fixed number of steps.
 */
#include "policy.h"
#include "thread_list.h"

static struct thread_list ready;

static void fifo_init(void)
{
    ready = (struct thread_list){0};
}

static void fifo_enqueue(struct thread *thread, enum enqueue_why why)
{
    (void)why;
    thread_list_append(&ready, thread);
}

static void fifo_dequeue(struct thread *thread)
{
    thread_list_remove(&ready, thread);
}

static struct thread *fifo_pick_next(unsigned cpu)
{
    (void)cpu;
    return thread_list_take(&ready);
}

static bool fifo_tick(struct thread *running)
{
    (void)running;
    return ready.first != NULL;
}

static int fifo_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    (void)woken, (void)running, (void)cpus;
    return -1;
}

static void fifo_yield(struct thread *running)
{
    thread_list_append(&ready, running);
}

static struct thread *fifo_yield_next(struct thread *running)
{
    return thread_list_rotate(&ready, running);
}

static void fifo_dump(void (*print)(const char *line))
{
    thread_list_dump(&ready, print);
}

const struct sched sched_fifo = {
    .name = SCHED_NAME("fifo"),
    .quantum_ns = 0,
    .starves = true,
    .init = fifo_init,
    .enqueue = fifo_enqueue,
    .dequeue = fifo_dequeue,
    .pick_next = fifo_pick_next,
    .tick = fifo_tick,
    .wakeup = fifo_wakeup,
    .yield = fifo_yield,
    .yield_next = fifo_yield_next,
    .dump = fifo_dump,
};
