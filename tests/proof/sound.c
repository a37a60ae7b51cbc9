/* SPDX-License-Identifier: MIT */
/*
 * sound.c - what else holds between any two calls: of variables that are one file's own, and of
 * values that the compiler alone would allow. Assumed before a call and proved after it, as the
 * invariants are.
 */
#include "world.h"

extern struct list frames_free; /* frame.c */
extern struct set slots_free;   /* env.c */
extern uint32_t slot_last;
extern frame_t stale_root; /* table.c */
extern bool stale_kept;

static void free_slots(void)
{
    REQUIRE(slot_last < EXO_ENVS, "the search for a free slot begins outside the table");
    REQUIRE(!(slots_free.word[0] >> EXO_ENVS) && !(slots_free.word[0] & 1),
            "a slot is free that is none");
    REQUIRE(slots_free.some == (slots_free.word[0] != 0), "a word of free slots is not known");
}

/* No index is outside its table. */
static void indices(void)
{
    REQUIRE(frames[0].type == EXO_KERNEL && !frames[0].owner, "frame 0 is not the kernel's");
    for (uint32_t n = 0; n < frame_count; n++) {
        const struct frame *f = &frames[n];
        REQUIRE(f->owner < EXO_ENVS && (!f->owner || envs[f->owner].state != EXO_ENV_FREE),
                "a frame of nobody who could be");
        REQUIRE(f->link.next < frame_count && f->link.prev < frame_count && f->parent < frame_count,
                "a frame is linked to what is no frame");
    }
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        const struct env *env = &envs[slot];
        REQUIRE(EXO_ENV_SLOT(env->parent.n) < EXO_ENVS, "a parent who could not be");
        REQUIRE(env->frames.first < frame_count && env->frames.last < frame_count,
                "a list of frames begins or ends outside the table");
        REQUIRE(env->root.n < frame_count && env->control.n < frame_count &&
                    env->revoke.list.n < frame_count,
                "a root, control page or list that does not exist");
    }
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++)
        for (uint32_t list = 0; list < 2; list++)
            REQUIRE(envs[slot].grants[list].first < grant_count &&
                        envs[slot].grants[list].last < grant_count,
                    "a list of grants begins or ends nowhere");
    for (uint32_t slot = 0; slot < grant_count; slot++) {
        const struct grant *g = &grants[slot];
        REQUIRE(EXO_GRANT_SLOT(g->name.n) == slot || !slot, "a grant's name is not its slot's");
        REQUIRE(g->frame.n < frame_count && g->table.n < frame_count, "a grant of no frame");
        REQUIRE(EXO_ENV_SLOT(g->grantee.n) < EXO_ENVS, "a grant to nobody who could be");
        for (uint32_t list = 0; list < 2; list++)
            REQUIRE(g->link[list].prev < grant_count && g->link[list].next < grant_count,
                    "a grant is linked to what is none");
    }
    for (uint32_t i = 0; i < EXO_SLICES; i++)
        REQUIRE(slice_owner[i] < EXO_ENVS, "a position of nobody who could be");
    REQUIRE(frames_free.first < frame_count && frames_free.last < frame_count,
            "the list of free frames begins or ends outside the table");
}

static void free_list(void)
{
    uint32_t count = 0, before = 0;

    for (uint32_t n = frames_free.first; n; before = n, n = frames[n].link.next) {
        REQUIRE(n < frame_count && count++ < frame_count, "the list of free frames is broken");
        REQUIRE(frames[n].type == EXO_FREE && frames[n].link.prev == before,
                "the list of free frames is broken");
    }
    REQUIRE(count == frame_free_count && frames_free.last == before,
            "the list of free frames misses one");
}

static void environments(void)
{
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        const struct env *env = &envs[slot];
        REQUIRE((uint32_t)env->state <= EXO_ENV_ZOMBIE, "a state that does not exist");
        REQUIRE(env->generation < 1u << (32 - EXO_ENV_SLOT_BITS), "a generation that fits no name");
        REQUIRE(!slot || set_has(&slots_free, slot) == (env->state == EXO_ENV_FREE),
                "a slot is free and not known as such, or the other way round");
        REQUIRE(env->state == EXO_ENV_FREE || env->generation, "generation 0 is nobody's");
        REQUIRE(env->state != EXO_ENV_EMBRYO || env->end == EXO_END_NOT,
                "somebody has ended who has not lived");
        REQUIRE((uint32_t)env->end <= EXO_END_REVOKED, "an end that does not exist");
        REQUIRE(env->label[16] == 0, "a label has no end");
    }
}

