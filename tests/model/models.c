/* SPDX-License-Identifier: MIT */
/*
 * models.c - the machines that are explored, as data.
 *
 * Every machine boots with frames 4 and 5 as root table and control page of the first environment,
 * in slot 1. Values are chosen to meet each check of a call from both sides; where several would do
 * the same, one stands for all (page_alloc, for instance, takes any frame, and one by number that is
 * taken).
 */
#include "model.h"

#include "batch.h"
#include "start.h"

#define INIT  NAME(1)
#define CHILD NAME(2)
#define THIRD NAME(3)
#define LAST  NAME(4)
#define OLD   (0x7fu << EXO_ENV_SLOT_BITS | 2) /* what the second slot may have been called once */

#define CALLED(name, ...)                                                                          \
    {                                                                                              \
        STEP_CALL, EXO_CALL_##name, .a = { __VA_ARGS__ }                                           \
    }
#define DO(name, ...)                                                                              \
    {                                                                                              \
        STEP_CALL, EXO_CALL_##name, 1,                                                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define DO_2(name, ...)                                                                            \
    {                                                                                              \
        STEP_CALL, EXO_CALL_##name, 2,                                                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* A second environment with root and control page, an EMBRYO. */
#define SECOND(pages, root, control)                                                               \
    DO(ENV_CREATE, pages, 0, 1, 1, 1, 2), DO(PAGE_ALLOC, CHILD, EXO_FRAME_ANY, EXO_PML4),          \
        DO(PAGE_ALLOC, CHILD, EXO_FRAME_ANY, EXO_CONTROL),                                         \
        DO(ENV_SET, CHILD, EXO_ENV_SET_ROOT, root),                                                \
        DO(ENV_SET, CHILD, EXO_ENV_SET_CONTROL, control)

/* --- frames: taken, given, mapped, freed by two environments, the second built or alive -------- */

static const struct step frames_setup[] = {SECOND(4, 6, 7), {0}};

static const struct choice frames_choice[] = {
    CALLED(PAGE_ALLOC, OF(EXO_ENV_SELF, CHILD, OLD), OF(EXO_FRAME_ANY, 5, 99),
           OF(EXO_PML4, EXO_PT, EXO_DATA, 9)),
    CALLED(PAGE_FREE, OF(1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99)),
    CALLED(PAGE_GIVE, OF(5, 8, 9, 10, 11, 12, 99), OF(EXO_ENV_SELF, INIT, CHILD, OLD)),
    CALLED(PT_MAP, OF(8, 9, 10, 11, 12), OF(0, 512), OF(4, 8, 9, 10, 11, 12, 99), OF(0, EXO_WRITE)),
    CALLED(PT_UNMAP, OF(8, 9, 10, 11, 12), OF(0)),
    CALLED(ENV_RUN, OF(CHILD), OF(0x400000)),
    {0}};

/* --- tables: a whole tree linked, mapped, weakened and taken apart, beside another's ---------- */

static const struct step tables_setup[] = {
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PDPT), /* 6 */
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PD),
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PT),
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA), /* 9 */
    DO(PT_MAP, 4, 0, 6),
    DO(PT_MAP, 6, 0, 7),
    DO(PT_MAP, 7, 0, 8),
    SECOND(3, 10, 11),
    DO(PAGE_ALLOC, CHILD, EXO_FRAME_ANY, EXO_PT), /* 12 */
    DO(ENV_RUN, CHILD, 0x400000),
    {0}};

static const struct choice tables_choice[] = {
    CALLED(PT_MAP, OF(4, 6, 7), OF(0, 255, 511), OF(6, 7, 8, 9, 12), OF(0, EXO_WRITE)),
    CALLED(PT_MAP, OF(8), OF(0, 511), OF(WORLD_FACTS, 4, 5, 8, 9, 12),
           OF(0, EXO_WRITE, EXO_EXEC, EXO_WRITE | EXO_EXEC, 4)),
    CALLED(PT_MAP, OF(12), OF(0), OF(WORLD_FACTS, 9, 10, 11, 12), OF(0, EXO_WRITE)),
    CALLED(PT_UNMAP, OF(1, 4, 6, 7, 8, 9, 12, 99), OF(0, 255, 511, 512)),
    CALLED(PT_PROTECT, OF(4, 6, 8, 9, 12), OF(0, 511), OF(0, EXO_WRITE, EXO_EXEC, 3, 4)),
    CALLED(PT_READ, OF(4, 8, 12), OF(0, 511)),
    CALLED(PAGE_FREE, OF(4, 6, 8, 9, 12)),
    {0}};

