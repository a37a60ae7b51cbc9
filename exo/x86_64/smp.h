/* SPDX-License-Identifier: MIT */
/* smp.h - the other CPUs: starting them, giving them something to do, doing without one. */
#ifndef EXO_X86_64_SMP_H
#define EXO_X86_64_SMP_H

#include "percpu.h"

/* Start all that the loader found, test them, say how many are up. The boot CPU, once. */
void smp_start(void);
/* Have them run environments. The boot CPU, which joins them by cpu_join; once. */
void smp_serve(void);
/* smp_test.c: those that are up, all of which have nothing to do. Leaves out what fails. */
void smp_test(void);

/* Have a CPU that has nothing to do call `work`, with interrupts on. */
void cpu_give(struct cpu *cpu, void (*work)(struct cpu *self));
/* True: it has come back from that. False: IPI_PATIENCE_MS are over. */
bool cpu_wait_idle(const struct cpu *cpu);

/* Hold it in reset for ever, and say so: `why` is the middle of a sentence. */
void cpu_leave_out(struct cpu *cpu, const char *why);

#endif