static void set_sound(const struct set *set, uint32_t count)
{
    REQUIRE(!(set->word[0] >> count), "a set has a member that cannot be");
    REQUIRE(set->some == (set->word[0] != 0), "a word of a set is not known");
}

/* The loops over sets end, and what they find is in its table. */
static void sets(void)
{
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        set_sound(&envs[slot].positions, EXO_SLICES);
        set_sound(&envs[slot].children, EXO_ENVS);
        set_sound(&envs[slot].queues, EXO_QUEUES);
        set_sound(&envs[slot].gate.lent, EXO_SLICES);
        set_sound(&envs[slot].gate.own, EXO_GATES + 1);
    }
    set_sound(&slice_ready, EXO_SLICES);
}

/* Who looks for an ancestor comes to an end: a part of inv_env_tree that is cheap to assume. */
static void parents(void)
{
    REQUIRE(!envs[ENV_KERNEL].parent.n, "the kernel has a parent");
    for (uint32_t slot = 1; slot < EXO_ENVS; slot++) {
        uint32_t at = slot, steps = 0;
        while (envs[at].state != EXO_ENV_FREE && envs[at].parent.n && steps < EXO_ENVS) {
            const struct env *parent = &envs[EXO_ENV_SLOT(envs[at].parent.n)];
            REQUIRE(parent->name.n == envs[at].parent.n &&
                        (parent->state == EXO_ENV_LIVE || parent->state == EXO_ENV_ZOMBIE),
                    "a parent is gone");
            at = EXO_ENV_SLOT(envs[at].parent.n);
            steps++;
        }
        REQUIRE(steps < EXO_ENVS, "a chain of parents has no end");
    }
}

/* Of gates, and of who waits for whom. */
static void gates_sound(void)
{
    set_sound(&gates_free, GATE_TABLE);
    for (uint32_t i = 1; i < GATE_TABLE; i++)
        REQUIRE(gates[i].owner < EXO_ENVS && EXO_GATE_SLOT(gates[i].name.n) == i,
                "a gate of nobody who could be, or with another's name");
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        const struct env_gate *g = &envs[slot].gate;
        set_sound(&g->own, GATE_TABLE);
        REQUIRE(g->callee < EXO_ENVS && g->caller < EXO_ENVS && g->link.prev < EXO_ENVS &&
                    g->link.next < EXO_ENVS && g->waiting.first < EXO_ENVS &&
                    g->waiting.last < EXO_ENVS && g->way_to < EXO_ENVS && g->way_from < EXO_ENVS,
                "somebody waits for nobody who could be");
    }
}

static void queues_sound(void)
{
    set_sound(&queues_free, EXO_QUEUES);
    set_sound(&nics[0]->stalled, EXO_QUEUES);
    for (uint32_t i = 0; i < EXO_QUEUES; i++) {
        const struct queue *q = &queues[i];
        REQUIRE(q->owner < EXO_ENVS && (!q->owner || envs[q->owner].state != EXO_ENV_FREE) &&
                    q->nic < nic_count,
                "a queue of nobody who could be, or of no card");
        for (uint32_t r = 0; r < EXO_RINGS; r++)
            REQUIRE(q->ring[r].n < frame_count, "a ring that does not exist");
        for (uint32_t b = 0; b < EXO_QUEUE_BUFFERS / 2; b++)
            REQUIRE(q->buffer[b].n < frame_count, "a buffer that does not exist");
    }
}

static void blocks_sound(void)
{
    REQUIRE(blocks_whole.first < WORLD_BLOCK_TABLE && blocks_whole.last < WORLD_BLOCK_TABLE,
            "the list of whole blocks begins or ends nowhere");
    for (uint32_t b = 0; b < WORLD_BLOCK_TABLE; b++)
        REQUIRE(blocks[b].link.prev < WORLD_BLOCK_TABLE && blocks[b].link.next < WORLD_BLOCK_TABLE,
                "a block is linked to what is none");
}

void world_sound(void)
{
    indices();
    gates_sound();
    queues_sound();
    blocks_sound();
    free_list();
    free_slots();
    environments();
    parents();
    sets();
    REQUIRE(!stale_root.n && !stale_kept, "CPUs are yet to forget something");
    REQUIRE(processors[0].position < EXO_SLICES, "the CPU is outside its slice vector");
    REQUIRE(!(processors_quiet >> 1) && !(processors_stirred >> 1), "a CPU that is not there");
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++)
        REQUIRE(envs[slot].on <= 1 && !envs[slot].home,
                "an environment has a CPU that is not there");
    REQUIRE(!on_cpu(processors) || on_cpu(processors)->state != EXO_ENV_FREE, "nobody has the CPU");
}
