/* SPDX-License-Identifier: MIT */
/*
 * entry.S - every way into the kernel and the one way out.
 *
 * No nesting: an entry from user mode stores all registers straight into the current environment's
 * context and starts on the CPU's own, empty kernel stack, whose top is its struct cpu (percpu.h). C decides what comes next and returns
 * the context to go on with. Interrupts are off in the kernel but for cpu_idle and cpu_breathe,
 * and for what a CPU without an environment works on.
 *
 * gs: whatever an application wrote there is there in the kernel, too, which never uses it; its other
 * base leads to struct cpu. They are exchanged by the first instruction after SYSCALL and back before
 * C is called, with no branch in between that could be guessed wrongly. An NMI or a machine check
 * within finds its stack by the TSS, and is the end; a debug exception comes before the first
 * exchange or not at all, as the flags are masked.
 */
#include "context.h"
#include "percpu.h"

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

/* SYSCALL: rip is in rcx, flags in r11; FMASK has cleared IF, DF, TF, AC, NT. */
        .globl syscall_entry
        .balign 16
syscall_entry:
        swapgs
        mov %rsp, %gs:CPU_USER_RSP
        mov %gs:CPU_CONTEXT, %rsp
        mov %rax, RAX(%rsp)
        mov %rcx, RCX(%rsp)
        mov %rcx, RIP(%rsp)
        mov %gs:CPU_USER_RSP, %rax
        mov %rax, RSP(%rsp)
        mov %gs:CPU_SELF, %rcx
        swapgs
        SAVE_REST
        mov %r11, RFLAGS(%rsp)
        mov %rcx, %rsp
        xor %ebp, %ebp
        call trap_call
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
