/* SPDX-License-Identifier: MIT */
/*
 * readable.h - the kernel's tables as memory (facts.h says what a reader may rely on).
 *
 * For applications with the right "tables" in the machine file; NULL for all others, and when memory
 * for page tables is out. Mapped once, then for ever; no call is needed to read.
 */
#ifndef LIBOS_READABLE_H
#define LIBOS_READABLE_H

#include "facts.h"
#include "trace_ring.h"

/* What every frame of the machine is and whose, by its number; *count is how many there are. */
const volatile struct exo_frame_fact *readable_frames(uint32_t *count);

/* How every environment fares, by its slot. */
const volatile struct exo_account *readable_accounts(uint32_t *count);

/*
 * The rings of all CPUs, EXO_TRACE_CPU_FRAMES pages each (trace_ring.h); *cpus is how many there are.
 * From then on the kernel writes them.
 */
const volatile uint8_t *readable_traces(uint32_t *cpus);

#endif
