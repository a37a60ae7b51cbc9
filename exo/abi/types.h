/* SPDX-License-Identifier: MIT */
/*
 * types.h - the units that kernel and applications speak in.
 *
 * Each unit is a type of its own, so that a frame number cannot be passed
 * where an address or an environment is meant. All are plain integers at the
 * call boundary; zero-cost to pass in a register.
 */
#ifndef EXO_ABI_TYPES_H
#define EXO_ABI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXO_PAGE_SIZE  4096u
#define EXO_PAGE_SHIFT 12

/* A physical frame of 4 KiB: its physical address divided by EXO_PAGE_SIZE. */
typedef struct {
    uint32_t n;
} frame_t;

/* "Any free frame", where a call takes a frame number. */
#define EXO_FRAME_ANY 0xffffffffu
/* No frame. Frame 0 (the real-mode vectors) never belongs to anybody. */
#define EXO_FRAME_NONE 0u

/*
 * An environment: slot in the low 10 bits, generation in the 22 above. A name
 * kept after its environment was reclaimed therefore names nobody, until its
 * slot has been used 4,194,303 times more.
 */
typedef struct {
    uint32_t n;
} env_t;

#define EXO_ENV_SELF       0u /* "the caller", where a call takes an environment */
#define EXO_ENV_SLOT_BITS  10
#define EXO_ENV_SLOT(name) ((name) & ((1u << EXO_ENV_SLOT_BITS) - 1))

/* A network queue: index in the kernel's table of queues. */
typedef struct {
    uint32_t n;
} queue_t;

/*
 * A grant: slot in the kernel's table in the low EXO_GRANT_SLOT_BITS, how often the slot was used
 * above. A number kept after its grant has ended therefore names none.
 */
typedef struct {
    uint32_t n;
} grant_t;

#define EXO_GRANT_SLOT_BITS        14
#define EXO_GRANT_SLOT(name)       ((name) & ((1u << EXO_GRANT_SLOT_BITS) - 1))
#define EXO_GRANT_GENERATION(name) ((name) >> EXO_GRANT_SLOT_BITS)
#define EXO_GRANT_GENERATIONS      0x3ffffu /* the highest; then from 0 again */

/*
 * A gate: its place in the kernel's table in the low 12 bits, generation in the 20 above. A number
 * kept after its gate was deleted therefore names nothing. 0 is no gate.
 */
typedef struct {
    uint32_t n;
} gate_t;

#define EXO_GATE_SLOTS       4096u
#define EXO_GATE_GENERATIONS (1u << 20)
#define EXO_GATE_SLOT(gate)  ((gate) % EXO_GATE_SLOTS)

#define EXO_GATE_HOLDERS     8u /* who may call one gate */
#define EXO_GATE_DEPTH       8u /* calls that hang one on another */

/* What passes through a gate, each way. */
struct exo_words {
    uint64_t word[5];
};

/* A filter of a network queue: index in the kernel's table of filters. */
typedef struct {
    uint32_t n;
} filter_t;

/* What a frame is used as. The order is part of the contract. */
enum exo_frame_type {
    EXO_FREE = 0,
    EXO_KERNEL = 1, /* the kernel's own, firmware, or not memory at all */
    EXO_PML4 = 2,   /* page tables, top to bottom */
    EXO_PDPT = 3,
    EXO_PD = 4,
    EXO_PT = 5,
    EXO_DATA = 6,    /* ordinary memory */
    EXO_CONTROL = 7, /* the page a vCPU and its kernel talk through (control.h) */
    EXO_RING = 8,    /* a ring shared with the kernel (ring.h) */
    EXO_DEVICE = 9,  /* reserved */
    EXO_FACTS = 10,  /* the kernel's, but readable with a right to it (facts.h) */
    EXO_BLOCK = 11,  /* the first frame of a 2 MiB block that is taken as one */
    EXO_PART = 12,   /* another frame of such a block: nobody's by itself */
    EXO_FRAME_TYPES
};

/* Permissions of a leaf mapping; reading is always allowed. */
enum exo_perm {
    EXO_READ = 0,
    EXO_WRITE = 1,
    EXO_EXEC = 2,
};

enum exo_env_state {
    EXO_ENV_FREE = 0,
    EXO_ENV_EMBRYO = 1, /* being built by its parent */
    EXO_ENV_LIVE = 2,
    EXO_ENV_ZOMBIE = 3, /* ended; its parent reclaims what it held */
};

/*
 * What an environment has a quota of. A child's quota comes out of its parent's when the child is
 * made and goes back when it is gone: the sums stay.
 */
enum exo_resource {
    EXO_R_PAGES,   /* frames owned */
    EXO_R_ENVS,    /* children */
    EXO_R_QUEUES,  /* network queues bound */
    EXO_R_GRANTS,  /* frames that it lets others use */
    EXO_R_GATES,   /* gates that it opened */
    EXO_R_FILTERS, /* filters of its queues */
    EXO_RESOURCES
};

/*
 * Limits of the kernel's tables. How large they are on this machine depends on its memory and is
 * told by info (EXO_MACHINE_ENVS and on): from EXO_TABLES_LEAST to these; grants are four times as
 * many.
 */
#define EXO_TABLES_LEAST  64u
#define EXO_ENVS          1024u    /* environments, the kernel's own slot 0 included */
#define EXO_ENV_DEPTH     8u       /* ancestors of an environment, at most */
#define EXO_QUEUES        1024u    /* network queues */
#define EXO_CPUS          64u      /* CPUs */
#define EXO_SLICES        1024u    /* positions in the slice vector, which CPUs share evenly */
#define EXO_GRANTS        4096u    /* frames that are granted, slot 0 included, which is none */
#define EXO_GATES         256u     /* gates */
#define EXO_FILTERS       4096u    /* filters of all queues together */
#define EXO_NOTIFIERS     8u       /* environments that may notify one */
#define EXO_BLOCK_FRAMES  512u     /* frames of a block, and of what one entry of a PD spans */
#define EXO_SLICE_NS      2000000u /* length of one slice: 2 ms */
#define EXO_GRACE_NS      50000u   /* how long after its end a vCPU that was told may still run */
#define EXO_QUEUE_BUFFERS 1024u    /* buffers of one queue */
#define EXO_QUEUE_FRAMES  512u     /* frames that these lie in, two in one */
#define EXO_BUFFER_SIZE   2048u    /* one buffer: half a frame */
#define EXO_PACKET_MAX    1514u    /* longest Ethernet frame, without its checksum */
#define EXO_PACKET_MIN    14u      /* an Ethernet header */
#define EXO_PREFER_MAX    256u     /* entries of a list of preferred pages (prefer.h) */
#define EXO_CONSOLE_MAX   256u     /* bytes of one console_write */

#endif
