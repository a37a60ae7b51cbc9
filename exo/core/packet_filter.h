/* SPDX-License-Identifier: MIT */
/* packet_filter.h - what the rest of the core needs of tuples (tuple.c) and filters (filter.c). */
#ifndef EXO_CORE_PACKET_FILTER_H
#define EXO_CORE_PACKET_FILTER_H

#include "filter.h"
#include "list.h"

struct env;
struct queue;

/* --- tuple.c ----------------------------------------------------------------------- */

/* The tuple of a packet, as its receiver sees it, from its first `length` bytes: 14 to 128. */
void tuple_read(struct exo_tuple *tuple, const uint8_t *head, uint32_t length);

/* From then on as its sender sees it, whose MAC is `source`. */
void tuple_turn(struct exo_tuple *tuple, uint64_t source);

bool tuple_matches(const struct exo_tuple *tuple, const struct exo_filter *filter);

/* Is this a filter as exo/abi/filter.h has it? `open`: one that may leave the MAC open. */
bool filter_canonical(const struct exo_filter *filter, bool open);

/* Do both ask for the same wherever both ask? */
bool filter_overlaps(const struct exo_filter *a, const struct exo_filter *b);

/* Does `inner` ask for all that `outer` asks for? */
bool filter_within(const struct exo_filter *inner, const struct exo_filter *outer);

static inline uint64_t mac_at(const uint8_t *bytes)
{
    uint64_t word; /* behind a MAC there are two more bytes in every packet */

    __builtin_memcpy(&word, bytes, sizeof(word));
    return __builtin_bswap64(word) >> 16;
}

static inline bool mac_is_group(uint64_t mac)
{
    return mac >> 40 & 1;
}

/* --- filter.c ---------------------------------------------------------------------- */

#define FILTERS_BUCKET 64u         /* filters that share a place in the hash, at most */
#define FILTER_PLACES  EXO_FILTERS /* a power of two: most have one filter or none */

struct filter {
    struct exo_filter match; /* all zero: the entry is free */
    uint16_t queue;
    uint16_t nic;
    struct link place;  /* in its place of the hash, or among the free entries */
    struct link sister; /* of the same queue */
};

extern struct filter filters[EXO_FILTERS]; /* entry 0 is none */
extern struct list filter_places[FILTER_PLACES];
extern struct list filters_free;
extern uint32_t filters_touched; /* entries above were never used */

/* The queue whose filter matches if its owner has not ended, or NULL. At most FILTERS_BUCKET steps. */
struct queue *filter_find(uint32_t nic, const struct exo_tuple *tuple);

/* Does a filter of this queue match a packet to a group? At most EXO_FILTERS_QUEUE steps. */
bool filter_hears(const struct queue *queue, const struct exo_tuple *tuple);

/* Remove all filters of a queue: at most EXO_FILTERS_QUEUE. */
void filter_drop(struct queue *queue);

/* The queues of each NIC that have a filter: queue + 1. */
extern struct list filter_hearers[];

/* Does this filter lie within one of the environment's allowances? */
bool filter_allowed(const struct env *env, const struct exo_filter *filter);

/* Read a filter from a frame of the caller's, each word once. 0 or the error. */
int64_t filter_fetch(const struct env *self, uint64_t frame, uint64_t offset,
                     struct exo_filter *filter);

#endif
