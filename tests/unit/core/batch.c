/* SPDX-License-Identifier: MIT */
/* batch.c - several operations in one call: order, where it stops, and whose memory it reads. */
#include "mock.h"

#include "batch.h"

#include <string.h>

#define ANY EXO_FRAME_ANY

static struct env *init;
static uint64_t page; /* holds the operations */
static struct exo_operation *operation;

static uint64_t take(uint32_t type)
{
    return (uint64_t)CALL(init, PAGE_ALLOC, EXO_ENV_SELF, ANY, type);
}

static void begin(void)
{
    init = mock_boot();
    page = take(EXO_DATA);
    operation = machine_frame((frame_t){(uint32_t)page});
}

static void put(uint32_t i, uint64_t call, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    operation[i] = (struct exo_operation){call, {a, b, c, d}, -77};
}

static int64_t batch(uint32_t count)
{
    return CALL(init, BATCH, page, 0, count);
}

static void test_frame(void)
{
    begin();
    struct env *child = mock_child(init, 10, true), *embryo = mock_child(init, 10, false);
    uint64_t childs = (uint64_t)CALL(child, PAGE_ALLOC, EXO_ENV_SELF, ANY, EXO_DATA);
    uint64_t embryos = (uint64_t)CALL(init, PAGE_ALLOC, embryo->name.n, ANY, EXO_DATA);
    uint32_t last = EXO_PAGE_SIZE - sizeof(struct exo_operation);

    uint64_t ring = take(EXO_RING);

    put(0, EXO_CALL_PAGE_ALLOC, 0, ANY, EXO_DATA, 0);
    REFUSED(RANGE, CALL(init, BATCH, MOCK_FRAMES, 0, 1), "a frame that is not");
    REFUSED(RANGE, CALL(init, BATCH, page, 0, EXO_BATCH_MAX + 1), "65 operations");
    REFUSED(RANGE, CALL(init, BATCH, page, 0, 0xffffffff), "2^32 - 1 operations");
    REFUSED(RANGE, CALL(init, BATCH, page, 4, 1), "an odd offset");
    REFUSED(RANGE, CALL(init, BATCH, page, last + 8, 1), "an operation past the end");
    REFUSED(RANGE, CALL(init, BATCH, page, last, 2), "a second operation past the end");
    REFUSED(RANGE, CALL(init, BATCH, page, 0xfffffff8, 1), "an offset that wraps");
    REFUSED(OWNER, CALL(init, BATCH, childs, 0, 1), "a living child's frame");
    REFUSED(OWNER, CALL(init, BATCH, embryos, 0, 1), "an EMBRYO's frame");
    REFUSED(OWNER, CALL(child, BATCH, page, 0, 1), "the parent's frame");
    REFUSED(OWNER, CALL(init, BATCH, 1, 0, 1), "the kernel's frame");
    REFUSED(OWNER, CALL(init, BATCH, 120, 0, 1), "a free frame");
    REFUSED(TYPE, CALL(init, BATCH, ring, 0, 1), "a ring");
    REFUSED(TYPE, CALL(init, BATCH, init->root.n, 0, 1), "a page table");

    mock_snapshot(true);
    tap_ok(CALL(init, BATCH, page, 0, 0) == 0 && mock_unchanged(true), "no operation: 0");
    struct exo_operation *at_end = (void *)((char *)operation + last);
    *at_end = operation[0];
    tap_ok(CALL(init, BATCH, page, last, 1) == 1 && at_end->result > 0, "one in the last bytes");
    struct exo_operation *in_control = (void *)((char *)mock_control(init) + 1024);
    *in_control = operation[0];
    tap_ok(CALL(init, BATCH, init->control.n, 1024, 1) == 1 && in_control->result > 0,
           "one in the control page");
    tap_ok(!inv_all(), "frames of batches: the invariants hold (%s)",
           inv_all() ? inv_all() : "all");
}

