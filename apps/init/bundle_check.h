/* SPDX-License-Identifier: MIT */
/* bundle_check.h - is this a bundle (exo/abi/bundle.h)? Built for init and for the tests alike. */
#ifndef INIT_BUNDLE_CHECK_H
#define INIT_BUNDLE_CHECK_H

#include "bundle.h"

/*
 * Check a bundle whole, except for the images, which elf_check judges. NULL if it is good, else
 * what is wrong, as the rest of a sentence that begins with "The bundle".
 */
const char *bundle_check(const void *bundle, uint64_t size);

/* The applications of a checked bundle. */
const struct bundle_app *bundle_apps(const void *bundle);

#endif
