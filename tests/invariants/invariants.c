/* SPDX-License-Identifier: MIT */
/*
 * invariants.c - the invariants that the comments of the core name.
 *
 * Written from the design, not from the code that it checks: everything is counted anew.
 */
#include "invariants.h"

#include "block.h"
#include "env.h"
#include "frame.h"
#include "machine.h"
#include "nic.h"
#include "packet_queue.h"
#include "processor.h"
#include "slice.h"
#include "table.h"

#define ENTRIES        512u
#define PTE_GRANT_MASK 0x7ff0000000000e00ull /* of both parts of PTE_GRANT */
#define PTE_KNOWN                                                                                  \
    (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_NX | PTE_GRANT_MASK)

#define REQUIRE(condition, sentence)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

static const uint64_t *entries_of(uint32_t table)
{
    return machine_frame((frame_t){table});
}

static uint32_t slot_of(const struct env *env)
{
    return (uint32_t)(env - envs);
}

/* How many entries of a table belong to the application. */
static uint32_t user_entries(uint32_t table)
{
    return frames[table].type == EXO_PML4 ? ENTRIES / 2 : ENTRIES;
}

const char *inv_frame_free(void)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < frame_count; n++) {
        const struct frame *f = &frames[n];
        REQUIRE(f->type < EXO_FRAME_TYPES, "a frame has a type that does not exist");
        REQUIRE((f->type <= EXO_KERNEL || f->type == EXO_FACTS || f->type == EXO_PART) == !f->owner,
                "a frame has an owner and is FREE or the kernel's");
        if (f->type != EXO_FREE)
            continue;
        count++;
        REQUIRE(n, "frame 0 is free");
        REQUIRE(!f->mapped && !f->pinned && !f->entries && !f->parent, "a free frame is in use");
    }
    REQUIRE(count == frame_free_count, "frame_free_count is wrong");
    return NULL;
}

/* The length of one owner's list, or UINT32_MAX if it is broken. Tables come first. */
static uint32_t list_length(uint32_t slot)
{
    uint32_t count = 0, before = 0;
    bool tables = true;

    for (uint32_t n = envs[slot].frames.first; n; before = n, n = frames[n].link.next) {
        if (n >= frame_count || count++ >= frame_count || frames[n].owner != slot ||
            frames[n].link.prev != before || (frame_is_table(&frames[n]) && !tables))
            return UINT32_MAX;
        tables = frame_is_table(&frames[n]);
    }
    return envs[slot].frames.last == before ? count : UINT32_MAX;
}

const char *inv_frame_lists(void)
{
    uint32_t owned[EXO_ENVS] = {0}, parts[EXO_ENVS] = {0};

    for (uint32_t n = 0; n < frame_count; n++) {
        owned[frames[n].owner]++;
        parts[frames[n].owner] += frames[n].type == EXO_BLOCK ? block_frames - 1 : 0;
    }
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        if (env->state == EXO_ENV_FREE) {
            REQUIRE(!owned[slot], "a frame belongs to an environment that is not");
            continue;
        }
        uint32_t listed = list_length(slot);
        REQUIRE(listed != UINT32_MAX, "an owner's list is broken");
        REQUIRE(listed == owned[slot], "an owner's list misses a frame");
        REQUIRE(env->used[EXO_R_PAGES] == owned[slot] + parts[slot],
                "an environment's count of pages is not the number of its frames");
    }
    return NULL;
}

