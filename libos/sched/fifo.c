/* SPDX-License-Identifier: MIT */
/*
 * fifo.c - cooperative: a thread runs until it blocks or yields, then the one that waits longest.
 */
#include "policy.h"
#include "thread_list.h"

static struct thread_list ready;

static void fifo_init(void)
{
    ready = (struct thread_list){0};
}

static void fifo_enqueue(struct thread *thread)
{
    thread_list_append(&ready, thread);
}

static void fifo_dequeue(struct thread *thread)
{
    thread_list_remove(&ready, thread);
}

static struct thread *fifo_pick_next(void)
{
    return thread_list_take(&ready);
}

static bool fifo_tick(struct thread *running)
{
    (void)running;
    return false;
}

static bool fifo_wakeup(struct thread *woken, struct thread *running)
{
    (void)woken;
    (void)running;
    return false;
}

static void fifo_cpu(void)
{
}

static void fifo_dump(void (*print)(const char *line))
{
    thread_list_dump(&ready, print);
}

const struct sched sched_fifo = {
    .name = "fifo",
    .quantum_ns = 0,
    .init = fifo_init,
    .enqueue = fifo_enqueue,
    .dequeue = fifo_dequeue,
    .pick_next = fifo_pick_next,
    .tick = fifo_tick,
    .wakeup = fifo_wakeup,
    .yield = fifo_enqueue,
    .cpu_gained = fifo_cpu,
    .cpu_lost = fifo_cpu,
    .dump = fifo_dump,
};
