/* SPDX-License-Identifier: MIT */
/* registers.h - offsets in struct exo_context (control.h) for assemblers; whoever includes it asserts them. */
#ifndef EXO_ABI_REGISTERS_H
#define EXO_ABI_REGISTERS_H

#define RDI    0
#define RSI    8
#define RDX    16
#define R10    24
#define R8     32
#define R9     40
#define RAX    48
#define RBX    56
#define RCX    64
#define RBP    72
#define R11    80
#define R12    88
#define R13    96
#define R14    104
#define R15    112
#define RIP    120
#define RFLAGS 128
#define RSP    136
#define FS     144
#define GS     152

#endif
