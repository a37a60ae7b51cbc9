/* SPDX-License-Identifier: MIT */
/*
 * condition.c - the frame condition: a call changes the caller's own objects, those of children that
 * it is still building, and of others what is declared here and nothing else.
 */
#include "condition.h"

#include <string.h>

/* What a call may change of one environment. */
enum {
    MAY_SELF = 1,      /* any field of struct env */
    MAY_FRAMES = 2,    /* frames of its: records and contents */
    MAY_QUEUES = 4,    /* its queues */
    MAY_PENDING = 8,   /* `pending`, here and in its control page, and that it can run */
    MAY_SLICES = 16,   /* which slices it has */
    MAY_PARENT = 64,   /* whose child it is */
    MAY_RECEIVE = 128, /* a packet: its FILL and RECEIVE rings, buffers, and that queue's indices */
    MAY_SHARE = 256,   /* its lists of grants, and how many it gave */
    MAY_REVOKE = 512,  /* what is wanted back, here and in its control page */
    MAY_GROW = 1024,   /* any quota */
    MAY_GATE = 2048,   /* who waits for whom */
    MAY_ANSWER = 4096, /* registers and deadline, as its call ends, and that it can run */
    MAY_NOTIFY = 8192, /* `notified` in its control page */
};

struct change {
    const struct env *envs;
    const struct frame *frames;
    const struct queue *queues;
    const struct filter *filters;
    const uint16_t *slice_owner;
    const struct gate *gates;
    const struct snapshot *before;
    const struct grant *grants;
    bool changed[EXO_GRANTS]; /* which grants: more than their places on lists */
    uint32_t actor;
    uint32_t may[EXO_ENVS];
    bool batch; /* frames may be taken and freed again within one call */
};

static uint32_t slot_named(const struct change *c, uint64_t name)
{
    return name == EXO_ENV_SELF ? c->actor : (uint32_t)EXO_ENV_SLOT(name);
}

/* Was this the caller, or a descendant of it? */
static bool is_below(const struct change *c, uint32_t slot)
{
    while (slot && slot != c->actor)
        slot = EXO_ENV_SLOT(c->envs[slot].parent.n);
    return slot;
}

/* Whom `slot` waits for, however indirectly, is lent its time and knows of it. */
static void declare_chain(struct change *c, uint32_t slot)
{
    while ((slot = c->envs[slot].gate.callee))
        c->may[slot] |= MAY_GATE;
}

/* `slot` gains or loses a slice, if the caller may do that to it. */
static void declare_slice(struct change *c, uint32_t slot)
{
    if (!is_below(c, slot))
        return;
    c->may[slot] |= MAY_SLICES;
    declare_chain(c, slot);
}

/* Somebody begins or ends to wait for `callee`, which is noted there and with neighbours in the list. */
static void declare_waiting(struct change *c, uint32_t callee, uint32_t prev, uint32_t next)
{
    c->may[callee] |= MAY_PENDING;
    c->may[prev] |= MAY_GATE;
    c->may[next] |= MAY_GATE;
    c->may[callee] |= MAY_GATE;
    declare_chain(c, callee);
}

/* All whose calls `slot` has, or is to have, get an answer. */
static void declare_answers(struct change *c, uint32_t slot)
{
    const struct env_gate *g = &c->envs[slot].gate;

    c->may[g->caller] |= MAY_GATE | MAY_ANSWER;
    for (uint32_t i = g->waiting.first; i; i = c->envs[i].gate.link.next)
        c->may[i] |= MAY_GATE | MAY_ANSWER;
}

static bool may_notify(const struct change *c, uint32_t slot)
{
    for (uint32_t i = 0; i < EXO_NOTIFIERS; i++)
        if (c->envs[slot].notifiers[i].n == c->envs[c->actor].name.n)
            return true;
    return false;
}

/* Is it told whenever a child can run or not? */
static bool is_watching(const struct change *c, uint32_t slot)
{
    uint32_t n = c->envs[slot].control.n;

    return n && c->before->ram[n][__builtin_offsetof(struct exo_control, watch) / 8];
}

