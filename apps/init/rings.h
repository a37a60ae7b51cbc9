/* SPDX-License-Identifier: MIT */
/*
 * rings.h - the rings of traced applications (exo/abi/trace_ring.h), and copies of them.
 *
 * Their pages are init's: what an application had to tell outlives it, until it is started again. All
 * memory is taken once, when init starts.
 */
#ifndef INIT_RINGS_H
#define INIT_RINGS_H

#include "bundle.h"
#include "trace_ring.h"

/* What one application gets: nothing, or so many pages at `at` to write to. */
struct ring {
    struct exo_trace *at; /* NULL: it is not traced */
    uint32_t bytes;       /* of events */
};

/* Whole events of one ring as they were at one time: numbers `first` to `end` - 1. */
struct ring_copy {
    const struct exo_trace *ring; /* `written` and `names` are the application's word */
    uint32_t size;                /* number n lies at events[n % size] */
    uint64_t first, end;
    uint64_t when; /* time stamp */
};

/* For all applications of a checked bundle; says in the log what there is no memory for. */
void rings_make(const char *bundle, const struct bundle_app *apps, uint32_t count);

/* An empty ring for the application's next start. */
struct ring ring_empty(uint32_t app);

/* What is in it. False: it is not traced. The copy is good until the next one is made. */
bool ring_copy(uint32_t app, struct ring_copy *copy);

#endif
