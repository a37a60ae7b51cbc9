/* SPDX-License-Identifier: MIT */
/*
 * revoke.c - a parent takes pages of a child's quota back: it asks, then it takes, then it ends it.
 *
 *   K1  nothing is asked back that reaches below the child's floor: what the child and its
 *       descendants may have, less what is missing, is the floor or more      inv_revoke_floor
 *   K2  the list of what a child would rather lose lies in a DATA frame of its own that is pinned,
 *       so that marking it writes into nobody else's memory                   inv_revoke_list
 *   K3  a frame is taken by force only if the child itself could unmap and free it, and is FREE
 *       before its quota moves; no quota is lost or made                      inv_env_quotas
 *   K4  once taking by force has begun the list is not replaced, so every revoke_take comes nearer
 *       to its end: after EXO_PREFER_MAX / TAKE_MAX + 1 of them nothing is missing or the child has
 *       ended
 *
 * Nothing here waits for the child, and no answer of it is needed: what it gave up is seen in its
 * count of pages.
 */
#include "exo_handlers.h"
#include "frame.h"
#include "machine.h"
#include "prefer.h"
#include "table.h"

#define TAKE_MAX 64u /* entries of the list tried by one call */

static void tell(const struct env *env)
{
    const struct revoke *r = &env->revoke;

    ((struct exo_control *)machine_frame(env->control))->revocation =
        (struct exo_revocation){r->missing, r->deadline, r->taken, r->skipped};
}

void revoke_forget(struct env *env)
{
    frame_unpin(&env->revoke.list);
    env->revoke.listed = env->revoke.next = 0;
}

int64_t call_revoke_prefer(struct env *self, frame_t frame, uint32_t count)
{
    if (count > EXO_PREFER_MAX || (!frame.n && count))
        return -EXO_E_RANGE;
    int64_t error = frame.n ? frame_check(self, frame.n, 1u << EXO_DATA) : 0;
    if (error)
        return error;
    if (self->revoke.forced)
        return -EXO_E_BUSY;

    if (frame.n)
        frame_pin(frame); /* before the old one is let go: it may be the same */
    revoke_forget(self);
    self->revoke.list = frame;
    self->revoke.listed = count;
    return 0;
}

int64_t call_revoke_start(struct env *self, struct env *env, uint32_t pages, uint64_t deadline)
{
    if (env->state != EXO_ENV_LIVE)
        return -EXO_E_STATE;
    if (pages && env->revoke.missing)
        return -EXO_E_BUSY;
    if (!pages && !env->revoke.missing)
        return -EXO_E_EMPTY;
    if (pages && (uint64_t)env->revoke.floor + pages > env->quota[EXO_R_PAGES])
        return -EXO_E_QUOTA;

    env->revoke.missing = pages;
    env->revoke.deadline = deadline;
    env->revoke.forced = false;
    env->revoke.taken = env->revoke.skipped = 0;
    tell(env);
    env_pend(env, EXO_UP_REVOKE);
    return 0;
}

static void quota_move(struct env *from, struct env *to, uint32_t pages)
{
    from->quota[EXO_R_PAGES] -= pages;
    to->quota[EXO_R_PAGES] += pages;
    from->revoke.missing -= pages;
    if (!from->revoke.missing)
        from->revoke.forced = false;
}

/* Take the frame that one entry names. False, and nothing changed: the child could not free it. */
static bool take(struct env *env, volatile struct exo_preferred *entry)
{
    const frame_t frame = {entry->frame}, table = {entry->table}; /* shared memory: read once */
    const uint32_t index = entry->index;

    if (frame.n >= frame_count)
        return false;
    const struct frame *f = &frames[frame.n];
    if (&envs[f->owner] != env || f->type != EXO_DATA || f->pinned || f->granted ||
        f->mapped != (table.n != 0))
        return false;
    if (table.n) {
        int64_t error;
        const uint64_t *entry = table_entry(env, table, index, &error);
        if (!entry || PTE_FRAME(*entry) != frame.n)
            return false;
        table_unmap(table.n, index);
    }
    frame_release(frame.n);
    return true;
}

/* Once the deadline has passed: go on along the list, and end whose list does not suffice. */
static void take_listed(struct env *parent, struct env *env)
{
    struct revoke *r = &env->revoke;

    r->forced = true;
    if (r->next < r->listed)
        env_pend(env, EXO_UP_REPOSSESSED);
    for (uint32_t i = 0; i < TAKE_MAX && r->missing && r->next < r->listed; i++, r->next++) {
        volatile struct exo_preferred *entry =
            (volatile struct exo_preferred *)machine_frame(r->list) + r->next;
        bool done = take(env, entry);
        entry->outcome = done ? EXO_PREFERRED_TAKEN : EXO_PREFERRED_SKIPPED;
        r->taken += done;
        r->skipped += !done;
        quota_move(env, parent, done);
    }
    tell(env);
    if (r->missing && r->next == r->listed)
        env_end(env, EXO_END_REVOKED, r->missing, 0);
}

int64_t call_revoke_take(struct env *self, struct env *env)
{
    if (env->state != EXO_ENV_LIVE)
        return -EXO_E_STATE;
    if (!env->revoke.missing)
        return -EXO_E_EMPTY;

    uint32_t unused = env->quota[EXO_R_PAGES] - env->used[EXO_R_PAGES];
    quota_move(env, self, unused < env->revoke.missing ? unused : env->revoke.missing);
    if (env->revoke.missing && machine_time() >= env->revoke.deadline)
        take_listed(self, env);
    else
        tell(env);
    return env->revoke.missing;
}
