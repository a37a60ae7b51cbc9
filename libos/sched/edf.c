/* SPDX-License-Identifier: MIT */
/*
 * edf.c - earliest deadline first, for threads that were promised so much CPU in each period; what is
 * left goes to the others in turn.
 *
 * Each promise is a constant bandwidth server (Abeni and Buttazzo 1998): a thread that wakes gets its
 * runtime as a budget and a deadline a period away, unless what is left of the last budget still fits
 * the time to the last deadline. Who has used up its budget waits, behind all others, for its
 * deadline; there it gets the next budget and the next deadline. So an overrun takes nothing from a
 * promise to another thread.
 *
 *   D1  the promises fit: their sum is at most SHARE_PERCENT of what the test of Goossens, Funk and
 *       Baruah (2003) allows on the CPUs there were when the last was made; on one CPU that is all
 *   D2  a ready thread is in `urgent`, by its deadline, if it has budget or if one with a deadline
 *       waits for a lock of its; else in `spent`, by the time of its next budget, if it was promised
 *       some; else on `others`
 *   D3  `promised` is the sum of all promises of threads that have not ended
 *
 * While a thread without budget holds a lock that one with a deadline waits for, it runs on that
 * deadline and is charged nothing: critical sections are part of nobody's promise. Switches cost
 * what the rest of SHARE_PERCENT leaves. The policy counts on having the CPU: where the machine gives
 * the application some slices only, a promise is kept as far as they go.
 *
 * O(log n) each, but that whoever finds several budgets due at once hands out all of them.
 */
#include <errno.h>

#include "policy.h"
#include "thread_heap.h"
#include "thread_list.h"

#define QUANTUM_NS    1000000u
#define SHARE_PERCENT 95u
#define WHOLE         (1ull << 20) /* a whole CPU, as `promised` counts */

static struct thread_heap urgent, spent;
static struct thread_list others;
static uint64_t promised, largest; /* the largest since there was none */
static unsigned cpus_ours;

#define DEADLINE(thread) ((thread)->policy[0]) /* and the time of its next budget */
#define CHARGED(thread)  ((thread)->policy[1]) /* of its ran_ns */
#define BUDGET(thread)   ((thread)->policy[2])
#define PLACE(thread)    ((thread)->policy[3])

enum { NOWHERE, URGENT, SPENT, OTHERS };

static void edf_init(void)
{
    urgent = spent = (struct thread_heap){0};
    others = (struct thread_list){0};
    promised = largest = 0;
    cpus_ours = 0;
}

static uint64_t share(const struct sched_params *params)
{
    return params->period_ns
               ? (params->runtime_ns * WHOLE + params->period_ns - 1) / params->period_ns
               : 0;
}

static bool has_promise(const struct thread *thread)
{
    return thread->params.runtime_ns != 0;
}

static void charge(struct thread *thread)
{
    uint64_t ran = thread->ran_ns - CHARGED(thread);

    CHARGED(thread) = thread->ran_ns;
    BUDGET(thread) -= ran < BUDGET(thread) ? ran : BUDGET(thread);
}

static void refill(struct thread *thread, uint64_t from)
{
    BUDGET(thread) = thread->params.runtime_ns;
    thread->urgency = DEADLINE(thread) = from + thread->params.period_ns;
}

static bool is_urgent(const struct thread *thread)
{
    return thread->inherited != NOT_URGENT || (has_promise(thread) && BUDGET(thread));
}

static void put(struct thread *thread)
{
    if (!has_promise(thread))
        thread->urgency = NOT_URGENT;
    if (is_urgent(thread)) {
        PLACE(thread) = URGENT;
        thread_heap_add(&urgent, thread, thread_urgency(thread));
    } else if (has_promise(thread)) {
        PLACE(thread) = SPENT;
        thread_heap_add(&spent, thread, DEADLINE(thread));
    } else {
        PLACE(thread) = OTHERS;
        thread_list_append(&others, thread);
    }
}

static void edf_dequeue(struct thread *thread)
{
    if (PLACE(thread) == OTHERS)
        thread_list_remove(&others, thread);
    else
        thread_heap_remove(PLACE(thread) == URGENT ? &urgent : &spent, thread);
    PLACE(thread) = NOWHERE;
}

/* Is what is left of its budget more than its share of the time to its deadline? */
static bool outdated(const struct thread *thread, uint64_t now)
{
    if (now >= DEADLINE(thread))
        return true;
    return (unsigned __int128)BUDGET(thread) * thread->params.period_ns >
           (unsigned __int128)(DEADLINE(thread) - now) * thread->params.runtime_ns;
}

