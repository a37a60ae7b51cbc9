/* SPDX-License-Identifier: MIT */
/*
 * entry.S - every way into the kernel and the one way out.
 *
 * No nesting: an entry from user mode stores registers straight into the current environment's
 * context and starts on the CPU's own, empty kernel stack, whose top is its struct cpu (percpu.h). C decides what comes next and returns
 * the context to go on with. Interrupts are off in the kernel but for cpu_idle and cpu_breathe,
 * and for what a CPU without an environment works on.
 *
 * An exception or interrupt stores all registers. A call mostly goes back to where it came from, so it
 * stores what C may change and a call may read: arguments, rip and flags. The rest stays where the
 * caller has it and follows once somebody has to decide who goes on (`decide`), before machine_enter.
 * Until then nobody reads it: while an environment runs the core looks at no register of its context
 * but those, and rip if it ends; results of gates and of `wait` go to who does not run.
 *
 * gs: whatever an application wrote there is there in the kernel, too, which never uses it; its other
 * base leads to struct cpu. They are exchanged after SYSCALL and back before
 * C is called, with no branch in between that could be guessed wrongly. An NMI or a machine check
 * within finds its stack by the TSS, and is the end; a debug exception comes before the first
 * exchange or not at all, as the flags are masked.
 */
#include "rest.inc"

        .text

/* The loader jumps here: rdi = struct boot_info. */
        .globl _start
_start:
        lea boot_stack_top(%rip), %rsp
        xor %ebp, %ebp
        call boot_first
        mov %rax, %rsp                  /* the boot CPU's struct cpu */
        call boot_main
        jmp resume

/* The trampoline jumps here, on each other CPU, with its protection on but the boot tables' root. */
        .globl cpu_start
cpu_start:
        mov kernel_cr3(%rip), %rax
        mov %rax, %cr3
        xor %esp, %esp
        xchg %rsp, cpu_starting(%rip)   /* nobody else gets this stack */
        test %rsp, %rsp
        jz 1f
        xor %ebp, %ebp
        mov %rsp, %rdi
        call cpu_main
1:      hlt                             /* it was given up; interrupts are off */
        jmp 1b

/* What another CPU is given to do for ever: from here on it runs environments. rdi = its struct cpu. */
        .globl cpu_serve
cpu_serve:
        cli
        mov %rdi, %rsp
        xor %ebp, %ebp
        call cpu_join
        jmp resume

/* rsp points at the context; rcx and rsp of the user are saved by the caller. */
        .macro SAVE_REST
        mov %rbx, RBX(%rsp)
        mov %rdx, RDX(%rsp)
        mov %rsi, RSI(%rsp)
        mov %rdi, RDI(%rsp)
        mov %rbp, RBP(%rsp)
        mov %r8, R8(%rsp)
        mov %r9, R9(%rsp)
        mov %r10, R10(%rsp)
        mov %r11, R11(%rsp)
        mov %r12, R12(%rsp)
        mov %r13, R13(%rsp)
        mov %r14, R14(%rsp)
        mov %r15, R15(%rsp)
        rdfsbase %rax
        mov %rax, FS(%rsp)
        rdgsbase %rax
        mov %rax, GS(%rsp)
        .endm

/*
 * A call: arguments, rip and flags into the context; rdi = the environment, rsi = its arguments. Then
 * kernel_lock(), all of it if the flags say equal; from here to `called` as cpu_call does it (exo/core/cpu.c).
 */
        .macro CALL_ENTER
        swapgs
        mov %rsp, %gs:CPU_USER_RSP
        mov %gs:CPU_CONTEXT, %rsp
        mov %rdi, RDI(%rsp)
        mov %rsi, RSI(%rsp)
        mov %rdx, RDX(%rsp)
        mov %r10, R10(%rsp)
        mov %r8, R8(%rsp)
        mov %r9, R9(%rsp)
        mov %rcx, RIP(%rsp)
        mov %r11, RFLAGS(%rsp)
        mov %rsp, %rdi
        mov %rsp, %rsi
        mov %gs:CPU_SELF, %rsp
        swapgs
        mov $1, %ecx
        lock xadd %ecx, kernel_lock_word+LOCK_NEXT(%rip)
        cmp %rcx, kernel_lock_word+LOCK_SERVING(%rip)
        .endm

