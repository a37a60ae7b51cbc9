/* SPDX-License-Identifier: MIT */
/* lock.c - the ticket lock of lock.h. */
#include "lock.h"
#include "io.h"
#include "ipi.h"
#include "processor.h"

struct kernel_lock kernel_lock_word;

/* The core's name for what lies beside `serving`. */
__asm__(
    ".globl calls_unbooked\n.hidden calls_unbooked\n.set calls_unbooked, kernel_lock_word + 12");

void kernel_lock_wait(uint32_t ticket)
{
    while (__atomic_load_n(&kernel_lock_word.serving, __ATOMIC_ACQUIRE) != ticket) {
        ipi_answer();
        pause();
    }
    if (calls_unbooked)
        calls_book();
}
