/* SPDX-License-Identifier: MIT */
/*
 * random.c - makes calls of every number, with arguments drawn from a seed, and counts.
 *
 * usage: random CALLS [SEED]
 *
 * Arguments are plausible more often than not: frames and tables that it took for this, frames and
 * names of others, gates, grants and queues that it was given, and extremes. What it needs to go on is
 * left alone: a frame that is its own and was not taken for this is never named (but its root table from
 * SPARE_SLOT on), nor does it end itself, sleep for longer than NAP_NS or give its time to a child.
 * Where chance alone would hardly ever lead, as to a child with all that it takes to run, it is led there
 * now and then (prefer).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "gate.h"
#include "libos.h"

#define SPARE_SLOT 200u /* of the root table: where a program may put what it likes */
#define NAP_NS     20000u
#define CALL_NS    100000u /* for an answer to a call through a gate, now and then */
#define CHILDREN   8u      /* more than its quota of environments */
#define REPORTS    10u
#define SHOWN      (EXO_CALLS + 1) /* the last place counts numbers outside the table */
#define SELF       ((env_t){EXO_ENV_SELF})

/*
 * What the arguments of each call are: e environment, k one that it may end, c one that it may give
 * time to, f frame, d with data, t table, r ring, F frame and o offset of a filter, b of a batch, i index, y type,
 * n small number, p smaller, x name of any kind, q queue, g grant, a gate, l filter, w soon, z length for the console, u anything.
 */
static const char *const kinds[EXO_CALLS] = {
    [EXO_CALL_PAGE_ALLOC] = "efy",
    [EXO_CALL_PAGE_FREE] = "f",
    [EXO_CALL_PAGE_GIVE] = "de",
    [EXO_CALL_PT_MAP] = "tifp",
    [EXO_CALL_PT_UNMAP] = "ti",
    [EXO_CALL_PT_PROTECT] = "tip",
    [EXO_CALL_PT_READ] = "ti",
    [EXO_CALL_ENV_CREATE] = "nnnnnn",
    [EXO_CALL_ENV_SET] = "enfu",
    [EXO_CALL_ENV_RUN] = "euuu",
    [EXO_CALL_ENV_KILL] = "ku",
    [EXO_CALL_ENV_RECLAIM] = "e",
    [EXO_CALL_SLICE_SET] = "ic",
    [EXO_CALL_YIELD] = "",
    [EXO_CALL_WAIT] = "w",
    [EXO_CALL_TIMER] = "u",
    [EXO_CALL_QUEUE_BIND] = "prrrr",
    [EXO_CALL_QUEUE_UNBIND] = "q",
    [EXO_CALL_QUEUE_BUFFER] = "qid",
    [EXO_CALL_QUEUE_KICK] = "q",
    [EXO_CALL_FILTER_ADD] = "qFo",
    [EXO_CALL_FILTER_DEL] = "l",
    [EXO_CALL_CONSOLE_WRITE] = "fiz",
    [EXO_CALL_INFO] = "nxi",
    [EXO_CALL_BATCH] = "b",
    [EXO_CALL_NOTIFY_ALLOW] = "en",
    [EXO_CALL_NOTIFY] = "eu",
    [EXO_CALL_PAGE_GRANT] = "depu",
    [EXO_CALL_PAGE_UNGRANT] = "g",
    [EXO_CALL_GRANT_MAP] = "gtip",
    [EXO_CALL_GATE_CREATE] = "uu",
    [EXO_CALL_GATE_DELETE] = "a",
    [EXO_CALL_GATE_GRANT] = "aen",
    [EXO_CALL_GATE_CALL] = "auuuuu",
    [EXO_CALL_GATE_REPLY] = "uuuuuw",
    [EXO_CALL_REVOKE_PREFER] = "dn",
    [EXO_CALL_REVOKE_START] = "enu",
    [EXO_CALL_REVOKE_TAKE] = "e",
    [EXO_CALL_BLOCK_ALLOC] = "ef",
    [EXO_CALL_CHANNEL_READ] = "",
    [EXO_CALL_CHANNEL_WRITE] = "nuu",
};

