/* SPDX-License-Identifier: MIT */
/* inherit.c - who holds a lock hurries for those that wait for it (inherit.h). */
#include "inherit.h"

#include <stddef.h>

/* The least urgency of those that wait for `holder`. */
static uint64_t least(const struct thread *all, const struct thread *holder)
{
    uint64_t found = NOT_URGENT;

    if (!holder->waiters)
        return found;
    for (const struct thread *at = all; at; at = at->all_next)
        if (at->holder == holder && thread_urgency(at) < found)
            found = thread_urgency(at);
    return found;
}

static void change(const struct sched *policy, struct thread *thread, uint64_t inherited)
{
    thread->inherited = inherited;
    if (policy->inherit)
        policy->inherit(thread);
}

bool inherit_block(const struct sched *policy, struct thread *waiter, struct thread *holder)
{
    const struct thread *behind = holder->holder;

    for (unsigned depth = 1; behind && behind != waiter && depth < INHERIT_DEPTH; depth++)
        behind = behind->holder;
    if (holder == waiter || behind == waiter)
        return false;
    waiter->holder = holder;
    holder->waiters++;
    struct thread *at = holder;
    for (unsigned depth = 0; at && depth < INHERIT_DEPTH; depth++) {
        if (thread_urgency(waiter) >= at->inherited)
            break;
        change(policy, at, thread_urgency(waiter));
        at = (struct thread *)at->holder;
    }
    return true;
}

void inherit_unblock(const struct sched *policy, struct thread *all, struct thread *waiter)
{
    struct thread *at = (struct thread *)waiter->holder;

    if (!at)
        return;
    at->waiters--;
    waiter->holder = NULL;
    for (unsigned depth = 0; at && depth < INHERIT_DEPTH; depth++) {
        uint64_t inherited = least(all, at);
        if (inherited == at->inherited)
            break;
        change(policy, at, inherited);
        at = (struct thread *)at->holder;
    }
}

void inherit_end(struct thread *all, struct thread *holder)
{
    if (!holder->waiters)
        return;
    for (struct thread *at = all; at; at = at->all_next)
        if (at->holder == holder)
            at->holder = NULL;
    holder->waiters = 0;
}

bool inv_inherited(const struct thread *all)
{
    for (const struct thread *at = all; at; at = at->all_next)
        if (at->state != THREAD_FREE && at->inherited != least(all, at))
            return false;
    return true;
}
