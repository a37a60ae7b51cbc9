/* SPDX-License-Identifier: MIT */
/* revoke.h - what else the core asks of revoke.c. */
#ifndef EXO_CORE_REVOKE_H
#define EXO_CORE_REVOKE_H

#include "env.h"

/* The kernel uses the list of `env` no more. */
void revoke_forget(struct env *env);

#endif
