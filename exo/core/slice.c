/* SPDX-License-Identifier: MIT */
/*
 * slice.c - who owns which position of the CPU's slice vector.
 *
 *   S1  every position has one owner, and an environment's `slices` is how many
 *       it owns                                                   inv_slice_counts
 *   S2  `slice_ready` holds exactly the positions whose owner, or whom that one waits for in a
 *       call, can run: the next is found without looking at those that cannot
 *                                                                 inv_slice_ready
 *   S3  of those who wait for it an environment knows the positions, so that it wakes and sleeps
 *       with theirs however many they are                         inv_gate_time
 */
#include "slice.h"

#include "exo_handlers.h"

uint16_t *slice_owner;
uint32_t slice_count;
struct set slice_ready;

/* The end of the chain of those that `env` waits for; `env` itself if it waits for nobody. */
static const struct env *end_of(const struct env *env)
{
    while (env->gate.callee)
        env = &envs[env->gate.callee];
    return env;
}

/* Is a position of use whose owner waits for `end`? Who has ended leaves callers to be told. */
static bool is_of_use(const struct env *end)
{
    return end->ready || end->state == EXO_ENV_ZOMBIE;
}

static void lent_put(const struct env *owner, uint32_t position, bool in)
{
    for (uint32_t slot = owner->gate.callee; slot; slot = envs[slot].gate.callee)
        set_put(&envs[slot].gate.lent, position, in);
}

static void slice_move(uint32_t position, struct env *to)
{
    struct env *owner = &envs[slice_owner[position]];

    owner->slices--;
    set_remove(&owner->positions, position);
    lent_put(owner, position, false);
    slice_owner[position] = (uint16_t)(to - envs);
    to->slices++;
    set_add(&to->positions, position);
    lent_put(to, position, true);
    set_put(&slice_ready, position, is_of_use(end_of(to)));
}

void slice_ready_set(struct env *env, bool ready)
{
    env->ready = ready;
    if (!env->gate.callee) { /* else it is its callee that counts */
        set_put_all(&slice_ready, &env->positions, ready);
        set_put_all(&slice_ready, &env->gate.lent, is_of_use(env));
    }
}

void slice_lend(struct env *env, bool lend)
{
    for (uint32_t slot = env->gate.callee; slot; slot = envs[slot].gate.callee) {
        set_put_all(&envs[slot].gate.lent, &env->positions, lend);
        set_put_all(&envs[slot].gate.lent, &env->gate.lent, lend);
    }
    if (lend) {
        bool ready = is_of_use(end_of(env));
        set_put_all(&slice_ready, &env->positions, ready);
        set_put_all(&slice_ready, &env->gate.lent, ready);
    }
}

void slice_init(uint16_t *owners, uint32_t count)
{
    slice_owner = owners;
    slice_count = count;
    slice_ready = (struct set){0};
    envs[ENV_KERNEL].slices = count;
    for (uint32_t i = 0; i < count; i++) {
        slice_owner[i] = ENV_KERNEL;
        set_add(&envs[ENV_KERNEL].positions, i);
    }
}

bool slice_hand_over(struct env *env, struct env *to, uint32_t most)
{
    uint32_t position, moved = 0;

    for (; moved < most && (position = set_first(&env->positions)) != SET_NONE; moved++)
        slice_move(position, to);
    return moved;
}

int64_t call_slice_set(struct env *self, uint32_t position, struct env *to)
{
    if (position >= slice_count)
        return -EXO_E_RANGE;
    if (to->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;
    struct env *owner = &envs[slice_owner[position]];
    if (owner != self && !env_descends(owner, self))
        return -EXO_E_OWNER;

    slice_move(position, to);
    return 0;
}
