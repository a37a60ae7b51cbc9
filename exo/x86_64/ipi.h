/* SPDX-License-Identifier: MIT */
/*
 * ipi.h - what CPUs ask of each other by interrupts, and how the asker knows that it was done.
 *
 *   I1  the asker counts `asked` up before it sends; the other CPU sets `done` to what it read there,
 *       after it did what was asked: who sees done reach its own count knows that it was done after
 *       it asked. An interrupt that is for several askings, or comes twice, changes nothing.
 *   I2  nobody waits longer than IPI_PATIENCE_MS: a CPU that does not answer within that never will
 *
 * One CPU asks at a time: the one that holds the kernel's lock, or the boot CPU while it boots. A CPU
 * with interrupts off answers later, so nobody may keep them off while it waits for the asker.
 */
#ifndef EXO_X86_64_IPI_H
#define EXO_X86_64_IPI_H

#include "percpu.h"

/* Interrupts are off for some microseconds. In an emulator, the other CPU is a thread of a busy host. */
#define IPI_PATIENCE_MS 1000u

/* Ask; returns the count to wait for. */
uint64_t ipi_ask(struct cpu *cpu, enum ipi kind);
/* True: it was done. False: IPI_PATIENCE_MS are over. */
bool ipi_wait(const struct cpu *cpu, enum ipi kind, uint64_t count);

/*
 * Have all CPUs that are up, this one included, forget the translation of an address in the kernel's
 * half; they have when it returns. Panics over a CPU that does not answer: it may go on using a frame
 * that is about to be somebody else's.
 */
void cpus_forget(const volatile void *address);

/* All others halt for ever, as soon as they take interrupts. For a panic. */
void cpus_stop(void);

/* The interrupt. */
void ipi_take(enum ipi kind);

/*
 * Have all CPUs that use the tables below `root` forget `address`, or (MACHINE_TLB_ALL) every address, or
 * (FORGET_ROOT) those tables: they go over to the kernel's own. For the holder of the lock.
 */
#define FORGET_ROOT (UINT64_MAX - 1)
void ipi_forget(frame_t root, uint64_t address);

/* Do what this CPU was asked by IPI_FORGET, if anything, without the interrupt: while it waits. */
void ipi_answer(void);

/* switch.c: on this CPU. */
void switch_forget(struct cpu *cpu, frame_t root, uint64_t address);

#endif
