/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the kernel's state machine: sequences of calls, faults, packets and time.
 *
 * The bytes are the dice of ../unit/core/steps.c. Everything is checked after each step: all
 * invariants, and that a refused call has changed no byte of tables, queues and RAM.
 */
#include "target.h"

#include "mock.h"
#include "steps.h"

#include <string.h>

#define STEPS_MAX 200u

static struct input input;

static uint32_t dice(uint32_t sides)
{
    return take_below(&input, sides);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input = (struct input){bytes, size};
    steps_dice = dice;
    steps.failed = NULL;
    mock_forget_names();
    memset(gates, 0, sizeof(gates));
    mock_boot();
    for (uint32_t i = 0;
         i < STEPS_MAX && input.left && steps_anybody_runs() && envs[1].state == EXO_ENV_LIVE;
         i++) {
        steps_one(true);
        if (!steps.failed)
            steps.failed = inv_all();
        MUST(!steps.failed, "step %u: %s", i, steps.failed);
    }
    return 0;
}