const char *inv_frame_pins(void)
{
    for (uint32_t n = 0; n < frame_count; n++) {
        uint32_t pins = 0;
        if (!frames[n].owner) {
            REQUIRE(!frames[n].pinned, "a frame of nobody is pinned");
            continue;
        }
        const struct env *env = &envs[frames[n].owner];
        pins += (env->root.n == n) + (env->control.n == n) + (env->revoke.list.n == n);
        for (uint32_t i = 0; i < processor_count; i++)
            pins += env->vcpu[i] && envs[env->vcpu[i]].control.n == n;
        for (uint32_t i = 0; env->used[EXO_R_QUEUES] && i < queue_count; i++) {
            if (queues[i].owner != frames[n].owner)
                continue;
            for (uint32_t r = 0; r < EXO_RINGS; r++)
                pins += queues[i].ring[r].n == n;
            for (uint32_t b = 0; b < EXO_QUEUE_BUFFERS / 2; b++)
                pins += queues[i].buffer[b].n == n;
        }
        REQUIRE(pins == frames[n].pinned, "a frame's pins are not what the kernel uses it for");
    }
    return NULL;
}

/* Does this entry map a page or a block, rather than link a table? */
static bool is_leaf(uint32_t table, uint64_t entry)
{
    return frames[table].type == EXO_PT || (frames[table].type == EXO_PD && entry & PTE_LARGE);
}

const char *inv_table_tree(void)
{
    for (uint32_t n = 0; n < frame_count; n++) {
        const struct frame *f = &frames[n];
        if (!frame_is_table(f)) {
            REQUIRE(!f->parent && !f->entries, "a frame that is no table hangs in the tree");
            continue;
        }
        if (f->parent) {
            REQUIRE(f->parent < frame_count && frames[f->parent].type + 1 == f->type &&
                        frames[f->parent].owner == f->owner && f->index < user_entries(f->parent),
                    "a table hangs in what cannot be its parent");
            REQUIRE(PTE_FRAME(entries_of(f->parent)[f->index]) == n,
                    "a table's parent does not name it");
        }
        for (uint32_t i = 0; f->type != EXO_PT && f->entries && i < user_entries(n); i++) {
            uint64_t entry = entries_of(n)[i];
            if (!entry || is_leaf(n, entry))
                continue;
            REQUIRE(!(entry & ~(PTE_ADDRESS | PTE_PRESENT | PTE_USER | PTE_WRITE | PTE_ACCESSED)),
                    "an upper table has an entry with a forbidden bit");
            REQUIRE((entry & PTE_PRESENT) && (entry & PTE_USER), "an upper entry is not present");
            REQUIRE(PTE_FRAME(entry) < frame_count, "an upper entry names no frame");
            const struct frame *child = &frames[PTE_FRAME(entry)];
            REQUIRE(child->parent == n && child->index == i, "a table has two parents");
        }
    }
    return NULL;
}

static const char *leaf_wrong(uint32_t table, uint64_t entry)
{
    REQUIRE(!(entry & ~(PTE_ADDRESS | PTE_KNOWN | PTE_LARGE)), "a leaf has a forbidden bit");
    REQUIRE((entry & PTE_PRESENT) && (entry & PTE_USER), "a leaf is not present");
    REQUIRE(PTE_FRAME(entry) < frame_count, "a leaf names no frame");
    const struct frame *f = &frames[PTE_FRAME(entry)];
    bool write = entry & PTE_WRITE, exec = !(entry & PTE_NX);
    bool data = f->type == EXO_DATA || f->type == EXO_BLOCK;
    REQUIRE(!(entry & PTE_LARGE) == (f->type != EXO_BLOCK),
            "a large page is no block, or not whole");
    REQUIRE(!(entry & PTE_LARGE) || frames[table].type == EXO_PD,
            "a block is mapped by a wrong table");
    REQUIRE(f->owner || f->type == EXO_FACTS, "a leaf names a frame of nobody");
    REQUIRE(f->type != EXO_FACTS || (envs[frames[table].owner].rights & EXO_RIGHT_TABLES),
            "the kernel's tables are read without a right to it");
    REQUIRE(f->owner == frames[table].owner || f->type == EXO_FACTS || PTE_SLOT(entry),
            "a leaf names another's frame without a grant");
    REQUIRE(!(write && exec), "a page is writable and executable");
    REQUIRE(!write || data || f->type == EXO_RING || f->type == EXO_CONTROL,
            "a table can be written");
    REQUIRE(!exec || data, "something else than DATA can be executed");
    return NULL;
}

