/* SPDX-License-Identifier: MIT */
/*
 * trace.c - the ring of events (trace.h).
 *
 *   E1  an event is whole before `written` counts it: x86 keeps the order of stores (Intel SDM vol.
 *       3, 9.2.2), so does the compiler at the barrier
 *   E2  there is one writer: all events are written with upcalls off
 */
#include "trace.h"

#include <string.h>

#include "libos.h"

_Static_assert((int)EXO_TRACE_WOKEN == ENQUEUE_WOKEN &&
                   (int)EXO_TRACE_PREEMPTED == ENQUEUE_PREEMPTED,
               "trace_ring.h says so");

void trace_start(void)
{
    struct exo_trace *ring = (struct exo_trace *)EXO_TRACE_ADDRESS;

    if (libos_setting("FREEHOLD_TRACE") && vm_mapped(EXO_TRACE_ADDRESS) &&
        ring->magic == EXO_TRACE_MAGIC)
        trace_ring = ring, VCPU->watched = true;
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

unsigned libos_trace_name(const char *name)
{
    unsigned number = 1;

    if (!trace_ring)
        return 0;
    char kept[EXO_TRACE_NAME_MAX] = {0};
    memcpy(kept, name, strnlen(name, sizeof(kept) - 1));
    critical_enter();
    struct exo_trace *ring = trace_ring;
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

static void own(enum exo_trace_kind kind, unsigned name, uint32_t value)
{
    if (!trace_ring)
        return;
    critical_enter();
    trace_event(kind, name & 0xff, thread_current->id, value);
    critical_exit();
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
