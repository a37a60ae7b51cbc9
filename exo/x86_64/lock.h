/* SPDX-License-Identifier: MIT */
/*
 * lock.h - one CPU at a time is in the core (docs/design/locking.md).
 *
 *   L1  first come, first served: a ticket lock
 *   L2  who waits has interrupts off, and answers what it is asked all the same (ipi.h): else the holder,
 *       who waits for the answer, and it would wait for each other
 *   L3  taken once at each entry that leads into the core, given up once who runs next is known; in
 *       between interrupts are off, but for cpu_idle and cpu_breathe, around which it is given up
 */
#ifndef EXO_X86_64_LOCK_H
#define EXO_X86_64_LOCK_H

#include "types.h"

void kernel_lock(void);
void kernel_unlock(void);

#endif
