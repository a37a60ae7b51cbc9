/* SPDX-License-Identifier: MIT */
/* grant.c - sharing frames: each call with each of its errors, death on both sides, known races. */
#include "mock.h"

#include <string.h>

#define ANY EXO_FRAME_ANY

static uint64_t take(struct env *env, uint32_t type)
{
    return (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, ANY, type);
}

/* A PT of `env` that maps addresses from 0 on. */
static uint64_t tree(struct env *env)
{
    uint64_t pdpt = take(env, EXO_PDPT), pd = take(env, EXO_PD), pt = take(env, EXO_PT);

    CALL(env, PT_MAP, env->root.n, 0, pdpt, 0);
    CALL(env, PT_MAP, pdpt, 0, pd, 0);
    CALL(env, PT_MAP, pd, 0, pt, 0);
    return pt;
}

static uint64_t grant(struct env *self, uint64_t frame, const struct env *to, uint32_t perm)
{
    return (uint64_t)CALL(self, PAGE_GRANT, frame, to->name.n, perm, 7);
}

static int64_t told(struct env *self, uint64_t name, uint32_t what)
{
    return CALL(self, INFO, EXO_INFO_GRANT, name, what);
}

static void invariants_hold(const char *when)
{
    const char *wrong = inv_all();

    tap_ok(!wrong, "%s: the invariants hold (%s)", when, wrong ? wrong : "all");
}

static void test_grant(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 8, true), *b = mock_child(init, 8, true);
    struct env *dead = mock_child(init, 4, true), *embryo = mock_child(init, 4, false);
    uint64_t data = take(a, EXO_DATA), ring = take(a, EXO_RING), theirs = take(b, EXO_DATA);

    CALL(init, ENV_KILL, dead->name.n, 0);
    REFUSED(RANGE, CALL(a, PAGE_GRANT, MOCK_FRAMES, b->name.n, 0), "grant what is not");
    REFUSED(RANGE, CALL(a, PAGE_GRANT, data, b->name.n, 4), "grant an unknown permission");
    REFUSED(ENV, CALL(a, PAGE_GRANT, data, 0xffff02, 0), "grant to a stale name");
    REFUSED(ENV, CALL(a, PAGE_GRANT, data, EXO_ENV_SELF, 0), "grant to oneself");
    REFUSED(ENV, CALL(a, PAGE_GRANT, data, a->name.n, 0), "grant to oneself by name");
    REFUSED(ENV, CALL(a, PAGE_GRANT, data, dead->name.n, 0), "grant to a ZOMBIE");
    REFUSED(OWNER, CALL(a, PAGE_GRANT, theirs, b->name.n, 0), "grant another's frame");
    REFUSED(OWNER, CALL(a, PAGE_GRANT, 1, b->name.n, 0), "grant a frame of the kernel's");
    REFUSED(OWNER, CALL(init, PAGE_GRANT, embryo->control.n, b->name.n, 0), "grant an EMBRYO's");
    REFUSED(TYPE, CALL(a, PAGE_GRANT, a->root.n, b->name.n, 0), "grant a root table");
    REFUSED(TYPE, CALL(a, PAGE_GRANT, a->control.n, b->name.n, 0), "grant a control page");
    REFUSED(TYPE, CALL(a, PAGE_GRANT, ring, b->name.n, 0), "grant a ring");
    REFUSED(PERM, CALL(a, PAGE_GRANT, data, b->name.n, EXO_WRITE | EXO_EXEC), "grant W and X");

    uint64_t g = grant(a, data, b, EXO_WRITE);
    tap_ok((int64_t)g > 0, "grant a frame");
    tap_ok(frames[data].granted == 1 && a->used[EXO_R_GRANTS] == 1, "it is counted");
    tap_ok(told(a, g, EXO_GRANT_FRAME) == (int64_t)data &&
               told(b, g, EXO_GRANT_GRANTER) == a->name.n &&
               told(b, g, EXO_GRANT_GRANTEE) == b->name.n &&
               told(b, g, EXO_GRANT_PERM) == EXO_WRITE && told(b, g, EXO_GRANT_TAG) == 7 &&
               told(b, g, EXO_GRANT_MAPPED) == 0 && told(b, g, EXO_GRANT_NEXT) == 0,
           "both sides are told about it");
    tap_ok(CALL(a, INFO, EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_GIVEN) == (int64_t)g &&
               CALL(b, INFO, EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_RECEIVED) == (int64_t)g &&
               CALL(b, INFO, EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_GIVEN) == 0 &&
               CALL(a, INFO, EXO_INFO_FRAME, data, EXO_FRAME_GRANTED) == 1,
           "both sides find it");
    REFUSED(OWNER, told(init, g, EXO_GRANT_FRAME), "ask about a grant of others");
    REFUSED(EMPTY, told(a, g + 1, EXO_GRANT_FRAME), "ask about no grant");
    REFUSED(RANGE, told(a, g, 99), "ask what is not known");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_GRANT, 1ull << 32 | g, 0), "ask with a 33-bit number");
    REFUSED(BUSY, CALL(a, PAGE_FREE, data), "free a granted frame");
    invariants_hold("grant");
}

