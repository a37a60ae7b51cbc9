/* SPDX-License-Identifier: MIT */
/* env.c - environments, slices, console and info: each call with each of its errors. */
#include "mock.h"

#include "nic.h"
#include "packet_queue.h"

#include <string.h>

#define ANY EXO_FRAME_ANY

static uint64_t take(struct env *env, uint64_t name, uint32_t type)
{
    return (uint64_t)CALL(env, PAGE_ALLOC, name, ANY, type);
}

static uint64_t text(const char *characters)
{
    uint64_t word = 0;

    memcpy(&word, characters, strlen(characters) < 8 ? strlen(characters) : 8);
    return word;
}

static void test_create_and_set(void)
{
    struct env *init = mock_boot();
    uint32_t free_pages = init->quota[EXO_R_PAGES] - init->used[EXO_R_PAGES];

    REFUSED(QUOTA, CALL(init, ENV_CREATE, free_pages + 1, 0, 0), "more pages than one has");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0xffffffff, 0, 0), "2^32 - 1 pages");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0, MOCK_ENVS - 2, 0), "more children than one has");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0, 0xffffffff, 0), "2^32 - 1 children");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0, 0, MOCK_QUEUES + 1), "more queues than one has");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0, 0, 0, EXO_GRANTS + 1), "more grants than one has");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0, 0, 0, 0, EXO_GATES + 1), "more gates than one has");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0, 0, 0, 0, 0, EXO_FILTERS + 1), "too many filters");
    REFUSED(QUOTA, CALL(init, ENV_CREATE, 0, 0, 0, 0, 0, 0xffffffff), "2^32 - 1 filters");
    struct env *child = mock_env(CALL(init, ENV_CREATE, 20, 2, 3, 4, 5, 6));
    static const uint32_t given[EXO_RESOURCES] = {20, 2, 3, 4, 5, 6};
    tap_ok(!memcmp(child->quota, given, sizeof(given)), "a child has what its parent gave it");
    uint64_t n = child->name.n;
    tap_ok(child->state == EXO_ENV_EMBRYO && child->parent.n == init->name.n && !inv_all(),
           "a child is an EMBRYO and its quotas are its parent's no more");

    uint64_t pml4 = take(init, n, EXO_PML4), control = take(init, n, EXO_CONTROL);
    uint64_t own = take(init, 0, EXO_PML4);
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_ALLOW + 1, 0),
            "a property that does not exist");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_ROOT, MOCK_FRAMES), "a root outside");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_ROOT, 1ull << 40 | pml4), "a 41-bit root");
    REFUSED(OWNER, CALL(init, ENV_SET, n, EXO_ENV_SET_ROOT, own), "the parent's table as root");
    REFUSED(OWNER, CALL(init, ENV_SET, n, EXO_ENV_SET_ROOT, 1), "the kernel's frame as root");
    REFUSED(TYPE, CALL(init, ENV_SET, n, EXO_ENV_SET_ROOT, control), "a CONTROL frame as root");
    REFUSED(TYPE, CALL(init, ENV_SET, n, EXO_ENV_SET_CONTROL, pml4), "a table as control page");
    REFUSED(STATE, CALL(init, ENV_RUN, n, 0x400000, 0x500000), "run without a root");
    struct env *rootless = mock_env(CALL(init, ENV_CREATE, 2, 0, 0));
    DONE(CALL(init, ENV_SET, rootless->name.n, EXO_ENV_SET_CONTROL,
              take(init, rootless->name.n, EXO_CONTROL)),
         "a control page alone");
    REFUSED(STATE, CALL(init, ENV_RUN, rootless->name.n, 0x400000, 0), "run without a root alone");
    DONE(CALL(init, ENV_SET, n, EXO_ENV_SET_ROOT, pml4), "set the root");
    REFUSED(STATE, CALL(init, ENV_RUN, n, 0x400000, 0x500000), "run without a control page");
    DONE(CALL(init, ENV_SET, n, EXO_ENV_SET_CONTROL, control), "set the control page");
    REFUSED(BUSY, CALL(init, ENV_SET, n, EXO_ENV_SET_ROOT, pml4), "set the root twice");
    REFUSED(ENV, CALL(init, ENV_SET, EXO_ENV_SELF, EXO_ENV_SET_MAC, 2), "set oneself");
    REFUSED(BUSY, CALL(init, PAGE_FREE, pml4), "free the root of an EMBRYO");

    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, 0, 0), "an empty name");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("a]b"), 0), "a bracket");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("a[b"), 0), "a bracket, opening");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("a\nb"), 0), "a newline");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("a\200"), 0), "a high byte");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("a\177"), 0), "a delete");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, 'a', 'b'), "a name with a gap");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("exo"), 0), "the kernel's name");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("uefi"), 0), "the loader's name");
    DONE(CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("short"), 0), "a short name");
    tap_ok(!strcmp(child->label, "short"), "a name of 5 characters is kept");
    DONE(CALL(init, ENV_SET, n, EXO_ENV_SET_NAME, text("sixteen-"), text("letters!")), "a name");
    tap_ok(!strcmp(child->label, "sixteen-letters!"), "a name of 16 characters is kept whole");

    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_MAC, 0), "MAC 0");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_MAC, 1ull << 48), "a MAC of 49 bits");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_MAC, EXO_MAC_ANY), "every MAC");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_MAC, 0x010000000001), "a group's MAC");
    DONE(CALL(init, ENV_SET, n, EXO_ENV_SET_MAC, 0x020000000001), "a MAC");

    REFUSED(RANGE, CALL(init, ENV_RUN, n, 1ull << 47, 0), "run at a kernel address");
    REFUSED(RANGE, CALL(init, ENV_RUN, n, 0x400000, ~0ull), "run on a kernel stack");
    REFUSED(ENV, CALL(init, ENV_RUN, n + (1u << EXO_ENV_SLOT_BITS), 0x400000, 0),
            "run a later generation");
    DONE(CALL(init, ENV_RUN, n, 0x400000, 0x500000), "run");
    tap_ok(mock_control(child)->disabled == 1, "it starts with upcalls disabled");
    REFUSED(STATE, CALL(init, ENV_RUN, n, 0x400000, 0x500000), "run twice");
    REFUSED(STATE, CALL(init, ENV_SET, n, EXO_ENV_SET_MAC, 0x020000000002), "set a living child");
    REFUSED(STATE, CALL(init, ENV_RECLAIM, n), "reclaim a living child");

    struct env *grandchild = mock_child(child, 5, false);
    uint64_t g = grandchild->name.n;
    REFUSED(FOREIGN, CALL(child, ENV_SET, g, EXO_ENV_SET_MAC, 0x020000000002), "a foreign MAC");
    DONE(CALL(child, ENV_SET, g, EXO_ENV_SET_MAC, 0x020000000001), "one's own MAC to a child");
    REFUSED(ENV, CALL(init, ENV_SET, g, EXO_ENV_SET_MAC, 0x020000000003), "set a grandchild");
    REFUSED(ENV, CALL(init, ENV_RUN, g, 0x400000, 0), "run a grandchild");
    REFUSED(ENV, CALL(init, ENV_RECLAIM, g), "reclaim a grandchild");
    REFUSED(ENV, CALL(child, ENV_RECLAIM, EXO_ENV_SELF), "reclaim oneself");
    tap_ok(!inv_all(), "create and set: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

static void test_names(void)
{
    struct env *init = mock_boot();

    REFUSED(ENV, CALL(init, ENV_KILL, 0x7ff, 0), "a slot beyond the table");
    REFUSED(ENV, CALL(init, ENV_KILL, 0x400 | MOCK_ENVS, 0), "the first slot beyond the table");
    envs[2].generation = 0x3fffff;
    tap_ok(CALL(init, ENV_CREATE, 0, 0, 0) == 0x402, "generations begin anew at 1, not at 0");
    tap_ok(EXO_ENV_SLOT(0xffffffff) == 0x3ff && EXO_ENVS - 1 == 0x3ff, "10 bits of slot");
    CALL(init, ENV_RECLAIM, 0x402);
    tap_ok(CALL(init, ENV_CREATE, 0, 0, 0) == 0x403 + (envs[3].generation - 1) * 0x400,
           "a slot that was free for longer comes first");
}

static void test_reclaim_many(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 100, true);
    env_t name = child->name;
    uint32_t free_before = frame_free_count;

    for (uint32_t i = 0; i < 98; i++)
        CALL(child, PAGE_ALLOC, EXO_ENV_SELF, ANY, EXO_DATA);
    CALL(init, ENV_KILL, name.n, 0);
    tap_ok(mock_reclaim(init, name) > 2 && frame_free_count == free_before + 2 && !inv_all(),
           "more frames than one call takes back all come back");
}