/* The declared effects of each call. Who has no right to a call's target has none of them. */
static void declare(struct change *c, uint32_t number, const uint64_t a[6], int64_t result)
{
    uint32_t name = c->envs[c->actor].name.n, target = slot_named(c, a[0]);

    for (uint32_t slot = 1; slot < EXO_ENVS; slot++)
        if (c->envs[slot].state == EXO_ENV_EMBRYO && c->envs[slot].parent.n == name)
            c->may[slot] |= MAY_SELF | MAY_FRAMES | MAY_QUEUES;
    for (uint32_t slot = 1; slot < EXO_ENVS; slot++)
        if (is_watching(c, slot))
            c->may[slot] |= MAY_PENDING;
    c->may[c->actor] |= MAY_SELF | MAY_FRAMES | MAY_QUEUES | MAY_PENDING;
    switch (number) {
    case EXO_CALL_ENV_CREATE:
        c->may[EXO_ENV_SLOT((uint32_t)result)] |= MAY_SELF;
        break;
    case EXO_CALL_ENV_KILL:
        memset(c->may, 0, sizeof(c->may));
        if (!is_below(c, target))
            break;
        c->may[target] = MAY_SELF | MAY_QUEUES;
        c->may[EXO_ENV_SLOT(c->envs[target].parent.n)] |= MAY_PENDING;
        const struct env_gate *g = &c->envs[target].gate;
        declare_waiting(c, g->callee, g->link.prev, g->link.next);
        declare_chain(c, EXO_ENV_SLOT(c->envs[target].parent.n));
        break;
    case EXO_CALL_ENV_RECLAIM:
        if (c->envs[target].parent.n == name)
            c->may[target] |= MAY_SELF | MAY_FRAMES | MAY_QUEUES;
        for (uint32_t slot = 1; slot < EXO_ENVS; slot++)
            if (c->envs[target].parent.n == name &&
                c->envs[slot].parent.n == c->envs[target].name.n)
                c->may[slot] |= MAY_PARENT;
        declare_answers(c, target);
        break;
    case EXO_CALL_GATE_CALL:
        target = c->gates[EXO_GATE_SLOT((uint32_t)a[0])].owner;
        declare_waiting(c, target, c->envs[target].gate.waiting.last, 0);
        break;
    case EXO_CALL_GATE_REPLY:
        c->may[c->envs[c->actor].gate.caller] |= MAY_GATE | MAY_ANSWER;
        break;
    case EXO_CALL_ENV_SET:
        if (a[1] == EXO_ENV_ADD_QUOTA && c->envs[target].parent.n == name)
            c->may[target] |= MAY_GROW;
        break;
    case EXO_CALL_REVOKE_START:
        if (c->envs[target].parent.n == name)
            c->may[target] |= MAY_REVOKE | MAY_PENDING;
        break;
    case EXO_CALL_REVOKE_TAKE:
        if (c->envs[target].parent.n != name)
            break;
        c->may[target] |= MAY_SELF | MAY_FRAMES | MAY_QUEUES; /* it may have ended */
        break;
    case EXO_CALL_NOTIFY:
        if (may_notify(c, target))
            c->may[target] |= MAY_PENDING | MAY_NOTIFY;
        break;
    case EXO_CALL_SLICE_SET:
        declare_slice(c, c->slice_owner[a[0]]);
        declare_slice(c, slot_named(c, a[1]));
        break;
    case EXO_CALL_QUEUE_KICK:
        for (uint32_t i = 0; i < EXO_QUEUES; i++)
            if (c->queues[i].filters.first)
                c->may[c->queues[i].owner] |= MAY_PENDING | MAY_RECEIVE;
        break;
    default:
        break;
    }
    /* Slot 0 stands for nobody: it owns the slices and frames that nobody has. */
    c->may[ENV_KERNEL] = MAY_SLICES;
}

/* Is this the grant, or one of those, that the call is about? */
static bool is_about(const struct change *c, uint32_t slot, uint32_t number, const uint64_t a[6],
                     int64_t result)
{
    const struct grant *g = &c->grants[slot];

    switch (number) {
    case EXO_CALL_PAGE_GRANT:
        return slot == EXO_GRANT_SLOT((uint32_t)result) && !g->frame.n;
    case EXO_CALL_PAGE_UNGRANT:
    case EXO_CALL_GRANT_MAP:
        return slot == EXO_GRANT_SLOT((uint32_t)a[0]);
    case EXO_CALL_PT_UNMAP:
        return g->table.n == a[0] && g->index == a[1];
    case EXO_CALL_ENV_RECLAIM:
        return g->frame.n && (c->frames[g->frame.n].owner == slot_named(c, a[0]) ||
                              EXO_ENV_SLOT(g->grantee.n) == slot_named(c, a[0]));
    default:
        return false;
    }
}

