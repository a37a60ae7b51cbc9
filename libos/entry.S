/* SPDX-License-Identifier: MIT */
/*
 * entry.S - the first instruction, the upcall entry, and the ways between threads.
 *
 * Offsets of struct exo_context and exo_control: exo/abi/control.h, asserted in upcall.c.
 */
#include "kept.inc"
#include "offsets.h"

        .text

/* rdi = struct exo_start. The stack here is small and always in memory; upcalls use it later. */
        .globl _start
_start:
        xor %ebp, %ebp
        push %rdi
        call image_relocate
        pop %rdi
        sub $8, %rsp
        call libos_start

/* rdi = reasons, on the resident stack, upcalls off. */
        .globl upcall_entry
upcall_entry:
        sub $8, %rsp                    /* rbp is 0 */
        call upcall

/*
 * resume_full(context): go on exactly there. Upcalls go on before the last registers are in place:
 * should one come between resume_from and resume_to, the handler takes rip, flags and rsp from
 * resume_frame, and between resume_spared and resume_flags three registers from resume_spare.
 *
 * Not by IRETQ: QEMU before 9.1 reads its frame as the kernel would, which SMAP forbids.
 */
        .globl resume_full, resume_from, resume_spared, resume_flags, resume_to
resume_full:
        mov %rdi, %rax
        mov RIP(%rax), %rcx
        mov %rcx, %gs:V_FRAME+0
        mov RFLAGS(%rax), %rcx
        mov %rcx, %gs:V_FRAME+8
        mov RSP(%rax), %rcx
        mov %rcx, %gs:V_FRAME+16
        mov RBX(%rax), %rbx
        mov RCX(%rax), %rcx
        mov RDX(%rax), %rdx
        mov RSI(%rax), %rsi
        mov RDI(%rax), %rdi
        mov RBP(%rax), %rbp
        mov R8(%rax), %r8
        mov R9(%rax), %r9
        mov R10(%rax), %r10
        mov R11(%rax), %r11
        mov R12(%rax), %r12
        mov R13(%rax), %r13
        mov R14(%rax), %r14
        mov R15(%rax), %r15
        mov RAX(%rax), %rax
        mov %gs:V_FLAGS_AT, %rsp
        movq $0, %gs:DISABLED
resume_from:
        cmpq $0, %gs:PENDING
        je resume_flags
/* A reason came while upcalls were off: have it delivered. */
        mov %rax, %gs:V_SPARE+0
        mov %rcx, %gs:V_SPARE+8
        mov %r11, %gs:V_SPARE+16
resume_spared:
        mov $CALL_POLL, %eax
        syscall
        mov %gs:V_SPARE+0, %rax
        mov %gs:V_SPARE+8, %rcx
        mov %gs:V_SPARE+16, %r11
resume_flags:
        popfq
        mov %gs:V_FRAME+16, %rsp
        jmp *%gs:V_FRAME
resume_to:

/* switch_out(saved): save what a function must keep, then schedule on the resident stack. */
        .globl switch_out
switch_out:
        PUSH_KEPT
        stmxcsr S_MXCSR(%rdi)
        fnstcw S_X87(%rdi)
        mov %rsp, S_SP(%rdi)
        mov %gs:V_STACK, %rsp
        xor %ebp, %ebp
        call thread_schedule

/* switch_in(saved): the other half. */
        .globl switch_in
switch_in:
        mov S_SP(%rdi), %rsp
        ldmxcsr S_MXCSR(%rdi)
        fldcw S_X87(%rdi)
        POP_KEPT
        ret

/* Where the frame of a preempted thread leads: its stack is the thread's record. */
        .globl thread_restart
thread_restart:
        mov %gs:V_STACK, %rsp
        xor %ebp, %ebp
        call thread_restarted

/* run_on(stack, function, argument) */
        .globl run_on
run_on:
        mov %rdi, %rsp
        and $-16, %rsp
        xor %ebp, %ebp
        mov %rdx, %rdi
        call *%rsi
        ud2

/* A further vCPU begins. rdi = its struct vcpu; on its stack, upcalls off. */
        .globl vcpu_begin
vcpu_begin:
        wrgsbase %rdi
        xor %ebp, %ebp
        call vcpu_start

        .section .note.GNU-stack,"",@progbits