/* As many frames as one call takes back cost one call, however few they are. */
static void test_reclaim_at_once(void)
{
    int64_t calls[2];

    for (uint32_t i = 0; i < 2; i++) {
        struct env *init = mock_boot();
        struct env *child = mock_child(init, 30, true);
        for (uint32_t n = 0; n < 1 + 20 * i; n++)
            take(child, 0, EXO_DATA);
        env_t name = child->name;
        CALL(init, ENV_KILL, name.n, 0);
        calls[i] = mock_reclaim(init, name);
    }
    tap_ok(calls[0] > 0 && calls[0] == calls[1], "a call takes back 21 frames as it does one");
}

static void test_who_is_told(void)
{
    struct env *init = mock_boot();
    struct env *parent = mock_child_with(init, 20, 1, 0, true),
               *child = mock_child(parent, 5, true);
    uint32_t logged = mock_logged;

    CALL(init, ENV_KILL, parent->name.n, 0);
    parent->pending = 0;
    CALL(init, ENV_KILL, child->name.n, 0);
    tap_ok(!parent->pending, "a parent that has ended is told of no child");
    tap_ok(mock_logged == logged, "nor is the console");
    CALL(init, ENV_KILL, EXO_ENV_SELF, 0);
    tap_ok(mock_logged == logged + 1, "the end of the first is told there");
}

