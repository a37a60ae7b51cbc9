/* SPDX-License-Identifier: MIT */
/*
 * env.c - environments: made by a parent, run, ended, and reclaimed piece by piece.
 *
 *   E1  FREE -> EMBRYO (env_create) -> LIVE (env_run) -> ZOMBIE (end) -> FREE (env_reclaim)
 *   E2  a child's quota came out of its parent's and goes back: the sums stay  inv_env_quotas
 *   E3  every environment but the first has a parent, LIVE or a ZOMBIE that is not reclaimed yet,
 *       and at most EXO_ENV_DEPTH ancestors; a parent knows its children       inv_env_tree
 *   E4  what a child may bind lies within what its parent may                  inv_filter_allowed
 *
 * To end an environment takes the same few steps whatever it has: its children, positions, queues
 * and frames stay its own until its parent reclaims it, a bounded piece a call.
 *
 * A name holds the slot and how often the slot was used, so an old name names nobody.
 */
#include "env.h"

#include "exo_handlers.h"
#include "gate.h"
#include "grant.h"
#include "machine.h"
#include "packet_filter.h"
#include "packet_queue.h"
#include "processor.h"
#include "slice.h"
#include "start.h"

struct env *envs;
uint32_t env_count;
static struct set slots_free;
static uint32_t slot_last; /* the search for a free one goes on after it: a name comes again late */

#define GENERATION_MAX ((1u << (32 - EXO_ENV_SLOT_BITS)) - 1)
#define LABEL_EXO      0x6f7865ull /* "exo" and "uefi" as env_set takes them */
#define LABEL_UEFI     0x69666575ull
#define TABLE_ENTRIES  512u

struct env *env_find(struct env *self, env_t name)
{
    if (name.n == EXO_ENV_SELF)
        return self;
    uint32_t slot = EXO_ENV_SLOT(name.n);
    return slot < env_count && envs[slot].name.n == name.n ? &envs[slot] : NULL;
}

static struct env *parent_of(const struct env *env)
{
    return env->parent.n ? &envs[EXO_ENV_SLOT(env->parent.n)] : NULL;
}

bool env_is_under(const struct env *env, const struct env *ancestor)
{
    while (env && env != ancestor)
        env = parent_of(env);
    return env;
}

bool names_have(const env_t *names, uint32_t count, env_t name)
{
    for (uint32_t i = 0; i < count; i++)
        if (names[i].n == name.n)
            return true;
    return false;
}

bool names_put(env_t *names, uint32_t count, env_t name, bool in)
{
    env_t *place = NULL; /* one that names nobody, or nobody any more */

    for (uint32_t i = 0; i < count; i++) {
        if (names[i].n == name.n) {
            names[i].n = in ? name.n : 0;
            return true;
        }
        if (!place && !env_find(NULL, names[i]))
            place = &names[i];
    }
    if (place && in)
        *place = name;
    return place || !in;
}

bool env_acts_for(const struct env *self, const struct env *env)
{
    return env == self || (env->state == EXO_ENV_EMBRYO && env->parent.n == self->name.n);
}

struct env *env_any(struct env *self, env_t name, int64_t *error)
{
    *error = -EXO_E_ENV;
    return env_find(self, name);
}

struct env *env_child(struct env *self, env_t name, int64_t *error)
{
    struct env *env = env_any(self, name, error);
    return env && env->parent.n == self->name.n ? env : NULL;
}

struct env *env_built(struct env *self, env_t name, int64_t *error)
{
    struct env *env = env_any(self, name, error);
    return env && env_acts_for(self, env) ? env : NULL;
}

struct env *env_family(struct env *self, env_t name, int64_t *error)
{
    struct env *env = env_any(self, name, error);
    return env && env_is_under(env, self) ? env : NULL;
}

void env_init(struct env *table, uint32_t count)
{
    envs = table;
    env_count = count;
    slot_last = ENV_KERNEL;
    slots_free = (struct set){0};
    for (uint32_t slot = 1; slot < count; slot++)
        set_add(&slots_free, slot);
}

static struct env *env_take_slot(void)
{
    uint32_t slot = set_after(&slots_free, slot_last);

    if (slot == SET_NONE)
        return NULL;
    struct env *env = &envs[slot];
    uint32_t generation = env->generation % GENERATION_MAX + 1;
    __builtin_memset(env, 0, sizeof(*env));
    env->generation = generation;
    env->name.n = generation << EXO_ENV_SLOT_BITS | slot;
    env->state = EXO_ENV_EMBRYO;
    env->context.rflags = FLAGS_USER;
    machine_fpu_init(env->fpu);
    set_remove(&slots_free, slot);
    slot_last = slot;
    return env;
}

