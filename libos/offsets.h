/* SPDX-License-Identifier: MIT */
/* offsets.h - numbers for the assembler; upcall.c, vcpu.c and switching.c assert them. */
#ifndef LIBOS_OFFSETS_H
#define LIBOS_OFFSETS_H

#include "../exo/abi/registers.h" /* musl/thread.S is built without that folder */

/* struct exo_control, where gs leads */
#define DISABLED  16
#define PENDING   24
#define SLICES    232
#define CALL_POLL 41

/* struct vcpu, whose beginning that is */
#define V_CURRENT      496
#define V_STACK        504
#define V_FRAME        512
#define V_SPARE        536
#define V_FLAGS_AT     560
#define V_YIELD_SLICES 568
#define V_ELSEWHERE    584
#define VCPU_BYTES     1024

/* struct thread_saved */
#define S_SP    0
#define S_MXCSR 8
#define S_X87   12

/* struct thread */
#define T_SP         176
#define T_MXCSR      184
#define T_X87        188
#define T_FS         192
#define T_STATE      152
#define T_RAN        936
#define T_SLICE_FROM 944

#define READY        1
#define RUNNING      2

#endif