/* --- environments: three below the first, few frames, made, run, killed, reclaimed ------------- */

static const struct choice envs_choice[] = {
    CALLED(ENV_CREATE, OF(0, 3, 99), OF(0, 1), OF(0), OF(0, 1, 3)),
    CALLED(PAGE_ALLOC, OF(EXO_ENV_SELF, CHILD, THIRD, OLD), OF(EXO_FRAME_ANY),
           OF(EXO_PML4, EXO_CONTROL)),
    CALLED(ENV_SET, OF(EXO_ENV_SELF, CHILD, THIRD, OLD), OF(EXO_ENV_SET_ROOT), OF(4, 6, 7, 8, 9)),
    CALLED(ENV_SET, OF(CHILD, THIRD), OF(EXO_ENV_SET_CONTROL), OF(5, 6, 7, 8, 9)),
    CALLED(ENV_SET, OF(CHILD, THIRD, LAST), OF(EXO_ENV_SET_MAC), OF(0x020000000001)),
    CALLED(ENV_RUN, OF(INIT, CHILD, THIRD), OF(0x400000, EXO_USER_END)),
    CALLED(ENV_KILL, OF(EXO_ENV_SELF, INIT, CHILD, THIRD, OLD)),
    CALLED(ENV_RECLAIM, OF(INIT, CHILD, THIRD, LAST, OLD)),
    CALLED(SLICE_SET, OF(0, 3), OF(EXO_ENV_SELF, CHILD, THIRD)),
    {0}};

/* Two that live already, one below the other: what is left of their lives is explored deep. */
static const struct step family_setup[] = {DO(ENV_CREATE, 5, 1, 0),
                                           DO(PAGE_ALLOC, CHILD, EXO_FRAME_ANY, EXO_PML4),
                                           DO(PAGE_ALLOC, CHILD, EXO_FRAME_ANY, EXO_CONTROL),
                                           DO(ENV_SET, CHILD, EXO_ENV_SET_ROOT, 6),
                                           DO(ENV_SET, CHILD, EXO_ENV_SET_CONTROL, 7),
                                           DO(ENV_SET, CHILD, EXO_ENV_SET_MAC, 0x020000000001),
                                           DO(ENV_RUN, CHILD, 0x400000),
                                           DO_2(ENV_CREATE, 2, 0, 0),
                                           DO_2(PAGE_ALLOC, THIRD, EXO_FRAME_ANY, EXO_PML4),
                                           DO_2(PAGE_ALLOC, THIRD, EXO_FRAME_ANY, EXO_CONTROL),
                                           DO_2(ENV_SET, THIRD, EXO_ENV_SET_ROOT, 8),
                                           DO_2(ENV_SET, THIRD, EXO_ENV_SET_CONTROL, 9),
                                           DO_2(ENV_RUN, THIRD, 0x400000),
                                           {0}};

static const struct choice family_choice[] = {
    CALLED(ENV_CREATE, OF(2), OF(0, 1), OF(0)),
    CALLED(PAGE_ALLOC, OF(EXO_ENV_SELF, LAST), OF(EXO_FRAME_ANY), OF(EXO_PT, EXO_DATA)),
    CALLED(PT_MAP, OF(10, 11), OF(0), OF(6, 8, 10, 11)),
    CALLED(ENV_SET, OF(CHILD, LAST), OF(EXO_ENV_SET_MAC), OF(0x020000000001, 0x020000000002)),
    CALLED(ENV_RUN, OF(CHILD, LAST), OF(0x400000)),
    CALLED(ENV_KILL, OF(EXO_ENV_SELF, INIT, CHILD, THIRD, LAST)),
    CALLED(ENV_RECLAIM, OF(CHILD, THIRD, LAST)),
    CALLED(SLICE_SET, OF(0, 1), OF(EXO_ENV_SELF, CHILD, THIRD)),
    {STEP_ARRIVE, .a = {OF(1)}},
    CALLED(CHANNEL_READ),
    CALLED(CHANNEL_WRITE, OF(16, 17)),
    {0}};

