/* SPDX-License-Identifier: MIT */
/* context.h - offsets of struct exo_context (exo/abi/control.h) for the assembler; switch.c asserts them. */
#ifndef EXO_X86_64_CONTEXT_H
#define EXO_X86_64_CONTEXT_H

#define RAX    0
#define RBX    8
#define RCX    16
#define RDX    24
#define RSI    32
#define RDI    40
#define RBP    48
#define R8     56
#define R9     64
#define R10    72
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

/* From a context to its environment's count of upcalls (exo/core/env.h). */
#define CONTEXT_UPCALLS 1136

/* struct exo_control */
#define CONTROL_ENTRY    0
#define CONTROL_STACK    8
#define CONTROL_DISABLED 16
#define CONTROL_SAVED    48
#define CONTROL_VECTOR   208
#define CONTROL_ERROR    216
#define CONTROL_ADDRESS  224

#endif