/* Both sides of a grant that a call is about have it on their lists. */
static bool grants_kept(struct change *c, uint32_t number, const uint64_t a[6], int64_t result)
{
    for (uint32_t slot = 1; slot < EXO_GRANTS; slot++) {
        const struct grant *old = &c->grants[slot], *g = &grants[slot];
        c->changed[slot] = old->frame.n != g->frame.n || old->grantee.n != g->grantee.n ||
                           old->perm != g->perm || old->tag != g->tag ||
                           old->table.n != g->table.n || old->index != g->index;
        if (!c->changed[slot])
            continue;
        if (!is_about(c, slot, number, a, result))
            return false;
        c->may[c->frames[old->frame.n].owner] |= MAY_SHARE;
        c->may[frames[g->frame.n].owner] |= MAY_SHARE;
        c->may[EXO_ENV_SLOT(old->grantee.n)] |= MAY_SHARE;
        c->may[EXO_ENV_SLOT(g->grantee.n)] |= MAY_SHARE;
    }
    return true;
}

/* Does a grant that changed name this frame, or is it mapped in this table (at this entry)? */
static bool is_shared(const struct change *c, uint32_t n, uint32_t index)
{
    for (uint32_t slot = 1; slot < EXO_GRANTS; slot++) {
        const struct grant *old = &c->grants[slot], *g = &grants[slot];
        if (c->changed[slot] &&
            (index < 512 ? (old->table.n == n && old->index == index)
                         : (old->frame.n == n || g->frame.n == n || old->table.n == n)))
            return true;
    }
    return false;
}

static bool env_kept(const struct change *c, uint32_t slot)
{
    struct env old = c->envs[slot];
    const struct env *env = &envs[slot];
    uint32_t may = c->may[slot];

    if (may & MAY_SELF)
        return true;
    old.gate.way_to = env->gate.way_to; /* by which way a call would go: inv_gate_ways */
    old.gate.way_from = env->gate.way_from;
    old.gate.way = env->gate.way;
    old.ready_children = env->ready_children; /* what its children may do: inv_env_ready_children */
    if (may & MAY_PENDING) {
        old.pending = env->pending;
        old.ready = env->ready;
    }
    if (may & MAY_SLICES) {
        old.slices = env->slices;
        old.positions = env->positions;
        old.cpus = env->cpus;
        old.cpus_had = env->cpus_had;
    }
    if (may & MAY_REVOKE)
        old.revoke = env->revoke;
    if (may & MAY_GROW)
        memcpy(old.quota, env->quota, sizeof(old.quota));
    if (may & MAY_PARENT)
        old.parent = env->parent;
    if (may & MAY_SHARE) {
        memcpy(old.grants, env->grants, sizeof(old.grants));
        old.used[EXO_R_GRANTS] = env->used[EXO_R_GRANTS];
    }
    if (may & MAY_GATE) {
        old.gate = env->gate;
        old.cpus = env->cpus;
    }
    if (may & MAY_ANSWER) {
        old.context = env->context;
        old.deadline = env->deadline;
        old.ready = env->ready;
    }
    return !memcmp(&old, env, sizeof(old));
}

static bool record_kept(const struct change *c, uint32_t n)
{
    const struct frame *old = &c->frames[n], *f = &frames[n];

    struct frame shared = *old;
    if (is_shared(c, n, 512)) {
        shared.mapped = f->mapped;
        shared.granted = f->granted;
        shared.entries = f->entries;
    }
    if (f->type == EXO_FACTS)
        shared.mapped = f->mapped; /* whoever may read it */
    if (!memcmp(&shared, f, sizeof(*f)))
        return true;
    /* The list of free frames is everybody's; what becomes of a part its block's owner decides. */
    if (f->type == EXO_PART || old->type == EXO_PART)
        return f->type == EXO_FREE || old->type == EXO_FREE;
    return (old->type == EXO_FREE || c->may[old->owner] & MAY_FRAMES) &&
           (f->type == EXO_FREE || c->may[f->owner] & MAY_FRAMES);
}

static bool is_receiving(const struct change *c, uint32_t n)
{
    bool found = false;

    for (uint32_t i = 0; i < EXO_QUEUES; i++) {
        const struct queue *q = &c->queues[i];
        if (!q->owner || !(c->may[q->owner] & MAY_RECEIVE))
            continue;
        found |= q->ring[EXO_RING_FILL].n == n || q->ring[EXO_RING_RECEIVE].n == n;
        for (uint32_t b = 0; b < EXO_QUEUE_BUFFERS / 2; b++)
            found |= q->buffer[b].n == n;
    }
    return found;
}

/* May this word of a control page change? */
static bool may_be_told(uint32_t may, uint32_t offset)
{
    const uint32_t first = offsetof(struct exo_control, revocation),
                   end = first + sizeof(struct exo_revocation);

    return (may & MAY_PENDING && offset == offsetof(struct exo_control, pending)) ||
           (may & MAY_SLICES && offset == offsetof(struct exo_control, cpus)) ||
           (may & MAY_NOTIFY && offset == offsetof(struct exo_control, notified)) ||
           (may & MAY_REVOKE && offset >= first && offset < end);
}

