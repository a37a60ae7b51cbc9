/* SPDX-License-Identifier: MIT */
/*
 * percpu.h - what each CPU has of its own, and where it lies.
 *
 * A CPU's block fills 32 KiB of addresses at a multiple of that, behind the kernel's image:
 *
 *   0x0000  nothing: a stack that grows past its end faults
 *   0x1000  the kernel's stack; it grows down from 0x5000
 *   0x5000  struct cpu
 *   0x6000  four stacks for traps at which rsp is not to be trusted
 *
 * So whatever stack the kernel is on, its address leads to struct cpu: no register is kept for it.
 * gs is the application's in the kernel, too, but for the first instructions after SYSCALL, which has
 * no other way to a stack (entry.S).
 */
#ifndef EXO_X86_64_PERCPU_H
#define EXO_X86_64_PERCPU_H

#define CPU_BLOCK    0x8000
#define CPU_STACK    0x4000
#define CPU_AT       0x5000
#define CPU_TRAPS_AT 0x6000

/* Offsets in struct cpu, for entry.S. */
#define CPU_SELF         0
#define CPU_CONTEXT      8
#define CPU_USER_RSP     16
#define CPU_CONTROL      24
#define CPU_PROCESSOR    32
#define CPU_SAVES_TO     40
#define CPU_LOADED_ROOT  48
#define CPU_LOADED_STATE 52

#ifndef __ASSEMBLER__

#include "boot_info.h"
#include "control.h"
#include "types.h"

/*
 * NMI, double fault, machine check and debug exception may come when the stack pointer is not to be
 * trusted; the last one because some CPUs deliver the single-step trap of a SYSCALL behind it, in
 * the kernel and on the user's stack.
 */
#define IST_STACKS 4
#define IST_STACK  2048u

/* Intel SDM vol. 3, 7.7. */
struct tss {
    uint32_t unused0;
    uint64_t rsp[3];
    uint64_t unused1;
    uint64_t ist[7];
    uint64_t unused2;
    uint16_t unused3, iomap; /* beyond the limit: no port is allowed */
} __attribute__((packed));

enum cpu_state {
    CPU_OFF,
    CPU_UP,
    CPU_LEFT_OUT, /* it did not come, or failed a test: it is held in reset */
};

/* What one CPU asks of another by an interrupt: each of them has a vector. */
enum ipi {
    IPI_FORGET, /* the translation of an address */
    IPI_WAKE,   /* look what there is to do */
    IPIS
};

/* One asks by raising `asked`; the CPU itself then makes `done` the same. */
struct ipi_count {
    uint64_t asked, done;
};

struct cpu {
    /* entry.S knows these */
    struct cpu *self;            /* also the top of the kernel's stack, and what gs leads to */
    struct exo_context *context; /* where the registers of the environment that runs go */
    uint64_t user_rsp;           /* between two instructions */
    struct exo_control *control; /* of whom `loaded_root` belongs to, or one with upcalls off */
    struct processor
        *processor; /* the core's part; NULL: it runs nobody. Fixed after the CPU has started */
    struct env *saves_to; /* who may have changed them since; NULL: they are saved */
    frame_t loaded_root;  /* in CR3; 0: the kernel's own */
    env_t loaded_state;   /* whose FPU registers and bases are in the CPU; 0: nobody's */

    /* fixed after the CPU has started */
    uint32_t number, apic_id;
    uint64_t gdt[8];
    struct tss tss;

    /* this CPU only */
    uint64_t armed; /* for when its timer is set */
    uint64_t fired; /* when its timer interrupted last */

    /* written by one CPU at a time, read by any: with __atomic builtins */
    uint32_t state; /* enum cpu_state */
    struct ipi_count ipi[IPIS];
    void (*work)(struct cpu *self); /* what it does now, NULL: nothing */
};

/* The CPU that this runs on. Not on the stack that the loader's jump begins with. */
static inline struct cpu *this_cpu(void)
{
    uint64_t stack;
    __asm__("mov %%rsp, %0" : "=r"(stack));
    return (struct cpu *)((stack & ~(CPU_BLOCK - 1ull)) + CPU_AT);
}

/* In the order of boot.cpus, the boot CPU first. Those that are left out stay here, with that state. */
extern struct cpu *cpus[EXO_BOOT_CPUS];
extern uint32_t cpu_count;

/* By the core's numbers. */
extern struct cpu *serving[EXO_CPUS];

/* percpu.c: memory for one more CPU. Only at boot. */
struct cpu *cpu_make(uint32_t apic_id);

/* Its tables and SYSCALL registers into the CPU that this runs on. Once for each. */
void descriptors_load(struct cpu *cpu);

static inline bool cpu_is_up(const struct cpu *cpu)
{
    return __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == CPU_UP;
}

#endif
#endif
