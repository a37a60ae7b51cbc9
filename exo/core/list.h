/* SPDX-License-Identifier: MIT */
/*
 * list.h - lists of a table's entries by their numbers, linked both ways: joining and leaving take
 * the same few steps wherever an entry stands.
 *
 * Numbers, not pointers: the table of frames is readable by applications (exo/abi/facts.h), and a
 * number below a table's size is always an entry. 0 is none.
 */
#ifndef EXO_CORE_LIST_H
#define EXO_CORE_LIST_H

#include "types.h"

/* In an entry: its neighbours. */
struct link {
    uint32_t prev, next;
};

/* In whoever has the list. */
struct list {
    uint32_t first, last;
};

/* Where entry `n` of a table has its link; one such function for each kind of list. */
typedef struct link *link_at(uint32_t n);
#define LINK_AT(name, place)                                                                       \
    static struct link *name(uint32_t n)                                                           \
    {                                                                                              \
        return &(place);                                                                           \
    }

/* Inlined, so that `at` costs no call. */
#define LIST_INLINE static inline __attribute__((always_inline))

LIST_INLINE void list_push(link_at *at, struct list *list, uint32_t n)
{
    *at(n) = (struct link){.next = list->first};
    *(list->first ? &at(list->first)->prev : &list->last) = n;
    list->first = n;
}

LIST_INLINE void list_append(link_at *at, struct list *list, uint32_t n)
{
    *at(n) = (struct link){.prev = list->last};
    *(list->last ? &at(list->last)->next : &list->first) = n;
    list->last = n;
}

LIST_INLINE void list_remove(link_at *at, struct list *list, uint32_t n)
{
    const struct link *link = at(n);

    *(link->prev ? &at(link->prev)->next : &list->first) = link->next;
    *(link->next ? &at(link->next)->prev : &list->last) = link->prev;
}

#endif
