/* SPDX-License-Identifier: MIT */
/* revoke.c - pages that a parent wants back: asked for, taken along a list, or the end. */
#include "mock.h"
#include "prefer.h"

#include <string.h>

#define PAGES(env) ((env)->quota[EXO_R_PAGES])
#define USED(env)  ((env)->used[EXO_R_PAGES])

#define LATER      (mock_now + 1000)

/* A living child whose tables map `data` pages at entries 0, 1, ... of one PT. */
static struct {
    struct env *init, *child;
    uint32_t list, pt, data[80];
    struct exo_preferred *entry;
} m;

static uint32_t page(uint32_t type)
{
    return (uint32_t)CALL(m.child, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, type);
}

static void fill(uint32_t quota, uint32_t data)
{
    memset(&m, 0, sizeof(m));
    m.init = mock_boot();
    m.child = mock_child(m.init, quota, true);
    uint32_t pdpt = page(EXO_PDPT), pd = page(EXO_PD);
    m.pt = page(EXO_PT);
    m.list = page(EXO_DATA);
    m.entry = machine_frame((frame_t){m.list});
    CALL(m.child, PT_MAP, m.child->root.n, 0, pdpt);
    CALL(m.child, PT_MAP, pdpt, 0, pd);
    CALL(m.child, PT_MAP, pd, 0, m.pt);
    for (uint32_t i = 0; i < data; i++) {
        m.data[i] = page(EXO_DATA);
        CALL(m.child, PT_MAP, m.pt, i, m.data[i], EXO_WRITE);
        m.entry[i] = (struct exo_preferred){m.data[i], m.pt, i, 0};
    }
}

static int64_t start(uint32_t pages, uint64_t deadline)
{
    return CALL(m.init, REVOKE_START, m.child->name.n, pages, deadline);
}

static int64_t take(void)
{
    return CALL(m.init, REVOKE_TAKE, m.child->name.n);
}

static const volatile struct exo_revocation *told(void)
{
    return &mock_control(m.child)->revocation;
}

static void all_holds(const char *what)
{
    const char *wrong = inv_all();

    tap_ok(!wrong, "%s: the invariants hold (%s)", what, wrong ? wrong : "all");
}

static void test_who_may_ask(void)
{
    fill(20, 0);
    struct env *other = mock_child(m.init, 5, true), *embryo = mock_child(m.init, 5, false);
    uint64_t name = m.child->name.n;

    REFUSED(ENV, CALL(other, REVOKE_START, name, 1, LATER), "a sibling asks for pages");
    REFUSED(ENV, CALL(m.child, REVOKE_START, EXO_ENV_SELF, 1, LATER), "oneself");
    REFUSED(ENV, CALL(m.child, REVOKE_START, m.init->name.n, 1, LATER), "a child asks its parent");
    REFUSED(ENV, CALL(m.init, REVOKE_START, 0xffff02, 1, LATER), "a stale name");
    REFUSED(STATE, CALL(m.init, REVOKE_START, embryo->name.n, 1, LATER), "an EMBRYO");
    REFUSED(EMPTY, take(), "take what was not asked for");
    REFUSED(EMPTY, start(0, 0), "withdraw what was not asked for");
    REFUSED(QUOTA, start(21, LATER), "more than its quota");
    REFUSED(QUOTA, start(0xffffffff, LATER), "all there could be");
    DONE(start(20, LATER), "all of its quota");
    REFUSED(BUSY, start(1, LATER), "a second demand");
    REFUSED(ENV, CALL(other, REVOKE_TAKE, name), "a sibling takes");
    REFUSED(ENV, CALL(m.child, REVOKE_TAKE, EXO_ENV_SELF), "it takes from itself");
    REFUSED(ENV, CALL(m.init, REVOKE_TAKE, 0xffff02), "take by a stale name");
    DONE(start(0, 0), "withdraw the demand");
    tap_ok(!told()->pages, "and the child sees it");
    DONE(start(1, LATER), "ask anew");
    CALL(m.init, ENV_KILL, name, 0);
    REFUSED(STATE, take(), "take from a ZOMBIE");
    REFUSED(STATE, start(1, LATER), "ask a ZOMBIE");
    all_holds("who may ask");
}

