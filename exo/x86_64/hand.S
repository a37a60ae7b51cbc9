/* SPDX-License-Identifier: MIT */
/*
 * hand.S - the short way from who gives the CPU up to whom it names: `yield` and `wait` with a name.
 *
 * Mostly whoever is named can run, on this CPU, which goes on with the slice that is under way: nobody has
 * to be asked, and no timer has to be set. Then registers are exchanged here and the core's records are
 * written as call_yield, call_wait, cpu_next and cpu_give would leave them (exo/core/cpu.c). Of who sleeps
 * only what costs little: it is `sleeper` until the core is next asked who runs (C10). Whatever is not as
 * it has to be goes the long way, in the function of the call, and nothing has changed.
 *
 * entry.S comes here as to any call's function: rdi = caller's struct env, which begins with the context, and
 * which acts for itself; rsi = the same; rsp = struct cpu and a return address; arguments, rip and flags are
 * in the context, the lock is held and all calls are booked. Registers that a function keeps are the user's.
 */
#include "load.inc"
#include "rest.inc"

        .text

/*
 * Who is named by the argument at \name, and does it get the CPU? If not, to \long. rsi = its struct env,
 * r9 = its control page, r10 = struct processor, rcx = the CPU's number, rax = now. r8 = bit 32: it sleeps, and
 * wakes for the reasons in r8d.
 */
        .macro LOOK name, long
        mov \name(%rdi), %rcx
        mov %ecx, %edx
        and $(1 << ENV_SLOT_BITS) - 1, %edx
        cmp env_count(%rip), %edx
        jae \long
        imul $ENV_SIZE, %rdx, %rsi
        add envs(%rip), %rsi
        mov ENV_NAME(%rsi), %edx
        cmp %rdx, %rcx
        jne \long
        cmpq $STATE_LIVE, ENV_STATE(%rsi) /* and acts_as is 0 */
        jne \long
        /* pending, waiting, ready, on, home: in one word */
        mov 8+CPU_PROCESSOR(%rsp), %r10
        mov PROCESSOR_NUMBER(%r10), %ecx
        mov %rcx, %r8
        shl $56, %r8
        bts $40, %r8
        xor ENV_PENDING(%rsi), %r8      /* 0: it is ready, on no CPU, at home on this, has no reasons */
        movabs $DIRECT_MAP, %r11
        mov ENV_CONTROL(%rsi), %r9d
        shl $12, %r9
        add %r11, %r9
        test %r8, %r8
        jz 2f
        mov %r8, %rdx
        shr $32, %rdx
        jz 1f
        dec %rdx
        jnz \long
        test $~UP_SLICE_BEGIN, %r8d
        jz \long                        /* itself a sleeper */
        test $UP_CALL | UP_READY, %r8d
        jnz \long                       /* with more to be told than a bit */
        cmpq $0, ENV_DEADLINE(%rsi)
        jne \long
        jmp 2f
1:      cmpq $0, CONTROL_DISABLED(%r9)  /* an upcall */
        je \long
2:      mov ENV_CPUS(%rsi), %rdx        /* slices of other CPUs, which would have to be hidden */
        or ENV_CPUS(%rdi), %rdx
        btr %rcx, %rdx
        test %rdx, %rdx
        jnz \long
        mov RIP(%rsi), %rdx
        shr $47, %rdx
        jnz \long                       /* EXO_USER_END or beyond */
        cmpq $0, processors_stirred(%rip)
        jne \long
        mov PROCESSOR_READERS(%r10), %rdx
        cmpl $0, (%rdx)
        jne \long
        mov processors_quiet(%rip), %rdx
        bt %rcx, %rdx
        jc \long                        /* an alarm would have to be set */
        cmpb $0, PROCESSOR_ENDING(%r10)
        jne \long
        rdtsc
        shl $32, %rdx
        or %rdx, %rax
        cmp PROCESSOR_ALARM(%r10), %rax
        jae \long
        .endm

        .globl short_yield
        .balign 16
short_yield:
        LOOK RDI, yield_long
        movq $0, RAX(%rdi)
        jmp hand_on
yield_long:
        mov %rdi, %rsi
        jmp do_yield

        .globl short_wait
        .balign 16
short_wait:
        cmpq $0, RDI(%rdi)              /* a deadline is to be watched */
        jne wait_long
        LOOK RSI, wait_long
        testl $~UP_SLICE_BEGIN, ENV_PENDING(%rdi)
        jnz wait_long                   /* it does not sleep */
        cmpq $0, ENV_LENT(%rdi)
        jne wait_long                   /* others sleep with it */
        cmpq $0, PROCESSOR_SLEEPER(%r10)
        jne wait_long
        /* Does its parent want to know? (r11 = DIRECT_MAP) */
        mov ENV_PARENT(%rdi), %edx
        and $(1 << ENV_SLOT_BITS) - 1, %edx
        imul $ENV_SIZE, %rdx, %rdx
        add envs(%rip), %rdx
        mov ENV_CONTROL(%rdx), %edx
        shl $12, %rdx
        jz wait_long                    /* it has none */
        cmpq $0, CONTROL_WATCH(%rdx, %r11)
        jne wait_long
        movb $1, ENV_WAITING(%rdi)
        mov %rdi, PROCESSOR_SLEEPER(%r10)

/* From rdi to rsi, as LOOK has it. */
hand_on:
        STORE_REST %rdi, %rdx, 8
        fxsave64 ENV_FPU(%rdi)
        /* cpu_give() */
        mov %rax, %rdx
        sub PROCESSOR_SINCE(%r10), %rdx
        add %rdx, ENV_TICKS(%rdi)
        mov %rax, PROCESSOR_SINCE(%r10)
        mov %rsi, PROCESSOR_CURRENT(%r10)
        mov %rsi, PROCESSOR_PAYER(%r10)
        inc %ecx
        movb $0, ENV_ON(%rdi)
        movb %cl, ENV_ON(%rsi)
        bt $32, %r8
        jnc 1f
        /* deliver(): the result of its `wait` */
        mov %r8d, %r8d
        mov %r8, RAX(%rsi)
        movl $0, ENV_PENDING(%rsi)
        movb $0, ENV_WAITING(%rsi)
        movq $0, CONTROL_PENDING(%r9)
1:      mov %rsi, %rbx
        mov %r9, %r12
        add $8, %rsp
        LOAD
        cmpb $0, speculation_costs(%rip)
        jne 3f
2:      incl kernel_lock_word+LOCK_SERVING(%rip) /* kernel_unlock() */
        mov %rbx, %rax
        jmp resume
3:      call speculation_switch
        jmp 2b

wait_long:
        mov %rdi, %rsi
        jmp do_wait

        .section .note.GNU-stack,"",@progbits
