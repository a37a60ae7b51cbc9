/* SPDX-License-Identifier: MIT */
/*
 * eevdf.c - shares by weight, and a short wait for who uses less than its share: earliest eligible
 * virtual deadline first (Stoica and Abdel-Wahab 1995).
 *
 * Virtual time goes on by time / weight: for a thread by the time it had, for all together by the
 * time that all had, through the sum of weights. A thread asks for a quantum at a time; its deadline is
 * where its own virtual time will be when it has had it. Who has had no more than its share is
 * eligible; of these the earliest deadline runs.
 *
 *   E1  `weights` is the sum over all threads that are ready or run
 *   E2  a ready thread is in `eligible`, by its deadline, or in `early`, by its virtual time, which
 *       was ahead of all when it was enqueued or last looked at
 *   E3  who was away begins no earlier than where all are, and keeps its debt
 *
 * As with stride a weight above all weights / CPUs cannot be served. O(log n) for each function,
 * but that pick_next moves each thread from `early` once before it runs: O(log n) each, amortised,
 * and O(n log n) at worst in one call.
 */
#include "policy.h"
#include "thread_heap.h"

#define QUANTUM_NS 1000000u
#define SCALE      12 /* virtual time counts ns << SCALE / weight; distances fit 26 days at weight 1 */

static struct thread_heap eligible, early;
static uint64_t all; /* virtual time of all together */
static uint64_t rest;
static uint64_t weights;

#define VIRTUAL(thread)  ((thread)->policy[0])
#define DEADLINE(thread) ((thread)->policy[1])
#define CHARGED(thread)  ((thread)->policy[2]) /* of its ran_ns */
#define PLACE(thread)    ((thread)->policy[3])

/* A thread's PLACE: not in `weights` and ready nowhere, running, or in that heap. */
enum { AWAY, RUNNING, ELIGIBLE, EARLY };

static void eevdf_init(void)
{
    eligible = early = (struct thread_heap){0};
    all = rest = weights = 0;
}

static uint64_t virtual_of(uint64_t ns, const struct thread *thread)
{
    return (ns << SCALE) / thread->params.weight;
}

static void ask(struct thread *thread)
{
    DEADLINE(thread) = VIRTUAL(thread) + virtual_of(sched_quantum_ns, thread);
}

/* What it had since the last time, for itself and for all. */
static void charge(struct thread *thread)
{
    uint64_t ran = thread->ran_ns - CHARGED(thread);

    CHARGED(thread) = thread->ran_ns;
    VIRTUAL(thread) += virtual_of(ran, thread);
    if (weights) {
        rest += ran << SCALE;
        all += rest / weights;
        rest %= weights;
    }
    if (!key_before(VIRTUAL(thread), DEADLINE(thread)))
        ask(thread);
}

static void put(struct thread *thread)
{
    bool now = !key_before(all, VIRTUAL(thread));

    PLACE(thread) = now ? ELIGIBLE : EARLY;
    if (now)
        thread_heap_add(&eligible, thread, DEADLINE(thread));
    else
        thread_heap_add(&early, thread, VIRTUAL(thread));
}

static void eevdf_enqueue(struct thread *thread, enum enqueue_why why)
{
    (void)why;
    if (PLACE(thread) == AWAY) {
        weights += thread->params.weight;
        if (key_before(VIRTUAL(thread), all))
            VIRTUAL(thread) = all;
        ask(thread);
    } else {
        charge(thread);
    }
    put(thread);
}

static void take(struct thread *thread)
{
    thread_heap_remove(PLACE(thread) == ELIGIBLE ? &eligible : &early, thread);
}

static void eevdf_dequeue(struct thread *thread)
{
    take(thread);
    weights -= thread->params.weight;
    PLACE(thread) = AWAY;
}

static struct thread *eevdf_pick_next(unsigned cpu)
{
    struct thread *thread;

    (void)cpu;
    if (!eligible.root && early.root && key_before(all, early.root->key))
        all = early.root->key; /* time that was spent on other CPUs and not charged yet */
    while (early.root && !key_before(all, early.root->key)) {
        thread = thread_heap_take(&early);
        put(thread);
    }
    thread = thread_heap_take(&eligible);
    if (thread) {
        PLACE(thread) = RUNNING;
        thread->slice_ns =
            ((DEADLINE(thread) - VIRTUAL(thread)) * thread->params.weight >> SCALE) + 1;
    }
    return thread;
}

static bool eevdf_tick(struct thread *running)
{
    charge(running);
    running->slice_ns =
        ((DEADLINE(running) - VIRTUAL(running)) * running->params.weight >> SCALE) + 1;
    return eligible.root || early.root;
}

/* The CPU whose thread has the latest deadline, if that of `woken` is earlier. */
static int eevdf_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    uint64_t latest = DEADLINE(woken);
    int found = -1;

    if (PLACE(woken) != ELIGIBLE)
        return -1;
    for (unsigned cpu = 0; cpu < cpus; cpu++)
        if (running[cpu] && key_before(latest, DEADLINE(running[cpu]))) {
            latest = DEADLINE(running[cpu]);
            found = (int)cpu;
        }
    return found;
}

static void eevdf_yield(struct thread *running)
{
    charge(running);
    /* It goes behind all that are eligible: as if it had had its quantum, for the order alone. */
    DEADLINE(running) += virtual_of(sched_quantum_ns, running);
    put(running);
}

static void eevdf_leave(struct thread *running, bool ended)
{
    (void)ended;
    charge(running);
    weights -= running->params.weight;
    PLACE(running) = AWAY;
}

static int eevdf_set(struct thread *thread, const struct sched_params *wanted)
{
    if (PLACE(thread) != AWAY) {
        charge(thread);
        weights += wanted->weight;
        weights -= thread->params.weight;
    }
    return 0;
}

static void eevdf_dump(void (*print)(const char *line))
{
    print("eligible:");
    thread_heap_dump(&eligible, print);
    print("early:");
    thread_heap_dump(&early, print);
}

extern const struct sched sched_eevdf;
const struct sched sched_eevdf = {
    .name = SCHED_NAME("eevdf"),
    .quantum_ns = QUANTUM_NS,
    .init = eevdf_init,
    .enqueue = eevdf_enqueue,
    .dequeue = eevdf_dequeue,
    .pick_next = eevdf_pick_next,
    .tick = eevdf_tick,
    .wakeup = eevdf_wakeup,
    .yield = eevdf_yield,
    .leave = eevdf_leave,
    .set = eevdf_set,
    .dump = eevdf_dump,
};
