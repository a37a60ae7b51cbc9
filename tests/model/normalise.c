/* SPDX-License-Identifier: MIT */
/*
 * normalise.c - one state for all that no later step can tell apart.
 *
 * What is changed, and why nothing is lost:
 *   names        every living slot gets generation 1, a free one 0. The core compares names for
 *                equality; of an environment that is gone it keeps one as a right to notify alone,
 *                which is cleared here, as its place may be used again. That an old name names
 *                nobody is tried by an argument of another generation. The search for a free slot
 *                begins anew: which of several is taken makes no difference to anybody.
 *   grants       have generation 0, and the free ones are listed by number. That an old number names
 *                none is tried by an argument of another generation.
 *   free slots   are cleared: env_take_slot does that first.
 *   free frames  hold a pattern and are listed by number. page_alloc must zero a frame, which is
 *                checked at each; which one it takes of several makes no difference to anybody.
 *   counters     accounting and statistics are zero: only `info` or the control page tells them.
 *   registers    are zero: the kernel carries them and judges none but a call's arguments, which
 *                come from the explorer. That they are carried unchanged is for the unit tests.
 *   time         now is always the same; every stamp keeps its distance from it, and what is past
 *                is as past as can be. Stamps are only ever compared.
 *   ring indices are smaller by a multiple of the ring's size, ours and the shared ones alike: only
 *                their differences and their places in the ring are looked at.
 *   gates        have generation 1, free ones 0; a name that names nobody, or no gate, is 0. Who is in
 *                no list has no neighbours.
 *   ways         are closed: the core says which are open, and goes none itself.
 *   words        that wait to be delivered, or were, are zero like registers.
 *   groups       of a packet that is no longer under way nothing is left: nobody looks at it.
 *   owned lists  are sorted if the machine has no step that depends on their order (env_reclaim).
 */
#include "world.h"

#include <string.h>

/* Private to account.c, env.c and frame.c, made visible by shrink.py. */
extern uint32_t slot_last, account_slot;
extern struct list frames_free;

#define FREE_PATTERN 0xa5 /* what lies in a free frame: not zero */

/* Before the names of environments change. */
static void normalise_gates(void)
{
    for (uint32_t slot = 1; slot < EXO_ENVS; slot++) {
        struct env_gate *g = &envs[slot].gate;
        uint32_t i = EXO_GATE_SLOT(g->name.n);
        bool there = g->callee && i < GATE_TABLE && gates[i].owner && gates[i].name.n == g->name.n;
        g->name.n = there ? GATE(i) : 0;
        memset(&g->words, 0, sizeof(g->words));
        way_close(&envs[slot]); /* nobody takes one here: tests/unit/core/way.c does */
        if (!g->callee || g->served)
            g->link = (struct link){0};
    }
    for (uint32_t i = 1; i < GATE_TABLE; i++) {
        struct gate *gate = &gates[i];
        gate->name.n = gate->owner ? GATE(i) : i;
        for (uint32_t h = 0; h < EXO_GATE_HOLDERS; h++) {
            const struct env *holder = env_find(NULL, gate->holder[h]);
            gate->holder[h].n = holder ? NAME(holder - envs) : 0;
        }
    }
}

/* Before the names change: those of nobody are gone, in whatever place they were. */
static void normalise_notifiers(struct env *env)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < EXO_NOTIFIERS; i++)
        if (env->notifiers[i].n && env_find(NULL, env->notifiers[i]))
            env->notifiers[kept++] = env->notifiers[i];
    while (kept < EXO_NOTIFIERS)
        env->notifiers[kept++].n = 0;
}

static void normalise_env(uint32_t slot)
{
    struct env *env = &envs[slot];

    if (env->state == EXO_ENV_FREE) {
        uint32_t slices = env->slices; /* slot 0's are those of nobody */
        struct set positions = env->positions;
        memset(env, 0, sizeof(*env));
        env->slices = slices;
        env->positions = positions;
        return;
    }
    env->cpus = 1; /* it may say so whatever it owns */
    env->generation = 1;
    env->name.n = NAME(slot);
    if (env->parent.n)
        env->parent.n = NAME(EXO_ENV_SLOT(env->parent.n));
    for (uint32_t i = 0; i < EXO_NOTIFIERS; i++)
        if (env->notifiers[i].n)
            env->notifiers[i].n = NAME(EXO_ENV_SLOT(env->notifiers[i].n));
    env->slices_run = env->preempts = env->ticks = env->upcalls = env->calls = 0;
    env->end_rip = env->end_address = env->end_status = 0;
    env->revoke.taken = env->revoke.skipped = 0;
    if (!env->revoke.missing)
        env->revoke.deadline = 0;
    memset(&env->context, 0, sizeof(env->context));
    if (env->control.n) {
        struct exo_control *control = machine_frame(env->control);
        memset(&control->saved, 0, sizeof(control->saved));
        memset(&control->fault, 0, sizeof(control->fault));
        memset(&control->revocation, 0, sizeof(control->revocation));
        memset(&control->call, 0, sizeof(control->call));
        control->slices = control->preempts = 0;
    }
}

