/* SPDX-License-Identifier: MIT */
/* child.h - building an environment for an application and taking it back. */
#ifndef INIT_CHILD_H
#define INIT_CHILD_H

#include "bundle.h"
#include "types.h"

/*
 * Build and run the application. Its name, or EXO_ENV_SELF if that could not be done; the reason
 * has then been printed and nothing is left of it.
 */
env_t child_start(const char *bundle, const struct bundle_app *app);

/* Take back all that an ended child had. Blocks while a device still works on its memory. */
void child_reclaim(env_t child);

#endif