struct env *env_first(uint32_t pages)
{
    struct env *env = env_take_slot();

    if (!env)
        panic("there is no slot for the first environment");
    /* All there is; of environments, slot 0 is the kernel's and this one its own. */
    const uint32_t quota[EXO_RESOURCES] = {pages,           env_count - 2, queue_count,
                                           grant_count - 1, EXO_GATES,     EXO_FILTERS};
    __builtin_memcpy(env->quota, quota, sizeof(quota));
    env->allowances = 1; /* that asks for nothing: every filter lies within it */
    env->rights = EXO_RIGHTS;
    __builtin_memcpy(env->label, "init", 5);
    slice_hand_over(&envs[ENV_KERNEL], env, slice_count);
    gate_init();
    channel_owner = env->name;
    return env;
}

int64_t call_env_create(struct env *self, uint32_t pages, uint32_t children, uint32_t queues,
                        uint32_t grants, uint32_t gates, uint32_t filters)
{
    const uint32_t quota[EXO_RESOURCES] = {pages, children, queues, grants, gates, filters};
    uint32_t depth = 0;

    for (const struct env *above = self; (above = parent_of(above));)
        depth++;
    for (uint32_t r = 0; r < EXO_RESOURCES; r++)
        if (quota[r] + (uint64_t)(r == EXO_R_ENVS) > self->quota[r] - self->used[r])
            return -EXO_E_QUOTA; /* the child itself is one, too */
    if (depth >= EXO_ENV_DEPTH)
        return -EXO_E_RANGE;
    struct env *env = env_take_slot();
    if (!env)
        return -EXO_E_MEMORY;

    for (uint32_t r = 0; r < EXO_RESOURCES; r++) {
        self->quota[r] -= quota[r];
        env->quota[r] = quota[r];
    }
    self->used[EXO_R_ENVS]++;
    set_add(&self->children, (uint32_t)(env - envs));
    env->parent = self->name;
    return env->name.n;
}

/* Is this a label for the log: 1 to 16 printable characters without blanks or brackets, then NULs?
 */
static bool label_ok(const char *label)
{
    for (uint32_t i = 0; i < 16; i++) {
        char c = label[i];
        if (c ? c <= ' ' || c > '~' || c == '[' || c == ']' : !i || label[i + 1])
            return false;
    }
    return true;
}

static int64_t set_label(struct env *env, uint64_t a, uint64_t b)
{
    char label[17] = "";

    __builtin_memcpy(label, &a, 8);
    __builtin_memcpy(label + 8, &b, 8);
    /* Nobody writes log lines that look like the kernel's own. */
    if (!label_ok(label) || a == LABEL_EXO || a == LABEL_UEFI)
        return -EXO_E_RANGE;
    __builtin_memcpy(env->label, label, sizeof(label));
    return 0;
}

/* One thing more that the child may bind. */
static int64_t add_allowance(struct env *self, struct env *env, const struct exo_filter *filter,
                             bool open)
{
    if (!filter_canonical(filter, open))
        return -EXO_E_RANGE;
    if (!filter_allowed(self, filter))
        return -EXO_E_FOREIGN;
    if (env->allowances == EXO_ALLOWANCES)
        return -EXO_E_MEMORY;
    env->allow[env->allowances++] = *filter;
    return 0;
}

/* Root table and control page: a frame of the child's own, or its application's, pinned from now on. */
static int64_t set_frame(struct env *env, frame_t *place, uint64_t n, enum exo_frame_type type)
{
    int64_t error = frame_check(env_application(env), n, 1u << type);
    if (error)
        return error;
    if (place->n)
        return -EXO_E_BUSY;
    place->n = (uint32_t)n;
    frame_pin(*place);
    return 0;
}

static int64_t set_floor(struct env *env, uint64_t pages)
{
    if (pages > env->quota[EXO_R_PAGES])
        return -EXO_E_QUOTA;
    env->revoke.floor = (uint32_t)pages;
    return 0;
}

static int64_t add_quota(struct env *self, struct env *env, uint64_t resource, uint64_t amount)
{
    if (resource >= EXO_RESOURCES)
        return -EXO_E_RANGE;
    if (amount > self->quota[resource] - self->used[resource])
        return -EXO_E_QUOTA;
    self->quota[resource] -= (uint32_t)amount;
    env->quota[resource] += (uint32_t)amount;
    return 0;
}