static void test_slots(void)
{
    struct env *init = mock_boot();
    uint32_t made = 0;

    while (CALL(init, ENV_CREATE, 0, 0, 0) > 0)
        made++;
    tap_ok(made == MOCK_ENVS - 2, "as many children as there are slots");
    init->quota[EXO_R_ENVS]++;
    inv_begin();
    REFUSED(MEMORY, CALL(init, ENV_CREATE, 0, 0, 0), "one more than there are slots");
}

static void test_kill(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 30, true), *b = mock_child(init, 20, true);
    env_t old = a->name;

    a->quota[EXO_R_ENVS] = 2; /* as if created with two */
    init->quota[EXO_R_ENVS] -= 2;
    struct env *c = mock_child(a, 10, true);
    env_t c_name = c->name;
    REFUSED(ENV, CALL(a, ENV_KILL, init->name.n, 0), "kill one's parent");
    REFUSED(ENV, CALL(a, ENV_KILL, b->name.n, 0), "kill a sibling");
    REFUSED(ENV, CALL(c, ENV_KILL, a->name.n, 0), "a grandchild kills its parent");
    REFUSED(ENV, CALL(b, ENV_KILL, c->name.n, 0), "kill a nephew");
    REFUSED(ENV, CALL(b, ENV_KILL, 0xffff03, 0), "kill nobody");
    DONE(CALL(init, SLICE_SET, 5, old.n), "a slice for the child");
    DONE(CALL(init, ENV_KILL, old.n, 42), "kill a child");
    tap_ok(a->state == EXO_ENV_ZOMBIE && slice_owner[5] == EXO_ENV_SLOT(old.n) &&
               (init->pending & EXO_UP_CHILD),
           "it is a ZOMBIE, keeps its slice for now, and its parent hears of it");
    tap_ok(!set_has(&slice_ready, 5), "nobody waits for the slice of the dead");
    REFUSED(ENV, CALL(init, ENV_RECLAIM, c_name.n), "reclaim a grandchild before its parent");
    tap_ok(CALL(init, INFO, EXO_INFO_ENV, old.n, EXO_ENV_END) ==
               ((int64_t)EXO_END_KILLED << 32 | 42),
           "info says why it ended");
    REFUSED(STATE, CALL(init, ENV_KILL, old.n, 0), "kill a ZOMBIE");
    REFUSED(ENV, CALL(init, SLICE_SET, 5, old.n), "a slice for a ZOMBIE");
    REFUSED(ENV, CALL(init, PAGE_ALLOC, old.n, ANY, EXO_DATA), "a page for a ZOMBIE");
    tap_ok(!inv_all(), "kill: the invariants hold (%s)", inv_all() ? inv_all() : "all");
    tap_ok(CALL(init, ENV_RECLAIM, old.n) == 1 && c->state == EXO_ENV_LIVE &&
               c->parent.n == init->name.n && !inv_all(),
           "first a grandchild is adopted");
    tap_ok(CALL(init, ENV_RECLAIM, old.n) == 1 && slice_owner[5] == EXO_ENV_SLOT(init->name.n) &&
               !inv_all(),
           "then the slice goes to the parent");
    tap_ok(mock_reclaim(init, old) > 0 && !inv_all(), "reclaim to the end");
    REFUSED(ENV, CALL(init, ENV_RECLAIM, old.n), "reclaim once more");
    struct env *again = mock_child_in(init, EXO_ENV_SLOT(old.n), 10);
    tap_ok(again == a && again->name.n != old.n, "the slot is used again under another name");
    REFUSED(ENV, CALL(init, ENV_KILL, old.n, 0), "kill by the old name");
    DONE(CALL(init, ENV_KILL, c_name.n, 0), "kill the adopted one");
    tap_ok(mock_reclaim(init, c_name) > 0 && !inv_all(), "and reclaim it");
    DONE(CALL(init, ENV_KILL, EXO_ENV_SELF, 3), "the first one ends itself");
    tap_ok(init->end == EXO_END_SELF && !inv_all(), "its children live on");
    mock_next();
    tap_ok(!current, "and nobody has the CPU, for nobody owns a slice");
}

