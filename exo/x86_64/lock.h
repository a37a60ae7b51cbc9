/* SPDX-License-Identifier: MIT */
/*
 * lock.h - one CPU at a time is in the core (docs/design/locking.md).
 *
 *   L1  first come, first served: a ticket lock
 *   L2  who waits has interrupts off, and answers what it is asked all the same (ipi.h): else the holder,
 *       who waits for the answer, and it would wait for each other
 *   L3  taken once at each entry that leads into the core, given up once who runs next is known; in
 *       between interrupts are off, but for cpu_idle and cpu_breathe, around which it is given up
 *   L4  who has it by kernel_lock() finds every call booked (exo/core/gate.c)
 */
#ifndef EXO_X86_64_LOCK_H
#define EXO_X86_64_LOCK_H

#include "types.h"

extern struct kernel_lock {
    uint32_t next; /* the ticket that the next to come gets */
    uint32_t unused;
    /* One look tells both: whose turn it is, which the holder alone writes, and that nothing is to be done first. */
    _Alignas(8) uint32_t serving;
    uint32_t unbooked; /* calls_unbooked (processor.h) */
} kernel_lock_word;

/* lock.c: until it is that ticket's turn, and calls are booked. */
void kernel_lock_wait(uint32_t ticket);

static inline void kernel_lock(void)
{
    uint32_t ticket = __atomic_fetch_add(&kernel_lock_word.next, 1, __ATOMIC_ACQUIRE);

    if (__atomic_load_n((uint64_t *)&kernel_lock_word.serving, __ATOMIC_ACQUIRE) != ticket)
        kernel_lock_wait(ticket);
}

static inline void kernel_unlock(void)
{
    __atomic_store_n(&kernel_lock_word.serving, kernel_lock_word.serving + 1, __ATOMIC_RELEASE);
}

#endif
