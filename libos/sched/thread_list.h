/* SPDX-License-Identifier: MIT */
/* thread_list.h - a queue of threads, linked through their `next` and `prev`. */
#ifndef LIBOS_SCHED_THREAD_LIST_H
#define LIBOS_SCHED_THREAD_LIST_H

#include <stddef.h>

#include "policy.h"

/* The `prev` of the first, the `next` of the last, and `last` of an empty list mean nothing. */
struct thread_list {
    struct thread *first, *last;
};

/* To the end. */
static inline void thread_list_append(struct thread_list *list, struct thread *thread)
{
    if (list->first)
        list->last->next = thread;
    else
        list->first = thread;
    thread->prev = list->last;
    list->last = thread;
}

static inline void thread_list_prepend(struct thread_list *list, struct thread *thread)
{
    if (list->first)
        list->first->prev = thread;
    else
        list->last = thread;
    thread->next = list->first;
    list->first = thread;
}

static inline void thread_list_remove(struct thread_list *list, struct thread *thread)
{
    if (list->first == list->last) {
        list->first = NULL;
    } else if (thread == list->first) {
        list->first = thread->next;
    } else if (thread == list->last) {
        list->last = thread->prev;
    } else {
        thread->prev->next = thread->next;
        thread->next->prev = thread->prev;
    }
}

/* The first, taken out; NULL if the list is empty. */
static inline struct thread *thread_list_take(struct thread_list *list)
{
    struct thread *thread = list->first;

    if (thread)
        thread_list_remove(list, thread);
    return thread;
}

/* One to the end, and the first taken out: that one if the list is empty. */
static inline struct thread *thread_list_rotate(struct thread_list *list, struct thread *thread)
{
    struct thread *first = list->first, *last = list->last;

    if (!first)
        return thread;
    last->next = thread;
    thread->prev = last;
    list->last = thread;
    list->first = first->next;
    return first;
}

/* The names, in order. */
static inline void thread_list_dump(const struct thread_list *list, void (*print)(const char *line))
{
    for (const struct thread *thread = list->first; thread;
         thread = thread == list->last ? NULL : thread->next)
        print(thread->name);
}

#endif
