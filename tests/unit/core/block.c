/* SPDX-License-Identifier: MIT */
/* block.c - blocks: taken as one, mapped by one entry, given back; XSA-148 and the order of frames. */
#include "mock.h"

#include <string.h>

#define ANY   EXO_FRAME_ANY
#define EACH  MOCK_BLOCK
#define FIRST 64u /* the first frame of some block */

static uint64_t take(struct env *env, uint32_t type)
{
    return (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, ANY, type);
}

static void invariants_hold(const char *when)
{
    const char *wrong = inv_all();

    tap_ok(!wrong, "%s: the invariants hold (%s)", when, wrong ? wrong : "all");
}

static void test_alloc(void)
{
    struct env *init = mock_boot();
    struct env *embryo = mock_child(init, 2 + EACH, false), *live = mock_child(init, 12, true);

    REFUSED(ENV, CALL(init, BLOCK_ALLOC, live->name.n, ANY), "a block for a living child");
    REFUSED(ENV, CALL(init, BLOCK_ALLOC, 0xffff02, ANY), "a block for a stale name");
    REFUSED(RANGE, CALL(init, BLOCK_ALLOC, 0, FIRST + 1), "a block that begins between blocks");
    REFUSED(RANGE, CALL(init, BLOCK_ALLOC, 0, MOCK_FRAMES), "a block outside the machine");
    REFUSED(RANGE, CALL(init, BLOCK_ALLOC, 0, 0x7ffffff8), "a block far outside the machine");
    REFUSED(BUSY, CALL(init, BLOCK_ALLOC, 0, 0), "the block of frame 0");
    live->quota[EXO_R_PAGES] = live->used[EXO_R_PAGES] + EACH - 1;
    init->quota[EXO_R_PAGES] += 12 - live->quota[EXO_R_PAGES];
    REFUSED(QUOTA, CALL(live, BLOCK_ALLOC, 0, ANY), "a block over the quota");

    memset(machine_frame((frame_t){FIRST + EACH - 1}), 0x77, EXO_PAGE_SIZE);
    uint32_t used = init->used[EXO_R_PAGES], free = frame_free_count;
    tap_ok(CALL(init, BLOCK_ALLOC, 0, FIRST) == FIRST, "a block by number");
    bool zero = true;
    for (uint32_t n = FIRST; n < FIRST + EACH; n++)
        for (uint32_t i = 0; i < EXO_PAGE_SIZE; i++)
            zero &= !((uint8_t *)machine_frame((frame_t){n}))[i];
    tap_ok(zero, "it comes zeroed");
    tap_ok(init->used[EXO_R_PAGES] == used + EACH && frame_free_count == free - EACH,
           "it counts as all of its frames");
    REFUSED(BUSY, CALL(init, BLOCK_ALLOC, 0, FIRST), "a block that is taken");
    REFUSED(BUSY, CALL(init, PAGE_ALLOC, 0, FIRST + 1, EXO_DATA), "a frame of a block");
    REFUSED(OWNER, CALL(init, PAGE_FREE, FIRST + 1), "free a part of a block");
    REFUSED(OWNER, CALL(init, INFO, EXO_INFO_FRAME, FIRST + 1, EXO_FRAME_TYPE), "ask about a part");
    tap_ok(CALL(init, INFO, EXO_INFO_FRAME, FIRST, EXO_FRAME_TYPE) == EXO_BLOCK, "ask about it");
    REFUSED(TYPE, CALL(init, PAGE_GIVE, FIRST, embryo->name.n), "give a block away");
    REFUSED(TYPE, CALL(init, PAGE_GRANT, FIRST, live->name.n, 0), "grant a block");
    REFUSED(OWNER, CALL(init, PAGE_GRANT, FIRST + 1, live->name.n, 0), "grant a part of a block");
    REFUSED(TYPE, CALL(init, CONSOLE_WRITE, FIRST, 0, 8), "print a block");
    REFUSED(TYPE, CALL(init, BATCH, FIRST, 0, 1), "a batch in a block");
    REFUSED(TYPE, CALL(init, PAGE_ALLOC, 0, ANY, EXO_BLOCK), "page_alloc of a block");
    tap_ok(CALL(init, BLOCK_ALLOC, embryo->name.n, ANY) > 0, "a block for an EMBRYO");
    REFUSED(OWNER, CALL(live, PAGE_FREE, FIRST), "free another's block");
    invariants_hold("taken");

    DONE(CALL(init, PAGE_FREE, FIRST), "free a block");
    tap_ok(init->used[EXO_R_PAGES] == used && frames[FIRST + 1].type == EXO_FREE, "it is free");
    tap_ok(CALL(init, PAGE_ALLOC, 0, FIRST + 1, EXO_DATA) == FIRST + 1, "so is each of its frames");
    REFUSED(BUSY, CALL(init, BLOCK_ALLOC, 0, FIRST), "a block of which a frame is taken");
    invariants_hold("broken");
}

