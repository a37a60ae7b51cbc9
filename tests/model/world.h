/* SPDX-License-Identifier: MIT */
/*
 * world.h - a very small machine under the real core, whose whole state can be saved and put back.
 *
 * Limits are those of shrink.py. Time is a variable, the NIC sends one packet at a time and has sent
 * it when the explorer says so.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include "account.h"
#include "block.h"
#include "entry.h"
#include "env.h"
#include "exo_calls.h"
#include "exo_handlers.h"
#include "frame.h"
#include "gate.h"
#include "grant.h"
#include "invariants.h"
#include "machine.h"
#include "nic.h"
#include "packet.h"
#include "packet_filter.h"
#include "packet_queue.h"
#include "processor.h"
#include "slice.h"
#include "table.h"
#include "tables.h"

#include <setjmp.h>

/* There is one CPU. */
static inline struct env *on_cpu(const struct processor *p)
{
    return p->current;
}
#define current         on_cpu(processors)

#define WORLD_FRAMES    20u   /* at most */
#define WORLD_KERNEL    4u    /* frames 0..3 are the kernel's */
#define WORLD_BLOCK     4u    /* frames of a block */
#define WORLD_FACTS     3u    /* of which one may be read with a right to it */
#define WORLD_NOW       1000u /* every state is moved to this time */
#define WORLD_VARIABLES 16384u
#define WORLD_TABLES    12288u

/* What the NIC was given and has not reported as sent. */
struct flight {
    uint32_t busy, cookie;
    uint64_t payload, length;
    struct exo_tuple from; /* as its sender sees it */
};

/* The machine's own variables; they are state as the core's are. */
struct world {
    uint64_t now, alarm;
    uint64_t arrived; /* bytes over the channel that nobody has read */
    struct flight flight;
};
extern struct world world;

/* Names are kept at generation 1 by world_normalise, so they are constants. */
#define NAME(slot) (1u << EXO_ENV_SLOT_BITS | (slot))

#define GATE(slot) (EXO_GATE_SLOTS | (slot)) /* the same of gates */

struct snapshot {
    _Alignas(16) uint8_t variables[WORLD_VARIABLES];
    uint64_t ram[WORLD_FRAMES][EXO_PAGE_SIZE / 8];
    uint64_t ram_hash[WORLD_FRAMES];
};

/* Frames whose contents the core asked for since the last save or load: no others changed. */
extern uint32_t world_touched;

/* What the core had the TLB forget since then, and roots it said are gone. */
#define WORLD_FLUSHES 1024u
struct flush {
    uint32_t root;
    uint64_t address;
};
extern struct flush world_flushed[WORLD_FLUSHES];
extern uint32_t world_flushes;

/* Where a panic goes: it is a violation like any other. */
extern jmp_buf world_escape;

/* A machine just booted, as mock_boot of tests/unit/core makes it, but with so many frames. */
void world_boot(uint32_t frame_total);

void world_save(struct snapshot *to);
/* `whole` off: only what was touched since `from` was saved or loaded. */
void world_load(const struct snapshot *from, bool whole);
bool world_unchanged(const struct snapshot *since);

/* The variable as it is in a snapshot. */
const void *snapshot_find(const struct snapshot *in, const void *variable, size_t size);
#define IN(snapshot, variable)                                                                     \
    ((const __typeof__(*(variable)) *)snapshot_find(snapshot, variable, sizeof(*(variable))))

/* normalise.c: make states equal that no later step can tell apart, so that the space closes. */
void world_normalise(const struct snapshot *before, bool sort_owned);

/* The leaves below every root, each with the root that it is reached from. */
#define WORLD_LEAVES 256u
struct leaf {
    uint32_t root;
    uint64_t address, entry;
};
uint32_t world_leaves(struct leaf leaves[WORLD_LEAVES]);

/* Two independent hashes of the state, of which only what was touched differs from `parent`. */
struct hash {
    uint64_t a, b;
};
struct hash world_hash(const struct snapshot *parent);

#endif
