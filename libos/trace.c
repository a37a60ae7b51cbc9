/* SPDX-License-Identifier: MIT */
/*
 * trace.c - the rings of events (trace.h).
 *
 *   E1  an event is whole before `written` counts it: x86 keeps the order of stores (Intel SDM vol.
 *       3, 9.2.2), so does the compiler at the barrier
 *   E2  a ring has one writer, its vCPU: all events are written with upcalls off
 *   E3  with several vCPUs, all events but a thread's own are written under the lock (vcpu.h): by their
 *       times they are in the order in which they were. A thread's own need no lock: what comes before
 *       and behind them is of the same vCPU
 */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include "libos.h"

_Static_assert((int)EXO_TRACE_WOKEN == ENQUEUE_WOKEN &&
                   (int)EXO_TRACE_PREEMPTED == ENQUEUE_PREEMPTED,
               "trace_ring.h says so");

static struct exo_trace *trace_names; /* the first ring */

static struct exo_trace *ring_of(const char *bytes, unsigned number)
{
    return (struct exo_trace *)(EXO_TRACE_ADDRESS +
                                number * (EXO_TRACE_HEAD + (uint64_t)atol(bytes)));
}

void trace_start(struct vcpu *v)
{
    const char *bytes = libos_setting("FREEHOLD_TRACE");
    struct exo_trace *ring = bytes ? ring_of(bytes, v->number) : NULL;

    if (!ring || !vm_mapped((uint64_t)ring) || ring->magic != EXO_TRACE_MAGIC)
        return;
    ring->env = v->env.n;
    v->trace = ring;
    if (!trace_names)
        trace_names = ring;
    v->watched = true;
}

void trace_write(uint64_t what)
{
    struct exo_trace *ring = trace_ring;
    uint64_t number = ring->written;
    struct exo_trace_event *event = &ring->events[number & (ring->size - 1)];

    event->time = __builtin_ia32_rdtsc();
    event->what = what;
    __asm__ volatile("" : : : "memory");
    ring->written = number + 1;
}

/* Of all vCPUs: those of the first ring, under the lock. */
unsigned libos_trace_name(const char *name)
{
    unsigned number = 1;

    if (!trace_ring)
        return 0;
    char kept[EXO_TRACE_NAME_MAX] = {0};
    memcpy(kept, name, strnlen(name, sizeof(kept) - 1));
    critical_enter();
    struct exo_trace *ring = trace_names;
    while (number <= ring->names && memcmp(ring->name[number - 1], kept, sizeof(kept)))
        number++;
    if (number > EXO_TRACE_NAMES) {
        number = 0;
    } else if (number > ring->names) {
        memcpy(ring->name[number - 1], kept, sizeof(kept));
        ring->names = number;
    }
    critical_exit();
    return number;
}

/* Apart: who is not traced pays for no frame. */
__attribute__((noinline)) static void tell(enum exo_trace_kind kind, unsigned name, uint32_t value)
{
    upcalls_off();
    trace_event(kind, name & 0xff, thread_current->id, value);
    upcalls_on();
}

static void own(enum exo_trace_kind kind, unsigned name, uint32_t value)
{
    if (trace_ring)
        tell(kind, name, value);
}

void libos_trace_begin(unsigned name)
{
    own(EXO_TRACE_BEGIN, name, 0);
}

void libos_trace_end(unsigned name)
{
    own(EXO_TRACE_END, name, 0);
}

void libos_trace_mark(unsigned name, uint32_t value)
{
    own(EXO_TRACE_MARK, name, value);
}