/* The whole machine as blocks, and what is left between. */
static void test_all(void)
{
    struct env *init = mock_boot();
    uint32_t count = 0;
    int64_t last = 0, result;

    while ((result = CALL(init, BLOCK_ALLOC, 0, ANY)) > 0) {
        last = result;
        count++;
    }
    tap_ok(result == -EXO_E_QUOTA || result == -EXO_E_MEMORY, "until nothing is left (%ld)",
           (long)result);
    tap_ok(count == MOCK_FRAMES / EACH - 1, "every whole block was found");
    init->quota[EXO_R_PAGES] += EACH;
    inv_begin();
    REFUSED(MEMORY, CALL(init, BLOCK_ALLOC, 0, ANY), "a block of a machine without any");
    tap_ok(take(init, EXO_DATA) < EACH, "frames beside blocks can still be taken");
    invariants_hold("all taken");
    DONE(CALL(init, PAGE_FREE, (uint64_t)last), "free one");
    tap_ok(CALL(init, BLOCK_ALLOC, 0, ANY) == last, "and take it again");
}

/* Any frame comes from a block that is broken already; a whole one is broken last. */
static void test_order(void)
{
    struct env *init = mock_boot();

    take(init, EXO_DATA);
    take(init, EXO_DATA); /* the rest of the first block */
    uint64_t kept[3 * EACH];
    for (uint32_t i = 0; i < 3 * EACH; i++)
        kept[i] = take(init, EXO_DATA);
    tap_ok(kept[0] == EACH && kept[3 * EACH - 1] == 4 * EACH - 1, "blocks are broken in order");
    for (uint32_t i = 0; i < 2 * EACH; i++)
        CALL(init, PAGE_FREE, kept[i]);
    CALL(init, PAGE_FREE, kept[2 * EACH]);
    invariants_hold("two whole again");
    tap_ok(take(init, EXO_DATA) == kept[2 * EACH], "the frame of the broken block goes first");
    tap_ok(take(init, EXO_DATA) >= 4 * EACH, "then a block that was never whole again");
    tap_ok(CALL(init, BLOCK_ALLOC, 0, kept[0]) == (int64_t)kept[0], "the others are still whole");
    invariants_hold("ordered");
}

