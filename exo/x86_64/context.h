/* SPDX-License-Identifier: MIT */
/* context.h - offsets of struct exo_context (exo/abi/control.h) for the assembler; switch.c asserts them. */
#ifndef EXO_X86_64_CONTEXT_H
#define EXO_X86_64_CONTEXT_H

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

/* struct env (exo/core/env.h), which begins with the context, and whatever else a call looks at. */
#define ENV_STATE   164 /* and acts_as behind it */
#define ENV_PENDING 2304
#define ENV_UPCALLS 2768
#define ENV_CALLS   2776
#define STATE_LIVE  2
#define CALLS       41 /* calls.toml */

/* struct kernel_lock (lock.h) */
#define LOCK_NEXT    0
#define LOCK_SERVING 4

/* struct exo_control */
#define CONTROL_ENTRY    0
#define CONTROL_STACK    8
#define CONTROL_DISABLED 16
#define CONTROL_SAVED    48
#define CONTROL_VECTOR   208
#define CONTROL_ERROR    216
#define CONTROL_ADDRESS  224

#endif
