/* SPDX-License-Identifier: MIT */
/*
 * central.c - one queue for all CPUs, and a quantum so short that a long request does not hold up
 * short ones: for servers whose requests differ in length by orders of magnitude.
 *
 * After Shinjuku (Kaffes et al., NSDI 2019): first come, first served, but who has run for a quantum
 * goes to the queue's end if anybody waits. Short requests are over before that, so they wait only
 * for the rest of one quantum a CPU and for those before them, never for a whole long request. It
 * costs a switch each quantum: at 1 us a switch 10 us lose a tenth, so the machine file's `quantum`
 * should be some ten times what a switch takes and above what most requests take.
 *
 * Every function takes a fixed number of steps.
 */
#include "policy.h"
#include "thread_list.h"

#define QUANTUM_NS     10000u
#define QUANTUM_MIN_NS 5000u
#define QUANTUM_MAX_NS 50000u

static struct thread_list queue;
static uint64_t quantum_ns;
static uint64_t cut; /* slices that were cut short for those that wait */

static void central_init(void)
{
    queue = (struct thread_list){0};
    cut = 0;
    quantum_ns = sched_quantum_ns;
    if (quantum_ns < QUANTUM_MIN_NS)
        quantum_ns = QUANTUM_MIN_NS;
    if (quantum_ns > QUANTUM_MAX_NS)
        quantum_ns = QUANTUM_MAX_NS;
}

static void central_enqueue(struct thread *thread, enum enqueue_why why)
{
    (void)why;
    thread_list_append(&queue, thread);
}

static void central_dequeue(struct thread *thread)
{
    thread_list_remove(&queue, thread);
}

static struct thread *central_pick_next(unsigned cpu)
{
    struct thread *thread = thread_list_take(&queue);

    (void)cpu;
    if (thread)
        thread->slice_ns = quantum_ns;
    return thread;
}

static bool central_tick(struct thread *running)
{
    (void)running;
    cut += queue.first != NULL;
    return queue.first != NULL;
}

/* Who wakes waits for the end of a quantum somewhere: at most quantum_ns for the first in line. */
static int central_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    (void)woken, (void)running, (void)cpus;
    return -1;
}

static void central_yield(struct thread *running)
{
    thread_list_append(&queue, running);
}

static void central_dump(void (*print)(const char *line))
{
    print(cut ? "slices were cut" : "no slice was cut yet");
    thread_list_dump(&queue, print);
}

extern const struct sched sched_central;
const struct sched sched_central = {
    .name = SCHED_NAME("central"),
    .quantum_ns = QUANTUM_NS,
    .init = central_init,
    .enqueue = central_enqueue,
    .dequeue = central_dequeue,
    .pick_next = central_pick_next,
    .tick = central_tick,
    .wakeup = central_wakeup,
    .yield = central_yield,
    .dump = central_dump,
};