/* --- grants: one frame each, shared among three; taken back, given back, and the grantee's death -- */

#define ALIVE(name, pages, root)                                                                   \
    DO(ENV_CREATE, pages, 0, 0, 1), DO(PAGE_ALLOC, name, EXO_FRAME_ANY, EXO_PML4),                 \
        DO(PAGE_ALLOC, name, EXO_FRAME_ANY, EXO_CONTROL),                                          \
        DO(ENV_SET, name, EXO_ENV_SET_ROOT, root),                                                 \
        DO(ENV_SET, name, EXO_ENV_SET_CONTROL, (root) + 1), DO(ENV_RUN, name, 0x400000)

static const struct step grants_setup[] = {
    ALIVE(CHILD, 6, 6),                                                         /* 6, 7 */
    ALIVE(THIRD, 3, 8),                                                         /* 8, 9 */
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA),                      /* 10 */
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA),                    /* 11 */
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PT),                      /* 12 */
    {STEP_CALL, EXO_CALL_PAGE_ALLOC, 3, {EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PT}}, /* 13 */
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PDPT),                    /* 14 */
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PD),
    DO_2(PT_MAP, 6, 0, 14),
    DO_2(PT_MAP, 14, 0, 15),
    DO_2(PT_MAP, 15, 0, 12), /* what the second maps, the TLB may know */
    {0}};

#define OLD_GRANT (9u << EXO_GRANT_SLOT_BITS | 1)

static const struct choice grants_choice[] = {
    CALLED(PAGE_GRANT, OF(10, 11, 12), OF(INIT, CHILD, THIRD, OLD), OF(0, EXO_WRITE, 3)),
    CALLED(GRANT_MAP, OF(1, 2, OLD_GRANT), OF(12, 13), OF(0, 1), OF(0, EXO_WRITE)),
    CALLED(PAGE_UNGRANT, OF(0, 1, 2, 3, 4, OLD_GRANT)),
    CALLED(PT_MAP, OF(12, 13), OF(0), OF(10, 11)),
    CALLED(PT_UNMAP, OF(12, 13), OF(0)),
    CALLED(PT_PROTECT, OF(12, 13), OF(0), OF(0, EXO_WRITE)),
    CALLED(PAGE_FREE, OF(10, 11, 12)),
    CALLED(ENV_KILL, OF(CHILD)),
    CALLED(ENV_RECLAIM, OF(CHILD)),
    {0}};

/* --- blocks: two of four frames each, taken whole or in pieces, mapped by one entry --------------- */

static const struct step blocks_setup[] = {
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PDPT), /* 6 */
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PD),
    DO(PT_MAP, 4, 0, 6),
    DO(PT_MAP, 6, 0, 7),
    {0}};

static const struct choice blocks_choice[] = {
    CALLED(BLOCK_ALLOC, OF(EXO_ENV_SELF), OF(EXO_FRAME_ANY, 0, 4, 8, 9, 12, 16, 99)),
    CALLED(PAGE_ALLOC, OF(EXO_ENV_SELF), OF(EXO_FRAME_ANY, 9, 12), OF(EXO_PT, EXO_DATA)),
    CALLED(PAGE_FREE, OF(7, 8, 9, 12)),
    CALLED(PT_MAP, OF(4, 6, 7, 9), OF(0, 1), OF(8, 9, 12), OF(0, EXO_WRITE, EXO_EXEC, 3)),
    CALLED(PT_UNMAP, OF(7, 9), OF(0, 1)),
    CALLED(PT_PROTECT, OF(6, 7), OF(0, 1), OF(0, EXO_WRITE, EXO_EXEC, 3)),
    CALLED(PT_READ, OF(7), OF(0)),
    {0}};