/* While a device still reads from a frame of the dead, it is not given out again. */
static void test_reclaim_queue(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 20, 1, 1, true);
    env_t name = child->name;

    mock_confine(child, 0x020000000005);
    int64_t queue = mock_queue(child, 0x020000000005);
    tap_ok(queue >= 0 && queues[queue].flights == 1, "a child has a packet with the device");
    struct env *grandchild = mock_child(child, 4, true);
    env_t orphan = grandchild->name;
    CALL(child, ENV_KILL, orphan.n, 0);
    DONE(CALL(init, ENV_KILL, name.n, 0), "it is killed, and leaves a ZOMBIE");
    REFUSED(ENV, CALL(init, ENV_RECLAIM, orphan.n), "reclaim what the dead has not left yet");
    init->pending = 0;
    tap_ok(CALL(init, ENV_RECLAIM, name.n) == 1 && (init->pending & EXO_UP_CHILD),
           "it leaves the ZOMBIE to its parent, which hears of it");
    tap_ok(mock_reclaim(init, orphan) > 0, "and can reclaim it now");
    REFUSED(BUSY, CALL(init, ENV_RECLAIM, name.n), "reclaim before the device is done");
    REFUSED(BUSY, CALL(init, PAGE_ALLOC, 0, queues[queue].buffer[0].n, EXO_DATA),
            "take the frame that the device reads");
    tap_ok(!inv_all(), "meanwhile the invariants hold (%s)", inv_all() ? inv_all() : "all");
    nics[0]->poll(nics[0]);
    tap_ok(mock_reclaim(init, name) > 0 && !inv_all() && frame_free_count == MOCK_FRAMES - 6,
           "after it everything comes back");
}

