/* SPDX-License-Identifier: MIT */
/*
 * rings.h - the rings of traced applications (exo/abi/trace_ring.h), those of the CPUs, and copies of
 * them.
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

/* Whole events of one ring as they were at one time: numbers `first` to `end` - 1. None before the first
 * rings_copy(). */
struct ring_copy {
    const struct exo_trace *ring; /* `written` and `names` are the application's word */
    uint32_t size;                /* number n lies at events[n % size] */
    uint64_t first, end;
    uint64_t when; /* time stamp; 0: never */
};

/* For all applications of a checked bundle; says in the log what there is no memory for. */
void rings_make(const char *bundle, const struct bundle_app *apps, uint32_t count);

/* An empty ring for the application's next start. */
struct ring ring_empty(uint32_t app);

/* Copy all of them as they are now, those of the CPUs, too. */
void rings_copy(void);

/* The last copy of an application's; NULL: it is not traced. */
const struct ring_copy *ring_copied(uint32_t app);

/* Of a CPU's; NULL: there is no such CPU, or no application is traced. */
const struct ring_copy *ring_copied_cpu(uint32_t cpu);

#endif
