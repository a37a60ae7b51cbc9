/* SPDX-License-Identifier: MIT */
/*
 * bundle.h - the applications of a machine, packed in one file for `init`.
 *
 * Written by the bundle builder from a machine description, read by init; the kernel does not know
 * it. Little-endian. Layout: header, `apps` entries of struct bundle_app, allowances, string area, images (each
 * page-aligned). Offsets count bytes from the start of the file. init checks all of it again.
 */
#ifndef EXO_ABI_BUNDLE_H
#define EXO_ABI_BUNDLE_H

#include "filter.h"
#include "types.h"

#define BUNDLE_MAGIC   0x31646e7562657266ull /* "frebund1" */
#define BUNDLE_VERSION 6u
#define BUNDLE_APPS    256u
#define BUNDLE_UNDER   32u /* of these the first may be under another: a steward has a bit for each */
#define BUNDLE_ANY_CPU 0xffffu
#define BUNDLE_CONTROL 1u /* flags: init takes commands over the channel */

enum bundle_restart { BUNDLE_NEVER = 0, BUNDLE_ON_FAILURE = 1, BUNDLE_ALWAYS = 2 };

struct bundle_header {
    uint64_t magic;
    uint32_t version;
    uint32_t apps;
    uint64_t size;    /* of the whole file */
    uint32_t crc;     /* CRC-32 (IEEE 802.3) of the whole file with this word taken as zero */
    uint32_t flags;   /* BUNDLE_... */
    char machine[32]; /* name, NUL-terminated */
};

struct bundle_app {
    char name[16];         /* NUL-terminated, [a-z0-9-]+ */
    uint64_t image_offset; /* an ELF64 file */
    uint64_t image_size;
    uint32_t strings_offset; /* argc + envc strings, each ended by a NUL */
    uint32_t strings_size;
    uint32_t argc;
    uint32_t envc;
    uint32_t pages;        /* quota of frames, everything included */
    uint16_t slices;       /* positions in the slice vector of each CPU; 0 exactly with `cpus` */
    uint16_t cpu;          /* the first; BUNDLE_ANY_CPU: one that has most of them left */
    uint32_t queues;       /* quota of network queues */
    uint16_t restart;      /* enum bundle_restart */
    uint16_t environments; /* quota of children of its own */
    uint64_t mac;          /* 0: may bind none */
    uint32_t allow_offset; /* structs exo_filter with this MAC: what it may bind; multiple of 8 */
    uint32_t allowances;   /* how many, 0 exactly without a MAC */
    uint64_t cpus;         /* CPUs that it has whole, a bit each; not CPU 0 */
    uint32_t under;        /* it is started by this application, which has `cpus`, out of what that
                              one gets for it: index in this table, plus 1; 0: by init */
    uint32_t vcpus;        /* on how many CPUs it has `slices` positions each; 1 with `cpus` */
};

_Static_assert(sizeof(struct bundle_header) == 64, "no hidden padding");
_Static_assert(sizeof(struct bundle_app) == 96, "no hidden padding");

#endif
