/* SPDX-License-Identifier: MIT */
/* notify.h - what else the core asks of notify.c. */
#ifndef EXO_CORE_NOTIFY_H
#define EXO_CORE_NOTIFY_H

#include "env.h"

/* The slot of `env` becomes FREE: nobody's permission names it any more. */
void notify_forget(struct env *env);

#endif
