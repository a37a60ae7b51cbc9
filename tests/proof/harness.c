/* SPDX-License-Identifier: MIT */
/*
 * harness.c - one call, from any state in which the invariants hold, with any arguments.
 *
 * What is asserted is named by its first word: `safe`, `invariant`, `frame` (nothing but the caller's
 * own objects and the declared effects changes: tests/model/condition.c), `refused` (an error changes
 * nothing) and `error` (the manual names it) must hold. `reach` must fail: that result can come
 * about, so the assumptions do not contradict one another.
 */
#include "condition.h"
#include "state.h"
#include "world.h"

uint64_t nondet_word(void);

static struct snapshot before;

int main(void)
{
    const uint64_t a[6] = {nondet_word(), nondet_word(), nondet_word(),
                           nondet_word(), nondet_word(), nondet_word()};
    uint32_t actor = (uint32_t)nondet_word();

    world_arbitrary();
    state_assuming = true;
    world_sound();
    inv_begin();
    state_invariants();
    state_assuming = false;
    __CPROVER_assume(actor && actor < EXO_ENVS && envs[actor].state == EXO_ENV_LIVE);
    world_save(&before);

    int64_t result = world_call(&envs[actor], WORLD_CALL, a);

    world_sound();
    state_invariants();
    if (result < 0)
        __CPROVER_assert(world_unchanged(&before), "refused: an error changes nothing");
    else
        condition(&before, actor, WORLD_CALL, a, result);
    state_results(result);
    return 0;
}
