/* SPDX-License-Identifier: MIT */
/*
 * protection.h - the control registers that protect: set once, then only looked at.
 *
 *   P1  after boot no instruction writes CR0, CR4, EFER or the registers of SYSCALL
 *       tests/lint/pinned.py, in the kernel's code
 *   P2  they hold what boot put there     features_check, at each timer interrupt, and on a CPU that
 *       has none yet, whenever it is woken
 *   P3  they hold the same on all CPUs, but for the address of each one's own struct cpu
 */
#ifndef EXO_X86_64_PROTECTION_H
#define EXO_X86_64_PROTECTION_H

#include "types.h"

/* Turn on what protects; later, say so. */
void features_init(void);
void features_apply(void); /* the rest of it, on each CPU that has the registers below */
void features_tell(void);
void features_auto_ibrs(void); /* at boot */
extern bool has_x2apic, has_tsc_deadline;

/* Remember what is set as what has to stay; at the end of boot. */
void features_pin(void);
/* What they are, for the other CPUs to be started with. EFER without LMA, which the CPU sets. */
struct feature_registers {
    uint64_t cr0, cr4, efer;
};
void features_pinned(struct feature_registers *registers);
/* Panics if something has changed. */
void features_check(void);

#endif
