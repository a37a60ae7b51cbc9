/* SPDX-License-Identifier: MIT */
/*
 * trampoline.S - from real mode to the kernel: the first instructions of each other CPU.
 *
 * smp.c copies this into a page below 1 MiB and fills in what stands at T_GDT and on. A CPU comes here
 * with CS = page / 16 and IP = 0 (Intel SDM vol. 3, 8.4.4.1). Nothing here is written to: once there
 * are page tables, this page is executable and read-only, at the one address that they map of the lower
 * half. The protection that the boot CPU has is on before the first instruction of the kernel's.
 *
 * It is data to the kernel, never executed where it is linked.
 */
#include "trampoline.h"

#define MSR_EFER 0xc0000080
#define CR0_PE_ET 0x11                  /* all else off, caching is on */

        .section .rodata
        .globl trampoline_start, trampoline_32, trampoline_64, trampoline_end

        .code16
trampoline_start:
        cli
        cld
        mov %cs, %ax
        mov %ax, %ds
        movzwl %ax, %ebx
        shl $4, %ebx                    /* where this page is */
        lgdtl T_GDT_REGISTER
        mov $CR0_PE_ET, %eax
        mov %eax, %cr0
        ljmpl *T_FAR_32

        .code32
trampoline_32:
        mov $T_DATA, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov T_CR4(%ebx), %eax
        mov %eax, %cr4
        mov T_CR3(%ebx), %eax
        mov %eax, %cr3
        mov $MSR_EFER, %ecx
        mov T_EFER(%ebx), %eax
        xor %edx, %edx
        wrmsr
        mov T_CR0(%ebx), %eax
        mov %eax, %cr0
        ljmpl *T_FAR_64(%ebx)

        .code64
trampoline_64:
        mov %ebx, %ebx                  /* the upper half may be anything after the change of mode */
        jmp *T_ENTRY(%rbx)
trampoline_end:

        .section .note.GNU-stack,"",@progbits
