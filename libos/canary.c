/* SPDX-License-Identifier: MIT */
/*
 * canary.c - the word behind each array on a stack that tells whether it was overrun.
 *
 *   C1  drawn anew at each start, before musl or the program runs, and then the same for all threads
 *   C2  fs:0x28, where the ABI has it, is readable and holds it whenever code of musl, libnet or the
 *       program runs: each thread inherits it (pthread_create), and while none runs fs leads to
 *       `nobody`
 *
 * libos itself keeps it in __stack_chk_guard: an upcall may find any fs that the program has set.
 * Without canaries are musl's functions that set the thread pointer (libos/meson.build), and
 * libos_start and canary_init, in whose time the word is drawn.
 */
#include "libos.h"

#include <stdint.h>

#define WORD                                                                                       \
    5 /* fs:0x28; System V ABI, AMD64 supplement, 6.4 "The stack protector" leaves it there */

uintptr_t __stack_chk_guard;
static uint64_t nobody[WORD + 1];

void __init_ssp(void *entropy);
_Noreturn void __stack_chk_fail(void);

__attribute__((no_stack_protector)) void canary_init(void)
{
    uint64_t drawn;

    random_bytes_critical(&drawn, sizeof(drawn));
    /* A string that runs over a stack ends there, and one that is read past its end stops there. */
    __stack_chk_guard = drawn & ~0xff00ull;
    nobody[WORD] = __stack_chk_guard;
    canary_no_thread();
}

void canary_no_thread(void)
{
    __asm__ volatile("wrfsbase %0" : : "r"(nobody));
}

uint64_t canary_fs(void)
{
    return (uint64_t)nobody;
}

/* musl calls this as soon as its first thread has a place for it; what it would draw is drawn. */
void __init_ssp(void *entropy)
{
    (void)entropy;
    __asm__ volatile("mov %0, %%fs:0x28" : : "r"(__stack_chk_guard) : "memory");
}

void __stack_chk_fail(void)
{
    crash_here(CRASH_STACK, (uint64_t)__builtin_return_address(0),
               *(uint64_t *)__builtin_frame_address(0));
}