const char *inv_table_leaves(void)
{
    for (uint32_t n = 0; n < frame_count; n++)
        for (uint32_t i = 0; frame_is_table(&frames[n]) && frames[n].entries && i < user_entries(n);
             i++) {
            uint64_t entry = entries_of(n)[i];
            const char *wrong = entry && is_leaf(n, entry) ? leaf_wrong(n, entry) : NULL;
            if (wrong)
                return wrong;
        }
    return NULL;
}

const char *inv_table_counts(void)
{
    static uint32_t mapped[1u << 16];

    REQUIRE(frame_count <= 1u << 16, "the machine is too large for this check");
    for (uint32_t n = 0; n < frame_count; n++)
        mapped[n] = 0;
    for (uint32_t n = 0; n < frame_count; n++) {
        uint32_t filled = 0;
        if (!frame_is_table(&frames[n]))
            continue;
        for (uint32_t i = 0; i < user_entries(n); i++) {
            uint64_t entry = entries_of(n)[i];
            filled += entry != 0;
            if (entry && is_leaf(n, entry) && PTE_FRAME(entry) < frame_count)
                mapped[PTE_FRAME(entry)]++;
        }
        REQUIRE(filled == frames[n].entries, "a table's count of entries is wrong");
    }
    for (uint32_t n = 0; n < frame_count; n++)
        REQUIRE(mapped[n] == frames[n].mapped, "a frame's count of mappings is wrong");
    return NULL;
}

const char *inv_table_kernel_half(void)
{
    uint64_t fresh[ENTRIES] = {0};

    machine_root_init(fresh);
    for (uint32_t n = 0; n < frame_count; n++)
        for (uint32_t i = ENTRIES / 2; frames[n].type == EXO_PML4 && i < ENTRIES; i++)
            REQUIRE(entries_of(n)[i] == fresh[i], "the kernel's half of a root table differs");
    return NULL;
}

static bool is_own(const struct env *env, frame_t frame, enum exo_frame_type type)
{
    return frame.n < frame_count && frames[frame.n].owner == slot_of(env) &&
           frames[frame.n].type == type;
}

const char *inv_env_states(void)
{
    REQUIRE(envs[ENV_KERNEL].state == EXO_ENV_FREE && !envs[ENV_KERNEL].name.n,
            "slot 0 is somebody");
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        if (env->state == EXO_ENV_FREE) {
            REQUIRE(!env->name.n && !env->slices, "a free slot holds something");
            for (uint32_t r = 0; r < EXO_RESOURCES; r++)
                REQUIRE(!env->used[r], "a free slot uses something");
            continue;
        }
        REQUIRE(EXO_ENV_SLOT(env->name.n) == slot &&
                    env->name.n >> EXO_ENV_SLOT_BITS == env->generation,
                "a name is not slot and generation");
        const struct env *app = env->acts_as ? &envs[env->acts_as] : env;
        REQUIRE(!env->root.n || is_own(app, env->root, EXO_PML4), "a root is no root table");
        REQUIRE(!env->control.n || is_own(app, env->control, EXO_CONTROL),
                "a control page is of another type");
        if (env->state == EXO_ENV_LIVE)
            REQUIRE(env->root.n && env->control.n && env->end == EXO_END_NOT,
                    "a living environment has no root or control page");
        if (env->state == EXO_ENV_ZOMBIE)
            REQUIRE(!env->waiting, "a ZOMBIE waits");
        else
            REQUIRE(env->waiting || env->gate.callee || !env->deadline,
                    "a deadline of somebody who does not wait");
    }
    return NULL;
}

/* Quotas of everybody together. */
static uint64_t totals[EXO_RESOURCES];

static uint64_t quotas_sum(uint32_t resource)
{
    uint64_t sum = 0;

    for (uint32_t slot = 1; slot < env_count; slot++)
        if (envs[slot].state != EXO_ENV_FREE)
            sum += envs[slot].quota[resource];
    return sum;
}