static bool contents_kept(const struct change *c, uint32_t n)
{
    uint32_t was = c->frames[n].owner, owner = frames[n].owner;
    const uint64_t *old = c->before->ram[n], *now = machine_frame((frame_t){n});

    if (c->may[was] & MAY_FRAMES || c->may[owner] & MAY_FRAMES || is_receiving(c, n))
        return true;
    if (frames[n].type == EXO_PART && c->frames[n].type == EXO_FREE)
        return true; /* zeroed */
    if (c->batch && frames[n].type == EXO_FREE && c->frames[n].type == EXO_FREE)
        return true;
    for (uint32_t i = 0; i < EXO_PAGE_SIZE / 8; i++)
        if (old[i] != now[i] && !is_shared(c, n, i) &&
            !(envs[owner].control.n == n && may_be_told(c->may[owner], 8 * i)))
            return false;
    return true;
}

static bool queue_kept(const struct change *c, uint32_t i)
{
    struct queue old = c->queues[i];
    const struct queue *q = &queues[i];

    if (c->may[old.owner] & MAY_QUEUES || c->may[q->owner] & MAY_QUEUES)
        return true;
    if (c->may[old.owner] & MAY_RECEIVE) {
        old.filled = q->filled;
        old.received = q->received;
        old.stats = q->stats;
    }
    /* The list of those with a filter goes through all queues of a NIC. */
    old.hears = q->hears;
    return !memcmp(&old, q, sizeof(old));
}

static bool gate_kept(const struct change *c, uint32_t i)
{
    const struct gate *old = &c->gates[i], *gate = &gates[i];

    return !memcmp(old, gate, sizeof(*gate)) || ((!old->owner || c->may[old->owner] & MAY_SELF) &&
                                                 (!gate->owner || c->may[gate->owner] & MAY_SELF));
}

static bool filter_kept(const struct change *c, uint32_t n)
{
    const struct filter *old = &c->filters[n], *f = &filters[n];
    uint32_t was = c->queues[old->queue].owner, owner = queues[f->queue].owner;

    if (!memcmp(&old->match, &f->match, sizeof(f->match)) && old->queue == f->queue)
        return true;
    return (!old->match.mask.mac || c->may[was] & MAY_QUEUES) &&
           (!f->match.mask.mac || c->may[owner] & MAY_QUEUES);
}

static bool slice_kept(const struct change *c, uint32_t i, uint32_t number, const uint64_t a[6])
{
    uint32_t was = c->slice_owner[i], target = slot_named(c, a[0]);

    if (slice_owner[i] == was)
        return true;
    if (number == EXO_CALL_SLICE_SET)
        return i == a[0] && slice_owner[i] == slot_named(c, a[1]);
    return number == EXO_CALL_ENV_RECLAIM && was == target &&
           slice_owner[i] == EXO_ENV_SLOT(c->envs[target].parent.n);
}

const char *condition(const struct snapshot *before, uint32_t actor, uint32_t number,
                      const uint64_t a[6], int64_t result)
{
    struct change c = {.envs = IN(before, envs),
                       .frames = IN(before, frames),
                       .queues = IN(before, queues),
                       .filters = *IN(before, &filters),
                       .slice_owner = IN(before, slice_owner),
                       .gates = *IN(before, &gates),
                       .before = before,
                       .grants = IN(before, grants),
                       .actor = actor,
                       .batch = number == EXO_CALL_BATCH};

    declare(&c, number, a, result);
    if (!grants_kept(&c, number, a, result))
        return "a call changed a grant that it is not about";
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++)
        if (!env_kept(&c, slot))
            return "a call changed an environment that is none of the caller's business";
    for (uint32_t n = 0; n < frame_count; n++) {
        if (!record_kept(&c, n))
            return "a call changed the record of a frame of somebody else's";
        if (world_touched >> n & 1 && !contents_kept(&c, n))
            return "a call changed the contents of a frame of somebody else's";
    }
    for (uint32_t i = 0; i < EXO_QUEUES; i++)
        if (!queue_kept(&c, i))
            return "a call changed a queue of somebody else's";
    for (uint32_t i = 0; i < GATE_TABLE; i++)
        if (!gate_kept(&c, i))
            return "a call changed a gate of somebody else's";
    for (uint32_t n = 0; n < EXO_FILTERS; n++)
        if (!filter_kept(&c, n))
            return "a call changed a filter of somebody else's";
    for (uint32_t i = 0; i < EXO_SLICES; i++)
        if (!slice_kept(&c, i, number, a))
            return "a call moved a slice that it did not name";
    if (on_cpu(IN(before, processors)) != on_cpu(processors))
        return "a call changed who has the CPU";
    return NULL;
}
