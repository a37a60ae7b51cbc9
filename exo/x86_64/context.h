/* SPDX-License-Identifier: MIT */
/* context.h - offsets in what the assembler touches, for it; switch.c asserts them, those of registers.h too. */
#ifndef EXO_X86_64_CONTEXT_H
#define EXO_X86_64_CONTEXT_H

#include "registers.h"

/* struct env (exo/core/env.h), which begins with the context, and whatever else a call looks at. */
#define ENV_STATE   164 /* and acts_as behind it */
#define ENV_PENDING 2304
#define ENV_UPCALLS 2816
#define ENV_CALLS   2824
#define STATE_LIVE  2
#define CALLS       42 /* calls.toml */

/* struct kernel_lock (lock.h) */
#define LOCK_NEXT     0
#define LOCK_SERVING  8
#define LOCK_UNBOOKED 12

/* struct exo_control */
#define CONTROL_ENTRY    0
#define CONTROL_STACK    8
#define CONTROL_DISABLED 16
#define CONTROL_PENDING  24
#define CONTROL_WATCH    40
#define CONTROL_SAVED    48
#define CONTROL_VECTOR   208
#define CONTROL_ERROR    216
#define CONTROL_ADDRESS  224

/* For gate.S. struct env, which begins with the context: */
#define ENV_NAME        160
#define ENV_ROOT        824
#define ENV_FPU         1792
#define ENV_DEADLINE    2328
#define ENV_TICKS       2808
#define ENV_WAY_GATE    2744
#define ENV_WAY_TAG     2752
#define ENV_WAY_CALLER  2760
#define ENV_WAY_CALLEE  2768
#define ENV_WAY_CONTROL 2776
#define ENV_WAY_OWN     2784

/* For hand.S. */
#define ENV_SIZE      3008
#define ENV_SLOT_BITS 10
#define ENV_PARENT    172
#define ENV_CONTROL   828
#define ENV_WAITING   2308 /* after `pending`; then ready, on, home: eight bytes in all */
#define ENV_ON        2310
#define ENV_CPUS      2312
#define ENV_LENT      2584
#define DIRECT_MAP    0xffff800000000000

/* struct processor */
#define PROCESSOR_NUMBER   0
#define PROCESSOR_CURRENT  8
#define PROCESSOR_PAYER    16
#define PROCESSOR_SLEEPER  24
#define PROCESSOR_ALARM    48
#define PROCESSOR_SINCE    56
#define PROCESSOR_UNBOOKED 64
#define PROCESSOR_CALLED   72
#define PROCESSOR_ENDING   89
#define PROCESSOR_READERS  96

/* struct exo_control */
#define CONTROL_CALL_TAG      256
#define CONTROL_CALL_CALLER   264
#define CONTROL_CALL_WORDS    272
#define CONTROL_CALL_DEADLINE 312

#define CALL_GATE_CALL        33 /* calls.toml */
#define CALL_GATE_REPLY       34
#define UP_CALL               512
#define UP_READY              8192
#define UP_SLICE_BEGIN        2

#endif
