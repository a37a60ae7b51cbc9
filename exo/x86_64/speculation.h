/* SPDX-License-Identifier: MIT */
/*
 * speculation.h - what to do against CPUs that show by their caches what they guessed.
 *
 * speculation_choose() knows no instruction: tests/unit/dev tries it with CPUs of all kinds.
 */
#ifndef EXO_X86_64_SPECULATION_H
#define EXO_X86_64_SPECULATION_H

#include "types.h"

/* What the CPU says of itself (Intel SDM vol. 2, CPUID; AMD64 manual vol. 3, appendix E). */
struct speculation_cpu {
    bool intel;            /* any other vendor never had Meltdown, L1TF or MDS */
    uint32_t seven_edx;    /* leaf 7 */
    uint64_t capabilities; /* IA32_ARCH_CAPABILITIES, 0 where there is none */
    uint32_t amd_ebx;      /* leaf 0x80000008 */
    uint32_t amd_eax21;    /* leaf 0x80000021 */
};

struct speculation {
    /* What is done. */
    bool barrier;       /* IBPB, and a filled return stack, when another environment gets the CPU */
    bool clear_buffers; /* VERW at each return to user mode */
    bool restricted;    /* IBRS stays on: the kernel does not follow what user mode taught */
    bool auto_restricted; /* the same by EFER */
    /* What would have to be done, and is not. */
    bool no_barrier;    /* the CPU has none, or its microcode is too old */
    bool no_clear;      /* it leaks its buffers and cannot clear them */
    bool no_restricted; /* user mode may teach the kernel's indirect branches */
    bool no_isolation;  /* Meltdown: all memory can be read through the kernel's half */
};

struct speculation speculation_choose(const struct speculation_cpu *cpu);

/* Find out, say so in the log, do what is done once; for each further CPU, only that. The other two are
 * for switch.c and entry.S. */
void speculation_init(void);
void speculation_apply(void);
void speculation_switch(void);
extern bool speculation_clears, speculation_costs; /* VERW; that or what speculation_switch does */

#endif