struct call {
    uint64_t number, argument[6];
};

/* --- what to draw from ---------------------------------------------------------------- */

#define KEPT 32u

static uint64_t state;
static uint8_t spare[1u << 17]; /* by frame: taken for this, now or once */
static uint32_t frames;
static uint32_t taken[EXO_FRAME_TYPES][KEPT]; /* the last of each type */
static uint32_t grants[KEPT], received[KEPT / 2], gates[KEPT], filters[KEPT], names[KEPT], queue;
static struct child {
    uint32_t name;               /* 0: none */
    uint32_t root, control_page; /* frames taken for it, 0: none */
} children[CHILDREN];
static uint32_t root, self;
/* Fills a page: whatever a batch reads as an operation is one of these. */
static struct exo_operation page[EXO_PAGE_SIZE / sizeof(struct exo_operation)]
    __attribute__((aligned(EXO_PAGE_SIZE)));
#define PAGE_OPERATIONS (sizeof(page) / sizeof(*page))

static uint64_t draw(void) /* xorshift64*, Marsaglia 2003 and Vigna 2016 */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

static uint32_t below(uint32_t limit)
{
    return (uint32_t)((draw() >> 32) % limit);
}

static uint64_t extreme(void)
{
    static const uint64_t some[] = {
        0,          1,          255,        511,        512,        4095,  4096,
        0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, 1ull << 47, ~0ull,
    };

    return some[below(sizeof(some) / sizeof(*some))];
}

static bool needed(uint64_t frame)
{
    uint32_t n = (uint32_t)frame;

    return n < frames && !spare[n] && exo_info(EXO_INFO_FRAME, n, EXO_FRAME_TYPE) >= 0;
}

static uint64_t frame_of(uint32_t first, uint32_t last)
{
    uint32_t how = below(16);
    uint64_t frame = taken[first + below(last - first + 1)][below(KEPT)];

    if (how == 0)
        frame = below(frames);
    else if (how == 1)
        frame = extreme();
    else if (how < 5)
        frame = EXO_FRAME_ANY;
    return needed(frame) ? EXO_FRAME_NONE : frame;
}

static uint64_t env(void)
{
    switch (below(6)) {
    case 0:
        return self;
    case 1:
        return names[below(KEPT)];
    case 2:
        return children[below(CHILDREN)].name;
    case 3:
        return below(64) | below(4) << EXO_ENV_SLOT_BITS;
    case 4:
        return extreme();
    default:
        return EXO_ENV_SELF;
    }
}

/* The child of this name, with 0 a place for one; NULL if there is none. */
static struct child *child_of(uint64_t name)
{
    for (uint32_t i = 0; i < CHILDREN; i++)
        if (children[i].name == (uint32_t)name)
            return &children[i];
    return NULL;
}

static uint64_t number_of(const uint32_t *kept)
{
    uint32_t how = below(8);

    return how == 0 ? extreme() : how == 1 ? below(1u << 20) : kept[below(KEPT)];
}

