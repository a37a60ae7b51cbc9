/* SPDX-License-Identifier: MIT */
/*
 * world.h - a very small machine whose state is arbitrary, for the prover.
 */
#ifndef TESTS_PROOF_WORLD_H
#define TESTS_PROOF_WORLD_H

#include "block.h"
#include "env.h"
#include "exo_calls.h"
#include "exo_handlers.h"
#include "frame.h"
#include "gate.h"
#include "grant.h"
#include "invariants.h"
#include "machine.h"
#include "nic.h"
#include "packet_filter.h"
#include "packet_queue.h"
#include "processor.h"
#include "slice.h"
#include "table.h"
#include "entries.h"

#define WORLD_FRAMES      5u /* as core.py says, as the limits of the core */
#define WORLD_ENTRIES     2u
#define WORLD_BLOCK_TABLE (WORLD_FRAMES / WORLD_BLOCK + 1u)
#define WORLD_WORDS       (EXO_PAGE_SIZE / 8)

/* The contents of all frames; variables are saved where they are. */
struct snapshot {
    uint64_t ram[WORLD_FRAMES][WORLD_WORDS];
};

/* For condition.c: the old state, of which entries.h has the large tables, and what to look at. */
extern uint16_t old_slice_owner[EXO_SLICES];
extern struct env *old_current;

/* There is one CPU. */
static inline struct env *on_cpu(const struct processor *p)
{
    return p->current;
}
#define world_touched UINT32_MAX

/* Anything at all, in every variable, frame and register. */
void world_arbitrary(void);
void world_save(struct snapshot *to);
bool world_unchanged(const struct snapshot *since);

/* As call_dispatch; what the core asks of the machine meanwhile is checked. */
int64_t world_call(struct env *self, uint64_t number, const uint64_t a[6]);

/* What holds of variables that no header names, and of the values that a field may have at all. */
void world_sound(void);

#endif
