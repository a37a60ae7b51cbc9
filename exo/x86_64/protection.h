/* SPDX-License-Identifier: MIT */
/*
 * protection.h - the control registers that protect: set once, then only looked at.
 *
 *   P1  after boot no instruction writes CR0, CR4, EFER or the registers of SYSCALL
 *       tests/lint/pinned.py, in the kernel's code
 *   P2  they hold what boot put there                      features_check, at each timer interrupt
 */
#ifndef EXO_X86_64_PROTECTION_H
#define EXO_X86_64_PROTECTION_H

#include "types.h"

/* Turn on what protects; later, say so. */
void features_init(void);
void features_tell(void);
void features_auto_ibrs(void); /* at boot */
extern bool has_x2apic, has_tsc_deadline;

/* Remember what is set as what has to stay; at the end of boot. */
void features_pin(void);
/* Panics if something has changed. */
void features_check(void);

#endif