void inv_begin(void)
{
    for (uint32_t r = 0; r < EXO_RESOURCES; r++)
        totals[r] = quotas_sum(r);
}

const char *inv_env_quotas(void)
{
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        uint32_t children = 0, bound = 0;
        if (env->state == EXO_ENV_FREE)
            continue;
        for (uint32_t i = 1; i < env_count; i++)
            children += envs[i].state != EXO_ENV_FREE && envs[i].parent.n == env->name.n;
        for (uint32_t i = 0; i < queue_count; i++)
            bound += queues[i].owner == slot;
        /* Whoever ends without a parent leaves its children to nobody and keeps the count. */
        REQUIRE(env->used[EXO_R_ENVS] == children,
                "an environment's count of environments is not the number of its children");
        REQUIRE(env->used[EXO_R_QUEUES] == bound,
                "an environment's count of queues is not the number of its queues");
        for (uint32_t r = 0; r < EXO_RESOURCES; r++)
            REQUIRE(env->used[r] <= env->quota[r], "a quota is exceeded");
    }
    for (uint32_t r = 0; r < EXO_RESOURCES; r++)
        REQUIRE(quotas_sum(r) == totals[r], "a quota was lost or made from nothing");
    return NULL;
}

/* Does each set hold those, and only those, that name this environment? */
static bool children_known(uint32_t slot)
{
    for (uint32_t i = 0; i < SET_MAX; i++) {
        bool child =
            i < env_count && envs[i].state != EXO_ENV_FREE && envs[i].parent.n == envs[slot].name.n;
        bool queue = i < queue_count && queues[i].owner == slot;
        if (set_has(&envs[slot].children, i) != child || set_has(&envs[slot].queues, i) != queue)
            return false;
    }
    return true;
}

const char *inv_env_tree(void)
{
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        uint32_t steps = 0;
        REQUIRE(env->state == EXO_ENV_FREE || children_known(slot),
                "an environment does not know its children or queues");
        while (env->state != EXO_ENV_FREE && env->parent.n) {
            const struct env *parent = &envs[EXO_ENV_SLOT(env->parent.n)];
            REQUIRE(parent->name.n == env->parent.n &&
                        (parent->state == EXO_ENV_LIVE || parent->state == EXO_ENV_ZOMBIE),
                    "a parent is gone");
            REQUIRE(++steps <= EXO_ENV_DEPTH, "the chain of parents is too long");
            env = parent;
        }
    }
    return NULL;
}

const char *inv_notify_names(void)
{
    for (uint32_t slot = 1; slot < env_count; slot++)
        for (uint32_t a = 0; a < EXO_NOTIFIERS && envs[slot].state != EXO_ENV_FREE; a++)
            for (uint32_t b = 0; b < a; b++)
                REQUIRE(!envs[slot].notifiers[a].n ||
                            envs[slot].notifiers[a].n != envs[slot].notifiers[b].n,
                        "an environment is allowed to notify twice");
    return NULL;
}

const char *inv_slice_counts(void)
{
    uint32_t owned[EXO_ENVS] = {0};

    for (uint32_t i = 0; i < slice_count; i++) {
        REQUIRE(slice_owner[i] < env_count, "a position's owner is outside the table");
        owned[slice_owner[i]]++;
    }
    for (uint32_t slot = 0; slot < env_count; slot++)
        REQUIRE(owned[slot] == envs[slot].slices, "env->slices is not the number of positions");
    return NULL;
}

const char *inv_queue_flights(void)
{
    for (uint32_t i = 0; i < queue_count; i++) {
        const struct queue *q = &queues[i];
        uint32_t flights = 0;
        for (uint32_t b = 0; q->owner && b < EXO_QUEUE_BUFFERS; b++) {
            bool flies = set_has(&q->flight, b);
            flights += flies;
            REQUIRE(!flies || q->buffer[b / 2].n, "a buffer without a frame is with the device");
        }
        REQUIRE(!q->owner || flights == q->flights, "a queue's count of flights is wrong");
        REQUIRE(!q->owner || set_has(&envs[q->owner].queues, i),
                "an owner does not know its queue");
        REQUIRE(set_has(&queues_free, i) == !q->owner, "whether a queue is free is not known");
        for (uint32_t n = 0; n < NICS; n++)
            REQUIRE(!nics[n] || !set_has(&nics[n]->stalled, i) || (q->owner && q->nic == n),
                    "a card knows of a stalled queue that is not its own");
    }
    return NULL;
}