/* Rights are only added: what was mapped by one stays allowed. */
static int64_t set_rights(const struct env *self, struct env *env, uint64_t rights)
{
    if (rights & ~(uint64_t)EXO_RIGHTS)
        return -EXO_E_RANGE;
    if (rights & ~(uint64_t)self->rights)
        return -EXO_E_OWNER;
    env->rights |= (uint32_t)rights;
    return 0;
}

int64_t call_env_set(struct env *self, struct env *env, uint32_t what, uint64_t a, uint64_t b)
{
    if (env->state != EXO_ENV_EMBRYO && (env->state != EXO_ENV_LIVE || what != EXO_ENV_ADD_QUOTA))
        return -EXO_E_STATE;

    struct exo_filter filter = {.value.mac = a, .mask.mac = EXO_MAC_ALL};
    int64_t error = what == EXO_ENV_SET_ALLOW ? filter_fetch(self, a, b, &filter) : 0;
    if (error)
        return error;
    switch (what) {
        CASE(EXO_ENV_SET_ROOT, set_frame(env, &env->root, a, EXO_PML4));
        CASE(EXO_ENV_SET_CONTROL, set_frame(env, &env->control, a, EXO_CONTROL));
        CASE(EXO_ENV_SET_NAME, set_label(env, a, b));
        CASE(EXO_ENV_SET_MAC, add_allowance(self, env, &filter, false));
        CASE(EXO_ENV_SET_FLOOR, set_floor(env, a));
        CASE(EXO_ENV_ADD_QUOTA, add_quota(self, env, a, b));
        CASE(EXO_ENV_SET_ALLOW, add_allowance(self, env, &filter, true));
        CASE(EXO_ENV_SET_RIGHTS, set_rights(self, env, a));
        CASE(EXO_ENV_SET_VCPU, vcpu_set(self, env, a));
    }
    return -EXO_E_RANGE;
}

int64_t call_env_run(struct env *self, struct env *env, uint64_t rip, uint64_t rsp, uint64_t rdi)
{
    if (env->state != EXO_ENV_EMBRYO || !env->root.n || !env->control.n)
        return -EXO_E_STATE;
    if (rip >= EXO_USER_END || rsp > EXO_USER_END)
        return -EXO_E_RANGE;

    env_start(env, rip, rsp, rdi);
    return 0;
}

void env_start(struct env *env, uint64_t rip, uint64_t rsp, uint64_t rdi)
{
    env->context.rip = rip;
    env->context.rsp = rsp;
    env->context.rdi = rdi;
    struct exo_control *control = machine_frame(env->control);
    control->disabled = 1;
    control->cpus = env->cpus_had;
    env->state = EXO_ENV_LIVE;
    cpu_consider(env);
}

static void pending_is(struct env *env, uint32_t reasons)
{
    env->pending = reasons;
    if (env->waiting)
        cpu_consider(env);
    else
        env_stir(env);
    if (env->control.n)
        ((struct exo_control *)machine_frame(env->control))->pending = reasons;
}

struct env *env_tell_parent(const struct env *env)
{
    struct env *parent = parent_of(env);

    if (!parent || parent->state != EXO_ENV_LIVE)
        return NULL;
    set_put(&parent->ready_children, EXO_ENV_SLOT(env->name.n), env->ready);
    struct exo_control *control = machine_frame(parent->control);
    if (!*(const volatile uint64_t *)&control->watch)
        return NULL;
    parent->pending |= EXO_UP_READY;
    control->pending = parent->pending;
    return parent;
}

void env_pend(struct env *env, uint32_t reasons)
{
    pending_is(env, env->pending | reasons);
}

void env_unpend(struct env *env, uint32_t reasons)
{
    pending_is(env, env->pending & ~reasons);
}

/*
 * Up to RECLAIM children of a ZOMBIE become its parent's, with the quota that they took; those
 * that have ended meanwhile had nobody to tell. False: it has none.
 */
static bool orphans_hand_over(struct env *env, struct env *to)
{
    uint32_t slot, moved = 0;

    for (; moved < RECLAIM && (slot = set_first(&env->children)) != SET_NONE; moved++) {
        set_remove(&env->children, slot);
        env->used[EXO_R_ENVS]--;
        env->quota[EXO_R_ENVS]--;
        set_add(&to->children, slot);
        to->used[EXO_R_ENVS]++;
        to->quota[EXO_R_ENVS]++;
        envs[slot].parent = to->name;
        set_put(&to->ready_children, slot, envs[slot].ready);
        if (envs[slot].state == EXO_ENV_ZOMBIE)
            env_pend(to, EXO_UP_CHILD);
    }
    return moved;
}

