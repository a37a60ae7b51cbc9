/* SPDX-License-Identifier: MIT */
/*
 * random_draw.c - what random.c draws its arguments from: what it took, what it was given, and who else
 * there is.
 *
 * A frame of its own that was not taken by one of its calls is needed, and never drawn.
 */
#include "random.h"

#include <string.h>

#include "gate.h"
#include "libos.h"

#define KEPT 32u

static uint64_t state;
static uint8_t spare[1u << 17]; /* by frame: taken for this, now or once */
static uint32_t frames;
static uint32_t taken[EXO_FRAME_TYPES][KEPT]; /* the last of each type */
static uint32_t grants[KEPT], received[KEPT / 2], gates[KEPT], filters[KEPT], names[KEPT], queue;
struct child children[CHILDREN];
uint32_t root, self;

uint64_t draw(void) /* xorshift64*, Marsaglia 2003 and Vigna 2016 */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

uint32_t below(uint32_t limit)
{
    return (uint32_t)((draw() >> 32) % limit);
}

uint64_t extreme(void)
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

    /* Nothing was taken yet: no frame, and so nothing to ask the kernel about. */
    if (!n)
        return false;
    return n < frames && !spare[n] && exo_info(EXO_INFO_FRAME, n, EXO_FRAME_TYPE) >= 0;
}

uint64_t frame_of(uint32_t first, uint32_t last)
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

uint64_t argument(char kind)
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

uint64_t grant_received(void)
{
    return received[below(KEPT / 2)];
}

/* --- what calls gave ------------------------------------------------------------------------ */

static void keep_frame(const uint64_t *given, uint32_t n)
{
    struct child *child = child_of(given[0]);

    spare[n] = 1;
    if (given[2] < EXO_FRAME_TYPES)
        taken[given[2]][below(KEPT)] = n;
    if (given[0] && child && given[2] == EXO_PML4)
        child->root = n;
    if (given[0] && child && given[2] == EXO_CONTROL)
        child->control_page = n;
}

void keep(uint64_t number, const uint64_t *given, int64_t result)
{
    uint32_t n = (uint32_t)result, place = below(KEPT);
    struct child *child = child_of(number == EXO_CALL_ENV_RECLAIM ? given[0] : 0);

    if (number == EXO_CALL_PAGE_ALLOC && n < frames)
        keep_frame(given, n);
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

/* --- who else there is ---------------------------------------------------------------------- */

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
void look_around(void)
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

/* All memory that it will need is there from now on: a frame given to libos later might be a spare one. */
void draw_start(uint64_t seed)
{
    volatile char stack[3 * EXO_PAGE_SIZE];

    memset((void *)(uint64_t)stack, 1, sizeof(stack));
    memset(spare, 1, sizeof(spare));
    memset(spare, 0, sizeof(spare));
    root = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT);
    self = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    frames = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FRAMES);
    frames = MIN(frames, (uint32_t)sizeof(spare));
    state = (seed + self) * 0x9e3779b97f4a7c15 | 1; /* another one for each life */
    open_doors();
}
