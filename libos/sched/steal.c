/* SPDX-License-Identifier: MIT */
/*
 * steal.c - a queue for each CPU; a CPU whose queue is empty takes from the longest.
 *
 *   K1  a thread that is ready is in the queue of the CPU that AT() names, which is one of ours, or
 *       in any while there is none yet
 *   K2  `lengths` are those of the queues, `total` is their sum
 *
 * A thread stays where it ran, where what it touched is still in the cache, until that CPU has more
 * to do than another. Within a queue threads take turns. Enqueue of a new thread and stealing look at
 * each CPU once, 64 at most; the rest takes a fixed number of steps. cpu_lost moves each thread of
 * that CPU's queue.
 */
#include "policy.h"
#include "thread_list.h"

#define QUANTUM_NS 1000000u

static struct thread_list queues[SCHED_CPUS];
static unsigned lengths[SCHED_CPUS], total, stolen;
static uint64_t ours; /* a bit a CPU */

_Static_assert(SCHED_CPUS <= 64, "a bit of `ours` each");

#define AT(thread) ((thread)->policy[0])

static void steal_init(void)
{
    for (unsigned cpu = 0; cpu < SCHED_CPUS; cpu++) {
        queues[cpu] = (struct thread_list){0};
        lengths[cpu] = 0;
    }
    total = stolen = 0;
    ours = 0;
}

static bool is_ours(unsigned cpu)
{
    return ours >> cpu & 1;
}

static unsigned shortest(void)
{
    unsigned found = ours ? (unsigned)__builtin_ctzll(ours) : 0;

    for (unsigned cpu = found; cpu < SCHED_CPUS; cpu++)
        if (is_ours(cpu) && lengths[cpu] < lengths[found])
            found = cpu;
    return found;
}

static void put(struct thread *thread, unsigned cpu)
{
    AT(thread) = cpu;
    thread_list_append(&queues[cpu], thread);
    lengths[cpu]++;
    total++;
}

static void steal_enqueue(struct thread *thread, enum enqueue_why why)
{
    unsigned cpu = thread->cpu;

    put(thread, why != ENQUEUE_NEW && cpu < SCHED_CPUS && is_ours(cpu) ? cpu : shortest());
}

static void steal_dequeue(struct thread *thread)
{
    thread_list_remove(&queues[AT(thread)], thread);
    lengths[AT(thread)]--;
    total--;
}

static struct thread *steal_pick_next(unsigned cpu)
{
    unsigned from = cpu;

    if (!total)
        return NULL;
    if (!lengths[from]) {
        for (unsigned other = 0; other < SCHED_CPUS; other++)
            if (lengths[other] > lengths[from])
                from = other;
        stolen++;
    }
    /* The first: it has waited longest, so that the cache has forgotten it soonest. */
    struct thread *thread = queues[from].first;
    steal_dequeue(thread);
    return thread;
}

static bool steal_tick(struct thread *running)
{
    return lengths[running->cpu] != 0;
}

/* Its own CPU will come to it; others have work, or they would have stolen. */
static int steal_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    (void)woken, (void)running, (void)cpus;
    return -1;
}

static void steal_yield(struct thread *running)
{
    steal_enqueue(running, ENQUEUE_PREEMPTED);
}

static void steal_cpu_gained(unsigned cpu)
{
    ours |= 1ull << cpu;
}

static void steal_cpu_lost(unsigned cpu)
{
    struct thread *thread;

    ours &= ~(1ull << cpu);
    if (!ours)
        return; /* it stays where it is: the CPU that comes next will steal it */
    while ((thread = queues[cpu].first)) {
        steal_dequeue(thread);
        put(thread, shortest());
    }
}

static void steal_dump(void (*print)(const char *line))
{
    print(stolen ? "threads were stolen" : "no thread was stolen yet");
    for (unsigned cpu = 0; cpu < SCHED_CPUS; cpu++) {
        if (lengths[cpu])
            print("a CPU's queue:");
        thread_list_dump(&queues[cpu], print);
    }
}

extern const struct sched sched_steal;
const struct sched sched_steal = {
    .name = SCHED_NAME("steal"),
    .quantum_ns = QUANTUM_NS,
    .init = steal_init,
    .enqueue = steal_enqueue,
    .dequeue = steal_dequeue,
    .pick_next = steal_pick_next,
    .tick = steal_tick,
    .wakeup = steal_wakeup,
    .yield = steal_yield,
    .cpu_gained = steal_cpu_gained,
    .cpu_lost = steal_cpu_lost,
    .dump = steal_dump,
};
