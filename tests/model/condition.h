/* SPDX-License-Identifier: MIT */
/* condition.h - what one successful call may have changed. */
#ifndef TESTS_MODEL_CONDITION_H
#define TESTS_MODEL_CONDITION_H

#include "world.h"

/*
 * The frame condition over two states, `before` and the present one: between them, the environment
 * in slot `actor` made call `number`, which was not refused. NULL, or what changed that may not.
 */
const char *condition(const struct snapshot *before, uint32_t actor, uint32_t number,
                      const uint64_t a[6], int64_t result);

#endif
