/* SPDX-License-Identifier: MIT */
/* thread_list.h - a queue of threads, linked through their `next` and `prev`. */
#ifndef LIBOS_SCHED_THREAD_LIST_H
#define LIBOS_SCHED_THREAD_LIST_H

#include <stddef.h>

#include "policy.h"

struct thread_list {
    struct thread *first, *last;
};

/* To the end. */
static inline void thread_list_append(struct thread_list *list, struct thread *thread)
{
    thread->next = NULL;
    thread->prev = list->last;
    if (list->last)
        list->last->next = thread;
    else
        list->first = thread;
    list->last = thread;
}

static inline void thread_list_prepend(struct thread_list *list, struct thread *thread)
{
    thread->prev = NULL;
    thread->next = list->first;
    if (list->first)
        list->first->prev = thread;
    else
        list->last = thread;
    list->first = thread;
}

static inline void thread_list_remove(struct thread_list *list, struct thread *thread)
{
    if (thread->prev)
        thread->prev->next = thread->next;
    else
        list->first = thread->next;
    if (thread->next)
        thread->next->prev = thread->prev;
    else
        list->last = thread->prev;
    thread->next = thread->prev = NULL;
}

/* The first, taken out; NULL if the list is empty. */
static inline struct thread *thread_list_take(struct thread_list *list)
{
    struct thread *thread = list->first;

    if (thread)
        thread_list_remove(list, thread);
    return thread;
}

/* The names, in order. */
static inline void thread_list_dump(const struct thread_list *list, void (*print)(const char *line))
{
    for (const struct thread *thread = list->first; thread; thread = thread->next)
        print(thread->name);
}

#endif
