/* SPDX-License-Identifier: MIT */
/*
 * priority.c - fixed priorities: of those that are ready, the most urgent runs; equals take turns.
 *
 *   P1  a thread that is ready is on the list of its level: its own priority, or that of the most
 *       urgent thread that waits for a lock of its, whichever is more
 *   P2  `filled` has a bit exactly for each level with a thread on its list
 *
 * With priority inheritance a thread waits for a lock no longer than the holder's critical section
 * and those nested in it, whatever threads of levels in between do. Every function takes a fixed
 * number of steps; `wakeup` takes one a CPU.
 */
#include "policy.h"
#include "thread_list.h"

#define QUANTUM_NS 1000000u
#define LEVELS     SCHED_PRIORITIES /* 0 is the most urgent, as with `urgency` */

_Static_assert(LEVELS <= 64, "a bit of `filled` each");

static struct thread_list levels[LEVELS];
static uint64_t filled;

/* What the policy keeps of a thread. */
#define LEVEL(thread)   ((thread)->policy[0]) /* on whose list it is */
#define USED_UP(thread) ((thread)->policy[1]) /* its quantum is over */

static uint64_t level_of(const struct thread *thread)
{
    uint64_t urgency = thread_urgency(thread);

    return urgency < LEVELS ? urgency : LEVELS - 1;
}

static void priority_init(void)
{
    for (unsigned i = 0; i < LEVELS; i++)
        levels[i] = (struct thread_list){0};
    filled = 0;
}

static void put(struct thread *thread, bool first)
{
    uint64_t level;

    thread->urgency = LEVELS - 1 - thread->params.priority;
    LEVEL(thread) = level = level_of(thread);
    USED_UP(thread) = false;
    if (first)
        thread_list_prepend(&levels[level], thread);
    else
        thread_list_append(&levels[level], thread);
    filled |= 1ull << level;
}

/* Who had to give way before its quantum was over keeps its place before its equals. */
static void priority_enqueue(struct thread *thread, enum enqueue_why why)
{
    put(thread, why == ENQUEUE_PREEMPTED && !USED_UP(thread));
}

static void priority_dequeue(struct thread *thread)
{
    uint64_t level = LEVEL(thread);

    thread_list_remove(&levels[level], thread);
    if (!levels[level].first)
        filled &= ~(1ull << level);
}

static struct thread *priority_pick_next(unsigned cpu)
{
    (void)cpu;
    if (!filled)
        return NULL;
    struct thread *thread = levels[__builtin_ctzll(filled)].first;
    priority_dequeue(thread);
    return thread;
}

static bool priority_tick(struct thread *running)
{
    if (!filled || (uint64_t)__builtin_ctzll(filled) > level_of(running))
        return false;
    USED_UP(running) = true;
    return true;
}

/* The CPU with the least urgent thread, if `woken` is more so. */
static int priority_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    uint64_t least = level_of(woken);
    int found = -1;

    for (unsigned cpu = 0; cpu < cpus; cpu++)
        if (running[cpu] && level_of(running[cpu]) > least) {
            least = level_of(running[cpu]);
            found = (int)cpu;
        }
    return found;
}

static void priority_yield(struct thread *running)
{
    put(running, false);
}

/* A thread that has become less urgent goes before its equals: it did not ask to wait. */
static void priority_inherit(struct thread *thread)
{
    if (thread->state != THREAD_READY)
        return;
    priority_dequeue(thread);
    put(thread, level_of(thread) > LEVEL(thread));
}

static int priority_set(struct thread *thread, const struct sched_params *wanted)
{
    thread->urgency = LEVELS - 1 - wanted->priority;
    return 0;
}

static void priority_dump(void (*print)(const char *line))
{
    for (unsigned level = 0; level < LEVELS; level++)
        thread_list_dump(&levels[level], print);
}

extern const struct sched sched_priority;
const struct sched sched_priority = {
    .name = SCHED_NAME("priority"),
    .quantum_ns = QUANTUM_NS,
    .starves = true,
    .init = priority_init,
    .enqueue = priority_enqueue,
    .dequeue = priority_dequeue,
    .pick_next = priority_pick_next,
    .tick = priority_tick,
    .wakeup = priority_wakeup,
    .yield = priority_yield,
    .inherit = priority_inherit,
    .set = priority_set,
    .dump = priority_dump,
};