static uint64_t moved(uint64_t stamp)
{
    if (!stamp || stamp == UINT64_MAX)
        return stamp;
    return stamp > world.now ? stamp - world.now + WORLD_NOW : WORLD_NOW;
}

static void normalise_time(void)
{
    for (uint32_t slot = 1; slot < EXO_ENVS; slot++) {
        bool lives = envs[slot].state == EXO_ENV_LIVE;
        envs[slot].timer = lives ? moved(envs[slot].timer) : 0;
        envs[slot].deadline = lives ? moved(envs[slot].deadline) : 0;
        envs[slot].revoke.deadline = moved(envs[slot].revoke.deadline);
    }
    struct processor *p = &processors[0];
    p->slice_end = moved(p->slice_end);
    p->alarm = moved(p->alarm);
    for (uint32_t node = 0; node < 2 * EXO_ENVS; node++)
        p->expiry[node] = moved(p->expiry[node]);
    world.alarm = moved(world.alarm);
    p->since = world.now = WORLD_NOW;
    p->idle_ticks = 0;
    p->told = NULL; /* for readers of memory, as accounts are */
    p->told_preempts = 0;
    account_due = account_slot = 0;
    memset(accounts, 0, env_count * sizeof(*accounts)); /* only readers of memory look at them */
}

static struct link *frame_link(uint32_t n)
{
    return &frames[n].link;
}

/* All frames of the owner's, or all free ones: tables first. */
static void list_sort(struct list *list, uint32_t owner, bool free)
{
    *list = (struct list){0};
    for (uint32_t tables = 2; tables--;)
        for (uint32_t n = WORLD_KERNEL; n < frame_count; n++)
            if ((frames[n].type == EXO_FREE) == free && frames[n].owner == owner &&
                frame_is_table(&frames[n]) == tables)
                list_append(frame_link, list, n);
}

static void normalise_queue(struct queue *q)
{
    uint32_t *const index[EXO_RINGS] = {&q->filled, &q->received, &q->sent, &q->completed};

    memset(&q->stats, 0, sizeof(q->stats));
    for (uint32_t i = 0; q->owner && i < EXO_RINGS; i++) {
        struct exo_ring *ring = machine_frame(q->ring[i]);
        uint32_t turns = *index[i] & ~(EXO_RING_SIZE - 1);
        *index[i] -= turns;
        ring->producer -= turns;
        ring->consumer -= turns;
    }
}

static struct link *free_link(uint32_t slot)
{
    return &grants[slot].link[0];
}

static void normalise_group(struct group *g)
{
    uint32_t steps = g->steps;

    if (!g->next)
        *g = (struct group){.steps = steps};
}

static void normalise_grants(void)
{
    grants_free = (struct list){0};
    for (uint32_t slot = grant_count; slot-- > 1;) {
        grants[slot].name.n = slot;
        if (grants[slot].frame.n) {
            grants[slot].grantee.n = NAME(EXO_ENV_SLOT(grants[slot].grantee.n));
        } else {
            list_push(free_link, &grants_free, slot);
        }
    }
}

static struct link *block_link(uint32_t b)
{
    return &blocks[b].link;
}

/* After the free frames were sorted: the same for blocks. Which is taken makes no difference. */
static void normalise_blocks(void)
{
    blocks_whole = (struct list){0};
    for (uint32_t b = frame_count / block_frames; b-- > 0;) {
        blocks[b].link = (struct link){0};
        if (blocks[b].free == block_frames)
            list_push(block_link, &blocks_whole, b);
    }
}

void world_normalise(const struct snapshot *before, bool sort_owned)
{
    const struct frame *old = IN(before, frames);

    for (uint32_t n = WORLD_KERNEL; n < frame_count; n++)
        if (frames[n].type == EXO_FREE && old[n].type != EXO_FREE)
            memset(machine_frame((frame_t){n}), FREE_PATTERN, EXO_PAGE_SIZE);
    list_sort(&frames_free, 0, true);
    normalise_blocks();
    normalise_gates();
    slot_last = 0;
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++)
        normalise_notifiers(&envs[slot]);
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        if (sort_owned && envs[slot].state != EXO_ENV_FREE)
            list_sort(&envs[slot].frames, slot, false);
        normalise_env(slot);
    }
    for (uint32_t i = 0; i < EXO_QUEUES; i++)
        normalise_queue(&queues[i]);
    normalise_grants();
    normalise_time();
    normalise_group(&groups[0]);
    normalise_group(&groups[1]);
    nics[0]->unmatched = nics[0]->crowded = nics[0]->interrupts = 0;
}
