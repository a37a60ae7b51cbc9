/* SPDX-License-Identifier: MIT */
/* slice.h - who owns which position of the CPU's slice vector. */
#ifndef EXO_CORE_SLICE_H
#define EXO_CORE_SLICE_H

#include "env.h"

/* Slot of the owner of each position; ENV_KERNEL: nobody. */
extern uint16_t *slice_owner;
extern uint32_t slice_count;

/* Boot: `owners` has room for `count` positions. */
void slice_init(uint16_t *owners, uint32_t count);

/* Positions that are of use: their owner, or whom it waits for, can run or is to be told that the call
 * has no answer. */
extern struct set slice_ready;

/* `env` can run from now on (env->ready), or no more. */
void slice_ready_set(struct env *env, bool ready);

/*
 * `env` has begun to wait for env->gate.callee: its positions, and those lent to it, are lent on
 * down the chain. Or (`lend` false) it is about to wait no more: they come back.
 */
void slice_lend(struct env *env, bool lend);

/* Up to `most` of the positions of `env` become the property of `to`. False: it had none. */
bool slice_hand_over(struct env *env, struct env *to, uint32_t most);

#endif
