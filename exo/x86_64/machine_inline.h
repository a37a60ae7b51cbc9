/* SPDX-License-Identifier: MIT */
/*
 * machine_inline.h - of what machine.h asks for, that which is fewer instructions than a call of it. The
 * kernel's files are compiled with this before them (exo/meson.build).
 */
#ifndef EXO_X86_64_MACHINE_INLINE_H
#define EXO_X86_64_MACHINE_INLINE_H
#ifndef __ASSEMBLER__

#include "boot_info.h"
#include "types.h"

/* All memory lies side by side in the kernel's half. */
static inline void *machine_frame(frame_t frame)
{
    return (void *)(EXO_DIRECT_MAP + ((uint64_t)frame.n << EXO_PAGE_SHIFT));
}

/* Some calls have a shorter way here (hand.S). */
#define SHORT_WAY(call) short_##call

#endif
#endif
