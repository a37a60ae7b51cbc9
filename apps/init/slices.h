/* SPDX-License-Identifier: MIT */
/*
 * slices.h - what applications get of the machine's CPUs, and whether there is enough for them.
 *
 * Who starts applications (apps.c) is linked with one of two: init's, which gives each its slices for good
 * (slices.c), or that of a steward (apps/steward), which hands out its CPUs all the time.
 */
#ifndef INIT_SLICES_H
#define INIT_SLICES_H

#include "bundle.h"
#include "types.h"

/* Plan for a checked bundle. */
void slices_plan(const struct bundle_app *apps, uint32_t count);

/* Can the application be started on this machine? If not, and `tell`, it is said in the log why. */
bool slices_suffice(const struct bundle_app *apps, uint32_t app, bool tell);

/* It runs, as `env`: give it what is its own. Returns what that is, in words for the log. */
const char *slices_give(const struct bundle_app *app, uint32_t index, env_t env);

/* It runs no more. */
void slices_over(uint32_t index);

#endif
