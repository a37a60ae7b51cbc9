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

static struct snapshot before;

int main(void)
{
    const uint64_t a[6] = {state_argument(0), state_argument(1), state_argument(2),
                           state_argument(3), state_argument(4), state_argument(5)};
    uint32_t actor = state_actor();

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
    if (state_refused(result))
        __CPROVER_assert(world_unchanged(&before), "refused: an error changes nothing");
    else
        condition(&before, actor, WORLD_CALL, a, result);
    state_results(result);
    return 0;
}