static void test_quota_and_table(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 8, true), *b = mock_child(init, 8, true);
    uint64_t data = take(a, EXO_DATA), mine = take(init, EXO_DATA);

    a->quota[EXO_R_GRANTS] = 3;
    init->quota[EXO_R_GRANTS] = MOCK_GRANTS;
    inv_begin();
    for (uint32_t i = 0; i < 3; i++)
        tap_ok((int64_t)grant(a, data, i ? b : init, EXO_READ) > 0, "grant %u within quota", i);
    REFUSED(QUOTA, (int64_t)grant(a, data, b, EXO_READ), "grant over quota");
    uint32_t given = 0;
    while ((int64_t)grant(init, mine, a, EXO_READ) > 0)
        given++;
    tap_ok(given == MOCK_GRANTS - 1 - 3, "all of the table can be used");
    REFUSED(MEMORY, (int64_t)grant(init, mine, a, EXO_READ), "grant from a full table");
    invariants_hold("a full table");
    /* What b received leads from the newest on. */
    int64_t g = CALL(b, INFO, EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_RECEIVED);
    g = told(b, (uint64_t)g, EXO_GRANT_NEXT);
    tap_ok(g > 0 && told(b, (uint64_t)g, EXO_GRANT_NEXT) == 0, "the list of what it received");
    /* And what a gave: the third is init's. */
    g = CALL(a, INFO, EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_GIVEN);
    g = told(a, (uint64_t)told(a, (uint64_t)g, EXO_GRANT_NEXT), EXO_GRANT_NEXT);
    tap_ok(told(a, (uint64_t)g, EXO_GRANT_GRANTEE) == init->name.n, "the list of what it gave");
}

static void test_map(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 8, true), *b = mock_child(init, 8, true);
    uint64_t data = take(a, EXO_DATA), pt = tree(b), mine = take(a, EXO_PT);
    uint64_t spare = take(b, EXO_DATA);
    uint64_t read = grant(a, data, b, EXO_READ), write = grant(a, data, b, EXO_WRITE);
    uint64_t exec = grant(a, data, b, EXO_EXEC);

    REFUSED(RANGE, CALL(b, GRANT_MAP, read, MOCK_FRAMES, 0, 0), "map into what is not");
    REFUSED(RANGE, CALL(b, GRANT_MAP, read, pt, 512, 0), "map past the table");
    REFUSED(RANGE, CALL(b, GRANT_MAP, read, pt, 0, 4), "map with an unknown permission");
    REFUSED(OWNER, CALL(a, GRANT_MAP, read, pt, 0, 0), "map into another's table");
    REFUSED(OWNER, CALL(a, GRANT_MAP, read, mine, 0, 0), "the granter maps its grant");
    REFUSED(TYPE, CALL(b, GRANT_MAP, read, spare, 0, 0), "map into no table");
    REFUSED(TYPE, CALL(b, GRANT_MAP, read, b->root.n, 0, 0), "map into a root table");
    REFUSED(EMPTY, CALL(b, GRANT_MAP, read + 3, pt, 0, 0), "map no grant");
    REFUSED(EMPTY, CALL(b, GRANT_MAP, MOCK_GRANTS, pt, 0, 0), "map outside the table of grants");
    REFUSED(EMPTY, CALL(b, GRANT_MAP, read - (1u << EXO_GRANT_SLOT_BITS), pt, 0, 0),
            "map an old one");
    REFUSED(PERM, CALL(b, GRANT_MAP, read, pt, 0, EXO_WRITE), "map a READ grant to be written");
    REFUSED(PERM, CALL(b, GRANT_MAP, write, pt, 0, EXO_EXEC), "map a WRITE grant to be executed");
    REFUSED(PERM, CALL(b, GRANT_MAP, write, pt, 0, EXO_WRITE | EXO_EXEC), "map with W and X");
    REFUSED(OWNER, CALL(b, PT_MAP, pt, 0, data, 0), "pt_map of a granted frame");

    DONE(CALL(b, GRANT_MAP, read, pt, 0, EXO_READ), "map a READ grant");
    DONE(CALL(b, GRANT_MAP, write, pt, 1, EXO_WRITE), "map a WRITE grant");
    DONE(CALL(b, GRANT_MAP, exec, pt, 2, EXO_EXEC), "map an EXEC grant");
    tap_ok(frames[data].mapped == 3 && told(a, write, EXO_GRANT_MAPPED) == 1, "they are counted");
    REFUSED(BUSY, CALL(b, GRANT_MAP, read, pt, 3, 0), "map a grant twice");
    uint64_t other = grant(a, data, b, EXO_READ);
    REFUSED(BUSY, CALL(b, GRANT_MAP, other, pt, 0, 0), "map over a mapping");
    invariants_hold("map");

    tap_ok(CALL(b, PT_READ, pt, 1) == (int64_t)(data | (uint64_t)EXO_WRITE << 32), "read it");
    REFUSED(PERM, CALL(b, PT_PROTECT, pt, 0, EXO_WRITE), "protect: more than was granted");
    REFUSED(PERM, CALL(b, PT_PROTECT, pt, 1, EXO_EXEC), "protect: other than was granted");
    DONE(CALL(b, PT_PROTECT, pt, 1, EXO_READ), "protect: less");
    invariants_hold("protect");
    DONE(CALL(b, PT_PROTECT, pt, 1, EXO_WRITE), "protect: as granted");
    tap_ok(CALL(b, PT_UNMAP, pt, 1) == (int64_t)data, "unmap");
    tap_ok(frames[data].mapped == 2 && told(b, write, EXO_GRANT_MAPPED) == 0, "it is not mapped");
    DONE(CALL(b, GRANT_MAP, write, pt, 511, EXO_READ), "map it elsewhere, with less");
    invariants_hold("map again");
}

