/* SPDX-License-Identifier: MIT */
/*
 * gate.S - the short way through a gate: from the caller to the callee that sleeps, and back.
 *
 * Where a way is open (exo/core/gate.c) a call has one outcome, so nobody is asked: under the lock the
 * callee's registers are loaded instead of the caller's, and its control page tells of the call. The core
 * learns of it when it is next entered for anything else (calls_book), if there was no answer until then.
 * Whatever is not as it has to be goes on in syscall_entry, with all registers as they were.
 *
 * It does, for two of whom the CPU holds one, what machine_enter does for anybody (switch.c): W1 to W3
 * hold here, too. A context that is stored here has the registers that a function must keep, rip,
 * flags and bases; those that a call loses (calls.toml) are not stored, and take words along or are
 * cleared.
 */
#include "load.inc"

        .text

/*
 * After SYSCALL, with the caller's registers: store them in its context. rax = its struct env, which
 * begins with the context; rsp = struct cpu; ecx = ticket. There is no branch between the two exchanges.
 */
        .macro ENTER
        swapgs
        mov %gs:CPU_CONTEXT, %rax
        mov %rsp, RSP(%rax)
        mov %gs:CPU_SELF, %rsp
        swapgs
        mov %rcx, RIP(%rax)
        mov %r11, RFLAGS(%rax)
        mov %rbx, RBX(%rax)
        mov %rbp, RBP(%rax)
        mov %r12, R12(%rax)
        mov %r13, R13(%rax)
        mov %r14, R14(%rax)
        mov %r15, R15(%rax)
        rdfsbase %rcx
        mov %rcx, FS(%rax)
        rdgsbase %rcx
        mov %rcx, GS(%rax)
        /* kernel_lock() without booking what is under way */
        mov $1, %ecx
        lock xadd %ecx, kernel_lock_word+LOCK_NEXT(%rip)
        .endm

/* Back to user mode with what a function keeps; rax and what takes words are in place. */
        .macro LEAVE
        cmpb $0, speculation_costs(%rip)
        jne 9f
8:      incl kernel_lock_word+LOCK_SERVING(%rip)   /* kernel_unlock() */
        mov RIP(%rbx), %rcx
        mov RFLAGS(%rbx), %r11
        mov RBP(%rbx), %rbp
        mov R12(%rbx), %r12
        mov R13(%rbx), %r13
        mov R14(%rbx), %r14
        mov R15(%rbx), %r15
        mov RSP(%rbx), %rsp
        mov RBX(%rbx), %rbx
        sysretq
9:      call mitigate
        jmp 8b
        .endm

        .globl gate_entry
        .balign 16
gate_entry:
        cmp $CALL_GATE_CALL, %rax
        je gate_call
        cmp $CALL_GATE_REPLY, %rax
        jne syscall_rest

/* rdi, rsi, rdx, r10, r8: the answer. r9: until when the callee wants to sleep. */
gate_reply:
        ENTER
        cmp %ecx, kernel_lock_word+LOCK_SERVING(%rip)
        jne 3f
1:      mov CPU_PROCESSOR(%rsp), %rbp
        cmpq $0, PROCESSOR_UNBOOKED(%rbp)
        je 2f
        cmp %r9, ENV_DEADLINE(%rax)     /* never 0 where a way leads to it */
        jne 2f
        mov PROCESSOR_CURRENT(%rbp), %rbx
        cmpl $0, ENV_PENDING(%rbx)
        jne 2f
        movq $0, PROCESSOR_UNBOOKED(%rbp)
        decl kernel_lock_word+LOCK_UNBOOKED(%rip)
        incq ENV_CALLS(%rax)
        incq ENV_CALLS(%rbx)
        fxsave64 ENV_FPU(%rax)
        /* As cpu_give, twice: the time since the call was the callee's. */
        mov %rax, %r12
        mov %rdx, %r9
        rdtsc
        shl $32, %rdx
        or %rdx, %rax
        sub PROCESSOR_CALLED(%rbp), %rax
        add %rax, ENV_TICKS(%r12)
        add %rax, PROCESSOR_SINCE(%rbp)
        mov %r9, %rdx
        mov ENV_WAY_OWN(%rbx), %r12
        LOAD
        xor %r9d, %r9d
        xor %eax, %eax
        LEAVE
2:      mov $CALL_GATE_REPLY, %eax
        jmp back
3:      call contended
        jmp 1b

/* rdi: the gate. rsi, rdx, r10, r8, r9: what is said. */
gate_call:
        ENTER
        cmp %ecx, kernel_lock_word+LOCK_SERVING(%rip)
        jne 3f
1:      mov ENV_WAY_CALLEE(%rax), %rbx
        test %rbx, %rbx
        jz 2f
        cmp %rdi, ENV_WAY_GATE(%rax)
        jne 2f
        mov CPU_CONTROL(%rsp), %rcx
        cmpq $0, CONTROL_CALL_DEADLINE(%rcx)
        jne 2f
        mov CPU_PROCESSOR(%rsp), %rbp
        cmpq $0, PROCESSOR_UNBOOKED(%rbp)
        jne 2f
        mov PROCESSOR_READERS(%rbp), %rcx
        cmpl $0, (%rcx)
        jne 2f
        mov %rbx, PROCESSOR_UNBOOKED(%rbp)
        incl kernel_lock_word+LOCK_UNBOOKED(%rip)
        mov ENV_WAY_CONTROL(%rax), %r12
        mov ENV_WAY_TAG(%rax), %rcx
        mov %rcx, CONTROL_CALL_TAG(%r12)
        mov ENV_WAY_CALLER(%rax), %rcx
        mov %rcx, CONTROL_CALL_CALLER(%r12)
        mov %rsi, CONTROL_CALL_WORDS(%r12)
        mov %rdx, CONTROL_CALL_WORDS+8(%r12)
        mov %r10, CONTROL_CALL_WORDS+16(%r12)
        mov %r8, CONTROL_CALL_WORDS+24(%r12)
        mov %r9, CONTROL_CALL_WORDS+32(%r12)
        fxsave64 ENV_FPU(%rax)
        rdtsc                           /* rdx and rax are lost */
        mov %eax, PROCESSOR_CALLED(%rbp)
        mov %edx, PROCESSOR_CALLED+4(%rbp)
        LOAD
        mov $UP_CALL, %eax
        LEAVE
2:      mov $CALL_GATE_CALL, %eax
        jmp back
3:      call contended
        jmp 1b

/* The long way. rax = number; registers as they were, and the lock given up. */
back:
        mov CPU_CONTEXT(%rsp), %rbx
        incl kernel_lock_word+LOCK_SERVING(%rip)
        mov RIP(%rbx), %rcx
        mov RBP(%rbx), %rbp
        mov RSP(%rbx), %rsp
        mov RBX(%rbx), %rbx
        jmp syscall_rest

/* Call a function of C and keep what a call through a gate has in registers; rcx and r11 are lost. */
        .macro KEEPING function
        push %rax
        push %rsi
        push %rdi
        push %rdx
        push %r8
        push %r9
        push %r10
        mov %ecx, %edi
        call \function
        pop %r10
        pop %r9
        pop %r8
        pop %rdx
        pop %rdi
        pop %rsi
        pop %rax
        .endm

/* ecx = ticket. */
contended:
        KEEPING kernel_lock_wait
        ret

mitigate:
        KEEPING speculation_switch
        cmpb $0, speculation_clears(%rip)
        je 1f
        verw data_selector(%rip)
1:      ret

        .section .note.GNU-stack,"",@progbits