static void edf_enqueue(struct thread *thread, enum enqueue_why why)
{
    charge(thread);
    if (has_promise(thread) && why != ENQUEUE_PREEMPTED) {
        uint64_t now = time_ns();
        if (outdated(thread, now))
            refill(thread, now);
    }
    put(thread);
}

/* New budgets for those whose time has come. */
static void hand_out(uint64_t now)
{
    while (spent.root && spent.root->key <= now) {
        struct thread *thread = thread_heap_take(&spent);
        refill(thread, DEADLINE(thread) + thread->params.period_ns > now ? DEADLINE(thread) : now);
        put(thread);
    }
}

/* How long `thread` may run: to the end of its budget or quantum, but not past the next hand-out. */
static uint64_t slice_of(const struct thread *thread, uint64_t now)
{
    uint64_t slice = has_promise(thread) && BUDGET(thread) ? BUDGET(thread) : sched_quantum_ns;

    if (has_promise(thread) && !BUDGET(thread) && DEADLINE(thread) - now < slice)
        slice = DEADLINE(thread) - now;
    if (spent.root && spent.root->key - now < slice)
        slice = spent.root->key - now;
    return slice ? slice : 1;
}

static struct thread *edf_pick_next(unsigned cpu)
{
    uint64_t now = time_ns();

    (void)cpu;
    hand_out(now);
    struct thread *thread = urgent.root ? urgent.root : others.first ? others.first : spent.root;
    if (!thread)
        return NULL;
    edf_dequeue(thread);
    thread->slice_ns = slice_of(thread, now);
    return thread;
}

static bool edf_tick(struct thread *running)
{
    uint64_t now = time_ns();

    charge(running);
    hand_out(now);
    if (has_promise(running) && !BUDGET(running) && now >= DEADLINE(running))
        refill(running, now);
    running->slice_ns = slice_of(running, now);
    if (is_urgent(running))
        return urgent.root && urgent.root->key < thread_urgency(running);
    return urgent.root || others.first;
}

/* A CPU without an urgent thread, or that with the latest deadline, if `woken` has an earlier one. */
static int edf_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    uint64_t latest = thread_urgency(woken);
    int found = -1;

    if (PLACE(woken) != URGENT)
        return -1;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        if (!running[cpu])
            continue;
        uint64_t deadline = is_urgent(running[cpu]) ? thread_urgency(running[cpu]) : NOT_URGENT;
        if (deadline > latest) {
            latest = deadline;
            found = (int)cpu;
        }
    }
    return found;
}

/* It gives up what is left of its budget. */
static void edf_yield(struct thread *running)
{
    charge(running);
    BUDGET(running) = 0;
    put(running);
}

static void edf_leave(struct thread *running, bool ended)
{
    charge(running);
    if (!ended)
        return;
    promised -= share(&running->params);
    if (!promised)
        largest = 0;
}

static void edf_inherit(struct thread *thread)
{
    if (thread->state != THREAD_READY)
        return;
    edf_dequeue(thread);
    put(thread);
}

static int edf_set(struct thread *thread, const struct sched_params *wanted)
{
    uint64_t mine = share(wanted), sum = promised - share(&thread->params) + mine;
    uint64_t most = largest > mine ? largest : mine;
    unsigned cpus = cpus_ours ? cpus_ours : 1;

    if (mine && sum > (cpus * WHOLE - (cpus - 1) * most) * SHARE_PERCENT / 100)
        return -EBUSY;
    promised = sum;
    largest = sum ? most : 0;
    charge(thread);
    DEADLINE(thread) = time_ns() + wanted->period_ns;
    BUDGET(thread) = wanted->runtime_ns;
    thread->urgency = mine ? DEADLINE(thread) : NOT_URGENT;
    return 0;
}

static void edf_cpu_gained(unsigned cpu)
{
    (void)cpu;
    cpus_ours++;
}

static void edf_cpu_lost(unsigned cpu)
{
    (void)cpu;
    cpus_ours--;
}

static void edf_dump(void (*print)(const char *line))
{
    print("with a budget:");
    thread_heap_dump(&urgent, print);
    print("budget used up:");
    thread_heap_dump(&spent, print);
    print("without a deadline:");
    thread_list_dump(&others, print);
}

extern const struct sched sched_edf;
const struct sched sched_edf = {
    .name = SCHED_NAME("edf"),
    .quantum_ns = QUANTUM_NS,
    .starves = true,
    .init = edf_init,
    .enqueue = edf_enqueue,
    .dequeue = edf_dequeue,
    .pick_next = edf_pick_next,
    .tick = edf_tick,
    .wakeup = edf_wakeup,
    .yield = edf_yield,
    .leave = edf_leave,
    .inherit = edf_inherit,
    .set = edf_set,
    .cpu_gained = edf_cpu_gained,
    .cpu_lost = edf_cpu_lost,
    .dump = edf_dump,
};