/* Taking back by force, seen by the one who runs with it. */
static void test_ungrant(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 8, true), *b = mock_child(init, 8, true);
    uint64_t data = take(init, EXO_DATA), pt = tree(b);
    uint64_t g = grant(init, data, b, EXO_WRITE), h = grant(init, data, a, EXO_READ);

    DONE(CALL(b, GRANT_MAP, g, pt, 1, EXO_WRITE), "map a grant");
    for (uint32_t i = 0; i < MOCK_SLICES; i++)
        CALL(init, SLICE_SET, i, b->name.n);
    mock_now += 10000000;
    tap_ok(mock_next() == b && mock_touch(0x1000) && mock_tlb_knows((uint32_t)data),
           "the grantee runs and uses it");
    REFUSED(EMPTY, CALL(init, PAGE_UNGRANT, g + 2), "end no grant");
    REFUSED(EMPTY, CALL(init, PAGE_UNGRANT, 0), "end grant 0");
    REFUSED(OWNER, CALL(a, PAGE_UNGRANT, g), "end a grant of others");
    DONE(CALL(init, PAGE_UNGRANT, g), "take it back");
    tap_ok(!mock_tlb_knows((uint32_t)data) && !mock_touch(0x1000), "the grantee has it no more");
    tap_ok(CALL(b, PT_READ, pt, 1) == -EXO_E_EMPTY, "its table neither");
    REFUSED(EMPTY, CALL(init, PAGE_UNGRANT, g), "take it back twice");
    REFUSED(EMPTY, CALL(b, GRANT_MAP, g, pt, 1, 0), "map it after it was taken back");
    REFUSED(BUSY, CALL(init, PAGE_FREE, data), "free what another still has");
    DONE(CALL(a, PAGE_UNGRANT, h), "the grantee gives its grant back");
    invariants_hold("ungrant");
    DONE(CALL(init, PAGE_FREE, data), "then the frame can be freed");

    /* The slot is used again: the old number names nothing. */
    uint64_t next = take(init, EXO_DATA), again = grant(init, next, b, EXO_READ);
    uint64_t later = grant(init, next, a, EXO_READ);
    tap_ok(again != g && later != g && later != h, "a new grant has a new number");
    REFUSED(EMPTY, CALL(b, PAGE_UNGRANT, g), "end a grant by its old number");
    /* Numbers come again after EXO_GRANT_GENERATIONS uses of a slot, within 32 bits. */
    grants[EXO_GRANT_SLOT(later)].name.n |= EXO_GRANT_GENERATIONS << EXO_GRANT_SLOT_BITS;
    uint32_t last = grants[EXO_GRANT_SLOT(later)].name.n;
    DONE(CALL(a, PAGE_UNGRANT, last), "end the last grant that a slot counts");
    tap_ok(grant(init, next, a, EXO_READ) == EXO_GRANT_SLOT(later), "then it counts from 0");
}

