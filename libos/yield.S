/* SPDX-License-Identifier: MIT */
/*
 * yield.S - sched_yield() by the short way: from one thread to another in no more instructions than it
 * takes, and without a call.
 *
 * It does what thread_yield_long and thread_schedule do where nothing beside that is to be done: the
 * policy takes the one who yields and gives the next in one step, no slice of the CPU began, nobody
 * traces, the timer need not be touched (switching.c X2, X4). Everything else goes there.
 */
#include "kept.inc"
#include "offsets.h"

        .text
        .globl sched_yield
sched_yield:
        call go_away
        /* Back, and upcalls are off. */
        movq $0, %gs:DISABLED
        cmpq $0, %gs:PENDING
        jne 1f
        xor %eax, %eax
        ret
1:      mov $CALL_POLL, %eax            /* what was withheld comes */
        syscall
        xor %eax, %eax
        ret

/* Back by the long way, among several vCPUs: there is a lock to be given up as well. */
        .globl yield_back
yield_back:
        sub $8, %rsp
        call critical_over
        add $8, %rsp
        xor %eax, %eax
        ret

go_away:
        PUSH_KEPT                       /* the stack is in memory before upcalls go off */
        movq $1, %gs:DISABLED
        mov %gs:V_CURRENT, %rdi
        stmxcsr T_MXCSR(%rdi)
        fnstcw T_X87(%rdi)
        mov %rsp, T_SP(%rdi)
        mov %gs:V_STACK, %rsp
        /* cpu_clock() */
        rdtsc
        shl $32, %rdx
        lea (%rdx, %rax), %rbx
        sub %gs:V_ELSEWHERE, %rbx
        mov %gs:SLICES, %rax
        cmp %gs:V_YIELD_SLICES, %rax
        jne long_way
        add %rbx, T_RAN(%rdi)
        movl $READY, T_STATE(%rdi)
        call *yield_policy(%rip)
        test %rax, %rax
        jz wrong
        cmpl $READY, T_STATE(%rax)
        jne wrong
        movl $RUNNING, T_STATE(%rax)
        sub %rbx, T_RAN(%rax)
        mov %rbx, T_SLICE_FROM(%rax)
        mov %rax, %gs:V_CURRENT
        mov T_FS(%rax), %rcx
        wrfsbase %rcx
        ldmxcsr T_MXCSR(%rax)
        fldcw T_X87(%rax)
        mov T_SP(%rax), %rsp
        POP_KEPT
        ret

long_way:
        xor %ebp, %ebp
        call thread_yield_long

wrong:
        xor %ebp, %ebp
        mov %rax, %rdi
        call thread_yield_wrong

        .section .note.GNU-stack,"",@progbits