static uint64_t argument(char kind)
{
    uint64_t value;

    switch (kind) {
    case 'e':
        return env();
    case 'k':
        value = env();
        return (uint32_t)value == EXO_ENV_SELF || (uint32_t)value == self ? 1 : value;
    case 'c':
        value = env();
        return child_of(value) ? EXO_ENV_SELF : value;
    case 'f':
        return frame_of(EXO_PML4, EXO_RING);
    case 'd':
        return frame_of(EXO_DATA, EXO_DATA);
    case 't':
        return below(16) ? frame_of(EXO_PML4, EXO_PT) : root;
    case 'r':
        return frame_of(EXO_RING, EXO_RING);
    case 'F':
        return below(2) ? vm_frame(EXO_START_ADDRESS).n : frame_of(EXO_DATA, EXO_CONTROL);
    case 'o':
        return below(2) ? offsetof(struct exo_start, allow) : 8ull * below(EXO_PAGE_SIZE / 8);
    case 'i':
        return below(8) ? below(8) : below(2) ? below(1024) : extreme();
    case 'y':
        return below(16) ? EXO_PML4 + below(EXO_RING - EXO_PML4 + 1) : extreme();
    case 'n':
        return below(16) ? below(12) : extreme();
    case 'p':
        return below(16) ? below(4) : extreme();
    case 'x':
        return below(2) ? env() : below(2) ? below(EXO_GATES + 1) : frame_of(EXO_PML4, EXO_RING);
    case 'q':
        return below(2) ? queue : below(4) ? below(8) : extreme();
    case 'g':
        return number_of(grants);
    case 'a':
        return number_of(gates);
    case 'l':
        return number_of(filters);
    case 'w':
        return time_deadline(below(NAP_NS));
    case 'z': /* what it writes is read by nobody: seldom a little of it */
        return below(64) ? EXO_CONSOLE_MAX + 1 + below(1000) : below(8);
    default:
        return below(4) ? draw() >> below(64) : extreme();
    }
}

/* --- calls ------------------------------------------------------------------------------ */

static void choose(struct call *call, bool within_batch);

/* A page of operations; where the batch begins is a whole operation, or refused. */
static void batch(struct call *call)
{
    uint64_t *a = call->argument;

    for (uint32_t i = 0; i < 8; i++) {
        struct call one;
        choose(&one, true);
        page[i].call = one.number;
        memcpy(page[i].argument, one.argument, sizeof(page[i].argument));
    }
    for (uint32_t i = 0; i < PAGE_OPERATIONS; i++)
        page[i].result = 0;
    a[0] = below(8) ? vm_frame((uint64_t)page).n : frame_of(EXO_PML4, EXO_RING);
    a[1] = sizeof(*page) * below(8);
    a[2] = below(8) ? 1 + below(8) : below(2) ? below(100) : extreme();
    if (!below(16))
        a[1] = below(2) ? EXO_PAGE_SIZE - 8ull : 1 + 2ull * below(2000);
}

/* The first two cost time without effort; with as many frames and queues given back as taken there were
 * few. */
static bool is_rare(uint64_t number)
{
    return number == EXO_CALL_YIELD || number == EXO_CALL_WAIT || number == EXO_CALL_PAGE_FREE ||
           number == EXO_CALL_QUEUE_UNBIND;
}

/* A table and a frame that fit. */
static void into_its_level(uint64_t *argument)
{
    uint32_t level = below(4);

    argument[0] = frame_of(EXO_PML4 + level, EXO_PML4 + level);
    argument[2] = frame_of(EXO_PDPT + level, EXO_PDPT + level);
    argument[3] = level == 3 ? below(4) : 0;
}

/* What a child lacks still to be run. */
static void prefer_child(struct call *call)
{
    uint64_t *a = call->argument;
    const struct child *child = &children[below(CHILDREN)];

    if (call->number == EXO_CALL_ENV_CREATE) { /* a small one, so that there can be several */
        a[0] = below(64);
        for (uint32_t i = 1; i < 6; i++)
            a[i] = below(2);
        return;
    }
    if (!child->name)
        return;
    a[0] = child->name;
    if (call->number == EXO_CALL_PAGE_ALLOC) {
        a[1] = EXO_FRAME_ANY;
        a[2] = child->root ? EXO_CONTROL : EXO_PML4;
    }
    if (call->number == EXO_CALL_ENV_SET) {
        a[1] = below(2) ? EXO_ENV_SET_ROOT : EXO_ENV_SET_CONTROL;
        a[2] = a[1] == EXO_ENV_SET_ROOT ? child->root : child->control_page;
    }
}

