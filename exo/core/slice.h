/* SPDX-License-Identifier: MIT */
/* slice.h - who owns which position of the slice vector, and which of them are of use. */
#ifndef EXO_CORE_SLICE_H
#define EXO_CORE_SLICE_H

#include "env.h"

/* Slot of the owner of each position; ENV_KERNEL: nobody. CPU n has `slice_each` of them, from n *
 * slice_each on. */
extern uint16_t *slice_owner;
extern uint32_t slice_count, slice_each;

/* Boot: `owners` has room for `each` positions a CPU. */
void slice_init(uint16_t *owners, uint32_t cpus, uint32_t each);

/* Positions that are of use: their owner, or whom it waits for, can run and does not yet, or is to be
 * told that the call has no answer. */
extern struct set slice_ready;

/* The next of CPU `cpu` after `position`, from its first again; `position` itself last. Or SET_NONE. */
uint32_t slice_next(uint32_t cpu, uint32_t position);

/* `ready` or `on` of `env` has changed. */
void slice_refresh(struct env *env);

/*
 * `env` has begun to wait for env->gate.callee: its positions, and those lent to it, are lent on
 * down the chain. Or (`lend` false) it is about to wait no more: they come back.
 */
void slice_lend(struct env *env, bool lend);

/* Up to `most` of the positions of `env` become the property of `to`. False: it had none. */
bool slice_hand_over(struct env *env, struct env *to, uint32_t most);

#endif
