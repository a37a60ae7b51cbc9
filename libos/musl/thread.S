/* SPDX-License-Identifier: MIT */
/*
 * thread.S - in the place of musl's assembler files that contain a system call.
 */
#include "../offsets.h"

        .text

/* long __clone(int (*f)(void *), void *stack, int flags, void *arg, int *parent_tid, void *tls,
 *              int *child_tid): the seventh argument goes on the stack as it came. */
        .globl __clone
        .hidden __clone
__clone:
        jmp libos_clone

        .globl __set_thread_area
        .hidden __set_thread_area
__set_thread_area:
        mov %gs:V_CURRENT, %rax
        mov %rdi, T_FS(%rax)
        wrfsbase %rdi
        xor %eax, %eax
        ret

/* void __unmapself(void *base, size_t size): a detached thread's stack is its own ground. */
        .globl __unmapself
__unmapself:
        jmp libos_exit_unmap

/* Cancellation points. musl looks at these labels from a signal handler; there are no signals, so
 * a thread is cancelled at its next cancellation point and never within one. */
        .globl __cp_begin, __cp_end, __cp_cancel, __syscall_cp_asm
        .hidden __cp_begin, __cp_end, __cp_cancel, __syscall_cp_asm
        .hidden __cancel
__syscall_cp_asm:
__cp_begin:
        mov (%rdi), %eax
        test %eax, %eax
        jnz __cp_cancel
        mov %rsi, %rdi
        mov %rdx, %rsi
        mov %rcx, %rdx
        mov %r8, %rcx
        mov %r9, %r8
        mov 8(%rsp), %r9
        mov 16(%rsp), %rax
        push %rax                       /* the stack is now aligned to 16 bytes */
        call libos_syscall
        add $8, %rsp
__cp_end:
        ret
__cp_cancel:
        jmp __cancel

/* Return from a signal handler: there are no signals. */
        .globl __restore, __restore_rt
        .hidden __restore, __restore_rt
__restore:
__restore_rt:
        ud2

        .section .note.GNU-stack,"",@progbits