static void test_embryo(void)
{
    struct env *init = mock_boot();
    struct env *other = mock_child(init, 8, true), *embryo = mock_child(init, 8, false);
    uint64_t data = take(init, EXO_DATA);
    uint64_t pt = (uint64_t)CALL(init, PAGE_ALLOC, embryo->name.n, ANY, EXO_PT);
    uint64_t own = take(init, EXO_PT), theirs = take(other, EXO_DATA);
    uint64_t g = grant(init, data, embryo, EXO_READ), h = grant(other, theirs, embryo, EXO_READ);

    REFUSED(OWNER, CALL(other, GRANT_MAP, g, pt, 0, 0), "a stranger maps an EMBRYO's grant");
    REFUSED(OWNER, CALL(init, GRANT_MAP, g, own, 0, 0), "the parent maps it into its own table");
    DONE(CALL(init, GRANT_MAP, g, pt, 0, 0), "the parent maps an EMBRYO's grant");
    tap_ok(told(init, h, EXO_GRANT_GRANTER) == other->name.n, "the parent is told");
    DONE(CALL(init, PAGE_UNGRANT, h), "the parent gives an EMBRYO's grant back");
    REFUSED(BUSY, CALL(init, PAGE_GIVE, data, embryo->name.n), "give a granted frame");
    DONE(CALL(init, ENV_RUN, embryo->name.n, 0x400000), "run it");
    h = grant(other, theirs, embryo, EXO_READ);
    REFUSED(OWNER, CALL(init, PAGE_UNGRANT, h), "the parent ends a LIVE child's grant");
    REFUSED(OWNER, told(init, h, EXO_GRANT_TAG), "the parent asks about a LIVE child's grant");
    invariants_hold("embryo");
}

/* Sharing between three, and the death of each side. */
static void test_death(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 8, true), *b = mock_child(init, 8, true),
               *c = mock_child(init, 8, true);
    uint64_t data = take(a, EXO_DATA), pt_b = tree(b), pt_c = tree(c), back = take(b, EXO_DATA);
    uint64_t to_b = grant(a, data, b, EXO_READ), to_c = grant(a, data, c, EXO_WRITE);
    uint64_t to_a = grant(b, back, a, EXO_READ);
    env_t name = a->name, b_name = b->name;

    tap_ok((int64_t)to_a > 0, "a grant in the other direction");
    DONE(CALL(b, GRANT_MAP, to_b, pt_b, 0, 0), "the first maps it");
    DONE(CALL(c, GRANT_MAP, to_c, pt_c, 0, EXO_WRITE), "the second maps it");
    DONE(CALL(init, ENV_KILL, a->name.n, 0), "the granter dies");
    tap_ok(CALL(b, PT_READ, pt_b, 0) == (int64_t)data, "what it granted stays, for now");
    REFUSED(ENV, CALL(c, PAGE_GRANT, back, name.n, 0), "grant to the dead");
    invariants_hold("a dead granter");
    tap_ok(CALL(init, ENV_RECLAIM, name.n) == 1 && frames[data].owner &&
               CALL(b, PT_READ, pt_b, 0) == -EXO_E_EMPTY,
           "grants are taken back before frames");
    tap_ok(mock_reclaim(init, name) > 0, "it is reclaimed");
    REFUSED(EMPTY, CALL(b, GRANT_MAP, to_b, pt_b, 0, 0), "map a grant of the dead");
    tap_ok(!b->used[EXO_R_GRANTS] && !frames[back].granted, "grants to the dead are gone");
    invariants_hold("reclaimed");

    /* A new environment in the same slot has none of it. */
    struct env *again = mock_child_in(init, EXO_ENV_SLOT(name.n), 8);
    tap_ok(again == a && again->name.n != name.n && !again->grants[0].first &&
               !again->grants[1].first,
           "a new environment in its slot has no grants");
    uint64_t more = grant(c, take(c, EXO_DATA), b, EXO_READ);
    DONE(CALL(b, GRANT_MAP, more, pt_b, 9, 0), "map another");
    DONE(CALL(init, ENV_KILL, b_name.n, 0), "the grantee dies");
    tap_ok(mock_reclaim(init, b_name) > 0 && !c->used[EXO_R_GRANTS], "and is reclaimed");
    invariants_hold("a dead grantee");
}

/* Many grants are taken back in bounded pieces. */
static void test_bounded(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 8, true), *b = mock_child(init, 8, true);
    uint64_t data = take(a, EXO_DATA);
    uint32_t given = 0;

    a->quota[EXO_R_GRANTS] = MOCK_GRANTS;
    inv_begin();
    while ((int64_t)grant(a, data, b, EXO_READ) > 0)
        given++;
    tap_ok(given == MOCK_GRANTS - 1, "a granter gives all there are");
    tap_ok(!grant_reclaim(a, 0) && grant_reclaim(a, 5) && frames[data].granted == given - 5,
           "a piece is taken back");
    tap_ok(grant_reclaim(b, 7) && frames[data].granted == given - 12, "and one of the grantee's");
    tap_ok(grant_reclaim(a, MOCK_GRANTS) && !grant_reclaim(a, 1) && !grant_reclaim(b, 1),
           "until none is left");
    invariants_hold("taken back in pieces");
}

int main(void)
{
    test_grant();
    test_quota_and_table();
    test_map();
    test_ungrant();
    test_embryo();
    test_death();
    test_bounded();
    return tap_done();
}
