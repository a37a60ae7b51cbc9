/* SPDX-License-Identifier: MIT */
/*
 * features.c - turn on every protection that the CPU has, and say which are missing.
 *
 * Bits: Intel SDM vol. 3, 2.5 (CR0, CR4), 2.2.1 (EFER); vol. 2, CPUID.
 */
#include "io.h"
#include "machine.h"
#include "percpu.h"
#include "x86_64.h"

#define CR0_MP         (1ull << 1)
#define CR0_EM         (1ull << 2)
#define CR0_TS         (1ull << 3)
#define CR0_NE         (1ull << 5)
#define CR0_WP         (1ull << 16)
#define CR0_AM         (1ull << 18)

#define CR4_PAE        (1ull << 5)
#define CR4_MCE        (1ull << 6)
#define CR4_PGE        (1ull << 7)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)

#define MSR_EFER       0xc0000080u
#define EFER_SCE       (1ull << 0)
#define EFER_LME       (1ull << 8)
#define EFER_LMA       (1ull << 10)
#define EFER_NXE       (1ull << 11)

#define DR7_NONE       0x400ull /* no breakpoint is on; bit 10 is always 1 (SDM vol. 3, 17.2.4) */

#define MSR_PAT        0x277u
/* What a reset sets (WB WT UC- UC, twice), but for WC in place of the first WT. */
#define PAT_VALUE      0x0007040600070106ull

#define EFER_AUTO_IBRS (1ull << 21)
#define MSR_STAR       0xc0000081u
#define MSR_LSTAR      0xc0000082u
#define MSR_FMASK      0xc0000084u
#define MSR_KERNEL_GS  0xc0000102u

bool has_x2apic, has_tsc_deadline;
/* What has to stay as it is. */
static const uint32_t pinned_msrs[] = {MSR_EFER, /* features_pinned knows that it is the first */
                                       MSR_STAR, MSR_LSTAR, MSR_FMASK, MSR_PAT};
#define PINNED (sizeof(pinned_msrs) / sizeof(pinned_msrs[0]))
static struct {
    uint64_t cr0, cr4, msr[PINNED];
} pinned;
static char on[64] = "WP", missing[64];

/* CR0, CR4 and EFER are set before a CPU gets here: by features_init or by the trampoline. */
void features_apply(void)
{
    /* A breakpoint of the firmware's could hit in the kernel, where it is the end. */
    __asm__ volatile("mov %0, %%dr7" : : "r"(DR7_NONE));
    wrmsr(MSR_PAT, PAT_VALUE);
}

void features_init(void)
{
    struct cpuid one = cpuid(1), seven = {0}, extended = cpuid(0x80000001u);
    if (cpuid(0).eax >= 7)
        seven = cpuid(7);

    const struct {
        const char *name;
        bool present;
        uint64_t cr4;
    } wanted[] = {
        {"SMEP", seven.ebx >> 7 & 1, CR4_SMEP},
        {"SMAP", seven.ebx >> 20 & 1, CR4_SMAP},
        {"UMIP", seven.ecx >> 2 & 1, CR4_UMIP},
        {"NX", extended.edx >> 20 & 1, 0},
    };
    if (!(seven.ebx & 1))
        panic("This CPU has no FSGSBASE, which applications need for their threads.");

    /* Set whole, not added to: what the firmware left on and is not here goes off. PKE must: the
     * bits of a protection key hold the number of a grant (exo/core/table.h). */
    uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE;
    for (uint32_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        char *list = wanted[i].present ? on : missing;
        uint64_t used = __builtin_strlen(list);
        list[used] = ' ';
        __builtin_memcpy(list + used + 1, wanted[i].name, __builtin_strlen(wanted[i].name) + 1);
        if (wanted[i].present)
            cr4 |= wanted[i].cr4;
    }
    uint64_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 | CR0_WP | CR0_NE | CR0_MP) & ~(CR0_EM | CR0_TS | CR0_AM);
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
    /* Whole, too: with AMD's FFXSR left on, FXSAVE would not save the XMM registers. */
    wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    features_apply();

    has_x2apic = one.ecx >> 21 & 1;
    has_tsc_deadline = one.ecx >> 24 & 1;
}

void features_tell(void)
{
    klog("Protection on: %s.%s%s%s", on, *missing ? " This CPU lacks:" : "", missing,
         *missing ? "." : "");
}

void features_auto_ibrs(void)
{
    wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_AUTO_IBRS);
}

/* A task switch, which sets CR0.TS, never happens in 64-bit mode: all of CR0 stays. */
static uint64_t read_cr0(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

static uint64_t read_cr4(void)
{
    uint64_t value;
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

void features_pinned(struct feature_registers *registers)
{
    *registers = (struct feature_registers){
        .cr0 = pinned.cr0, .cr4 = pinned.cr4, .efer = pinned.msr[0] & ~EFER_LMA};
}

void features_pin(void)
{
    pinned.cr0 = read_cr0();
    pinned.cr4 = read_cr4();
    for (uint32_t i = 0; i < PINNED; i++)
        pinned.msr[i] = rdmsr(pinned_msrs[i]);
}

void features_check(void)
{
    if (read_cr0() != pinned.cr0)
        panic("CR0 has become 0x%lx, at boot it was set to 0x%lx.", read_cr0(), pinned.cr0);
    if (read_cr4() != pinned.cr4)
        panic("CR4 has become 0x%lx, at boot it was set to 0x%lx.", read_cr4(), pinned.cr4);
    for (uint32_t i = 0; i < PINNED; i++)
        if (rdmsr(pinned_msrs[i]) != pinned.msr[i])
            panic("MSR 0x%x has become 0x%lx, at boot it was set to 0x%lx.", pinned_msrs[i],
                  rdmsr(pinned_msrs[i]), pinned.msr[i]);
    if (rdmsr(MSR_KERNEL_GS) != (uint64_t)this_cpu())
        panic("MSR 0x%x has become 0x%lx, at boot it was set to 0x%lx.", MSR_KERNEL_GS,
              rdmsr(MSR_KERNEL_GS), (uint64_t)this_cpu());
}
