/* SPDX-License-Identifier: MIT */
/* trampoline.h - offsets in the page that the other CPUs start in. */
#ifndef EXO_X86_64_TRAMPOLINE_H
#define EXO_X86_64_TRAMPOLINE_H

#define T_GDT          0x800
#define T_GDT_REGISTER 0x820
#define T_FAR_32       0x828
#define T_FAR_64       0x830
#define T_CR3          0x838
#define T_CR4          0x83c
#define T_CR0          0x840
#define T_EFER         0x844
#define T_ENTRY        0x848

#define T_CODE_32      0x08
#define T_DATA         0x10
#define T_CODE_64      0x18

#endif
