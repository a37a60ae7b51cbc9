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

/*
 * Positions that are of use: their owner, or whom it waits for, can run, or is to be
 * told that the call has no answer; but not while it runs, if some of them are another CPU's.
 */
extern struct set slice_ready;

/* Are the positions of `env` out of that set because it runs? */
static inline bool slice_is_hidden(const struct env *env)
{
    return env->on && env->cpus & ~(1ull << (env->on - 1));
}

/* Is a position of CPU `cpu` of use to anybody but `except`, who runs there, or NULL? */
bool slice_wanted(uint32_t cpu, const struct env *except);

/* The next of CPU `cpu` after `position`, from its first again; `position` itself last. Or SET_NONE. */
static inline uint32_t slice_next(uint32_t cpu, uint32_t position)
{
    if (slice_each == slice_count) /* there is one CPU */
        return set_after(&slice_ready, position);
    uint32_t first = cpu * slice_each, end = first + slice_each;
    uint32_t next = set_from(&slice_ready, position + 1, end);

    return next != SET_NONE ? next : set_from(&slice_ready, first, end);
}

/* `ready` of `env`, or whether it is hidden, has changed. */
void slice_refresh(struct env *env);

/*
 * `env` has begun to wait for env->gate.callee: its positions, and those lent to it, are lent on
 * down the chain. Or (`lend` false) it is about to wait no more: they come back.
 */
void slice_lend(struct env *env, bool lend);

/* Up to `most` of the positions of `env` become the property of `to`. False: it had none. */
bool slice_hand_over(struct env *env, struct env *to, uint32_t most);

#endif
