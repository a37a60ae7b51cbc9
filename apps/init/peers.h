/* SPDX-License-Identifier: MIT */
/* peers.h - the page that tells applications who else runs (exo/abi/directory.h). */
#ifndef INIT_PEERS_H
#define INIT_PEERS_H

#include "bundle.h"
#include "types.h"

/* What a machine file sets for it, as its program finds it; NULL: nothing. */
const char *setting_of(const char *bundle, const struct bundle_app *app, const char *name);

/* Rights that a machine file gives, as its key `rights` has them. */
bool right_given(const char *bundle, const struct bundle_app *app, const char *right);

/* An empty directory of `count` applications. False: there is no memory for it. */
bool peers_make(const struct bundle_app *apps, uint32_t count);

/* The application of this index runs as `env` now; EXO_ENV_SELF: it does not. */
void peers_tell(uint32_t index, env_t env);

/* The frame that it lies in; EXO_FRAME_NONE: there is none. */
frame_t peers_frame(void);

#endif