static void test_slices(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 10, true), *b = mock_child(init, 10, true);

    REFUSED(RANGE, CALL(init, SLICE_SET, MOCK_SLICES, a->name.n), "a position outside the vector");
    REFUSED(OWNER, CALL(a, SLICE_SET, 0, EXO_ENV_SELF), "take the parent's position");
    DONE(CALL(init, SLICE_SET, 0, a->name.n), "give a position");
    REFUSED(OWNER, CALL(b, SLICE_SET, 0, EXO_ENV_SELF), "take a sibling's position");
    REFUSED(ENV, CALL(a, SLICE_SET, 0, init->name.n), "give to the parent");
    REFUSED(ENV, CALL(a, SLICE_SET, 0, b->name.n), "give to a sibling");
    tap_ok(CALL(b, INFO, EXO_INFO_SLICE, 0) == a->name.n, "anybody may read who owns a position");
    DONE(CALL(init, SLICE_SET, 0, EXO_ENV_SELF), "take a child's position back");
    tap_ok(!inv_all(), "slices: the invariants hold");
}

static bool console_is(const char *expected)
{
    return mock_console_used == strlen(expected) &&
           !memcmp(mock_console, expected, mock_console_used);
}

static int64_t say(struct env *env, uint64_t frame, const char *line)
{
    mock_console_used = 0;
    memcpy((char *)machine_frame((frame_t){(uint32_t)frame}) + 100, line, strlen(line));
    return CALL(env, CONSOLE_WRITE, frame, 100, strlen(line));
}

static void test_console(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 10, true);
    uint64_t data = take(init, 0, EXO_DATA);

    tap_ok(say(init, data, "hello\n") == 6 && console_is("[init] hello\n"), "a line");
    tap_ok(say(init, data, "a\n\nb") == 4 && console_is("[init] a\n[init] \n[init] b\n"),
           "three lines, one of them empty, the last unfinished");
    tap_ok(say(init, data, "x\r\033[1m\200\ty\n") == 10 && console_is("[init] x??[1m?\ty\n"),
           "what is not printable comes out as '?'");
    tap_ok(say(init, data, "a\177b\n") == 4 && console_is("[init] a?b\n"), "nor is a delete");
    tap_ok(say(init, data, "a\r[exo] b\n") == 10 && console_is("[init] a?[exo] b\n"),
           "nobody writes at the start of a line but the kernel");
    REFUSED(RANGE, CALL(init, CONSOLE_WRITE, MOCK_FRAMES, 0, 1), "print what is no frame");
    REFUSED(RANGE, CALL(init, CONSOLE_WRITE, data, 0, EXO_CONSOLE_MAX + 1), "print too much");
    REFUSED(RANGE, CALL(init, CONSOLE_WRITE, data, EXO_PAGE_SIZE, 1), "print past the frame");
    REFUSED(RANGE, CALL(init, CONSOLE_WRITE, data, 0xffffffff, 2), "print with a wrapped offset");
    REFUSED(OWNER, CALL(child, CONSOLE_WRITE, data, 0, 1), "print another's frame");
    REFUSED(OWNER, CALL(child, CONSOLE_WRITE, 1, 0, 1), "print the kernel's frame");
    REFUSED(TYPE, CALL(init, CONSOLE_WRITE, init->root.n, 0, 1), "print a page table");
    tap_ok(CALL(init, CONSOLE_WRITE, data, EXO_PAGE_SIZE - 256, 256) == 256, "the last bytes");
}