/* SYSCALL: rip is in rcx, flags in r11; FMASK has cleared IF, DF, TF, AC, NT. */
        .globl syscall_entry
        .balign 16
syscall_entry:
        cmp $CALL_GATE_CALL, %rax
        jae gate_entry                  /* perhaps one with a shorter way */
        CALL_ENTER
        jne contended
        cmpq $STATE_LIVE, ENV_STATE(%rdi) /* and acts_as is 0 */
        jne not_plain
plain:
        incq ENV_CALLS(%rdi)
        lea call_table(%rip), %rcx
        call *(%rcx,%rax,8)
called:
        mov CPU_CONTEXT(%rsp), %rcx
        cmpq $0, processors_stirred(%rip)
        jne decide
        cmpl $0, ENV_PENDING(%rcx)
        jne pending
        /* kernel_unlock(), and back with the result in rax. */
quick:
        incl kernel_lock_word+LOCK_SERVING(%rip)
        cmpb $0, speculation_clears(%rip)
        jne quick_clear
quick_cleared:
        mov RDI(%rcx), %rdi
        mov RSI(%rcx), %rsi
        mov RDX(%rcx), %rdx
        mov R10(%rcx), %r10
        mov R8(%rcx), %r8
        mov R9(%rcx), %r9
        mov RFLAGS(%rcx), %r11
        mov CPU_USER_RSP(%rsp), %rsp
        mov RIP(%rcx), %rcx
        sysretq

quick_clear:
        verw data_selector(%rip)
        jmp quick_cleared

/* What gate.S leaves to others: numbers that it does not know, and those that it does. */
        .globl syscall_rest
        .balign 16
syscall_rest:
        CALL_ENTER
        jne contended
locked:
        cmpq $STATE_LIVE, ENV_STATE(%rdi)
        jne not_plain
        cmp $CALLS, %rax
        jb plain
        jmp act

contended:
        push %rax
        sub $8, %rsp
        mov %ecx, %edi
        call kernel_lock_wait
        add $8, %rsp
        pop %rax
        mov CPU_CONTEXT(%rsp), %rdi
        mov %rdi, %rsi
        jmp locked

not_plain:
        cmpl $STATE_LIVE, ENV_STATE(%rdi)
        jne decide                      /* another CPU ended it on its way here */
act:
        mov %rax, %rsi
        call cpu_act
        jmp called

/* Reasons for an upcall: none comes while they are off. */
pending:
        mov CPU_CONTROL(%rsp), %rdx
        cmpq $0, CONTROL_DISABLED(%rdx)
        jne quick

/* The rest of the context, as SYSCALL left it. */
decide:
        mov CPU_CONTEXT(%rsp), %rcx
        mov %rax, RAX(%rcx)
        STORE_REST %rcx, %rax, 0
        call machine_enter
        /* fall through */

/* rax = context to go on with. */
        .globl resume
resume:
        cmpb $0, speculation_clears(%rip)
        jne clear_buffers
cleared:
        mov RIP(%rax), %rcx
        mov RFLAGS(%rax), %r11
        mov RBX(%rax), %rbx
        mov RDX(%rax), %rdx
        mov RSI(%rax), %rsi
        mov RDI(%rax), %rdi
        mov RBP(%rax), %rbp
        mov R8(%rax), %r8
        mov R9(%rax), %r9
        mov R10(%rax), %r10
        mov R12(%rax), %r12
        mov R13(%rax), %r13
        mov R14(%rax), %r14
        mov R15(%rax), %r15
        /*
         * SYSRET leaves rip in rcx and flags in r11. Only where the context has just that is it
         * the same as IRET, and then it is quicker: after a call.
         */
        cmp %rcx, RCX(%rax)
        jne 1f
        cmp %r11, R11(%rax)
        jne 1f
        mov RSP(%rax), %rsp
        mov RAX(%rax), %rax
        sysretq