/* Only a parent: a grandparent's quota did not go to it. */
static void test_parent_only(void)
{
    fill(40, 0);
    struct env *grandchild = NULL;

    CALL(m.init, ENV_SET, m.child->name.n, EXO_ENV_ADD_QUOTA, EXO_R_ENVS, 1);
    grandchild = mock_child(m.child, 8, true);
    REFUSED(ENV, CALL(m.init, REVOKE_START, grandchild->name.n, 1, LATER), "a grandparent asks");
    DONE(CALL(m.child, REVOKE_START, grandchild->name.n, 3, 0), "the parent asks");
    CALL(m.init, ENV_KILL, m.child->name.n, 0);
    CALL(m.init, ENV_RECLAIM, m.child->name.n);
    uint32_t before = PAGES(m.init);
    tap_ok(CALL(m.init, REVOKE_TAKE, grandchild->name.n) == 0 && PAGES(m.init) == before + 3,
           "who inherits a child inherits the demand");
    all_holds("parents");
}

static void test_asked(void)
{
    fill(20, 4);
    uint32_t before = PAGES(m.init), used = USED(m.child);

    mock_control(m.child)->disabled = 1;
    DONE(start(15, LATER), "ask for pages of which some are used");
    tap_ok(told()->pages == 15 && told()->deadline == LATER &&
               (mock_control(m.child)->pending & EXO_UP_REVOKE),
           "the child is told how many and until when");
    tap_ok(take() == 15 - (20 - used) && PAGES(m.init) == before + 20 - used &&
               PAGES(m.child) == used,
           "what it does not use is taken at once");
    tap_ok(told()->pages == 15 - (20 - used), "and it is told what is missing");
    int64_t missing = take();
    tap_ok(missing == 15 - (20 - used) && USED(m.child) == used, "the deadline is waited for");
    REFUSED(QUOTA, CALL(m.child, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA),
            "it takes new pages");
    CALL(m.child, PT_UNMAP, m.pt, 3);
    CALL(m.child, PAGE_FREE, m.data[3]);
    tap_ok(take() == missing - 1, "what it frees counts, and needs no answer");
    all_holds("asked");
}

static void test_floor(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 20, false);
    uint64_t name = child->name.n;

    REFUSED(QUOTA, CALL(init, ENV_SET, name, EXO_ENV_SET_FLOOR, 21), "a floor above the quota");
    REFUSED(QUOTA, CALL(init, ENV_SET, name, EXO_ENV_SET_FLOOR, 1ull << 32), "a floor of 33 bits");
    DONE(CALL(init, ENV_SET, name, EXO_ENV_SET_FLOOR, 15), "set a floor");
    CALL(init, ENV_RUN, name, 0x400000, 0x500000);
    REFUSED(STATE, CALL(init, ENV_SET, name, EXO_ENV_SET_FLOOR, 1), "lower it once it lives");
    REFUSED(QUOTA, CALL(init, REVOKE_START, name, 6, 0), "ask for pages below the floor");
    DONE(CALL(init, REVOKE_START, name, 5, 0), "ask for pages down to the floor");
    tap_ok(CALL(init, REVOKE_TAKE, name) == 0 && PAGES(child) == 15, "and take them");
    REFUSED(QUOTA, CALL(init, REVOKE_START, name, 1, 0), "ask for more afterwards");
    all_holds("floor");
}

static void test_list(void)
{
    fill(20, 2);
    uint32_t foreign = (uint32_t)CALL(m.init, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA);

    REFUSED(RANGE, CALL(m.child, REVOKE_PREFER, MOCK_FRAMES, 1), "a list outside of memory");
    REFUSED(RANGE, CALL(m.child, REVOKE_PREFER, m.list, EXO_PREFER_MAX + 1), "a list too long");
    REFUSED(RANGE, CALL(m.child, REVOKE_PREFER, 0, 1), "a list of one in no frame");
    REFUSED(OWNER, CALL(m.child, REVOKE_PREFER, foreign, 1), "a list in another's frame");
    REFUSED(OWNER, CALL(m.child, REVOKE_PREFER, 1, 1), "a list in the kernel's memory");
    REFUSED(TYPE, CALL(m.child, REVOKE_PREFER, m.pt, 1), "a list in a table");
    DONE(CALL(m.child, REVOKE_PREFER, m.list, 2), "register a list");
    REFUSED(BUSY, CALL(m.child, PAGE_FREE, m.list), "free it meanwhile");
    DONE(CALL(m.child, REVOKE_PREFER, m.list, 1), "register the same frame again");
    tap_ok(frames[m.list].pinned == 1, "it is pinned once");
    DONE(CALL(m.child, REVOKE_PREFER, m.data[0], 1), "register another");
    tap_ok(!frames[m.list].pinned && frames[m.data[0]].pinned, "and the old one is let go");
    DONE(CALL(m.child, REVOKE_PREFER, 0, 0), "register none");
    tap_ok(!frames[m.data[0]].pinned, "nothing is pinned");
    all_holds("list");
}

