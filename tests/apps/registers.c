/* SPDX-License-Identifier: MIT */
/*
 * registers.c - fills registers that no call saves, spins for more than a slice, and looks whether
 * they are its own still. usage: registers PATTERN [segments]
 *
 * With `segments` it also loads ds and es; without, these must stay 0: nobody else's come over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 40
#define SPINS  2000000ul /* some slices, in an emulator and on a real CPU */

static unsigned char before[16][16], after[16][16];
static unsigned short ds, es;

/* MXCSR and the x87 control word: rounding modes that nobody has at the start. */
static void round_trip(double *x87, unsigned mxcsr, unsigned short control)
{
    unsigned mxcsr_after;
    unsigned short control_after;
    unsigned long spins = SPINS;

    __asm__ volatile(
        "ldmxcsr %[mxcsr]; fldcw %[control]; fldl %[x87];"
        "lea %[before], %%rax;"
        "movups (%%rax), %%xmm0; movups 16(%%rax), %%xmm1; movups 32(%%rax), %%xmm2;"
        "movups 112(%%rax), %%xmm7; movups 128(%%rax), %%xmm8;"
        "movups 240(%%rax), %%xmm15;"
        "1: dec %[spins]; jnz 1b;"
        "lea %[after], %%rax;"
        "movups %%xmm0, (%%rax); movups %%xmm1, 16(%%rax); movups %%xmm2, 32(%%rax);"
        "movups %%xmm7, 112(%%rax); movups %%xmm8, 128(%%rax);"
        "movups %%xmm15, 240(%%rax);"
        "fstpl %[x87]; fnstcw %[control_after]; stmxcsr %[mxcsr_after];"
        "mov %%ds, %[ds]; mov %%es, %[es]"
        : [after] "=m"(after), [x87] "+m"(*x87), [mxcsr_after] "=m"(mxcsr_after),
          [control_after] "=m"(control_after), [spins] "+r"(spins), [ds] "=m"(ds), [es] "=m"(es)
        : [before] "m"(before), [mxcsr] "m"(mxcsr), [control] "m"(control)
        : "rax", "xmm0", "xmm1", "xmm2", "xmm7", "xmm8", "xmm15", "memory");
    if (mxcsr_after != mxcsr || control_after != control) {
        printf("registers: LOST the control words\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    int segments = argc > 2;

    for (int round = 0; round < ROUNDS; round++) {
        double x87 = seed + round;
        memset(before, (int)(seed + (unsigned)round), sizeof(before));
        memcpy(after, before, sizeof(after));
        if (segments)
            __asm__ volatile("mov %0, %%ds; mov %0, %%es" ::"r"(0x23));
        round_trip(&x87, 0x1f80 | (seed & 3) << 13, (unsigned short)(0x37f | (seed & 3) << 10));
        if (memcmp(before, after, sizeof(after)) || x87 != seed + round) {
            printf("registers: LOST in round %d\n", round);
            return 1;
        }
        if (!segments && (ds || es)) {
            printf("registers: LOST segments, ds %x, es %x\n", ds, es);
            return 1;
        }
    }
    printf("registers: all its own after %d rounds\n", ROUNDS);
    return 0;
}
