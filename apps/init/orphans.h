/* SPDX-License-Identifier: MIT */
/* orphans.h - environments that applications made, and left behind when they ended. */
#ifndef INIT_ORPHANS_H
#define INIT_ORPHANS_H

#include <stdbool.h>
#include <stdint.h>

#include "types.h"

/* An application that may have had some is over. */
void orphans_expect(void);

/* May there be some that were not found yet? */
bool orphans_expected(void);

/* The environment of this name that an application made; EXO_ENV_SELF: there is none, or not for long. */
env_t orphan_to_be(env_t parent, const char *name);

/* End them and take them back. Returns when to look again, ns since boot; 0: there is no need. */
uint64_t orphans_look_after(void);

#endif