static void prefer(struct call *call)
{
    uint64_t *a = call->argument;

    switch (call->number) {
    case EXO_CALL_PAGE_ALLOC:
        if (!below(4))
            prefer_child(call);
        break;
    case EXO_CALL_ENV_CREATE:
    case EXO_CALL_ENV_SET:
    case EXO_CALL_ENV_RUN:
        prefer_child(call);
        break;
    case EXO_CALL_PT_MAP:
        into_its_level(a);
        break;
    case EXO_CALL_GRANT_MAP:
        a[0] = received[below(KEPT / 2)];
        a[1] = frame_of(EXO_PT, EXO_PT);
        a[2] = below(512);
        break;
    case EXO_CALL_QUEUE_BIND:
        a[0] = 0;
        break;
    default:
        break;
    }
}

static void choose(struct call *call, bool within_batch)
{
    const char *kind = "";

    do
        call->number = below(EXO_CALLS);
    while (is_rare(call->number) && below(8));
    if (!below(EXO_CALLS))
        call->number = EXO_CALLS + (draw() >> below(60)) % (UINT64_MAX - EXO_CALLS);
    else if (kinds[call->number])
        kind = kinds[call->number];
    for (uint32_t i = 0; i < 6; i++)
        call->argument[i] = *kind ? argument(*kind++) : argument('u');
    if (call->number == EXO_CALL_BATCH && !within_batch)
        batch(call);
    if (below(2))
        prefer(call);
    /* Its own root table, but where libos has nothing. */
    if (call->argument[0] == root && call->number >= EXO_CALL_PT_MAP &&
        call->number <= EXO_CALL_PT_READ)
        call->argument[1] = SPARE_SLOT + below(4);
    if (call->number == EXO_CALL_GRANT_MAP && call->argument[1] == root)
        call->argument[2] = SPARE_SLOT + below(4);
}

static int64_t make(const struct call *call)
{
    const uint64_t *a = call->argument;
    int64_t result;
    uint64_t rdi = a[0], rsi = a[1], rdx = a[2];
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];

    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     : "a"(call->number)
                     : "rcx", "r11", "memory");
    return result;
}

static void keep_frame(const uint64_t *argument, uint32_t n)
{
    struct child *child = child_of(argument[0]);

    spare[n] = 1;
    if (argument[2] < EXO_FRAME_TYPES)
        taken[argument[2]][below(KEPT)] = n;
    if (argument[0] && child && argument[2] == EXO_PML4)
        child->root = n;
    if (argument[0] && child && argument[2] == EXO_CONTROL)
        child->control_page = n;
}

static void keep(uint64_t number, const uint64_t *argument, int64_t result)
{
    uint32_t n = (uint32_t)result, place = below(KEPT);
    struct child *child = child_of(number == EXO_CALL_ENV_RECLAIM ? argument[0] : 0);

    if (number == EXO_CALL_PAGE_ALLOC && n < frames)
        keep_frame(argument, n);
    if (number == EXO_CALL_BLOCK_ALLOC && n + EXO_BLOCK_FRAMES <= frames) {
        memset(&spare[n], 1, EXO_BLOCK_FRAMES);
        taken[EXO_DATA][place] = n; /* so that it is mapped and given back, too */
    }
    if (number == EXO_CALL_ENV_CREATE && child)
        *child = (struct child){.name = n};
    if (number == EXO_CALL_ENV_RECLAIM && child && !result)
        *child = (struct child){0};
    if (number == EXO_CALL_PAGE_GRANT)
        grants[place] = n;
    if (number == EXO_CALL_GATE_CREATE)
        gates[place] = n;
    for (uint32_t i = 0; number == EXO_CALL_FILTER_ADD && i < KEPT / 2; i++)
        filters[below(KEPT)] = n; /* half of the places: there are few, and they do not last */
    if (number == EXO_CALL_QUEUE_BIND)
        queue = n;
}

static uint32_t done[SHOWN], refused[SHOWN];