/* The deadline has passed, and the child has done nothing. */
static void test_taken(void)
{
    fill(20, 6);
    uint32_t before = PAGES(m.init), unused = 20 - USED(m.child);

    for (uint32_t i = 0; i < 2; i++)
        CALL(m.init, SLICE_SET, i, m.child->name.n);
    while (current != m.child) {
        mock_now += 3000000;
        mock_next();
    }
    for (uint64_t i = 0; i < 6; i++)
        tap_ok(mock_touch(i << EXO_PAGE_SHIFT), "the child uses its page %lu", (unsigned long)i);
    CALL(m.child, REVOKE_PREFER, m.list, 6);
    start(unused + 4, LATER);
    tap_ok(take() == 4, "nothing but the unused is taken before the deadline");
    mock_now = LATER;
    m.child->pending = 0;
    tap_ok(take() == 0 && PAGES(m.init) == before + unused + 4 && m.child->state == EXO_ENV_LIVE,
           "then what it would rather lose is");
    tap_ok(told()->pages == 0 && told()->taken == 4 && told()->skipped == 0 &&
               m.child->pending == EXO_UP_REPOSSESSED,
           "and the child is told how many");
    for (uint32_t i = 0; i < 6; i++)
        tap_ok((frames[m.data[i]].type == EXO_FREE) == (i < 4) &&
                   m.entry[i].outcome == (i < 4 ? EXO_PREFERRED_TAKEN : EXO_PREFERRED_KEPT) &&
                   mock_tlb_knows(m.data[i]) == (i >= 4) && mock_touch(i << 12) == (i >= 4),
               "page %u is %s", i, i < 4 ? "free, unmapped and forgotten" : "as it was");
    DONE(start(1, 0), "a second demand");
    tap_ok(take() == 0 && m.entry[4].outcome == EXO_PREFERRED_TAKEN && told()->taken == 1,
           "goes on where the first ended");
    all_holds("taken");
}

/* One entry of each kind that must be skipped; then one that is good. */
/* A list of another's page, and one that is just long enough. */
static void test_lists(void)
{
    fill(12, 2);
    uint32_t mine = (uint32_t)CALL(m.init, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA);
    while (USED(m.child) < PAGES(m.child))
        page(EXO_PT);
    m.entry[0] = (struct exo_preferred){mine, 0, 0, 0};
    m.entry[1] = (struct exo_preferred){m.data[1], m.pt, 1, 0};
    CALL(m.child, REVOKE_PREFER, m.list, 2);
    start(1, mock_now);
    tap_ok(take() == 0 && frames[mine].owner == EXO_ENV_SLOT(m.init->name.n) &&
               m.entry[0].outcome == EXO_PREFERRED_SKIPPED &&
               m.entry[1].outcome == EXO_PREFERRED_TAKEN,
           "a page of another's on the list is passed over");
    tap_ok(m.child->state == EXO_ENV_LIVE, "who gave all with the last page of the list lives on");
    all_holds("lists");
}

/* What a child gave its own child lies below the floor: it can still be let off. */
static void test_let_off(void)
{
    fill(20, 0);
    m.init->quota[EXO_R_ENVS]--;
    m.child->quota[EXO_R_ENVS]++;
    m.child->revoke.floor = 18;
    DONE(start(1, LATER), "a page is asked for");
    tap_ok(CALL(m.child, ENV_CREATE, 5, 0, 0) > 0 && PAGES(m.child) < 18, "(less than the floor)");
    DONE(start(0, LATER), "and not any more");
}

