/* SPDX-License-Identifier: MIT */
/*
 * trace.h - events of this application into its rings (exo/abi/trace_ring.h), if the machine file traces
 * it: each vCPU has one.
 *
 * Off, each place that could tell something costs a compare and a branch. On, it costs the call of
 * trace_write besides; docs/design/trace.md has the figures.
 */
#ifndef LIBOS_TRACE_H
#define LIBOS_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "trace_ring.h"
#include "vcpu.h"

/* Of the vCPU that this runs on; NULL: it is not traced. */
#define trace_ring (VCPU->trace)

/* --- for applications: stretches and points of their own. Without effect if not traced. Any thread. */

/* A number for a name, the same for the same name. 0, which has no name: there is no more room. */
unsigned libos_trace_name(const char *name);
/* Within one thread, stretches are ended in the reverse order in which they were begun. */
void libos_trace_begin(unsigned name);
void libos_trace_end(unsigned name);
void libos_trace_mark(unsigned name, uint32_t value);

/* --- for libos */

/* Give this vCPU, which runs nothing yet, its ring if there is one. Critical; after its number is known. */
void trace_start(struct vcpu *v);

/* Critical. `what`: all of an event but its time. */
void trace_write(uint64_t what);

static inline void trace_event(enum exo_trace_kind kind, unsigned detail, int thread,
                               uint64_t argument)
{
    if (__builtin_expect(trace_ring != NULL, 0))
        trace_write((uint64_t)detail << 56 | (uint64_t)kind << 48 |
                    (uint64_t)(uint16_t)thread << 32 | (uint32_t)argument);
}

#endif
