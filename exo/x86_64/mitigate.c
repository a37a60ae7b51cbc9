/* SPDX-License-Identifier: MIT */
/*
 * mitigate.c - does what speculation.c chose for this CPU; on others it costs a comparison.
 *
 * Documents: Intel, "Speculative Execution Side Channel Mitigations" and "Microarchitectural Data
 * Sampling"; AMD, "Software Techniques for Managing Speculation on AMD Processors".
 */
#include "protection.h"
#include "io.h"
#include "machine.h"
#include "speculation.h"

#define MSR_SPEC_CTRL    0x48u
#define SPEC_CTRL_IBRS   (1ull << 0)
#define MSR_PRED_CMD     0x49u
#define PRED_CMD_IBPB    (1ull << 0)
#define MSR_CAPABILITIES 0x10au
#define SEVEN_HAS_CAPS   (1u << 29)

bool speculation_clears, speculation_costs;
static bool barrier, restricted;

static struct speculation_cpu cpu_read(void)
{
    struct speculation_cpu cpu = {0};
    struct cpuid zero = cpuid(0), extended = cpuid(0x80000000u);

    cpu.intel = zero.ebx == 0x756e6547; /* "Genu" */
    if (zero.eax >= 7)
        cpu.seven_edx = cpuid(7).edx;
    if (cpu.seven_edx & SEVEN_HAS_CAPS)
        cpu.capabilities = rdmsr(MSR_CAPABILITIES);
    if (!cpu.intel && extended.eax >= 0x80000008u)
        cpu.amd_ebx = cpuid(0x80000008u).ebx;
    if (!cpu.intel && extended.eax >= 0x80000021u)
        cpu.amd_eax21 = cpuid(0x80000021u).eax;
    return cpu;
}

void speculation_apply(void)
{
    if (restricted)
        wrmsr(MSR_SPEC_CTRL, SPEC_CTRL_IBRS);
}

void speculation_init(void)
{
    struct speculation_cpu cpu = cpu_read();
    struct speculation s = speculation_choose(&cpu);

    barrier = s.barrier;
    speculation_clears = s.clear_buffers;
    speculation_costs = s.barrier || s.clear_buffers;
    restricted = s.restricted;
    speculation_apply();
    if (s.auto_restricted)
        features_auto_ibrs();
    klog("Against speculation:%s%s%s%s%s.", s.barrier ? " IBPB and RSB fill at a switch" : "",
         s.clear_buffers ? " VERW" : "", s.restricted ? " IBRS" : "",
         s.auto_restricted ? " automatic IBRS" : "",
         s.barrier || s.clear_buffers || s.restricted || s.auto_restricted ? "" : " nothing");
    if (s.no_barrier || s.no_clear || s.no_restricted || s.no_isolation)
        klog("Missing:%s%s%s%s. docs/security.md says what follows.",
             s.no_barrier ? " IBPB (Spectre 2 between applications)" : "",
             s.no_clear ? " MD_CLEAR (MDS)" : "",
             s.no_restricted ? " IBRS (Spectre 2 of the kernel)" : "",
             s.no_isolation ? " page table isolation (Meltdown)" : "");
}

void speculation_switch(void)
{
    if (!barrier)
        return;
    wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
    /* What the last environment called is no place for this one's returns to be guessed at: 32
     * entries, more than any return stack buffer has, lead to a stretch that only waits. */
    uint64_t loops = 32;
    __asm__ volatile("1:\tcall 2f\n\t"
                     "3:\tpause\n\t"
                     "lfence\n\t"
                     "jmp 3b\n"
                     "2:\tadd $8, %%rsp\n\t"
                     "dec %0\n\t"
                     "jnz 1b"
                     : "+r"(loops)
                     :
                     : "memory", "cc");
}