static void one_call(void)
{
    struct call call;

    choose(&call, false);
    if (call.number == EXO_CALL_GATE_CALL)
        control->call_deadline = time_deadline(below(8) ? NAP_NS : CALL_NS);
    int64_t result = make(&call);
    uint32_t place = call.number < EXO_CALLS ? (uint32_t)call.number : EXO_CALLS;
    if (result < 0)
        refused[place]++;
    else
        done[place]++;
    if (result >= 0)
        keep(call.number, call.argument, result);
    if (call.number == EXO_CALL_BATCH)
        for (uint32_t i = 0; i < PAGE_OPERATIONS; i++)
            if (page[i].result > 0)
                keep(page[i].call, page[i].argument, page[i].result);
}

/* --- the whole -------------------------------------------------------------------------- */

/* All memory that it will need is there from now on: a frame given to libos later might be a spare one. */
static void prepare(uint64_t seed)
{
    volatile char stack[3 * EXO_PAGE_SIZE];

    memset((void *)(uint64_t)stack, 1, sizeof(stack));
    memset(spare, 1, sizeof(spare));
    memset(spare, 0, sizeof(spare));
    memset(page, 0, sizeof(page));
    root = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT);
    self = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    frames = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FRAMES);
    frames = MIN(frames, (uint32_t)sizeof(spare));
    state = (seed + self) * 0x9e3779b97f4a7c15 | 1; /* another one for each life */
    for (uint32_t i = 0; i < SHOWN; i++)
        done[i] = refused[i] = 0;
}

/*
 * Two gates of its own that last: a call through the first is answered at once, one through the second
 * when chance has it.
 */
static gate_t doors[2];

static void answer(void *nothing, env_t caller, struct exo_words *words)
{
    (void)nothing;
    words->word[0] += caller.n;
}

static void open_doors(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        int64_t gate = gate_open(i, i ? NULL : answer, NULL);
        doors[i] = (gate_t){gate < 0 ? 0 : (uint32_t)gate};
    }
}

/* Who else there is, the owners of the CPU's slices, and what they let it use; they may call. */
static void look_around(void)
{
    int64_t last = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_RECEIVED), grant = last;
    static uint32_t place; /* in the table of gates: a part of it each time */

    for (uint32_t i = 0; i < KEPT; i++)
        names[i] = (uint32_t)exo_info(EXO_INFO_SLICE, below(64), 0);
    for (uint32_t i = 0; i < 2; i++)
        gate_allow(doors[i], (env_t){names[below(KEPT)]}, true);
    for (uint32_t i = 0; i < KEPT / 2 && last > 0; i++) {
        received[i] = (uint32_t)grant;
        grant = exo_info(EXO_INFO_GRANT, (uint64_t)grant, EXO_GRANT_NEXT);
        grant = grant > 0 ? grant : last;
    }
    for (uint32_t i = 0; i < EXO_GATES / 4; i++) {
        place = place % EXO_GATES + 1;
        int64_t gate = exo_info(EXO_INFO_GATE, place, EXO_GATE_NAME);
        if (gate > 0 && (uint32_t)gate != doors[0].n && (uint32_t)gate != doors[1].n)
            gates[below(KEPT)] = (uint32_t)gate;
    }
}

static uint32_t sum(const uint32_t *counts)
{
    uint32_t all = 0;

    for (uint32_t i = 0; i < SHOWN; i++)
        all += counts[i];
    return all;
}

int main(int argc, char **argv)
{
    uint32_t calls = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;

    prepare(argc > 2 ? (uint64_t)atoi(argv[2]) : 0);
    open_doors();
    printf("random: begins, environment %u\n", self);
    for (uint32_t i = 1; i <= calls; i++) {
        if (i % 1024 == 1)
            look_around();
        one_call();
        if (i % (calls / REPORTS) == 0)
            printf("random: %u calls in this life: %u done, %u refused\n", i, sum(done),
                   sum(refused));
    }
    for (uint32_t i = 0; i < SHOWN; i++)
        printf("random: %s: %u done, %u refused\n", exo_call_name(i) ? exo_call_name(i) : "no call",
               done[i], refused[i]);
    printf("random: the end\n");
    return 0;
}