/* --- CPU: two share it; interrupts, faults and time at any moment ------------------------------- */

static const struct step cpu_setup[] = {SECOND(3, 6, 7),
                                        DO(ENV_RUN, CHILD, 0x400000),
                                        DO(SLICE_SET, 1, CHILD),
                                        DO(SLICE_SET, 2, CHILD),
                                        {.kind = STEP_TICKS}, /* now the child has the CPU */
                                        {STEP_CONTROL, .a = {0, 0x401000}},
                                        {STEP_CONTROL, .a = {1, 0x501000}},
                                        {0}};

/* Deadlines: never, long past, soon, and after the next slice's end. */
static const struct choice cpu_choice[] = {CALLED(YIELD),
                                           CALLED(POLL),
                                           CALLED(WAIT, OF(0, 1, 2, 3)),
                                           CALLED(TIMER, OF(0, 1, 2, 3)),
                                           CALLED(SLICE_SET, OF(0, 1), OF(INIT, CHILD)),
                                           CALLED(ENV_KILL, OF(CHILD)),
                                           CALLED(ENV_RECLAIM, OF(CHILD)),
                                           {STEP_TICKS, .a = {OF(0, 1)}},
                                           {.kind = STEP_FAULT},
                                           {STEP_NEWS, .a = {OF(1, 2)}},
                                           {STEP_CONTROL, .a = {OF(2), OF(0, 1)}},
                                           {STEP_CONTROL, .a = {OF(0), OF(0, 0x401000)}},
                                           {0}};

/* --- notifying: who may, who may no more, and whether it is awake; calls that are none ------------ */

#define NOTIFIED (offsetof(struct exo_control, notified) / 8)

static const struct step notify_setup[] = {SECOND(3, 6, 7),
                                           DO(ENV_RUN, CHILD, 0x400000),
                                           DO(SLICE_SET, 1, CHILD),
                                           DO(ENV_CREATE, 2, 0, 0, 0, 0, 0),
                                           DO(NOTIFY_ALLOW, CHILD, 1),
                                           {.kind = STEP_TICKS},
                                           {STEP_CONTROL, .a = {0, 0x401000}},
                                           {STEP_CONTROL, .a = {1, 0x501000}},
                                           {0}};

static const struct choice notify_choice[] = {
    CALLED(NOTIFY_ALLOW, OF(EXO_ENV_SELF, INIT, CHILD, THIRD, OLD), OF(0, 1, 2)),
    CALLED(NOTIFY, OF(EXO_ENV_SELF, INIT, CHILD, THIRD, OLD), OF(0, 1, 2)),
    CALLED(WAIT, OF(0)),
    CALLED(YIELD),
    CALLED(ENV_KILL, OF(CHILD)),
    CALLED(ENV_RECLAIM, OF(CHILD)),
    {.kind = STEP_FOREIGN},
    {STEP_CONTROL, .a = {OF(NOTIFIED), OF(0)}}, /* it took the bits */
    {STEP_CONTROL, .a = {OF(2), OF(0, 1)}},
    {STEP_TICKS, .a = {OF(0, 1)}},
    {0}};

/* --- batches: two operations that lie in a page of the caller's; and calls that only tell ---------- */

static const struct step batch_setup[] = {
    SECOND(4, 6, 7),
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PT),   /* 8 */
    DO(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA), /* 9 */
    DO(ENV_RUN, CHILD, 0x400000),
    {STEP_BATCHED, EXO_CALL_PAGE_ALLOC, 0, {2, 0, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA}},
    {0}};

#define BATCHED(name, ...)                                                                         \
    {                                                                                              \
        STEP_BATCHED, EXO_CALL_##name, .a = { OF(1), OF(0, 1), __VA_ARGS__ }                       \
    }

