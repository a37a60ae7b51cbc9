/* SPDX-License-Identifier: MIT */
/* bundle_check.h - is this a bundle (exo/abi/bundle.h)? Built for init and for the tests alike. */
#ifndef INIT_BUNDLE_CHECK_H
#define INIT_BUNDLE_CHECK_H

#include "bundle.h"

/*
 * Check a bundle whole, except for the images, which elf_check judges. NULL if it is good, else
 * what is wrong, as the rest of a sentence that begins with "The bundle"; `*at` is then the index
 * of the application that it is about, or BUNDLE_APPS if it is about none.
 */
const char *bundle_check(const void *bundle, uint64_t size, uint32_t *at);

/* The checksum that belongs into its header; `size` is at least the header's. */
uint32_t bundle_crc(const void *bundle, uint64_t size);

/* CRC-32 of IEEE 802.3, as zlib's crc32(). */
uint32_t crc_of(const void *bytes, uint64_t length);

/* The applications of a checked bundle. */
const struct bundle_app *bundle_apps(const void *bundle);

#endif