static void test_skipped(void)
{
    fill(30, 14);
    struct env *neighbour = mock_child(m.init, 9, true);
    uint32_t foreign = (uint32_t)CALL(neighbour, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA);
    uint32_t foreign_pt =
        (uint32_t)CALL(neighbour, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PT);
    uint32_t free = page(EXO_DATA);
    CALL(m.child, PAGE_FREE, free);
    CALL(neighbour, PT_MAP, foreign_pt, 0, foreign, 0);
    CALL(m.child, PT_MAP, m.pt, 100, m.data[1], 0); /* twice mapped */
    uint32_t ring = page(EXO_RING);
    CALL(m.child, PT_MAP, m.pt, 101, ring, 0);
    CALL(m.child, PT_MAP, m.pt, 102, m.pt, 0);
    CALL(m.child, PT_MAP, m.pt, 103, m.list, EXO_WRITE);
    CALL(m.child, PAGE_GRANT, m.data[4], neighbour->name.n, EXO_READ);
    const struct exo_preferred bad[] = {
        {MOCK_FRAMES, m.pt, 0, 0},      /* no frame */
        {0xffffffff, m.pt, 0, 0},       /* nor this */
        {0, 0, 0, 0},                   /* frame 0 */
        {1, 0, 0, 0},                   /* the kernel's */
        {free, 0, 0, 0},                /* nobody's */
        {foreign, foreign_pt, 0, 0},    /* another's */
        {foreign, 0, 0, 0},             /* the same */
        {m.data[0], 0, 0, 0},           /* mapped after all */
        {m.data[0], m.pt, 1, 0},        /* not there */
        {m.data[0], m.pt, 600, 0},      /* nowhere */
        {m.data[0], m.pt, 90, 0},       /* an empty entry */
        {m.data[0], foreign_pt, 0, 0},  /* in another's table */
        {m.data[0], m.data[2], 0, 0},   /* in no table */
        {m.data[0], MOCK_FRAMES, 0, 0}, /* nor here */
        {m.data[1], m.pt, 1, 0},        /* mapped elsewhere, too */
        {m.data[1], m.pt, 100, 0},      /* the same */
        {ring, m.pt, 101, 0},           /* not DATA */
        {m.pt, m.pt, 102, 0},           /* a table */
        {m.list, m.pt, 103, 0},         /* pinned: the list itself */
        {m.child->root.n, 0, 0, 0},     /* its root table */
        {m.data[4], m.pt, 4, 0},        /* granted */
    };
    const uint32_t count = sizeof(bad) / sizeof(*bad);

    memcpy(m.entry, bad, sizeof(bad));
    m.entry[count] = (struct exo_preferred){m.data[0], m.pt, 0, 0};
    m.entry[count + 1] = (struct exo_preferred){m.data[0], m.pt, 0, 0}; /* twice in the list */
    uint32_t loose = page(EXO_DATA);
    m.entry[count + 2] = (struct exo_preferred){loose, 0, 0, 0}; /* mapped nowhere */
    CALL(m.child, REVOKE_PREFER, m.list, count + 3);
    uint32_t used = USED(m.child), unused = PAGES(m.child) - used;
    start(unused + 2, 0);
    tap_ok(take() == 0 && told()->taken == 2 && told()->skipped == count + 1 &&
               USED(m.child) == used - 2,
           "what cannot be taken is skipped: %lu taken, %lu skipped", (unsigned long)told()->taken,
           (unsigned long)told()->skipped);
    for (uint32_t i = 0; i < count + 3; i++)
        tap_ok(m.entry[i].outcome ==
                   (i == count || i == count + 2 ? EXO_PREFERRED_TAKEN : EXO_PREFERRED_SKIPPED),
               "entry %u is marked so", i);
    tap_ok(frames[m.data[0]].type == EXO_FREE && frames[loose].type == EXO_FREE &&
               frames[foreign].mapped == 1 && frames[m.data[1]].mapped == 2,
           "nothing else was touched");
    all_holds("skipped");
}

/* A list changes under the kernel's hands: each word is read once, and only a whole entry counts. */
static uint32_t reads;

static void change_list(uint32_t frame)
{
    if (frame != m.list)
        return;
    reads++;
    for (uint32_t i = 1; i < 6; i++)
        m.entry[i] = (struct exo_preferred){m.init->control.n, m.init->root.n, reads, 0};
}

static void test_changed_meanwhile(void)
{
    fill(20, 6);
    CALL(m.child, REVOKE_PREFER, m.list, 6);
    start(PAGES(m.child) - USED(m.child) + 6, 0);
    mock_frame_hook = change_list;
    int64_t missing = take();
    mock_frame_hook = NULL;
    tap_ok(missing == 5 && told()->taken == 1 && told()->skipped == 5 && reads >= 6,
           "entries are judged by what they say when their turn comes");
    tap_ok(m.child->state == EXO_ENV_ZOMBIE && m.init->state == EXO_ENV_LIVE, "and it ends");
    all_holds("changed meanwhile");
}

