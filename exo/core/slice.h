/* SPDX-License-Identifier: MIT */
/* slice.h - who owns which position of the CPU's slice vector. */
#ifndef EXO_CORE_SLICE_H
#define EXO_CORE_SLICE_H

#include "env.h"

/* Slot of the owner of each position; ENV_KERNEL: nobody. */
extern uint16_t slice_owner[EXO_SLICES];

/* Positions whose owner can run. */
extern struct set slice_ready;

/* `env` can run from now on (env->ready), or no more. */
void slice_ready_set(struct env *env, bool ready);

/* Boot: the first environment owns them all. */
void slice_give_all(struct env *env);

/* Everything that `env` owns becomes the property of `to` (NULL: nobody's). */
void slice_hand_over(struct env *env, struct env *to);

#endif
