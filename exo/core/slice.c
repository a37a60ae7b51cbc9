/* SPDX-License-Identifier: MIT */
/*
 * slice.c - who owns which position of the CPU's slice vector.
 *
 *   S1  every position has one owner, and an environment's `slices` is how many
 *       it owns                                                   inv_slice_counts
 */
#include "slice.h"

#include "exo_calls.h"
#include "exo_handlers.h"

uint8_t slice_owner[EXO_SLICES];

static void slice_move(uint32_t position, struct env *to)
{
    envs[slice_owner[position]].slices--;
    slice_owner[position] = to ? (uint8_t)EXO_ENV_SLOT(to->name.n) : ENV_KERNEL;
    envs[slice_owner[position]].slices++;
}

void slice_give_all(struct env *env)
{
    envs[ENV_KERNEL].slices = EXO_SLICES;
    for (uint32_t i = 0; i < EXO_SLICES; i++)
        slice_owner[i] = ENV_KERNEL;
    for (uint32_t i = 0; i < EXO_SLICES; i++)
        slice_move(i, env);
}

void slice_hand_over(struct env *env, struct env *to)
{
    for (uint32_t i = 0; i < EXO_SLICES && env->slices; i++)
        if (&envs[slice_owner[i]] == env)
            slice_move(i, to);
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
