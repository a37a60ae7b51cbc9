/* SPDX-License-Identifier: MIT */
/* events.c - what happens when: a binary heap. */
#include "sim.h"

#include <stdlib.h>

static struct event *heap;
static size_t count, room;
static uint64_t order;

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void events_clear(void)
{
    free(heap);
    heap = NULL;
    count = room = 0;
    order = 0;
}

void events_add(uint64_t at, enum event_kind kind, uint32_t which, uint64_t round)
{
    if (count == room) {
        room = room ? room * 2 : 256;
        heap = realloc(heap, room * sizeof(*heap));
        if (!heap)
            abort();
    }
    struct event event = {at, order++, kind, which, round};
    size_t i = count++;
    for (; i && before(&event, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = event;
}

bool events_take(struct event *event)
{
    if (!count)
        return false;
    *event = heap[0];
    struct event last = heap[--count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < count && before(&heap[child + 1], &heap[child]))
            child++;
        if (child >= count || !before(&heap[child], &last))
            break;
        heap[i] = heap[child];
        i = child;
    }
    if (count)
        heap[i] = last;
    return true;
}