static const struct choice batch_choice[] = {
    BATCHED(PAGE_ALLOC, OF(EXO_ENV_SELF, CHILD), OF(EXO_FRAME_ANY), OF(EXO_PT, EXO_DATA)),
    BATCHED(PAGE_FREE, OF(5, 8, 9)),
    BATCHED(PAGE_GIVE, OF(5, 9), OF(CHILD)),
    BATCHED(PT_MAP, OF(8), OF(0), OF(5, 9), OF(0, EXO_WRITE)),
    BATCHED(PT_UNMAP, OF(8), OF(0)),
    BATCHED(BATCH, OF(5), OF(STEP_BATCH), OF(1)),
    BATCHED(WAIT),
    CALLED(BATCH, OF(4, 5, 7, 9, 99), OF(STEP_BATCH, STEP_BATCH + 4, EXO_PAGE_SIZE),
           OF(0, 1, 2, EXO_BATCH_MAX + 1)),
    CALLED(INFO, OF(EXO_INFO_MACHINE, EXO_INFO_ENV, EXO_INFO_FRAME, 99), OF(0, CHILD, 5, 8),
           OF(0, 1, 99)),
    CALLED(CONSOLE_WRITE, OF(5, 7, 8, 9, 99), OF(0, EXO_PAGE_SIZE - 1), OF(0, 1, 2, 257)),
    {0}};

/* --- gates: three call one another in every way that their gates allow, and end at any moment ----- */

#define STALE_GATE    (0x7fu * EXO_GATE_SLOTS + 1)
#define CALL_DEADLINE (offsetof(struct exo_control, call_deadline) / 8)
#define UPCALLS(slot)                                                                              \
    {STEP_CONTROL, .a = {0, 0x401000}}, {STEP_CONTROL, .a = {1, 0x501000}},                        \
    {                                                                                              \
        STEP_CONTROL, .a = { 2, 0 }                                                                \
    }
#define DO_3(name, ...)                                                                            \
    {                                                                                              \
        STEP_CALL, EXO_CALL_##name, 3,                                                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const struct step gates_setup[] = {SECOND(3, 6, 7),
                                          DO(ENV_RUN, CHILD, 0x400000),
                                          DO(SLICE_SET, 2, CHILD),
                                          DO(ENV_CREATE, 2, 0, 0, 0, 1, 0),
                                          DO(PAGE_ALLOC, THIRD, EXO_FRAME_ANY, EXO_PML4),
                                          DO(PAGE_ALLOC, THIRD, EXO_FRAME_ANY, EXO_CONTROL),
                                          DO(ENV_SET, THIRD, EXO_ENV_SET_ROOT, 8),
                                          DO(ENV_SET, THIRD, EXO_ENV_SET_CONTROL, 9),
                                          DO(ENV_RUN, THIRD, 0x400000),
                                          DO(SLICE_SET, 0, THIRD),
                                          {.kind = STEP_TICKS}, /* now the second has the CPU */
                                          UPCALLS(),
                                          DO_2(GATE_CREATE, 7), /* GATE(1) */
                                          DO_2(GATE_GRANT, GATE(1), INIT, 1),
                                          DO_2(GATE_GRANT, GATE(1), THIRD, 1),
                                          {.kind = STEP_TICKS}, /* and now the third */
                                          UPCALLS(),
                                          DO_3(GATE_CREATE, 8), /* GATE(2) */
                                          DO_3(GATE_GRANT, GATE(2), CHILD, 1),
                                          {0}};

/* The third has a slice of its own to begin with; the first can take all of them. */
static const struct choice gates_choice[] = {
    CALLED(GATE_CALL, OF(0, GATE(1), GATE(2), STALE_GATE)),
    CALLED(GATE_REPLY),
    CALLED(GATE_CREATE),
    CALLED(GATE_DELETE, OF(GATE(1), GATE(2), STALE_GATE)),
    CALLED(GATE_GRANT, OF(GATE(1), GATE(2)), OF(INIT, CHILD), OF(0, 1)),
    CALLED(WAIT, OF(0)),
    CALLED(SLICE_SET, OF(0), OF(INIT)),
    CALLED(ENV_KILL, OF(EXO_ENV_SELF, CHILD, THIRD)),
    CALLED(ENV_RECLAIM, OF(CHILD, THIRD)),
    {STEP_TICKS, .a = {OF(0, 1)}},
    {STEP_NEWS, .a = {OF(2)}},
    {STEP_CONTROL, .a = {OF(2), OF(0, 1)}},
    {STEP_CONTROL, .a = {OF(CALL_DEADLINE), OF(0, 1, WORLD_NOW + 2)}},
    {0}};