static void end_one(struct env *env, enum exo_end why, uint32_t status, uint64_t rip,
                    uint64_t address)
{
    struct env *parent = parent_of(env);

    env->state = EXO_ENV_ZOMBIE;
    env->waiting = false;
    way_close(env);
    cpu_consider(env);
    cpu_forget(env);
    if (env->gate.callee)
        gate_call_end(env, -EXO_E_DIED);
    slice_refresh(env); /* who waits for it has its time again, to be told */
    env->end = why;
    env->end_status = status;
    env->end_rip = rip;
    env->end_address = address;
    if (parent && parent->state == EXO_ENV_LIVE)
        env_pend(parent, EXO_UP_CHILD);
    if (!parent)
        klog("%s ended (reason %u, status %u): nothing will be restarted any more.", env->label,
             (unsigned)why, status);
}

void env_end(struct env *env, enum exo_end why, uint32_t status, uint64_t address)
{
    uint64_t rip = env->context.rip;

    if (why == EXO_END_FAULT || why == EXO_END_UPCALL)
        env = env_application(env);
    end_one(env, why, status, rip, address);
    for (uint32_t cpu = 0; cpu < processor_count; cpu++)
        if (envs[env->vcpu[cpu]].state == EXO_ENV_LIVE)
            end_one(&envs[env->vcpu[cpu]], EXO_END_KILLED, 0, 0, 0);
}

int64_t call_env_kill(struct env *self, struct env *env, uint32_t status)
{
    if (env->state != EXO_ENV_LIVE)
        return -EXO_E_STATE;

    env_end(env, env == self ? EXO_END_SELF : EXO_END_KILLED, status, 0);
    return 0;
}

/* Empty one table and take it out of the tree. */
static void reclaim_table(uint32_t table)
{
    const uint64_t *entry = machine_frame((frame_t){table});

    for (uint32_t i = 0; i < TABLE_ENTRIES && frames[table].entries; i++)
        if (entry[i])
            table_clear(table, i);
    if (frames[table].parent)
        table_clear(frames[table].parent, frames[table].index);
    if (frames[table].mapped)
        frame_retire(table);
    else
        frame_release(table);
}

/* Up to RECLAIM frames of a ZOMBIE, but one table or block is as much. 0: it has none left. */
static bool frames_reclaim(struct env *env)
{
    revoke_forget(env);
    if (env->acts_as) {
        envs[env->acts_as].vcpu[env->acts_on] = 0;
        env->acts_as = 0;
        env->root.n = 0;    /* its application's */
    } else if (env->root.n) /* a CPU that has run nobody since still has it loaded */
        machine_root_free(env->root);
    frame_unpin(&env->root);
    frame_unpin(&env->control);
    for (uint32_t i = 0, n; i < RECLAIM && (n = env->frames.first); i++) {
        bool table = frame_is_table(&frames[n]);
        if (table || frames[n].type == EXO_BLOCK)
            i = RECLAIM;
        if (table)
            reclaim_table(n);
        else
            frame_release(n);
    }
    return env->frames.first != 0;
}

static int64_t reclaim(struct env *self, struct env *env)
{
    if (env->state == EXO_ENV_EMBRYO) {
        /* Torn down from here on: nobody builds it any further. */
        env->state = EXO_ENV_ZOMBIE;
        env->end = EXO_END_KILLED;
    }
    if (env->on)
        return -EXO_E_BUSY;
    if (gate_reclaim(env) || orphans_hand_over(env, self) || slice_hand_over(env, self, RECLAIM))
        return 1;
    if (env->used[EXO_R_QUEUES]) {
        int64_t error = call_queue_unbind(env, &queues[set_first(&env->queues)]);
        return error ? error : 1;
    }
    if (grant_reclaim(env, RECLAIM))
        return 1;
    if (frames_reclaim(env))
        return 1;

    for (uint32_t r = 0; r < EXO_RESOURCES; r++)
        self->quota[r] += env->quota[r];
    self->used[EXO_R_ENVS]--;
    set_remove(&self->children, (uint32_t)(env - envs));
    env->state = EXO_ENV_FREE;
    env->name.n = 0;
    set_add(&slots_free, (uint32_t)(env - envs));
    env->allowances = 0;
    return 0;
}

int64_t call_env_reclaim(struct env *self, struct env *env)
{
    if (env->state == EXO_ENV_LIVE)
        return -EXO_E_STATE;
    for (uint32_t cpu = 0; cpu < processor_count; cpu++)
        if (env->vcpu[cpu]) {
            int64_t left = reclaim(env, &envs[env->vcpu[cpu]]);
            return left ? left : 1;
        }
    return reclaim(self, env);
}
