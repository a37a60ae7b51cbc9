/* SPDX-License-Identifier: MIT */
/*
 * filter.c - the filters of all queues: found by card and MAC, disjoint, within what was allowed.
 *
 *   FL1  each filter is in the list of its place in the hash and in that of its queue, once; every
 *        other entry is free; counts are what the lists say              inv_filter_lists
 *   FL2  no two filters of a card match one packet, whoever owns them, so in which order they were
 *        added makes no difference                                       inv_filter_disjoint
 *   FL3  a filter is canonical and lies within an allowance of its owner's, and an allowance within
 *        one of the parent's                                             inv_filter_allowed
 *   FL4  a search takes at most FILTERS_BUCKET steps, however many filters there are
 *
 * Those of an environment that has ended match nothing (the queue says so) and keep their place
 * until it is reclaimed.
 */
#include "packet_filter.h"

#include "exo_handlers.h"
#include "frame.h"
#include "machine.h"
#include "packet_queue.h"

struct filter filters[EXO_FILTERS];
struct list filter_hearers[NICS];
struct list filter_places[FILTER_PLACES];
struct list filters_free;
uint32_t filters_touched;

static struct list *place_of(uint32_t nic, uint64_t mac)
{
    uint64_t hash = (mac | (uint64_t)nic << 48) * 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio */

    return &filter_places[(hash >> 40) % FILTER_PLACES];
}

struct queue *filter_find(uint32_t nic, const struct exo_tuple *tuple)
{
    for (uint32_t n = place_of(nic, tuple->mac)->first; n; n = filters[n].place.next)
        if (tuple_matches(tuple, &filters[n].match) && filters[n].nic == nic)
            return queue_ended(&queues[filters[n].queue]) ? NULL : &queues[filters[n].queue];
    return NULL;
}

bool filter_hears(const struct queue *q, const struct exo_tuple *tuple)
{
    struct exo_tuple t = *tuple;

    for (uint32_t n = q->filters.first; n; n = filters[n].sister.next) {
        const struct exo_filter *match = &filters[n].match;
        t.mac = match->value.mac;
        if (t.ethertype != EXO_ETHERTYPE_ARP) /* a group's address is nobody's own */
            __builtin_memcpy(t.local, match->value.local, sizeof(t.local));
        if (tuple_matches(&t, match))
            return true;
    }
    return false;
}

/* --- lists --------------------------------------------------------------------------- */

LINK_AT(place_link, filters[n].place)  /* among those of its place in the hash, or free entries */
LINK_AT(queue_link, filters[n].sister) /* among those of its queue */
LINK_AT(hearer_link, queues[n - 1].hears) /* among those of its card with a filter: queue + 1 */

static void hearer_remove(struct queue *q)
{
    uint32_t self = (uint32_t)(q - queues + 1);

    for (uint32_t i = 0; i < GROUPS; i++)
        if (groups[i].next == self)
            groups[i].next = q->hears.next;
    list_remove(hearer_link, &filter_hearers[q->nic], self);
    q->hears = (struct link){0};
}

static void filter_insert(uint32_t n, struct queue *q, const struct exo_filter *match)
{
    uint16_t number = (uint16_t)(q - queues);

    filters[n] = (struct filter){.match = *match, .queue = number, .nic = q->nic};
    list_push(place_link, place_of(q->nic, match->value.mac), n);
    if (!q->filters.first)
        list_push(hearer_link, &filter_hearers[q->nic], number + 1u);
    list_push(queue_link, &q->filters, n);
    q->filter_count++;
    envs[q->owner].used[EXO_R_FILTERS]++;
}

static void filter_remove(uint32_t n)
{
    struct filter *f = &filters[n];
    struct queue *q = &queues[f->queue];

    list_remove(place_link, place_of(f->nic, f->match.value.mac), n);
    list_remove(queue_link, &q->filters, n);
    if (!q->filters.first)
        hearer_remove(q);
    q->filter_count--;
    envs[q->owner].used[EXO_R_FILTERS]--;
    *f = (struct filter){0};
    list_push(place_link, &filters_free, n);
}

void filter_drop(struct queue *q)
{
    while (q->filters.first)
        filter_remove(q->filters.first);
}

/* --- calls ----------------------------------------------------------------------------- */

bool filter_allowed(const struct env *env, const struct exo_filter *filter)
{
    for (uint32_t i = 0; i < env->allowances; i++)
        if (filter_within(filter, &env->allow[i]))
            return true;
    return false;
}

int64_t filter_fetch(const struct env *self, uint64_t frame, uint64_t offset,
                     struct exo_filter *filter)
{
    uint64_t word[sizeof(*filter) / 8];

    if (offset % 8 || offset > EXO_PAGE_SIZE - sizeof(*filter))
        return -EXO_E_RANGE;
    int64_t error = frame_check(self, frame, 1u << EXO_DATA | 1u << EXO_CONTROL);
    if (error)
        return error;

    const volatile uint64_t *from =
        (const volatile void *)((const char *)machine_frame((frame_t){(uint32_t)frame}) + offset);
    for (uint32_t i = 0; i < sizeof(word) / 8; i++)
        word[i] = from[i];
    __builtin_memcpy(filter, word, sizeof(word));
    return 0;
}

/* Is there room for a filter beside those of its place, and does it overlap none of its card's? */
static int64_t filter_fits(const struct queue *q, const struct exo_filter *match)
{
    uint32_t here = 0, same = 0;

    for (uint32_t n = place_of(q->nic, match->value.mac)->first; n; n = filters[n].place.next) {
        const struct filter *f = &filters[n];
        here++;
        if (f->nic != q->nic || f->match.value.mac != match->value.mac)
            continue;
        same++;
        if (filter_overlaps(&f->match, match))
            return -EXO_E_BUSY;
    }
    bool room = here < FILTERS_BUCKET && same < EXO_FILTERS_MAC &&
                q->filter_count < EXO_FILTERS_QUEUE &&
                (filters_free.first || filters_touched + 1u < EXO_FILTERS);
    return room ? 0 : -EXO_E_MEMORY;
}

int64_t call_filter_add(struct env *self, struct queue *q, frame_t frame, uint32_t offset)
{
    struct exo_filter match;
    int64_t error = filter_fetch(self, frame.n, offset, &match);
    if (error)
        return error;
    if (!filter_canonical(&match, false))
        return -EXO_E_RANGE;
    if (!filter_allowed(self, &match))
        return -EXO_E_FOREIGN;
    if (self->used[EXO_R_FILTERS] >= self->quota[EXO_R_FILTERS])
        return -EXO_E_QUOTA;
    error = filter_fits(q, &match);
    if (error)
        return error;

    uint32_t n = filters_free.first;
    if (n)
        list_remove(place_link, &filters_free, n);
    else
        n = ++filters_touched;
    filter_insert(n, q, &match);
    return n;
}

int64_t call_filter_del(struct env *self, filter_t filter)
{
    if (filter.n >= EXO_FILTERS)
        return -EXO_E_RANGE;
    const struct filter *f = &filters[filter.n];
    if (!f->match.mask.mac || &envs[queues[f->queue].owner] != self)
        return -EXO_E_OWNER;

    filter_remove(filter.n);
    return 0;
}
