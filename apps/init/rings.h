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

/* What one application gets to write to: nothing, or a ring for each vCPU, one behind the other. */
struct ring {
    struct exo_trace *at; /* NULL: it is not traced */
    uint64_t bytes;       /* all of them together */
};

/* Whole events of one ring as they were at one time, the same for all: numbers `first` to `end` - 1. None
 * before the first rings_copy(). */
struct ring_copy {
    const struct exo_trace *ring; /* `written`, `names` and `env` are the application's word */
    uint32_t size;                /* number n lies at events[n % size] */
    uint64_t first, end;
    uint64_t when; /* time stamp; 0: never */
};

/* For all applications of a checked bundle; says in the log what there is no memory for. */
void rings_make(const char *bundle, const struct bundle_app *apps, uint32_t count);

/* Empty rings for the application's next start. */
struct ring ring_empty(uint32_t app);

/* Copy all of them as they are now, those of the CPUs, too. */
void rings_copy(void);

/* In place of an application: the CPUs, each of which has a ring if any application is traced. */
#define RINGS_OF_CPUS BUNDLE_APPS

/* The last copy of that of one of its vCPUs, or CPUs; NULL: there is none of this number. */
const struct ring_copy *ring_copied(uint32_t app, uint32_t number);

#endif
