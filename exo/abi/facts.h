/* SPDX-License-Identifier: MIT */
/*
 * facts.h - the kernel's tables that may be read as memory, without a call.
 *
 * Who has the right EXO_RIGHT_TABLES (env_set) may map their frames (type FACTS) with pt_map, to be
 * read. info tells where they are: EXO_MACHINE_OWNERS, EXO_MACHINE_ACCOUNTS and EXO_MACHINE_TRACES
 * (trace_ring.h) are the first frame of each; a table lies in as many frames, one behind the other, as
 * its entries fill.
 *
 * What a reader may rely on
 *   - The table of frames is the kernel's own, not a copy: what is read was true at the moment of the
 *     read. Two reads are two moments; a number read there may be out of date when it is used, so the
 *     calls check all of it again: who takes a frame that looked FREE may find it BUSY.
 *   - Each field by itself is whole. Two fields of an entry are two reads.
 *   - An account is a copy, true at its time stamp `when`. While slices begin, on any CPU, at least
 *     every EXO_SLICE_NS, no copy is older than 1 + EXO_MACHINE_ENVS (info) / EXO_ACCOUNTS_AT_ONCE
 *     slices. Who has a CPU alone begins none, however long it runs.
 *   - Fields called `kernel` mean nothing to readers and may change at any time.
 */
#ifndef EXO_ABI_FACTS_H
#define EXO_ABI_FACTS_H

#include "types.h"

/* What the kernel knows about one frame; the index in the table is the frame's number. */
struct exo_frame_fact {
    uint8_t type; /* enum exo_frame_type */
    uint8_t kernel;
    uint16_t owner;   /* slot of its environment (EXO_ENV_SLOT); 0: nobody */
    uint16_t entries; /* of a table: how many are filled */
    uint16_t pinned;  /* uses by the kernel itself */
    uint32_t mapped;  /* leaf entries that name it */
    uint16_t granted; /* grants of it to others */
    uint16_t kernel_index;
    uint32_t kernel_links[3];
};

/* How one environment fares; the index in the table is its slot. */
struct exo_account {
    env_t name; /* 0: no environment has this slot */
    env_t parent;
    uint32_t state;             /* enum exo_env_state */
    uint32_t slices;            /* positions owned */
    char label[16];             /* as in the log; without a NUL if it has 16 characters */
    uint32_t used[8], quota[8]; /* by enum exo_resource */
    uint64_t ticks;             /* time stamp ticks on the CPU */
    uint64_t slices_run, preempts, upcalls, calls;
    uint64_t when; /* time stamp at which all of this was true */
};

#define EXO_ACCOUNTS_AT_ONCE 16u /* accounts that the kernel brings up to date in a slice */

_Static_assert(sizeof(struct exo_frame_fact) == 28, "no hidden padding");
_Static_assert(sizeof(struct exo_account) == 144, "no hidden padding");
_Static_assert(EXO_RESOURCES <= 8, "an account has room for each resource");

#endif