/* --- queue: rings of two, words that lie, a neighbour, and a device at any moment ---------------- */

#define MAC_1     0x020000000001
#define MAC_2     0x020000000002
#define MAC_ALL   0xffffffffffff
#define MAC_OUT   0x020000000009 /* somebody else on the wire */

#define RING(who) who(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_RING)
#define QUEUE(who, number, first)                                                                  \
    RING(who), RING(who), RING(who), RING(who),                                                    \
        who(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA),                                    \
        who(QUEUE_BIND, 0, first, first + 1, first + 2, first + 3),                                \
        who(QUEUE_BUFFER, number, 0, first + 4)

static const struct step queue_setup[] = {SECOND(7, 6, 7),
                                          DO(ENV_SET, CHILD, EXO_ENV_SET_MAC, MAC_2),
                                          DO(ENV_RUN, CHILD, 0x400000),
                                          QUEUE(DO, 0, 8),
                                          QUEUE(DO_2, 1, 13),
                                          {STEP_FILTER, .a = {1, 0, MAC_1}},
                                          {STEP_FILTER, .a = {1, 1, MAC_2, 9}},
                                          {STEP_FILTER, .a = {1, 2, MAC_ALL}},
                                          {STEP_FILTER, .a = {2, 0, MAC_2}},
                                          {STEP_FILTER, .a = {2, 1, MAC_2, 9}},
                                          DO(FILTER_ADD, 0, 5, STEP_FILTER_PLACE(0)),
                                          DO_2(FILTER_ADD, 1, 7, STEP_FILTER_PLACE(0)),
                                          {STEP_PACKET, .a = {1, MAC_OUT, MAC_1}},
                                          {STEP_ARM, .a = {1, EXO_RING_COMPLETE}},
                                          {STEP_ARM, .a = {2, EXO_RING_RECEIVE}},
                                          {STEP_DESC, .a = {2, EXO_RING_FILL, 0, 1}},
                                          {STEP_INDEX, .a = {2, EXO_RING_FILL, 1}},
                                          {0}};

/* Indices are those of the kernel plus: full by one, nothing, one, two, more than there can be. */
static const struct choice queue_choice[] = {
    {STEP_INDEX, .a = {OF(1), OF(EXO_RING_FILL, EXO_RING_TRANSMIT), OF(0, 1, 2, 3)}},
    {STEP_INDEX, .a = {OF(1), OF(EXO_RING_COMPLETE), OF(0, (uint64_t)-2, 1)}},
    {STEP_INDEX, .a = {OF(2), OF(EXO_RING_FILL), OF(0, 1, 3)}},
    {STEP_INDEX, .a = {OF(2), OF(EXO_RING_RECEIVE), OF(0, (uint64_t)-2)}},
    {STEP_DESC, .a = {OF(1), OF(EXO_RING_TRANSMIT), OF(0, 1), OF(0, 2, 0xffff), OF(200)}},
    {STEP_DESC, .a = {OF(1), OF(EXO_RING_TRANSMIT), OF(0), OF(1), OF(13, 1515)}},
    {STEP_DESC, .a = {OF(1), OF(EXO_RING_FILL), OF(0), OF(0, 9)}},
    {STEP_PACKET, .a = {OF(1), OF(MAC_OUT, MAC_2, MAC_ALL), OF(MAC_1, MAC_2)}},
    {STEP_RECEIVE, .a = {OF(MAC_1, MAC_2, MAC_ALL, MAC_OUT)}},
    {.kind = STEP_SENT},
    {.kind = STEP_CARRY},
    CALLED(QUEUE_KICK, OF(0, 1, 2)),
    CALLED(QUEUE_UNBIND, OF(0, 1)),
    CALLED(QUEUE_BIND, OF(0), OF(13), OF(14), OF(15), OF(16)),
    CALLED(QUEUE_BUFFER, OF(0, 1), OF(0, 1), OF(12, 17, 8)),
    CALLED(FILTER_ADD, OF(0, 1), OF(5, 7),
           OF(STEP_FILTER_PLACE(0), STEP_FILTER_PLACE(1), STEP_FILTER_PLACE(2))),
    CALLED(FILTER_DEL, OF(0, 1, 2, 3)),
    CALLED(PAGE_FREE, OF(8, 12, 17)),
    CALLED(ENV_KILL, OF(CHILD)),
    CALLED(ENV_RECLAIM, OF(CHILD)),
    {0}};