1:      push $0x23                      /* SEL_USER_DATA */
        push RSP(%rax)
        push %r11
        push $0x2b                      /* SEL_USER_CODE */
        push %rcx
        mov R11(%rax), %r11
        mov RCX(%rax), %rcx
        mov RAX(%rax), %rax
        iretq

/*
 * On CPUs that leak from buffers within the core, VERW empties them (Intel, "Microarchitectural Data
 * Sampling"); what is loaded after it is the environment's own. It changes flags alone.
 */
clear_buffers:
        verw data_selector(%rip)
        jmp cleared
        .globl data_selector
data_selector:
        .word 0x10                      /* SEL_KERNEL_DATA; a writable segment makes it quick */

/* SYSCALL from 32-bit code on AMD: user mode never gets there, as no 32-bit segment exists. */
        .globl syscall_entry_32
syscall_entry_32:
        ud2

/* One stub a vector: error code (or 0) and vector on the stack. Each fills 16 bytes. */
        .globl trap_stubs
        .balign 16
trap_stubs:
        .set vector, 0
        .rept 256
        .balign 16
        .if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30
        .else
        push $0
        .endif
        push $vector
        .if vector == 0 || vector == 6 || vector == 13 || vector == 14
        jmp fault_quick                 /* what an application can mend or answer */
        .else
        jmp trap_common
        .endif
        .set vector, vector + 1
        .endr

/*
 * Stack: vector, error, rip, cs, rflags, rsp, ss. From user mode all stacks are entered at their tops,
 * where the struct cpu or its address lies: at 56.
 */
        .globl trap_common
        .balign 16
trap_common:
        testb $3, 24(%rsp)
        jz trap_kernel
        push %rax
        push %rcx
        mov %rsp, %rcx
        mov 72(%rcx), %rax              /* struct cpu */
        mov CPU_CONTEXT(%rax), %rsp
        SAVE_REST
        mov 8(%rcx), %rax
        mov %rax, RAX(%rsp)
        mov 0(%rcx), %rax
        mov %rax, RCX(%rsp)
        mov 32(%rcx), %rax
        mov %rax, RIP(%rsp)
        mov 48(%rcx), %rax
        mov %rax, RFLAGS(%rsp)
        mov 56(%rcx), %rax
        mov %rax, RSP(%rsp)
        mov 16(%rcx), %rdi
        mov 24(%rcx), %rsi
        mov 72(%rcx), %rsp
        push $2                         /* clear AC, NT, DF as the user may have left them */
        popfq
        xor %ebp, %ebp
        call trap_user
        jmp resume

/*
 * An exception in the kernel is the end; an interrupt comes only where interrupts are on (above).
 */
        .globl trap_kernel
trap_kernel:
        push %rax
        push %rcx
        push %rdx
        push %rsi
        push %rdi
        push %r8
        push %r9
        push %r10
        push %r11
        cld
        mov 72(%rsp), %rdi
        lea 72(%rsp), %rsi
        call trap_in_kernel
        pop %r11
        pop %r10
        pop %r9
        pop %r8
        pop %rdi
        pop %rsi
        pop %rdx
        pop %rcx
        pop %rax
        add $16, %rsp
        iretq

/* Halt until an interrupt has been handled. STI takes effect after HLT began: none is lost. */
        .globl cpu_idle
cpu_idle:
        sti
        hlt
        cli
        ret

/* Take the interrupts that wait, and come back. */
        .globl cpu_breathe
cpu_breathe:
        sti
        nop
        cli
        ret

        .bss
/* Until the boot CPU has memory for a stack of its own. */
        .balign 16
        .skip 4096
boot_stack_top:

        .section .note.GNU-stack,"",@progbits
