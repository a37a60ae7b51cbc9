/* SPDX-License-Identifier: MIT */
/* trace.h - a ring of events for each CPU (exo/abi/trace_ring.h). */
#ifndef EXO_CORE_TRACE_H
#define EXO_CORE_TRACE_H

#include "processor.h"
#include "trace_ring.h"

extern frame_t trace_frame; /* the first of the rings' frames */

/*
 * Boot, after frame_init and cpu_init: memory for a ring of EXO_TRACE_CPU_FRAMES frames a CPU, zeroed, from the frame
 * `first` on. Without this call nothing is told.
 */
void trace_init(void *memory, frame_t first);

void trace_tell(struct processor *p, uint64_t now);

/* It is decided who has the CPU: tell it if anybody reads and that is another than before. */
static inline void trace_decided(struct processor *p, uint64_t now)
{
    if (*p->readers)
        trace_tell(p, now);
}

#endif
