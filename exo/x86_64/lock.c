/* SPDX-License-Identifier: MIT */
/* lock.c - the ticket lock of lock.h. */
#include "lock.h"
#include "io.h"
#include "ipi.h"

struct kernel_lock kernel_lock_word;

void kernel_lock_wait(uint32_t ticket)
{
    while (__atomic_load_n(&kernel_lock_word.serving, __ATOMIC_ACQUIRE) != ticket) {
        ipi_answer();
        pause();
    }
}
