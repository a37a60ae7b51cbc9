/* SPDX-License-Identifier: MIT */
/*
 * fault.S - the short way from an application's exception to its own handler.
 *
 * It does what cpu_fault and the delivery of an upcall do (exo/core/cpu.c) where nothing else is to be
 * decided: upcalls are on, and entry and stack are addresses of user mode. What the kernel knows of
 * the environment does not change but for one count, so the lock is not taken and nobody is asked:
 * registers go straight to the control page of whom the loaded root table belongs to (switch.c, W3).
 * Whatever else pends stays so, as for whoever turns upcalls on again. All other cases go to
 * trap_common.
 */
#include "context.h"
#include "percpu.h"

#define PAGE_FAULT  14
#define UP_FAULT    1
#define FLAGS_USER  0x202
#define USER_BITS   47 /* addresses of user mode: EXO_USER_END */

        .text
/* Stack as in trap_common. */
        .globl fault_quick
        .balign 16
fault_quick:
        testb $3, 24(%rsp)
        jz trap_kernel
        push %rax
        push %rcx
        mov 72(%rsp), %rcx              /* struct cpu */
        mov CPU_CONTROL(%rcx), %rcx
        cmpq $0, CONTROL_DISABLED(%rcx)
        jne slow
        /* Each word is read once. Less 1, so that 0 is none of user mode's. */
        mov %rdx, CONTROL_SAVED+RDX(%rcx)
        mov %rsi, CONTROL_SAVED+RSI(%rcx)
        mov CONTROL_ENTRY(%rcx), %rdx
        lea -1(%rdx), %rax
        shr $USER_BITS, %rax
        jnz slow_restore
        mov CONTROL_STACK(%rcx), %rsi
        lea -1(%rsi), %rax
        shr $USER_BITS, %rax
        jnz slow_restore
        mov %rbx, CONTROL_SAVED+RBX(%rcx)
        mov %rdi, CONTROL_SAVED+RDI(%rcx)
        mov %rbp, CONTROL_SAVED+RBP(%rcx)
        mov %r8, CONTROL_SAVED+R8(%rcx)
        mov %r9, CONTROL_SAVED+R9(%rcx)
        mov %r10, CONTROL_SAVED+R10(%rcx)
        mov %r11, CONTROL_SAVED+R11(%rcx)
        mov %r12, CONTROL_SAVED+R12(%rcx)
        mov %r13, CONTROL_SAVED+R13(%rcx)
        mov %r14, CONTROL_SAVED+R14(%rcx)
        mov %r15, CONTROL_SAVED+R15(%rcx)
        rdfsbase %rax
        mov %rax, CONTROL_SAVED+FS(%rcx)
        rdgsbase %rax
        mov %rax, CONTROL_SAVED+GS(%rcx)
        pop CONTROL_SAVED+RCX(%rcx)
        pop CONTROL_SAVED+RAX(%rcx)
        xor %eax, %eax
        cmpb $PAGE_FAULT, (%rsp)
        jne 1f
        mov %cr2, %rax
1:      mov %rax, CONTROL_ADDRESS(%rcx)
        pop CONTROL_VECTOR(%rcx)
        pop CONTROL_ERROR(%rcx)
        /* What is left is what IRETQ takes: rip, cs, rflags, rsp, ss. */
        mov (%rsp), %rax
        mov %rax, CONTROL_SAVED+RIP(%rcx)
        mov 16(%rsp), %rax
        mov %rax, CONTROL_SAVED+RFLAGS(%rcx)
        mov 24(%rsp), %rax
        mov %rax, CONTROL_SAVED+RSP(%rcx)
        mov %rdx, (%rsp)
        movq $FLAGS_USER, 16(%rsp)
        mov %rsi, 24(%rsp)
        movq $1, CONTROL_DISABLED(%rcx)
        mov 40(%rsp), %rax
        mov CPU_CONTEXT(%rax), %rax
        incq ENV_UPCALLS(%rax)
        cmpb $0, speculation_clears(%rip)
        jne clear
cleared:
        mov $UP_FAULT, %edi
        xor %eax, %eax
        xor %ebx, %ebx
        xor %ecx, %ecx
        xor %edx, %edx
        xor %esi, %esi
        xor %ebp, %ebp
        xor %r8d, %r8d
        xor %r9d, %r9d
        xor %r10d, %r10d
        xor %r11d, %r11d
        xor %r12d, %r12d
        xor %r13d, %r13d
        xor %r14d, %r14d
        xor %r15d, %r15d
        iretq

clear:
        verw data_selector(%rip)
        jmp cleared

slow_restore:
        mov CONTROL_SAVED+RDX(%rcx), %rdx
        mov CONTROL_SAVED+RSI(%rcx), %rsi
slow:
        pop %rcx
        pop %rax
        jmp trap_common

        .section .note.GNU-stack,"",@progbits
