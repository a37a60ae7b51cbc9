/* SPDX-License-Identifier: MIT */
/*
 * exo_stubs.h - in place of the generated one: on the host a call is a function of the test.
 */
#ifndef EXO_STUBS_H
#define EXO_STUBS_H

#include "exo_calls.h"
#include "types.h"

int64_t exo_timer(uint64_t deadline);
int64_t exo_poll(void);
int64_t exo_info(uint32_t what, uint64_t which, uint32_t index);

#endif
