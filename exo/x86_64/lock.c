/* SPDX-License-Identifier: MIT */
/* lock.c - the ticket lock of lock.h. */
#include "lock.h"
#include "io.h"
#include "ipi.h"

static struct {
    uint32_t next;    /* the ticket that the next to come gets */
    uint32_t serving; /* whose turn it is; the holder alone writes it */
} lock;

void kernel_lock(void)
{
    uint32_t ticket = __atomic_fetch_add(&lock.next, 1, __ATOMIC_ACQUIRE);

    while (__atomic_load_n(&lock.serving, __ATOMIC_ACQUIRE) != ticket) {
        ipi_answer();
        pause();
    }
}

void kernel_unlock(void)
{
    __atomic_store_n(&lock.serving, lock.serving + 1, __ATOMIC_RELEASE);
}