static void test_ended(void)
{
    fill(20, 3);
    uint32_t before = PAGES(m.init), unused = 20 - USED(m.child);

    CALL(m.child, REVOKE_PREFER, m.list, 2);
    start(unused + 3, LATER);
    tap_ok(take() == 3 && m.child->state == EXO_ENV_LIVE,
           "one moment before the deadline it lives");
    mock_now = LATER;
    m.init->pending = 0;
    tap_ok(take() == 1 && m.child->state == EXO_ENV_ZOMBIE && m.child->end == EXO_END_REVOKED &&
               m.child->end_status == 1 && (m.init->pending & EXO_UP_CHILD),
           "a list that does not suffice is the end, and the parent is told");
    REFUSED(STATE, take(), "after it nothing is taken");
    all_holds("ended");
    tap_ok(mock_reclaim(m.init, m.child->name) > 0 && PAGES(m.init) == before + 20,
           "all of its quota comes back");
    all_holds("reclaimed");

    fill(20, 3);
    start(15, 0);
    tap_ok(take() > 0 && m.child->state == EXO_ENV_ZOMBIE, "without a list it ends at once");
    all_holds("no list");
}

/* Whatever the child does between the calls: at most 64 entries each, then the end. */
static void test_bounded(void)
{
    fill(90, 70);
    for (uint32_t i = 0; i < EXO_PREFER_MAX; i++)
        m.entry[i] = (struct exo_preferred){m.list, 0, i, 0}; /* cannot be taken */
    CALL(m.child, REVOKE_PREFER, m.list, EXO_PREFER_MAX);
    start(90, 0);
    uint32_t calls = 0, looked = 0;
    while (m.child->state == EXO_ENV_LIVE && calls < 100) {
        take();
        calls++;
        tap_ok(told()->skipped - looked <= 64, "call %u looks at no more than 64 entries", calls);
        looked = (uint32_t)told()->skipped;
        if (m.child->state == EXO_ENV_LIVE)
            REFUSED(BUSY, CALL(m.child, REVOKE_PREFER, m.list, EXO_PREFER_MAX),
                    "begin a new list meanwhile");
    }
    tap_ok(calls == EXO_PREFER_MAX / 64, "%u calls are all that a child can bear", calls);

    fill(90, 70);
    CALL(m.child, REVOKE_PREFER, m.list, 70);
    start(PAGES(m.child) - USED(m.child) + 70, 0);
    tap_ok(take() == 6 && m.child->state == EXO_ENV_LIVE, "64 pages in one call");
    DONE(start(0, 0), "withdraw the rest");
    DONE(CALL(m.child, REVOKE_PREFER, m.list, 1), "then the list may be replaced");
    all_holds("bounded");
}

static void test_add_quota(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 5, true), *other = mock_child(init, 5, false);
    uint64_t name = child->name.n;
    uint32_t left = PAGES(init) - USED(init), before = PAGES(init);

    REFUSED(RANGE, CALL(init, ENV_SET, name, EXO_ENV_ADD_QUOTA, EXO_RESOURCES, 1), "no resource");
    REFUSED(QUOTA, CALL(init, ENV_SET, name, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, left + 1),
            "more than the parent has left");
    REFUSED(QUOTA, CALL(init, ENV_SET, name, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, 1ull << 32),
            "4294967296 pages");
    REFUSED(ENV, CALL(child, ENV_SET, EXO_ENV_SELF, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, 1), "oneself");
    REFUSED(ENV, CALL(child, ENV_SET, other->name.n, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, 1),
            "a sibling");
    DONE(CALL(init, ENV_SET, name, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, 3), "a living child grows");
    DONE(CALL(init, ENV_SET, other->name.n, EXO_ENV_ADD_QUOTA, EXO_R_QUEUES, 2), "an EMBRYO, too");
    tap_ok(PAGES(child) == 8 && PAGES(init) == before - 3 && other->quota[EXO_R_QUEUES] == 2,
           "by what its parent gives");
    CALL(init, ENV_KILL, name, 0);
    REFUSED(STATE, CALL(init, ENV_SET, name, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, 1), "a ZOMBIE");
    all_holds("quota");
}

int main(void)
{
    test_who_may_ask();
    test_parent_only();
    test_asked();
    test_floor();
    test_list();
    test_taken();
    test_lists();
    test_let_off();
    test_skipped();
    test_changed_meanwhile();
    test_ended();
    test_bounded();
    test_add_quota();
    return tap_done();
}