static void test_order(void)
{
    begin();
    uint64_t pt = take(EXO_PT), data = take(EXO_DATA), other = take(EXO_DATA);

    put(0, EXO_CALL_PT_MAP, pt, 3, data, EXO_WRITE);
    put(1, EXO_CALL_PT_READ, pt, 3, 0, 0);
    put(2, EXO_CALL_PT_PROTECT, pt, 3, EXO_READ, 0);
    put(3, EXO_CALL_PT_READ, pt, 3, 0, 0);
    put(4, EXO_CALL_PT_UNMAP, pt, 3, 0, 0);
    put(5, EXO_CALL_PAGE_FREE, data, 0, 0, 0);
    put(6, EXO_CALL_PAGE_ALLOC, 0, data, EXO_RING, 0);
    put(7, EXO_CALL_SLICE_SET, 9, 0, 0, 0);
    tap_ok(batch(8) == 8 && operation[1].result == (int64_t)(data | 1ull << 32) &&
               operation[3].result == (int64_t)data && operation[4].result == (int64_t)data &&
               operation[6].result == (int64_t)data && frames[data].type == EXO_RING &&
               !operation[5].result && !operation[7].result,
           "eight operations in order, each with its result");

    put(0, EXO_CALL_PT_MAP, pt, 1, other, EXO_WRITE);
    put(1, EXO_CALL_PT_MAP, pt, 1, other, EXO_WRITE);
    put(2, EXO_CALL_PT_MAP, pt, 2, other, EXO_WRITE);
    int64_t result = batch(3);
    tap_ok(result == EXO_BATCH_STOPPED(1, EXO_E_BUSY) && EXO_BATCH_INDEX(result) == 1 &&
               EXO_BATCH_ERROR(result) == EXO_E_BUSY && frames[other].mapped == 1 &&
               !operation[0].result && operation[1].result == -77 && operation[2].result == -77,
           "it stops at the first that is refused and says which");
    REFUSED_AS(EXO_BATCH_STOPPED(0, EXO_E_BUSY), batch(3), "the first one at once");

    for (uint32_t i = 0; i < EXO_BATCH_MAX; i++)
        put(i, EXO_CALL_PT_MAP, pt, 100 + i, other, EXO_READ);
    tap_ok(batch(EXO_BATCH_MAX) == EXO_BATCH_MAX && frames[other].mapped == 1 + EXO_BATCH_MAX,
           "64 operations");
    for (uint32_t i = 0; i < EXO_BATCH_MAX; i++)
        put(i, EXO_CALL_PT_UNMAP, pt, 100 + i, 0, 0);
    put(63, EXO_CALL_PT_UNMAP, pt, 99, 0, 0);
    tap_ok(batch(EXO_BATCH_MAX) == EXO_BATCH_STOPPED(63, EXO_E_EMPTY), "the 64th is refused");
    tap_ok(!inv_all(), "order: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

static void test_what_may_not(void)
{
    static const uint64_t alone[] = {
        EXO_CALL_BATCH,         EXO_CALL_YIELD,      EXO_CALL_WAIT,       EXO_CALL_ENV_KILL,
        EXO_CALL_ENV_RECLAIM,   EXO_CALL_QUEUE_KICK, EXO_CALL_ENV_CREATE, EXO_CALL_QUEUE_BIND,
        EXO_CALL_CONSOLE_WRITE, EXO_CALLS,           1ull << 32,          ~0ull};

    begin();
    for (uint32_t i = 0; i < sizeof(alone) / sizeof(*alone); i++) {
        put(0, alone[i], 0, 0, 0, 0);
        mock_snapshot(true);
        tap_ok(batch(1) == EXO_BATCH_STOPPED(0, EXO_E_CALL) && mock_unchanged(true),
               "call 0x%lx may not be in a batch", (unsigned long)alone[i]);
    }
    put(0, EXO_CALL_PAGE_FREE, take(EXO_DATA) | 1ull << 32, 0, 0, 0);
    REFUSED_AS(EXO_BATCH_STOPPED(0, EXO_E_RANGE), batch(1), "an argument that is too wide");
}

/* The kernel goes on reading and writing its frame: it must stay the caller's. */
static void test_own_frame(void)
{
    begin();
    struct env *embryo = mock_child(init, 10, false);

    put(0, EXO_CALL_PAGE_FREE, page, 0, 0, 0);
    REFUSED_AS(EXO_BATCH_STOPPED(0, EXO_E_BUSY), batch(1), "free the batch's own frame");
    put(0, EXO_CALL_PAGE_GIVE, page, embryo->name.n, 0, 0);
    REFUSED_AS(EXO_BATCH_STOPPED(0, EXO_E_BUSY), batch(1), "give it away");
    tap_ok(!frames[page].pinned && !CALL(init, PAGE_FREE, page), "afterwards it can be freed");
    tap_ok(!inv_all(), "own frame: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

/* A thread on another CPU changes an operation while it is carried out. */
static uint32_t looks;
static uint64_t victim;

static void change(uint32_t frame)
{
    looks++;
    if (frame == page)
        return;
    operation[0].argument[2] = victim; /* what was checked is what is mapped, all the same */
    operation[0].argument[3] = EXO_WRITE;
}

static void test_read_once(void)
{
    begin();
    struct env *child = mock_child(init, 10, true);
    uint64_t pt = take(EXO_PT), data = take(EXO_DATA);

    victim = child->root.n;
    put(0, EXO_CALL_PT_MAP, pt, 0, data, EXO_READ);
    looks = 0;
    mock_frame_hook = change;
    int64_t result = batch(1);
    mock_frame_hook = NULL;
    tap_ok(looks > 1 && result == 1 && CALL(init, PT_READ, pt, 0) == (int64_t)data && !inv_all(),
           "words that change during the call change nothing");
}

/* Tables for the first pages of init, and data at some of them. */
static uint64_t map_some(uint64_t data[], uint32_t count)
{
    uint64_t table[4] = {init->root.n};

    for (uint32_t i = 1; i < 4; i++) {
        table[i] = take(EXO_PML4 + i);
        CALL(init, PT_MAP, table[i - 1], 0, table[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        data[i] = take(EXO_DATA);
        CALL(init, PT_MAP, table[3], i, data[i], EXO_WRITE);
        mock_touch((uint64_t)i << EXO_PAGE_SHIFT);
    }
    return table[3];
}

static void test_forgetting(void)
{
    uint64_t data[3], table;

    begin();
    mock_next();
    table = map_some(data, 3);
    for (uint32_t i = 0; i < 3; i++)
        put(i, EXO_CALL_PT_UNMAP, table, i, 0, 0);
    uint32_t before = mock_flushes;
    tap_ok(batch(3) == 3 && mock_flushes == before + 1 && mock_tlb_clean(),
           "CPUs are asked once to forget what a batch took out");

    begin();
    mock_next();
    table = map_some(data, 3);
    mock_watched = (uint32_t)data[1];
    put(0, EXO_CALL_PT_PROTECT, table, 0, EXO_READ, 0);
    put(1, EXO_CALL_PT_UNMAP, table, 1, 0, 0);
    put(2, EXO_CALL_PAGE_FREE, data[1], 0, 0, 0);
    put(3, EXO_CALL_PAGE_ALLOC, EXO_ENV_SELF, data[1], EXO_DATA, 0);
    before = mock_flushes;
    tap_ok(batch(4) == 4 && mock_flushes == before + 1 && mock_watched_type == EXO_DATA &&
               mock_tlb_clean(),
           "and before a frame is free for others");

    put(0, EXO_CALL_PT_UNMAP, table, 0, 0, 0);
    put(1, EXO_CALL_PT_UNMAP, table, 0, 0, 0);
    before = mock_flushes;
    tap_ok(batch(2) == EXO_BATCH_STOPPED(1, EXO_E_EMPTY) && mock_flushes == before + 1 &&
               mock_tlb_clean(),
           "and if it is stopped");
    CALL(init, PT_UNMAP, table, 2);
    tap_ok(mock_flushes == before + 2, "a single call asks at once");
}

int main(void)
{
    test_frame();
    test_order();
    test_what_may_not();
    test_own_frame();
    test_read_once();
    test_forgetting();
    return tap_done();
}
