/* SPDX-License-Identifier: MIT */
/*
 * descriptors.c - GDT, TSS, IDT and the SYSCALL registers (Intel SDM vol. 3, chapters 3, 6, 5.8.8).
 *
 * All CPUs share the IDT; GDT and TSS are each one's own.
 */
#include "io.h"
#include "percpu.h"
#include "x86_64.h"

#define MSR_SYSENTER_CS  0x174u
#define MSR_STAR         0xc0000081u
#define MSR_LSTAR        0xc0000082u
#define MSR_CSTAR        0xc0000083u
#define MSR_SYSCALL_MASK 0xc0000084u
#define MSR_KERNEL_GS    0xc0000102u /* what SWAPGS brings in */
#define FLAGS_CLEARED    0x47700ull  /* AC, NT, IOPL, DF, IF, TF */

#define VECTORS          256u
#define GATE             0x8e00u /* present, ring 0, interrupt gate */
#define GATE_USER        0x6000u /* may be raised by INT n in ring 3 */

struct gate {
    uint16_t low, selector;
    uint16_t ist_and_type[1];
    uint16_t middle;
    uint32_t high, unused;
} __attribute__((packed));

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern char trap_stubs[];
void syscall_entry(void);
void syscall_entry_32(void);

static struct gate idt[VECTORS];

/* Each CPU has a copy, with its TSS in the last two places. */
static const uint64_t gdt_common[8] = {
    0,
    0x00af9b000000ffff, /* kernel code, 64 bits */
    0x00cf93000000ffff, /* kernel data */
    0,                  /* SYSRET to 32 bits would come here: never done */
    0x00cff3000000ffff, /* user data */
    0x00affb000000ffff, /* user code, 64 bits */
};

#define STUB_SIZE 16u /* entry.S aligns its stubs so */

static void gate_set(uint32_t vector, uint16_t extra, uint8_t ist)
{
    uint64_t entry = (uint64_t)trap_stubs + vector * STUB_SIZE;

    idt[vector] = (struct gate){.low = (uint16_t)entry,
                                .selector = SEL_KERNEL_CODE,
                                .ist_and_type = {(uint16_t)(GATE | extra | ist)},
                                .middle = (uint16_t)(entry >> 16),
                                .high = (uint32_t)(entry >> 32)};
}

static void gdt_load(const uint64_t *gdt)
{
    struct table_register r = {sizeof(gdt_common) - 1, (uint64_t)gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "push %1\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "lretq\n"
                     "1:\tmov %w2, %%ds\n\t"
                     "mov %w2, %%es\n\t"
                     "mov %w2, %%ss\n\t"
                     "xor %%eax, %%eax\n\t"
                     "mov %%ax, %%fs\n\t"
                     "mov %%ax, %%gs\n\t"
                     "lldt %%ax" /* none: no selector leads to descriptors but ours */
                     :
                     : "m"(r), "i"(SEL_KERNEL_CODE), "r"(SEL_KERNEL_DATA)
                     : "rax", "memory");
}

static void idt_load(void)
{
    struct table_register r = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(r));
}

void descriptors_load(struct cpu *cpu)
{
    uint64_t base = (uint64_t)&cpu->tss;

    __builtin_memcpy(cpu->gdt, gdt_common, sizeof(gdt_common));
    cpu->gdt[SEL_TSS / 8] = (sizeof(cpu->tss) - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 |
                            (base >> 24 & 0xff) << 56;
    cpu->gdt[SEL_TSS / 8 + 1] = base >> 32;
    gdt_load(cpu->gdt);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
    idt_load();

    wrmsr(MSR_KERNEL_GS, (uint64_t)cpu);
    wrmsr(MSR_STAR, (uint64_t)(SEL_SYSRET_BASE | 3) << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_CSTAR, (uint64_t)syscall_entry_32);
    wrmsr(MSR_SYSCALL_MASK, FLAGS_CLEARED);
    /* SYSENTER would go where the firmware left it to go; with 0 here it faults (SDM vol. 2). */
    wrmsr(MSR_SYSENTER_CS, 0);
}

/* Enough to tell of an exception while the boot CPU has no memory of its own yet. */
void descriptors_init(void)
{
    for (uint32_t vector = 0; vector < VECTORS; vector++)
        gate_set(vector, 0, 0);
    gate_set(1, 0, 4);         /* debug exception */
    gate_set(2, 0, 1);         /* NMI */
    gate_set(3, GATE_USER, 0); /* breakpoint: INT3 is not privileged */
    gate_set(4, GATE_USER, 0); /* overflow */
    gate_set(8, 0, 2);         /* double fault */
    gate_set(18, 0, 3);        /* machine check */
    gdt_load(gdt_common);
    idt_load();
}
