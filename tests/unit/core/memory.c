/* SPDX-License-Identifier: MIT */
/* memory.c - frames and page tables: each call with each of its errors, and known attacks. */
#include "mock.h"

#include <stdlib.h>
#include <string.h>

#define ANY EXO_FRAME_ANY

static uint64_t take(struct env *env, uint32_t type)
{
    return (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, ANY, type);
}

static void test_alloc(void)
{
    struct env *init = mock_boot();
    struct env *embryo = mock_child(init, 3, false), *live = mock_child(init, 4, true);

    REFUSED(ENV, CALL(init, PAGE_ALLOC, live->name.n, ANY, EXO_DATA), "alloc for a living child");
    REFUSED(ENV, CALL(live, PAGE_ALLOC, init->name.n, ANY, EXO_DATA), "alloc for the parent");
    REFUSED(ENV, CALL(init, PAGE_ALLOC, 0xffff02, ANY, EXO_DATA), "alloc for a stale name");
    REFUSED(TYPE, CALL(init, PAGE_ALLOC, 0, ANY, EXO_KERNEL), "alloc a KERNEL frame");
    REFUSED(TYPE, CALL(init, PAGE_ALLOC, 0, ANY, EXO_FREE), "alloc a FREE frame");
    REFUSED(TYPE, CALL(init, PAGE_ALLOC, 0, ANY, EXO_DEVICE), "alloc a DEVICE frame");
    REFUSED(RANGE, CALL(init, PAGE_ALLOC, 0, MOCK_FRAMES, EXO_DATA), "alloc outside the machine");
    REFUSED(RANGE, CALL(init, PAGE_ALLOC, 0, 1ull << 32 | 9, EXO_DATA), "alloc a 33-bit number");
    REFUSED(BUSY, CALL(init, PAGE_ALLOC, 0, 0, EXO_DATA), "alloc frame 0");
    REFUSED(BUSY, CALL(init, PAGE_ALLOC, 0, 1, EXO_DATA), "alloc a frame of the kernel");
    REFUSED(BUSY, CALL(init, PAGE_ALLOC, 0, live->root.n, EXO_DATA), "alloc another's frame");

    tap_ok(CALL(init, PAGE_ALLOC, embryo->name.n, 100, EXO_DATA) == 100, "alloc by number");
    REFUSED(QUOTA, CALL(init, PAGE_ALLOC, embryo->name.n, ANY, EXO_DATA), "alloc over the quota");
    while (CALL(init, PAGE_ALLOC, 0, ANY, EXO_DATA) > 0)
        ;
    REFUSED(QUOTA, CALL(init, PAGE_ALLOC, 0, ANY, EXO_DATA), "alloc over the first one's quota");
    init->quota[EXO_R_PAGES] += 10; /* more than the machine has */
    inv_begin();
    while (CALL(init, PAGE_ALLOC, 0, ANY, EXO_DATA) > 0)
        ;
    REFUSED(MEMORY, CALL(init, PAGE_ALLOC, 0, ANY, EXO_DATA), "alloc from an empty machine");
    tap_ok(!inv_all(), "alloc: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

static void test_free_and_give(void)
{
    struct env *init = mock_boot();
    struct env *embryo = mock_child(init, 3, false), *live = mock_child(init, 4, true);
    uint64_t data = take(init, EXO_DATA), ring = take(init, EXO_RING), pt = take(init, EXO_PT);

    REFUSED(RANGE, CALL(init, PAGE_FREE, MOCK_FRAMES), "free outside the machine");
    REFUSED(OWNER, CALL(init, PAGE_FREE, 1), "free the kernel's frame");
    REFUSED(OWNER, CALL(init, PAGE_FREE, 0), "free frame 0");
    REFUSED(OWNER, CALL(live, PAGE_FREE, data), "free another's frame");
    REFUSED(OWNER, CALL(init, PAGE_FREE, live->root.n), "free a living child's frame");
    REFUSED(BUSY, CALL(init, PAGE_FREE, init->root.n), "free one's root");
    REFUSED(BUSY, CALL(init, PAGE_FREE, init->control.n), "free one's control page");
    DONE(CALL(init, PT_MAP, pt, 3, data, EXO_WRITE), "map a page");
    REFUSED(BUSY, CALL(init, PAGE_FREE, data), "free a mapped frame");
    REFUSED(BUSY, CALL(init, PAGE_FREE, pt), "free a table with entries");
    REFUSED(BUSY, CALL(init, PAGE_GIVE, data, embryo->name.n), "give a mapped frame");
    tap_ok(CALL(init, PT_UNMAP, pt, 3) == (int64_t)data, "unmap says which frame it was");

    REFUSED(ENV, CALL(init, PAGE_GIVE, data, live->name.n), "give to a living child");
    REFUSED(ENV, CALL(init, PAGE_GIVE, data, EXO_ENV_SELF), "give to oneself");
    REFUSED(RANGE, CALL(init, PAGE_GIVE, MOCK_FRAMES, embryo->name.n), "give what is not");
    REFUSED(OWNER, CALL(init, PAGE_GIVE, live->root.n, embryo->name.n), "give another's frame");
    REFUSED(OWNER, CALL(init, PAGE_GIVE, 1, embryo->name.n), "give the kernel's frame");
    REFUSED(TYPE, CALL(init, PAGE_GIVE, ring, embryo->name.n), "give a RING frame");
    memcpy(machine_frame((frame_t){(uint32_t)data}), "filled", 7);
    DONE(CALL(init, PAGE_GIVE, data, embryo->name.n), "give to an EMBRYO");
    tap_ok(!strcmp(machine_frame((frame_t){(uint32_t)data}), "filled"),
           "a gift keeps its contents");
    uint64_t more = take(init, EXO_DATA);
    REFUSED(QUOTA, CALL(init, PAGE_GIVE, more, embryo->name.n), "give over quota");
    DONE(CALL(init, PAGE_FREE, data), "free an EMBRYO's frame");
    DONE(CALL(init, PAGE_FREE, pt), "free an empty table");

    tap_ok(CALL(live, PAGE_ALLOC, 0, data, EXO_DATA) == (int64_t)data, "take a freed frame");
    uint8_t zero[EXO_PAGE_SIZE] = {0};
    tap_ok(!memcmp(machine_frame((frame_t){(uint32_t)data}), zero, sizeof(zero)),
           "a frame that changes its owner by alloc is zero");
    tap_ok(!inv_all(), "free and give: the invariants hold");
}

static void test_map(void)
{
    struct env *init = mock_boot();
    struct env *live = mock_child(init, 20, true);
    uint64_t pdpt = take(init, EXO_PDPT), pd = take(init, EXO_PD), pt = take(init, EXO_PT);
    uint64_t data = take(init, EXO_DATA), ring = take(init, EXO_RING), pt2 = take(init, EXO_PT);
    uint64_t root = init->root.n, foreign = take(live, EXO_DATA), foreign_pt = take(live, EXO_PT);

    REFUSED(RANGE, CALL(init, PT_MAP, MOCK_FRAMES, 0, data, 0), "map in a table that is not");
    REFUSED(RANGE, CALL(init, PT_MAP, pt, 512, data, 0), "map at entry 512");
    REFUSED(RANGE, CALL(init, PT_MAP, root, 256, pdpt, 0), "map in the kernel's half");
    REFUSED(RANGE, CALL(init, PT_MAP, root, 255, pdpt, 0), "map where SYSRET could fault");
    REFUSED(RANGE, CALL(init, PT_MAP, pt, 0, MOCK_FRAMES, 0), "map a frame that is not");
    for (uint64_t perm = 4; perm; perm = perm == 1ull << 31 ? 0 : perm << 1)
        if (perm == 4 || perm == 0x80 || perm == 1ull << 31)
            REFUSED(RANGE, CALL(init, PT_MAP, pd, 0, pt, perm), "map with a bit like large page");
    REFUSED(OWNER, CALL(init, PT_MAP, foreign_pt, 0, data, 0), "map in another's table");
    REFUSED(OWNER, CALL(init, PT_MAP, pt, 0, foreign, 0), "map another's frame");
    REFUSED(OWNER, CALL(init, PT_MAP, pt, 0, 1, 0), "map the kernel's frame");
    REFUSED(OWNER, CALL(init, PT_MAP, pt, 0, 120, 0), "map a free frame");
    REFUSED(OWNER, CALL(live, PT_MAP, foreign_pt, 0, data, EXO_WRITE), "map the parent's frame");
    REFUSED(TYPE, CALL(init, PT_MAP, data, 0, pt, 0), "map in a DATA frame");
    REFUSED(TYPE, CALL(init, PT_MAP, pd, 0, data, 0), "a directory that names DATA");
    REFUSED(TYPE, CALL(init, PT_MAP, root, 0, pd, 0), "a root that names a PD");
    REFUSED(TYPE, CALL(init, PT_MAP, pd, 0, pd, 0), "a table that names itself");
    REFUSED(PERM, CALL(init, PT_MAP, pd, 0, pt, EXO_WRITE), "an upper entry with a permission");
    REFUSED(PERM, CALL(init, PT_MAP, pt, 0, pt2, EXO_WRITE), "write to a page table");
    REFUSED(PERM, CALL(init, PT_MAP, pt, 0, root, EXO_WRITE), "write to the root");
    REFUSED(PERM, CALL(init, PT_MAP, pt, 0, ring, EXO_EXEC), "execute a ring");
    REFUSED(PERM, CALL(init, PT_MAP, pt, 0, pt2, EXO_EXEC), "execute a table");
    REFUSED(PERM, CALL(init, PT_MAP, pt, 0, data, EXO_WRITE | EXO_EXEC), "write and execute");

    DONE(CALL(init, PT_MAP, root, 1, pdpt, 0), "link a PDPT");
    DONE(CALL(init, PT_MAP, pdpt, 2, pd, 0), "link a PD");
    DONE(CALL(init, PT_MAP, pd, 3, pt, 0), "link a PT");
    REFUSED(BUSY, CALL(init, PT_MAP, pd, 4, pt, 0), "link a table twice");
    REFUSED(BUSY, CALL(init, PT_MAP, pd, 3, pt2, 0), "link over a filled entry");
    REFUSED(BUSY, CALL(init, PAGE_FREE, pt), "free a linked table");
    DONE(CALL(init, PT_MAP, pt, 4, data, EXO_WRITE), "map DATA to write");
    DONE(CALL(init, PT_MAP, pt, 5, data, EXO_EXEC), "map it again to execute");
    DONE(CALL(init, PT_MAP, pt, 6, root, EXO_READ), "map a table to read");
    DONE(CALL(init, PT_MAP, pt, 300, ring, EXO_WRITE), "map a ring to write, beyond entry 255");
    DONE(CALL(init, PT_MAP, pt, 511, init->control.n, EXO_WRITE), "and the control page");
    REFUSED(BUSY, CALL(init, PT_MAP, pt, 4, data, 0), "map over a filled entry");
    tap_ok(CALL(init, INFO, EXO_INFO_FRAME, data, EXO_FRAME_MAPPED) == 2, "info counts mappings");
    tap_ok(CALL(init, PT_READ, pt, 4) == (int64_t)(data | 1ull << 32), "read a leaf");
    tap_ok(CALL(init, PT_READ, pd, 3) == (int64_t)pt, "read an upper entry");
    REFUSED(EMPTY, CALL(init, PT_READ, pt, 9), "read an empty entry");
    REFUSED(OWNER, CALL(live, PT_READ, pt, 4), "read another's table");
    REFUSED(RANGE, CALL(init, PT_READ, root, 300), "read the kernel's half");

    uint64_t address = 1ull << 39 | 2ull << 30 | 3ull << 21 | 4ull << 12;
    tap_ok(mock_touch(address) && mock_tlb_knows((uint32_t)data), "the program uses the page");
    REFUSED(RANGE, CALL(init, PT_PROTECT, pt, 4, 4), "protect with an unknown bit");
    REFUSED(PERM, CALL(init, PT_PROTECT, pt, 4, 3), "protect to write and execute");
    REFUSED(PERM, CALL(init, PT_PROTECT, pt, 6, EXO_WRITE), "protect a mapped table to write");
    REFUSED(TYPE, CALL(init, PT_PROTECT, pd, 3, 0), "protect an upper entry");
    REFUSED(EMPTY, CALL(init, PT_PROTECT, pt, 9, 0), "protect an empty entry");
    REFUSED(OWNER, CALL(live, PT_PROTECT, pt, 4, 0), "protect in another's table");
    DONE(CALL(init, PT_PROTECT, pt, 4, EXO_READ), "protect");
    tap_ok(mock_tlb_clean() && !mock_tlb_knows((uint32_t)data), "protect forgets the translation");
    mock_touch(address);
    REFUSED(OWNER, CALL(live, PT_UNMAP, pt, 4), "unmap in another's table");
    REFUSED(EMPTY, CALL(init, PT_UNMAP, pt, 9), "unmap an empty entry");
    CALL(init, PT_UNMAP, root, 1);
    tap_ok(mock_tlb_clean() && !mock_tlb_knows((uint32_t)data),
           "unlinking a subtree forgets every translation through it");
    tap_ok(!inv_all(), "map: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

/* The CPU sets accessed and dirty bits by itself; nothing may stumble over them. */
static void test_cpu_bits(void)
{
    struct env *init = mock_boot();
    uint64_t pt = take(init, EXO_PT), data = take(init, EXO_DATA);

    CALL(init, PT_MAP, pt, 0, data, EXO_WRITE);
    ((uint64_t *)machine_frame((frame_t){(uint32_t)pt}))[0] |= PTE_ACCESSED | PTE_DIRTY;
    tap_ok(CALL(init, PT_READ, pt, 0) == (int64_t)(data | 1ull << 32) && !inv_all(),
           "accessed and dirty bits are not part of the answer");
    tap_ok(CALL(init, PT_UNMAP, pt, 0) == (int64_t)data, "nor in the way of unmap");
}

/*
 * A ZOMBIE's table that is also mapped to be read in another of its tables: freed too early, its
 * count of mappings would be that of its next owner, who could then free a page that it still has.
 */
static void test_reclaim_mapped_table(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 10, true);
    env_t name = child->name;
    uint64_t early = take(child, EXO_PT), late = take(child, EXO_PT);

    CALL(child, PT_MAP, early, 0, late, EXO_READ);
    CALL(child, PT_MAP, early, 1, child->root.n, EXO_READ);
    CALL(child, PT_MAP, late, 0, early, EXO_READ);
    CALL(child, PT_MAP, late, 1, late, EXO_READ);
    CALL(init, ENV_KILL, name.n, 0);
    bool held = true;
    int64_t result;
    do {
        result = CALL(init, ENV_RECLAIM, name.n);
        for (uint32_t n = 0; n < MOCK_FRAMES; n++)
            held &= frames[n].type != EXO_FREE || !frames[n].mapped;
        held &= !inv_all();
        /* Take what came free at once, as an attacker would. */
        CALL(init, PAGE_ALLOC, 0, ANY, EXO_DATA);
    } while (result == 1);
    tap_ok(result == 0 && held, "no table is freed while another table of its owner maps it");
    tap_ok(!inv_all(), "reclaim of mapped tables: the invariants hold (%s)",
           inv_all() ? inv_all() : "all");
}

/* The same with a root table, made later than the table that maps it. */
static void test_reclaim_mapped_root(void)
{
    struct env *init = mock_boot();
    int64_t name = CALL(init, ENV_CREATE, 5, 0, 0);
    uint64_t n = (uint64_t)name, pt = (uint64_t)CALL(init, PAGE_ALLOC, n, ANY, EXO_PT);
    uint64_t root = (uint64_t)CALL(init, PAGE_ALLOC, n, ANY, EXO_PML4);

    CALL(init, PT_MAP, pt, 0, root, EXO_READ);
    CALL(init, ENV_RECLAIM, n); /* the first table: the root */
    tap_ok(frames[root].type == EXO_DATA && frames[root].mapped == 1 && !inv_all(),
           "a root table that is still mapped is not free");
    tap_ok(mock_reclaim(init, (env_t){(uint32_t)name}) > 0 && frames[root].type == EXO_FREE &&
               !inv_all(),
           "it is when the mapping is gone");
}

/* The CPU may still use the root of the dead, if nobody ran since: not after it was taken back. */
static void test_reclaim_loaded_root(bool mapped)
{
    struct env *init = mock_boot();
    struct env *child = mock_env(CALL(init, ENV_CREATE, 12, 0, 0));
    env_t name = child->name;
    static const uint32_t types[] = {EXO_PT, EXO_PML4, EXO_PDPT, EXO_PD, EXO_CONTROL, EXO_DATA};
    uint64_t n[6];

    /* The table made first is taken back last: after the root, which it maps if `mapped`. */
    for (uint32_t i = 0; i < 6; i++)
        n[i] = (uint64_t)CALL(init, PAGE_ALLOC, name.n, ANY, types[i]);
    uint64_t pt = n[0], root = n[1], data = n[5];
    CALL(init, PT_MAP, root, 1, n[2]);
    CALL(init, PT_MAP, n[2], 0, n[3]);
    CALL(init, PT_MAP, n[3], 0, pt);
    CALL(init, PT_MAP, pt, 0, data, EXO_WRITE);
    if (mapped)
        CALL(init, PT_MAP, pt, 1, root, EXO_READ);
    CALL(init, ENV_SET, name.n, EXO_ENV_SET_ROOT, root);
    CALL(init, ENV_SET, name.n, EXO_ENV_SET_CONTROL, n[4]);
    CALL(init, ENV_RUN, name.n, 0x400000, 0x500000);
    for (uint32_t i = 0; i < MOCK_SLICES; i++)
        CALL(init, SLICE_SET, i, name.n);
    mock_now = mock_alarm;
    tap_ok(mock_next() == child && mock_touch(1ull << 39) && mock_tlb_knows((uint32_t)data),
           "a child runs and uses a page");
    CALL(init, ENV_KILL, name.n, 0);
    REFUSED(BUSY, CALL(init, ENV_RECLAIM, name.n), "what is still on a CPU is not taken back");
    mock_next(); /* nobody runs now, and the CPU stays with the tables that it has */
    bool early = false;
    while (CALL(init, ENV_RECLAIM, name.n) == 1)
        early |= frames[data].type == EXO_FREE && mock_tlb_knows((uint32_t)data);
    tap_ok(!early && frames[data].type == EXO_FREE && !mock_tlb_knows((uint32_t)data) && !inv_all(),
           "no frame of the dead is free while the CPU knows it");
}

static void test_frame_zero(void)
{
    mock_boot();
    free(frames);
    frame_init(calloc(8, sizeof(struct frame)), 8);
    frame_add_free(0, 8);
    tap_ok(frame_free_count == 7 && frames[0].type == EXO_KERNEL, "frame 0 is never free");
}

static void test_mapped_limit(void)
{
    struct env *init = mock_boot();
    uint64_t pt = take(init, EXO_PT), data = take(init, EXO_DATA);

    frames[data].mapped = UINT32_MAX;
    REFUSED(BUSY, CALL(init, PT_MAP, pt, 0, data, 0), "a mapping more than can be counted");
}

static void test_adopt(void)
{
    struct env *init = mock_boot();

    frame_adopt(init, (frame_t){2});
    init->quota[EXO_R_PAGES]++; /* the machine counts what it hands over into the first quota */
    inv_begin();
    tap_ok(frames[2].type == EXO_DATA && !inv_all(), "a filled frame becomes the first one's");
    DONE(CALL(init, PAGE_FREE, 2), "which may free it");
    tap_ok(!inv_all(), "adopt: the invariants hold");
}

/* A parent may not go on building a child that it is tearing down. */
static void test_reclaim_embryo(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 10, false);
    env_t name = child->name;

    tap_ok(CALL(init, ENV_RECLAIM, name.n) == 1, "reclaim an EMBRYO");
    REFUSED(STATE, CALL(init, ENV_RUN, name.n, 0x400000, 0), "run it half torn down");
    REFUSED(STATE, CALL(init, ENV_SET, name.n, EXO_ENV_SET_MAC, 2), "set it half torn down");
    REFUSED(ENV, CALL(init, PAGE_ALLOC, name.n, ANY, EXO_DATA), "alloc for it half torn down");
    tap_ok(mock_reclaim(init, name) > 0 && !inv_all(), "it goes to the end");
}

/* The kernel's tables are read as memory by who has the right, and by nobody else. */
static void test_facts(void)
{
    struct env *init = mock_boot();
    struct env *embryo = mock_child(init, 8, false), *live = mock_child(init, 8, true);
    uint64_t pt = take(init, EXO_PT), pd = take(init, EXO_PD), theirs = take(live, EXO_PT);
    uint64_t built = (uint64_t)CALL(init, PAGE_ALLOC, embryo->name.n, ANY, EXO_PT);

    REFUSED(OWNER, CALL(live, PT_MAP, theirs, 0, MOCK_FACTS, 0), "read tables without a right");
    REFUSED(OWNER, CALL(init, PT_MAP, built, 0, MOCK_FACTS, 0), "have an EMBRYO read without one");
    REFUSED(PERM, CALL(init, PT_MAP, pt, 0, MOCK_FACTS, EXO_WRITE), "write the kernel's tables");
    REFUSED(PERM, CALL(init, PT_MAP, pt, 0, MOCK_FACTS, EXO_EXEC), "execute the kernel's tables");
    REFUSED(TYPE, CALL(init, PT_MAP, pd, 0, MOCK_FACTS, 0), "link the kernel's tables");
    REFUSED(OWNER, CALL(init, PT_MAP, pt, 0, 1, 0), "read what the kernel does not show");
    DONE(CALL(init, PT_MAP, pt, 0, MOCK_FACTS, 0), "read the kernel's tables");
    tap_ok(frames[MOCK_FACTS].mapped == 1, "that is counted");
    REFUSED(PERM, CALL(init, PT_PROTECT, pt, 0, EXO_WRITE), "protect them to be written");
    REFUSED(PERM, CALL(init, PT_PROTECT, pt, 0, EXO_EXEC), "protect them to be executed");
    REFUSED(OWNER, CALL(init, PAGE_FREE, MOCK_FACTS), "free the kernel's tables");
    REFUSED(BUSY, CALL(init, PAGE_ALLOC, 0, MOCK_FACTS, EXO_DATA), "take the kernel's tables");
    REFUSED(OWNER, CALL(init, PAGE_GRANT, MOCK_FACTS, live->name.n, 0), "grant them");
    REFUSED(OWNER, CALL(init, CONSOLE_WRITE, MOCK_FACTS, 0, 8), "print them");
    REFUSED(RANGE, CALL(init, ENV_SET, embryo->name.n, EXO_ENV_SET_RIGHTS, EXO_RIGHTS + 1),
            "give a right that is not");
    DONE(CALL(init, ENV_SET, embryo->name.n, EXO_ENV_SET_RIGHTS, EXO_RIGHT_TABLES), "give a right");
    DONE(CALL(init, PT_MAP, built, 0, MOCK_FACTS, 0), "then the EMBRYO reads");
    DONE(CALL(init, ENV_SET, embryo->name.n, EXO_ENV_SET_RIGHTS, 0), "give none more");
    tap_ok(embryo->rights == EXO_RIGHT_TABLES && !inv_all(), "what was given stays");
    int64_t grandchild = CALL(live, ENV_CREATE, 0, 0, 0);
    tap_ok(grandchild == -EXO_E_QUOTA, "(who lives has no room for a child)");
    live->quota[EXO_R_ENVS]++;
    init->quota[EXO_R_ENVS]--;
    grandchild = CALL(live, ENV_CREATE, 0, 0, 0);
    REFUSED(OWNER, CALL(live, ENV_SET, (uint64_t)grandchild, EXO_ENV_SET_RIGHTS, EXO_RIGHT_TABLES),
            "give a right that one has not");
    DONE(CALL(live, ENV_SET, (uint64_t)grandchild, EXO_ENV_SET_RIGHTS, 0), "give no right");
    tap_ok(CALL(init, PT_UNMAP, pt, 0) == MOCK_FACTS && frames[MOCK_FACTS].mapped == 1, "unmap");
    DONE(CALL(init, ENV_RUN, embryo->name.n, 0x400000), "run the reader");
    DONE(CALL(init, ENV_KILL, embryo->name.n, 0), "and end it");
    tap_ok(mock_reclaim(init, embryo->name) > 0 && !frames[MOCK_FACTS].mapped, "and reclaim it");
    tap_ok(!inv_all(), "facts: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

/* The kernel's tables that lie in frames of their own are shown; where there are none, no frame. */
static void test_published(void)
{
    static struct exo_account table[MOCK_ENVS];
    const frame_t none = {EXO_FRAME_NONE}, one = {1};

    for (uint32_t i = 0; i < 3; i++) {
        mock_boot();
        if (i)
            account_init(i == 1 ? one : none, table, i == 2 ? one : none);
        tap_ok((frames[1].type == EXO_FACTS) == (i > 0) && frames[0].type == EXO_KERNEL,
               "tables are shown, and nothing before them (%u)", i);
    }
    mock_boot();
}

int main(void)
{
    test_alloc();
    test_free_and_give();
    test_map();
    test_cpu_bits();
    test_reclaim_mapped_table();
    test_reclaim_embryo();
    test_reclaim_mapped_root();
    test_reclaim_loaded_root(false);
    test_reclaim_loaded_root(true);
    test_mapped_limit();
    test_adopt();
    test_frame_zero();
    test_facts();
    test_published();
    return tap_done();
}