static void test_map(void)
{
    struct env *init = mock_boot();
    uint64_t pdpt = take(init, EXO_PDPT), pd = take(init, EXO_PD), pt = take(init, EXO_PT);
    uint64_t data = take(init, EXO_DATA);
    struct env *live = mock_child(init, 12, true);
    uint64_t theirs = (uint64_t)CALL(live, PAGE_ALLOC, 0, ANY, EXO_PD);

    CALL(init, PT_MAP, init->root.n, 0, pdpt, 0);
    CALL(init, PT_MAP, pdpt, 0, pd, 0);
    CALL(init, PT_MAP, pd, 0, pt, 0);
    CALL(init, BLOCK_ALLOC, 0, FIRST);
    REFUSED(TYPE, CALL(init, PT_MAP, pt, 0, FIRST, EXO_WRITE), "map a block as a page");
    REFUSED(OWNER, CALL(init, PT_MAP, pt, 0, FIRST + 1, 0), "map a part of a block as a page");
    REFUSED(OWNER, CALL(init, PT_MAP, pd, 1, FIRST + 1, 0), "map a part of a block as a block");
    REFUSED(TYPE, CALL(init, PT_MAP, pdpt, 1, FIRST, 0), "map a block as a gibibyte");
    REFUSED(TYPE, CALL(init, PT_MAP, init->root.n, 1, FIRST, 0), "map a block by the root");
    REFUSED(TYPE, CALL(init, PT_MAP, pd, 1, data, EXO_WRITE), "a large page of a frame (XSA-148)");
    REFUSED(PERM, CALL(init, PT_MAP, pd, 1, pt, EXO_WRITE), "a large page of a table (XSA-148)");
    REFUSED(PERM, CALL(init, PT_MAP, pd, 1, FIRST, EXO_WRITE | EXO_EXEC), "a block with W and X");
    REFUSED(BUSY, CALL(init, PT_MAP, pd, 0, FIRST, EXO_WRITE), "a block over a table");
    REFUSED(OWNER, CALL(live, PT_MAP, theirs, 0, FIRST, 0), "map another's block");
    REFUSED(TYPE, CALL(init, PT_PROTECT, pd, 0, EXO_WRITE), "protect a linked table");
    REFUSED(TYPE, CALL(init, PT_PROTECT, pd, 1, EXO_WRITE), "protect an empty entry of a PD");

    DONE(CALL(init, PT_MAP, pd, 1, FIRST, EXO_WRITE), "map a block");
    uint64_t entry = ((uint64_t *)machine_frame((frame_t){(uint32_t)pd}))[1];
    tap_ok(entry ==
               ((uint64_t)FIRST << 12 | PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_LARGE | PTE_NX),
           "its entry is a large page");
    tap_ok(frames[FIRST].mapped == 1 && !frames[FIRST].parent, "it is mapped, not linked");
    tap_ok(CALL(init, PT_READ, pd, 1) == (int64_t)(FIRST | (uint64_t)EXO_WRITE << 32), "read it");
    REFUSED(BUSY, CALL(init, PAGE_FREE, FIRST), "free a mapped block");
    invariants_hold("mapped");
    tap_ok(mock_touch(0x200000) && mock_tlb_knows(FIRST), "the program uses it");
    REFUSED(PERM, CALL(init, PT_PROTECT, pd, 1, EXO_WRITE | EXO_EXEC), "protect it W and X");
    DONE(CALL(init, PT_PROTECT, pd, 1, EXO_READ), "weaken it");
    tap_ok(mock_tlb_clean() && !mock_tlb_knows(FIRST), "no CPU remembers");
    DONE(CALL(init, PT_PROTECT, pd, 1, EXO_EXEC), "make it code");
    entry = ((uint64_t *)machine_frame((frame_t){(uint32_t)pd}))[1];
    tap_ok(entry == ((uint64_t)FIRST << 12 | PTE_PRESENT | PTE_USER | PTE_LARGE), "still large");
    DONE(CALL(init, PT_MAP, pd, 2, FIRST, EXO_READ), "map it twice");
    mock_touch(0x200000);
    tap_ok(CALL(init, PT_UNMAP, pd, 1) == FIRST && !mock_tlb_knows(FIRST), "unmap one");
    tap_ok(CALL(init, PT_UNMAP, pd, 2) == FIRST && !frames[FIRST].mapped, "and the other");
    DONE(CALL(init, PAGE_FREE, FIRST), "then it can be freed");
    invariants_hold("unmapped");
}

static void test_reclaim(void)
{
    struct env *init = mock_boot();
    uint32_t free = frame_free_count;
    struct env *live = mock_child(init, 4 + 2 * EACH, true);
    env_t name = live->name;
    uint64_t pd = (uint64_t)CALL(live, PAGE_ALLOC, 0, ANY, EXO_PD);
    int64_t block = CALL(live, BLOCK_ALLOC, 0, ANY);
    uint32_t most = 0, before;

    CALL(live, BLOCK_ALLOC, 0, ANY);
    DONE(CALL(live, PT_MAP, pd, 7, (uint64_t)block, EXO_WRITE), "a child maps a block");
    CALL(init, ENV_KILL, name.n, 0);
    while (before = frame_free_count, CALL(init, ENV_RECLAIM, name.n) == 1) {
        most = frame_free_count - before > most ? frame_free_count - before : most;
        if (frames[pd].type == EXO_PD)
            tap_ok(frames[block].type == EXO_BLOCK, "tables come before blocks");
    }
    tap_ok(most >= EACH && most <= EACH + 2, "one block a call (%u frames)", most);
    tap_ok(frame_free_count == free && !mock_env(name.n), "all of it is back");
    invariants_hold("reclaimed");
}

/* A machine without a table of blocks has none, and is a machine all the same. */
static void test_without(void)
{
    struct env *init = mock_boot();

    block_init(blocks, 0);
    tap_ok(CALL(init, BLOCK_ALLOC, 0, ANY) == -EXO_E_MEMORY, "no block without a table of them");
    REFUSED(MEMORY, CALL(init, BLOCK_ALLOC, 0, MOCK_BLOCK), "nor one by its number");
    uint64_t data = take(init, EXO_DATA);
    DONE(CALL(init, PAGE_FREE, data), "frames come and go");
    invariants_hold("without blocks");
}

int main(void)
{
    test_alloc();
    test_all();
    test_order();
    test_map();
    test_reclaim();
    test_without();
    return tap_done();
}
