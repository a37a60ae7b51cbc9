/* SPDX-License-Identifier: MIT */
/*
 * blocked.c - the threads that are BLOCKED: by the address that each waits for, and by the time at which it
 * waits no longer.
 *
 *   B1  one that waits for an address is in the queue of the address's hash; who came first is first
 *   B2  one that has a time is in `timed`, whose root is the earliest; thread_earliest is that time
 *
 * A thread that is BLOCKED is in no policy's hands: the links and the key of thread_heap.h are free.
 *
 * Steps: as many as there are others in the queue of an address's hash, and log2 of those that have a time.
 */
#include "blocked.h"

#include "switching.h"
#include "thread_heap.h"

#define QUEUES 128u
#define FOR_EVER                                                                                   \
    (1ull << 62) /* ticks: later than any machine will see, and keys may differ by that */

static struct {
    struct thread *first, *last;
} queues[QUEUES];
static struct thread_heap timed;

uint64_t thread_earliest = NO_ALARM;

/* Words are of four bytes, and those of a kind often lie a fixed distance apart (Knuth 6.4). */
static unsigned queue_of(const void *address)
{
    return (unsigned)(((uint64_t)address >> 2) * 0x9e3779b97f4a7c15 >> 57);
}

_Static_assert(QUEUES == 1u << (64 - 57), "what is left of the product");

static void told(void)
{
    thread_earliest = timed.root ? timed.root->key : NO_ALARM;
}

void blocked_add(struct thread *thread)
{
    if (thread->address) {
        unsigned queue = queue_of(thread->address);
        thread->wait_next = NULL;
        thread->wait_prev = queues[queue].last;
        if (queues[queue].last)
            queues[queue].last->wait_next = thread;
        else
            queues[queue].first = thread;
        queues[queue].last = thread;
    }
    if (thread->wake_at) {
        thread_heap_add(&timed, thread, thread->wake_at < FOR_EVER ? thread->wake_at : FOR_EVER);
        told();
    }
}

void blocked_remove(struct thread *thread)
{
    if (thread->address) {
        unsigned queue = queue_of(thread->address);
        if (thread->wait_prev)
            thread->wait_prev->wait_next = thread->wait_next;
        else
            queues[queue].first = thread->wait_next;
        if (thread->wait_next)
            thread->wait_next->wait_prev = thread->wait_prev;
        else
            queues[queue].last = thread->wait_prev;
    }
    if (thread->wake_at) {
        thread_heap_remove(&timed, thread);
        told();
    }
}

struct thread *blocked_at(const void *address, const struct thread *after)
{
    struct thread *at = after ? after->wait_next : queues[queue_of(address)].first;

    while (at && at->address != address)
        at = at->wait_next;
    return at;
}

struct thread *blocked_due(uint64_t now)
{
    return timed.root && timed.root->key <= now ? timed.root : NULL;
}