/* --- revocation: a child's pages are wanted back; it frees, lies about, or keeps what it has -------- */

static const struct step revoke_setup[] = {
    SECOND(10, 6, 7),
    DO(ENV_SET, CHILD, EXO_ENV_SET_FLOOR, 6),
    DO(ENV_RUN, CHILD, 0x400000),
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PDPT), /* 8 */
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PD),
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PT), /* 10 */
    DO_2(PT_MAP, 6, 0, 8),
    DO_2(PT_MAP, 8, 0, 9),
    DO_2(PT_MAP, 9, 0, 10),
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA), /* 11: the list */
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA), /* 12 */
    DO_2(PT_MAP, 10, 0, 12, EXO_WRITE),
    DO_2(PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA), /* 13 */
    DO_2(REVOKE_PREFER, 11, 2),
    {STEP_LIST, .a = {2, 0, 12, 10, 0}},
    {STEP_LIST, .a = {2, 1, 13, 0, 0}},
    {0}};

static const struct choice revoke_choice[] = {
    CALLED(REVOKE_START, OF(EXO_ENV_SELF, INIT, CHILD, OLD), OF(0, 1, 2, 4, 5), OF(0, 3)),
    CALLED(REVOKE_TAKE, OF(EXO_ENV_SELF, INIT, CHILD, OLD)),
    CALLED(REVOKE_PREFER, OF(0, 4, 10, 11, 12, 99), OF(0, 1, 3, 4)),
    {STEP_LIST, .a = {OF(2), OF(0), OF(5, 11, 12, 13), OF(0, 8, 10), OF(0, 1)}},
    CALLED(PT_MAP, OF(10), OF(1), OF(11, 12, 13)),
    CALLED(PT_UNMAP, OF(10), OF(0)),
    CALLED(PAGE_FREE, OF(11, 12, 13)),
    CALLED(PAGE_ALLOC, OF(EXO_ENV_SELF), OF(EXO_FRAME_ANY), OF(EXO_DATA)),
    CALLED(ENV_SET, OF(CHILD, INIT), OF(EXO_ENV_ADD_QUOTA), OF(EXO_R_PAGES, EXO_R_ENVS), OF(1)),
    CALLED(ENV_KILL, OF(CHILD)),
    CALLED(ENV_RECLAIM, OF(CHILD)),
    {STEP_TICKS, .a = {OF(3)}},
    {0}};

const struct model models[] = {
    {"frames", 13, 5, false, false, frames_setup, frames_choice},
    {"tables", 13, 4, false, false, tables_setup, tables_choice},
    {"envs", 12, 6, false, true, NULL, envs_choice},
    {"family", 12, 5, false, true, family_setup, family_choice},
    {"grants", 16, 0, false, true, grants_setup, grants_choice},
    {"blocks", 16, 6, false, false, blocks_setup, blocks_choice},
    {"cpu", 9, 6, true, true, cpu_setup, cpu_choice},
    {"notify", 12, 8, true, true, notify_setup, notify_choice},
    {"batch", 13, 5, false, false, batch_setup, batch_choice},
    {"gates", 12, 6, true, true, gates_setup, gates_choice},
    {"queue", 18, 4, false, true, queue_setup, queue_choice},
    {"revoke", 16, 4, false, true, revoke_setup, revoke_choice},
};
const uint32_t model_count = sizeof(models) / sizeof(*models);
