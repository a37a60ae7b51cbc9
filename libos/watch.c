/* SPDX-License-Identifier: MIT */
/* watch.c - finds a scheduling policy that breaks its contract (watch.h). */
#include "watch.h"

#include <stddef.h>

const char *watch_word(enum watch_verdict verdict)
{
    static const char *const words[] = {"keeps its contract with", "has lost", "starves",
                                        "gave out wrongly"};

    return words[verdict];
}

/* `waits` of a READY thread that came out of the policy's hands, while all are taken out. */
#define SEEN UINT32_MAX

static unsigned ready_count(const struct thread *all)
{
    unsigned count = 0;

    for (const struct thread *at = all; at; at = at->all_next)
        count += at->state == THREAD_READY;
    return count;
}

static bool is_listed(const struct thread *all, const struct thread *thread)
{
    for (const struct thread *at = all; at; at = at->all_next)
        if (at == thread)
            return true;
    return false;
}

/*
 * Take all out, mark them and chain them by wait_next, in the order in which they came. What comes out is
 * believed to be a thread only if it is one of `all`: that makes this n * n steps, once a suspicion.
 */
static struct watch_finding drain(const struct sched *policy, struct thread *all,
                                  struct thread **chain)
{
    struct watch_finding found = {WATCH_GOOD, NULL, 0};
    unsigned left = ready_count(all);

    for (;;) {
        struct thread *thread = policy->pick_next(0);
        if (!thread)
            break;
        bool listed = is_listed(all, thread);
        if (!listed || thread->state != THREAD_READY || thread->waits == SEEN || !left--)
            return (struct watch_finding){WATCH_WRONG, listed ? thread : NULL, 1};
        thread->waits = SEEN;
        thread->wait_next = NULL;
        *chain = thread;
        chain = &thread->wait_next;
    }
    for (struct thread *at = all; at; at = at->all_next)
        if (at->state == THREAD_READY && at->waits != SEEN) {
            found.verdict = WATCH_LOST;
            found.thread = found.thread ? found.thread : at;
            found.count++;
        }
    return found;
}

static void forget(struct thread *all)
{
    for (struct thread *at = all; at; at = at->all_next)
        if (at->waits == SEEN)
            at->waits = 0;
}

struct watch_finding watch_faulty(const struct sched *policy, struct thread *all,
                                  struct thread *picked)
{
    struct watch_finding found = {WATCH_WRONG, is_listed(all, picked) ? picked : NULL, 1};

    if (!picked) {
        struct thread *chain = NULL;
        found = drain(policy, all, &chain);
        forget(all);
    }
    return found;
}

/* Threads that have waited too long by now. */
static struct watch_finding overdue(struct thread *all)
{
    struct watch_finding found = {WATCH_GOOD, NULL, 0};

    for (struct thread *at = all; at; at = at->all_next) {
        if (at->state != THREAD_READY || at->slice_from != at->slice_seen)
            at->waits = 0;
        else if (++at->waits >= WATCH_TIMES) {
            found.verdict = WATCH_STARVED;
            found.thread = found.thread ? found.thread : at;
            found.count++;
            at->waits = 0; /* if it is as it should be, look again after as long */
        }
        at->slice_seen = at->slice_from;
    }
    return found;
}

struct watch_finding watch_look(const struct sched *policy, struct thread *all)
{
    struct watch_finding starved = overdue(all);

    if (starved.verdict == WATCH_GOOD)
        return starved;
    struct thread *chain = NULL;
    struct watch_finding found = drain(policy, all, &chain);
    if (found.verdict == WATCH_GOOD && !policy->starves)
        found = starved;
    if (found.verdict == WATCH_GOOD)
        for (struct thread *at = chain; at; at = at->wait_next)
            policy->enqueue(at, ENQUEUE_PREEMPTED);
    forget(all);
    return found;
}

void watch_replace(const struct sched *fallback, struct thread *all)
{
    int after = 0;

    fallback->init();
    for (;;) {
        struct thread *next = NULL;
        for (struct thread *at = all; at; at = at->all_next)
            if (at->state == THREAD_READY && at->id > after && (!next || at->id < next->id))
                next = at;
        if (!next)
            break;
        after = next->id;
        next->slice_ns = 0;
        next->next = next->prev = next->up = NULL;
        fallback->enqueue(next, ENQUEUE_PREEMPTED);
    }
}
