/* SPDX-License-Identifier: MIT */
/*
 * trace.c - a ring of events for each CPU: whom it runs, and why it no longer runs who was before.
 *
 *   R1  a ring is written while its first frame is mapped by somebody, and who may map it is decided as
 *       for all FACTS; else a decision costs two loads and a test
 *   R2  it holds names and times, and no contents of anybody's
 *   R3  an event is whole before `written` counts it
 */
#include "trace.h"

#include "frame.h"
#include "machine.h"

frame_t trace_frame;
static uint8_t *rings; /* EXO_TRACE_CPU_FRAMES pages each */

static struct exo_trace *ring_of(uint32_t cpu)
{
    return (struct exo_trace *)(rings + (uint64_t)cpu * EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE);
}

void trace_init(void *memory, frame_t first)
{
    rings = memory;
    trace_frame = first;
    for (uint32_t i = 0; i < processor_count; i++) {
        struct exo_trace *ring = ring_of(i);
        ring->magic = EXO_TRACE_MAGIC;
        ring->size = EXO_TRACE_CPU / sizeof(struct exo_trace_event);
        ring->cpu = i;
        ring->hz = machine_tsc_hz;
        ring->boot = machine_boot_tsc;
        processors[i].readers = &frames[first.n + i * EXO_TRACE_CPU_FRAMES].mapped;
    }
    frame_publish(first, (uint64_t)processor_count * EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE);
}

static uint8_t why_lost(const struct processor *p)
{
    const struct env *before = p->told;

    return !before                                ? EXO_TRACE_AFTER_NOBODY
           : before->state != EXO_ENV_LIVE        ? EXO_TRACE_OVER
           : before->gate.callee                  ? EXO_TRACE_CALLS
           : before->waiting                      ? EXO_TRACE_WAITS
           : before->preempts != p->told_preempts ? EXO_TRACE_TAKEN
                                                  : EXO_TRACE_GAVE;
}

/* What happened while nobody read is not known: the first event says who has the CPU, since now. */
void trace_tell(struct processor *p, uint64_t now)
{
    const struct env *env = p->current;
    struct exo_trace *ring = ring_of(p->number);
    uint64_t number = ring->written;

    if (env != p->told || !number) {
        ring->events[number % (EXO_TRACE_CPU / sizeof(struct exo_trace_event))] =
            (struct exo_trace_event){.time = now,
                                     .argument = env ? env->name.n : 0,
                                     .thread = env ? EXO_ENV_SLOT(env->name.n) : 0,
                                     .kind = env ? EXO_TRACE_GIVEN : EXO_TRACE_NOBODY,
                                     .detail = why_lost(p)};
        __atomic_store_n(&ring->written, number + 1, __ATOMIC_RELEASE);
    }
    p->told = env;
    p->told_preempts = env ? env->preempts : 0;
}