const char *inv_queue_frames(void)
{
    for (uint32_t i = 0; i < queue_count; i++) {
        const struct queue *q = &queues[i];
        if (!q->owner)
            continue;
        const struct env *env = &envs[q->owner];
        for (uint32_t r = 0; r < EXO_RINGS; r++)
            REQUIRE(is_own(env, q->ring[r], EXO_RING), "a ring is not its owner's");
        for (uint32_t b = 0; b < EXO_QUEUE_BUFFERS / 2; b++)
            REQUIRE(!q->buffer[b].n || is_own(env, q->buffer[b], EXO_DATA),
                    "a device may reach a frame that is not the queue owner's");
    }
    return NULL;
}

/* Can it run by itself? Also if it is yet to be told that its call has no answer. */
static bool can_run(const struct env *env)
{
    const struct env_gate *g = &env->gate;

    if (env->state != EXO_ENV_LIVE)
        return false;
    if (g->callee)
        return envs[g->callee].state != EXO_ENV_LIVE;
    return !env->waiting || (env->pending & ~(uint32_t)EXO_UP_SLICE_BEGIN);
}

/* A position of this CPU whose owner, or whom it waits for, could run and has no CPU. */
static bool is_idle_for_nothing(const struct processor *p)
{
    for (uint32_t i = p->number * slice_each; i < (p->number + 1) * slice_each; i++) {
        const struct env *env = &envs[slice_owner[i]];
        while (env->gate.callee && !can_run(env))
            env = &envs[env->gate.callee];
        if (can_run(env) && !env->on)
            return true;
    }
    return false;
}

const char *inv_cpu_waiting(const struct processor *p, uint64_t alarm)
{
    REQUIRE(p->current || alarm <= machine_time() || !is_idle_for_nothing(p),
            "nobody runs though somebody could");
    REQUIRE(!p->current || can_run(p->current) || processors_stirred >> p->number & 1,
            "an environment runs that waits");
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        if (env->state != EXO_ENV_LIVE || env->home != p->number)
            continue;
        REQUIRE(!env->timer || alarm <= env->timer, "the alarm comes after a timer");
        REQUIRE(!(env->waiting || env->gate.callee) || !env->deadline || alarm <= env->deadline,
                "the alarm comes after a deadline");
    }
    return NULL;
}

const char *inv_all(void)
{
    static const char *(*const all[])(void) = {
        inv_frame_free,         inv_frame_lists,    inv_frame_pins,        inv_table_tree,
        inv_table_leaves,       inv_table_counts,   inv_table_kernel_half, inv_env_states,
        inv_env_quotas,         inv_env_tree,       inv_notify_names,      inv_slice_counts,
        inv_gate_table,         inv_gate_calls,     inv_gate_depth,        inv_gate_time,
        inv_gate_ways,          inv_slice_ready,    inv_cpu_expiry,        inv_cpu_current,
        inv_cpu_quiet,          inv_cpu_sleeper,    inv_env_vcpus,         inv_env_cpus,
        inv_env_ready_children, inv_queue_flights,  inv_queue_frames,      inv_filter_lists,
        inv_filter_disjoint,    inv_filter_allowed, inv_group_under_way,   inv_grant_entries,
        inv_grant_counts,       inv_grant_lists,    inv_accounts,          inv_block_free,
        inv_block_parts,        inv_revoke_list,    inv_revoke_floor};

    for (uint32_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        const char *wrong = all[i]();
        if (wrong)
            return wrong;
    }
    return NULL;
}
