/* SPDX-License-Identifier: MIT */
/* child.h - building an environment for an application and taking it back. */
#ifndef INIT_CHILD_H
#define INIT_CHILD_H

#include "../../uefi/elf.h"
#include "bundle.h"
#include "rings.h"
#include "types.h"

/* Frames that stay init's own whatever the applications want: stack, tables, windows. */
#define CHILD_RESERVE 64u

/* What every application may have of these: enough for a few neighbours and a few addresses. Among so
 * many that the kernel's tables do not hold that, an even part. */
#define CHILD_GRANTS  24u
#define CHILD_GATES   4u
#define CHILD_FILTERS 16u

/*
 * Build and run the application, its image at a place drawn now, with these rings. Its name, or EXO_ENV_SELF if that
 * could not be done; the reason has then been printed and nothing is left of it.
 */
env_t child_start(const char *bundle, const struct bundle_app *app, struct ring ring,
                  uint64_t *image_base);

/* The frames that child_start takes for this program where it was placed; what it asks for when it
 * runs is not in it. */
uint64_t child_pages(const struct elf_plan *plan);

/*
 * Take back all that an ended child had. False: a device still works on its memory; ask again soon.
 */
bool child_reclaim(env_t child);

#endif
