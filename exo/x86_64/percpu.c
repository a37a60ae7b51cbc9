/* SPDX-License-Identifier: MIT */
/*
 * percpu.c - a block of memory for each CPU (percpu.h says what is in it).
 *
 * The blocks lie where the kernel's image may reach but does not, so their addresses are drawn with
 * its own at each boot.
 */
#include "percpu.h"
#include "machine.h"
#include "mmio.h"
#include "x86_64.h"

_Static_assert(__builtin_offsetof(struct cpu, self) == CPU_SELF, "entry.S says so");
_Static_assert(__builtin_offsetof(struct cpu, context) == CPU_CONTEXT, "entry.S says so");
_Static_assert(__builtin_offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "entry.S says so");
_Static_assert(__builtin_offsetof(struct cpu, control) == CPU_CONTROL, "fault.S says so");
_Static_assert(sizeof(struct cpu) <= CPU_TRAPS_AT - CPU_AT, "a page is enough");
_Static_assert(CPU_AT - CPU_STACK == EXO_PAGE_SIZE, "a page stays empty below the stack");
_Static_assert(CPU_TRAPS_AT + IST_STACKS * IST_STACK == CPU_BLOCK, "the block is full");

struct cpu *cpus[EXO_BOOT_CPUS];
uint32_t cpu_count;
struct cpu *serving[EXO_CPUS];

extern char kernel_start[], kernel_end[];

struct cpu *cpu_make(uint32_t apic_id)
{
    uint64_t first = ((uint64_t)kernel_end + CPU_BLOCK - 1) & ~(CPU_BLOCK - 1ull);
    uint64_t block = first + (uint64_t)cpu_count * CPU_BLOCK;
    struct cpu *cpu = (struct cpu *)(block + CPU_AT);

    if (block + CPU_BLOCK > (uint64_t)kernel_start + EXO_KERNEL_SIZE)
        panic("The kernel's image leaves no room for %u CPUs behind it.", cpu_count + 1);
    for (uint64_t at = EXO_PAGE_SIZE; at < CPU_BLOCK; at += EXO_PAGE_SIZE)
        memory_place(block + at);
    cpu->self = cpu;
    cpu->number = cpu_count;
    cpu->apic_id = apic_id;
    cpu->armed = UINT64_MAX;
    cpu->tss.rsp[0] = (uint64_t)cpu;
    cpu->tss.iomap = sizeof(cpu->tss);
    for (uint32_t i = 0; i < IST_STACKS; i++) {
        uint64_t top = block + CPU_TRAPS_AT + (i + 1) * IST_STACK - 16;
        *(struct cpu **)top = cpu; /* as at the top of the kernel's stack */
        cpu->tss.ist[i] = top;
    }
    cpus[cpu_count++] = cpu;
    return cpu;
}
