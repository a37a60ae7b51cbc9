/* SPDX-License-Identifier: MIT */
/*
 * thread_heap.h - threads by `key`, the smallest first; among equals, who came first.
 *
 * A leftist heap (Crane 1972): `next` and `prev` are a node's children, `up` its parent, `rank` the
 * length of the way to the nearest missing child, which is the shorter on the right: at most
 * log2(n + 1) steps, so that every function here takes O(log n). Keys may wrap: they are compared by
 * their distance, which must stay below 2^63.
 */
#ifndef LIBOS_SCHED_THREAD_HEAP_H
#define LIBOS_SCHED_THREAD_HEAP_H

#include <stddef.h>

#include "policy.h"

struct thread_heap {
    struct thread *root;
    unsigned count;
    uint32_t turn; /* numbers those that come, for order among equals */
};

static inline bool key_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

/* `rank` holds the turn in its upper 24 bits and the rank proper in its lower 8. */
static inline unsigned heap_rank(const struct thread *thread)
{
    return thread ? thread->rank & 0xff : 0;
}

static inline bool heap_before(const struct thread *a, const struct thread *b)
{
    if (a->key != b->key)
        return key_before(a->key, b->key);
    return (int32_t)((a->rank | 0xff) - (b->rank | 0xff)) < 0;
}

/* Mend order of the children and rank, from `node` upwards until nothing changes. */
static inline void heap_mend(struct thread *node)
{
    for (; node; node = node->up) {
        if (heap_rank(node->next) < heap_rank(node->prev)) {
            struct thread *left = node->next;
            node->next = node->prev;
            node->prev = left;
        }
        unsigned rank = heap_rank(node->prev) + 1;
        if (rank == heap_rank(node))
            break;
        node->rank = (node->rank & ~0xffu) | rank;
    }
}

/* The heap of both; the root's `up` is left to the caller. */
static inline struct thread *heap_merge(struct thread *a, struct thread *b)
{
    struct thread *root = NULL, **place = &root, *parent = NULL;

    while (a && b) {
        struct thread *first = heap_before(b, a) ? b : a;
        struct thread *other = first == a ? b : a;
        *place = first;
        first->up = parent;
        parent = first;
        place = &first->prev;
        a = first->prev;
        b = other;
    }
    *place = a ? a : b;
    if (*place)
        (*place)->up = parent;
    /* Down the right side again, to its last node: ranks change along all of it. */
    for (; parent; parent = parent->up) {
        if (heap_rank(parent->next) < heap_rank(parent->prev)) {
            struct thread *left = parent->next;
            parent->next = parent->prev;
            parent->prev = left;
        }
        parent->rank = (parent->rank & ~0xffu) | (heap_rank(parent->prev) + 1);
    }
    return root;
}

static inline void thread_heap_add(struct thread_heap *heap, struct thread *thread, uint64_t key)
{
    thread->key = key;
    thread->next = thread->prev = thread->up = NULL;
    thread->rank = ++heap->turn << 8 | 1;
    heap->root = heap_merge(heap->root, thread);
    heap->root->up = NULL;
    heap->count++;
}

static inline void thread_heap_remove(struct thread_heap *heap, struct thread *thread)
{
    struct thread *up = thread->up, *rest = heap_merge(thread->next, thread->prev);

    if (rest)
        rest->up = up;
    if (!up)
        heap->root = rest;
    else if (up->next == thread)
        up->next = rest;
    else
        up->prev = rest;
    heap_mend(up);
    thread->next = thread->prev = thread->up = NULL;
    heap->count--;
}

/* The first, taken out; NULL if there is none. */
static inline struct thread *thread_heap_take(struct thread_heap *heap)
{
    struct thread *thread = heap->root;

    if (thread)
        thread_heap_remove(heap, thread);
    return thread;
}

/* The names; not in order but for the first. */
static inline void thread_heap_dump(const struct thread_heap *heap, void (*print)(const char *line))
{
    const struct thread *at = heap->root, *from = NULL;

    while (at) {
        const struct thread *to = at->up;
        if (from == at->up) {
            print(at->name);
            to = at->next ? at->next : at->prev ? at->prev : at->up;
        } else if (from == at->next && at->prev) {
            to = at->prev;
        }
        from = at;
        at = to;
    }
}

#endif