static void test_info(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 10, true), *b = mock_child(init, 10, true);

    tap_ok(CALL(a, INFO, EXO_INFO_MACHINE, 0, EXO_MACHINE_FRAMES) == MOCK_FRAMES, "frames");
    tap_ok(CALL(a, INFO, EXO_INFO_MACHINE, 0, EXO_MACHINE_FREE) == frame_free_count, "free frames");
    tap_ok(CALL(a, INFO, EXO_INFO_MACHINE, 0, EXO_MACHINE_BOOT_TSC) == 7, "time stamp at boot");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_MACHINE, 0, 99), "a fact of the machine that is not");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_MACHINE, 1, 0), "another machine");
    REFUSED(RANGE, CALL(a, INFO, 99, 0, 0), "a kind of fact that is not");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_ENV, 0, 99), "a fact of an environment that is not");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_ENV, 1ull << 33, 0), "a name of 34 bits");
    REFUSED(ENV, CALL(a, INFO, EXO_INFO_ENV, b->name.n, EXO_ENV_USED + EXO_R_PAGES),
            "about a sibling");
    REFUSED(ENV, CALL(a, INFO, EXO_INFO_ENV, init->name.n, EXO_ENV_USED + EXO_R_PAGES),
            "about the parent");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_FRAME, MOCK_FRAMES, 0), "about no frame");
    REFUSED(OWNER, CALL(a, INFO, EXO_INFO_FRAME, b->root.n, 0), "about a sibling's frame");
    REFUSED(OWNER, CALL(a, INFO, EXO_INFO_FRAME, 120, 0), "about a free frame");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_FRAME, a->root.n, 9), "a fact of a frame that is not");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_SLICE, MOCK_SLICES, 0), "about no position");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_NIC, 99, 0), "about no NIC");
    REFUSED(EMPTY, CALL(a, INFO, EXO_INFO_NIC, 1, 0), "about a NIC that is not there");
    REFUSED(CALL, mock_call(a, EXO_CALLS, 0, 0, 0, 0, 0, 0), "a call that is not");
    REFUSED(CALL, mock_call(a, ~0ull, 0, 0, 0, 0, 0, 0), "call 2^64 - 1");
    tap_ok(CALL(a, INFO, EXO_INFO_ENV, 0, EXO_ENV_SELF_NAME) == a->name.n, "one's own name");
    tap_ok(CALL(init, INFO, EXO_INFO_ENV, a->name.n, EXO_ENV_USED + EXO_R_PAGES) == 2,
           "a child's pages");
    tap_ok(CALL(init, INFO, EXO_INFO_FRAME, a->root.n, EXO_FRAME_TYPE) == EXO_PML4 &&
               CALL(init, INFO, EXO_INFO_FRAME, a->root.n, EXO_FRAME_OWNER) == a->name.n &&
               CALL(init, INFO, EXO_INFO_FRAME, a->root.n, EXO_FRAME_PINNED) == 1,
           "a child's frame");
    tap_ok(CALL(a, INFO, EXO_INFO_NIC, 0, EXO_NIC_DRIVER) == (int64_t)text("mock"), "a NIC's name");
    struct nic other = *nics[0];
    nics[1] = &other;
    nic_count = 2;
    other.name = "short\0rest";
    tap_ok(CALL(a, INFO, EXO_INFO_NIC, 1, EXO_NIC_DRIVER) == (int64_t)text("short"), "to its end");
    other.name = "eight-letters";
    tap_ok(CALL(a, INFO, EXO_INFO_NIC, 1, EXO_NIC_DRIVER) == (int64_t)text("eight-le"),
           "as much of it as a word holds");
    nic_count = 1;
    tap_ok(CALL(init, INFO, EXO_INFO_ENV, a->name.n, EXO_ENV_MAC) == 0, "who may bind no MAC");
    struct env *c = mock_env(CALL(init, ENV_CREATE, 11, 12, 13, 14, 15, 16));
    for (uint64_t r = 0; r < EXO_RESOURCES; r++)
        tap_ok(CALL(init, INFO, EXO_INFO_ENV, c->name.n, EXO_ENV_QUOTA + r) == 11 + (int64_t)r &&
                   CALL(init, INFO, EXO_INFO_ENV, c->name.n, EXO_ENV_USED + r) == 0,
               "quota of resource %u, and what is used of it", (unsigned)r);
    REFUSED(RANGE, CALL(init, INFO, EXO_INFO_ENV, c->name.n, EXO_ENV_USED - 1), "between facts");
    REFUSED(RANGE, CALL(init, INFO, EXO_INFO_ENV, c->name.n, EXO_ENV_USED + EXO_RESOURCES),
            "what is used of no resource");
    REFUSED(RANGE, CALL(init, INFO, EXO_INFO_ENV, c->name.n, EXO_ENV_QUOTA + EXO_RESOURCES),
            "the quota of no resource");
    /* Wherever it ends: at addresses of the kernel's, too. */
    a->context.rip = UINT64_MAX;
    env_end(a, EXO_END_UPCALL, 0, UINT64_MAX - 1);
    tap_ok(CALL(init, INFO, EXO_INFO_ENV, a->name.n, EXO_ENV_END_RIP) == INT64_MAX &&
               CALL(init, INFO, EXO_INFO_ENV, a->name.n, EXO_ENV_END_ADDRESS) == INT64_MAX - 1,
           "an address does not read as an error");
    for (uint64_t i = 0; i <= EXO_ENV_CALLS; i++)
        if (CALL(init, INFO, EXO_INFO_ENV, a->name.n, i) < 0)
            tap_ok(false, "fact %d of an environment reads as an error", (int)i);
}

