/* SPDX-License-Identifier: MIT */
/*
 * machine.h - what the core asks of the machine below it.
 *
 * The core holds no hardware: these few functions are supplied by exo/x86_64
 * in the kernel and by tests/unit on the host.
 */
#ifndef EXO_CORE_MACHINE_H
#define EXO_CORE_MACHINE_H

#include "types.h"

/* The kernel's own view of a frame of RAM. Always valid for frames below frame_count that are not
 * KERNEL. */
void *machine_frame(frame_t frame);

/* Fill entries 256..511 of a new root table. The core has zeroed it. */
void machine_root_init(uint64_t *pml4);

/* The floating-point state of a program that has not run yet, 512 bytes as FXSAVE lays them out. */
void machine_fpu_init(uint8_t *image);

/* Forget the translation of `address` (or of every address) below `root` on every CPU. */
#define MACHINE_TLB_ALL UINT64_MAX
void machine_tlb_flush(frame_t root, uint64_t address);

/* The environment of this root table is being reclaimed: no CPU may go on using it, or anything below. */
void machine_root_free(frame_t root);

/* The time stamp counter. */
uint64_t machine_time(void);

/* One line, with its end, to the console(s), as it is. Bounded time a byte; never waits. */
void machine_console(const char *text, size_t length);

/*
 * The channel: up to `room` bytes that have come, or as many of `length` as can be sent at once. Never
 * waits. -1: the machine has no such port. The first call opens it; then channel_arrived() tells.
 */
int32_t machine_channel_read(uint8_t *to, uint32_t room);
int32_t machine_channel_write(const uint8_t *from, uint32_t length);

/* A kernel fault that cannot go on: a whole sentence with the values that matter. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line of the kernel's own in the log ("[exo] ...\n"); the newline is added. */
void klog(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Facts fixed at boot. */
extern uint64_t machine_tsc_hz;
extern uint64_t machine_boot_tsc;
extern uint32_t machine_cpus;

#endif
