/* SPDX-License-Identifier: MIT */
/*
 * start.h - what a new environment finds in its address space.
 *
 * This is a convention between a parent and the libOS of its child, not a rule
 * of the kernel; the kernel follows it once, for the first environment.
 *
 * The first instruction runs at the image's entry with rdi = EXO_START_ADDRESS,
 * rsp = EXO_STACK_TOP - 8, `disabled` = 1 in the control page, all other
 * general registers 0.
 *
 * User addresses:
 *   image_base          text, rodata, data, bss: a page between EXO_IMAGE_BASE and EXO_IMAGE_END,
 *                       drawn at each start. The image is a position-independent program, linked
 *                       at 0, and adds image_base itself to its words that hold an address.
 *   EXO_START_ADDRESS   struct exo_start and its strings, one read-only page or more
 *   EXO_CONTROL_ADDRESS the control page, read-write
 *   EXO_DIRECTORY_ADDRESS (directory.h) who else runs, read-only, for those that may know
 *   EXO_TRACE_ADDRESS   (trace_ring.h) the rings of a traced application, read-write
 *   EXO_STACK_TOP       end of the first stack of EXO_STACK_PAGES pages; the page below is not mapped
 *   EXO_BUNDLE_ADDRESS  the bundle, read-only: whole for the first environment; for an application
 *                       that others are under, what these take: table, strings and their images, at
 *                       the same offsets
 * The root table's frame is told by info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT), further
 * tables by pt_read.
 */
#ifndef EXO_ABI_START_H
#define EXO_ABI_START_H

#include "filter.h"
#include "types.h"

#define EXO_START_MAGIC     0x3174726174736678ull /* "xfstart1" */
#define EXO_START_VERSION   3u

#define EXO_IMAGE_BASE      0x0000010000000000ull /* PML4 slots 2 to 191; above is the program's */
#define EXO_IMAGE_END       0x0000600000000000ull
#define EXO_IMAGE_SIZE      0x0000000040000000ull /* of an image, at most */
#define EXO_CONTROL_ADDRESS 0x000000003fe00000ull
#define EXO_START_ADDRESS   0x000000003fe10000ull
#define EXO_STACK_TOP       0x000000003ff00000ull
#define EXO_STACK_PAGES     4u
#define EXO_BUNDLE_ADDRESS  0x0000008000000000ull /* PML4 slot 1 */
#define EXO_USER_END        0x0000800000000000ull

#define EXO_START_STRINGS   2048u
#define EXO_START_COUNT     128u /* strings at most, arguments and settings together */

struct exo_start {
    uint64_t magic;
    uint32_t version;
    uint32_t argc;
    uint32_t envc;          /* strings of the form NAME=value, after the arguments */
    uint32_t strings_bytes; /* used bytes of `strings` */
    uint64_t wall_clock;    /* seconds since 1970 at boot, 0: unknown */
    uint8_t seed[32];       /* random bytes of this environment's own */
    uint64_t image_base;    /* where what is linked at 0 lies */
    uint64_t image_end;     /* first page-aligned address after the image */
    uint64_t mac;           /* of all in `allow`, 0: it may bind none; first octet in bits 47..40 */
    uint64_t bundle_size;   /* bytes at EXO_BUNDLE_ADDRESS, 0: no bundle */
    uint64_t allowances;    /* what it may bind (env_set): so many filters, at a multiple of 8, so
                               that filter_add can take them from this page */
    struct exo_filter allow[EXO_ALLOWANCES];
    char strings[EXO_START_STRINGS]; /* argc + envc strings, each ended by a NUL */
};

_Static_assert(sizeof(struct exo_start) <= EXO_PAGE_SIZE, "struct exo_start fits its page");

#endif