/* A chain of parents has an end that is known before. */
static void test_depth(void)
{
    struct env *env = mock_boot();

    for (uint32_t depth = 1; depth <= EXO_ENV_DEPTH; depth++) {
        env = mock_child_with(env, (EXO_ENV_DEPTH + 1 - depth) * 4, EXO_ENV_DEPTH + 1 - depth, 0,
                              true);
        tap_ok(env != NULL, "an environment with %u ancestors", depth);
    }
    REFUSED(RANGE, CALL(env, ENV_CREATE, 0, 0, 0), "one more");
    tap_ok(!inv_all() && env_is_under(env, &envs[1]), "the first is an ancestor of the last");
}

/* More of everything than one call takes back: each call does a bounded piece. */
static void test_hand_over_some(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 5, true);

    for (uint32_t i = 0; i < 8; i++)
        CALL(init, SLICE_SET, i, child->name.n);
    slice_hand_over(child, init, 3);
    tap_ok(child->slices == 5 && !inv_all(), "as many positions as one asks for change hands");
}

static void test_reclaim_pieces(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 10, 12, 0, true);
    env_t name = child->name;

    for (uint32_t i = 0; i < 12; i++)
        CALL(child, ENV_CREATE, 0, 0, 0);
    for (uint32_t i = 0; i < MOCK_SLICES; i += 2)
        CALL(init, SLICE_SET, i, name.n);
    uint32_t before = init->slices, envs_before = init->quota[EXO_R_ENVS];
    CALL(init, ENV_KILL, name.n, 0);
    tap_ok(init->slices == before && child->used[EXO_R_ENVS] == 12 && !inv_all(),
           "who is killed keeps what it has");
    tap_ok(mock_reclaim(init, name) >= 4 && init->slices == MOCK_SLICES && !inv_all(),
           "reclaimed, its parent has all slices");
    tap_ok(init->used[EXO_R_ENVS] == 12 && init->quota[EXO_R_ENVS] == envs_before + 12,
           "and all children, with the quota for them");
}

int main(void)
{
    test_create_and_set();
    test_names();
    test_reclaim_many();
    test_reclaim_at_once();
    test_who_is_told();
    test_slots();
    test_kill();
    test_depth();
    test_hand_over_some();
    test_reclaim_pieces();
    test_reclaim_queue();
    test_slices();
    test_console();
    test_info();
    return tap_done();
}
