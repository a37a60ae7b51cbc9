/* SPDX-License-Identifier: MIT */
/*
 * slice.c - who owns which position of the CPU's slice vector.
 *
 *   S1  every position has one owner, and an environment's `slices` is how many
 *       it owns                                                   inv_slice_counts
 *   S2  `slice_ready` holds exactly the positions whose owner can run: the next is found without
 *       looking at those that cannot                              inv_slice_ready
 */
#include "slice.h"

#include "exo_calls.h"
#include "exo_handlers.h"

uint16_t slice_owner[EXO_SLICES];
struct set slice_ready;

static void slice_move(uint32_t position, struct env *to)
{
    struct env *owner = &envs[slice_owner[position]];

    owner->slices--;
    set_remove(&owner->positions, position);
    slice_owner[position] = to ? (uint16_t)EXO_ENV_SLOT(to->name.n) : ENV_KERNEL;
    owner = &envs[slice_owner[position]];
    owner->slices++;
    set_add(&owner->positions, position);
    set_put(&slice_ready, position, owner->ready);
}

void slice_ready_set(struct env *env, bool ready)
{
    env->ready = ready;
    set_put_all(&slice_ready, &env->positions, ready);
}

void slice_give_all(struct env *env)
{
    slice_ready = (struct set){0};
    envs[ENV_KERNEL].slices = EXO_SLICES;
    for (uint32_t i = 0; i < EXO_SLICES; i++) {
        slice_owner[i] = ENV_KERNEL;
        set_add(&envs[ENV_KERNEL].positions, i);
    }
    for (uint32_t i = 0; i < EXO_SLICES; i++)
        slice_move(i, env);
}

void slice_hand_over(struct env *env, struct env *to)
{
    while (env->slices)
        slice_move(set_first(&env->positions), to);
}

int64_t call_slice_set(struct env *self, uint32_t position, env_t name)
{
    struct env *to = env_find(self, name);

    if (position >= EXO_SLICES)
        return -EXO_E_RANGE;
    if (!to || (to != self && !env_descends(to, self)) || to->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;
    struct env *owner = &envs[slice_owner[position]];
    if (owner != self && !env_descends(owner, self))
        return -EXO_E_OWNER;

    slice_move(position, to);
    return 0;
}
