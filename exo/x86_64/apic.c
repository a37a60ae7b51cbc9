/* SPDX-License-Identifier: MIT */
/*
 * apic.c - the local APIC: the one-shot timer, end of interrupt, messages (Intel SDM vol. 3, ch.
 * 10).
 *
 * The time stamp counter and the APIC's timer are measured against channel 2 of the PIT, whose
 * 1,193,182 Hz every PC has.
 */
#include "io.h"
#include "machine.h"
#include "mmio.h"
#include "x86_64.h"

#define MSR_APIC_BASE    0x1bu
#define APIC_ENABLE      (1ull << 11)
#define APIC_X2          (1ull << 10)
#define MSR_X2APIC       0x800u
#define MSR_TSC_DEADLINE 0x6e0u

/* Registers, as offsets of the memory-mapped APIC; in x2APIC mode divided by 16. */
#define APIC_ID      0x020u
#define APIC_VERSION 0x030u
#define APIC_TPR     0x080u
#define APIC_EOI     0x0b0u
#define APIC_SVR     0x0f0u
#define APIC_TIMER   0x320u
#define APIC_THERMAL 0x330u
#define APIC_COUNTER 0x340u
#define APIC_LINT0   0x350u
#define APIC_LINT1   0x360u
#define APIC_ERROR   0x370u
#define APIC_INITIAL 0x380u
#define APIC_CURRENT 0x390u
#define APIC_DIVIDE  0x3e0u

#define LVT_MASKED   (1u << 16)
#define LVT_EXTINT   0x700u
#define LVT_NMI      0x400u
#define LVT_DEADLINE (2u << 17)
#define DIVIDE_BY_1  0xbu

#define PIT_HZ       1193182u
#define PIT_MEASURE  (PIT_HZ / 50) /* 20 ms */
#define MEASUREMENTS 3
#define MSI_ADDRESS  0xfee00000ull

uint64_t machine_tsc_hz;
uint64_t machine_boot_tsc;
uint32_t machine_cpus = 1;

static volatile uint32_t *registers;
static uint64_t timer_hz;
static uint64_t timer_per_tsc; /* 32.32 fixed point */
static uint64_t armed = UINT64_MAX;

static void apic_write(uint32_t reg, uint32_t value)
{
    if (has_x2apic)
        wrmsr(MSR_X2APIC + reg / 16, value);
    else
        registers[reg / 4] = value;
}

static uint32_t apic_read(uint32_t reg)
{
    return has_x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : registers[reg / 4];
}

uint64_t machine_time(void)
{
    return rdtsc();
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void apic_message(uint32_t vector, uint64_t *address, uint32_t *data)
{
    uint32_t id = has_x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;

    *address = MSI_ADDRESS | (uint64_t)(id & 0xff) << 12;
    *data = vector; /* fixed delivery, edge */
}

/* Ticks of TSC and APIC timer while the PIT counts PIT_MEASURE. */
static void measure(uint64_t *tsc, uint64_t *timer)
{
    uint8_t gate = inb(0x61) & 0xfc;

    outb(0x61, gate); /* gate closed, speaker off */
    outb(0x43, 0xb0); /* channel 2, both bytes, mode 0: output rises at zero */
    outb(0x42, PIT_MEASURE & 0xff);
    outb(0x42, PIT_MEASURE >> 8);
    apic_write(APIC_INITIAL, UINT32_MAX);
    outb(0x61, gate | 1); /* go */
    uint64_t start = rdtsc();
    uint32_t before = apic_read(APIC_CURRENT);
    while (!(inb(0x61) & 0x20))
        ;
    *tsc = rdtsc() - start;
    *timer = before - apic_read(APIC_CURRENT);
    apic_write(APIC_INITIAL, 0);
    outb(0x61, gate);
}

static void calibrate(void)
{
    uint64_t best = UINT64_MAX, best_timer = 1;

    /* Whatever disturbs makes a measurement longer: the shortest is the truest. */
    for (int i = 0; i < MEASUREMENTS; i++) {
        uint64_t tsc, timer;
        measure(&tsc, &timer);
        if (tsc < best) {
            best = tsc;
            best_timer = timer;
        }
    }
    machine_tsc_hz = best * PIT_HZ / PIT_MEASURE;
    timer_hz = best_timer * PIT_HZ / PIT_MEASURE;
    timer_per_tsc = (timer_hz << 32) / machine_tsc_hz;
}

void apic_init(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    machine_boot_tsc = rdtsc();
    if (has_x2apic)
        wrmsr(MSR_APIC_BASE, base | APIC_ENABLE | APIC_X2);
    else {
        wrmsr(MSR_APIC_BASE, base | APIC_ENABLE);
        registers = mmio_map(base & 0xffffff000ull, EXO_PAGE_SIZE);
    }
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SVR, 0x100 | VECTOR_SPURIOUS);
    /* What the firmware wanted to hear of; the version tells which entries exist (10.4.8). */
    uint32_t last = apic_read(APIC_VERSION) >> 16 & 0xff;
    if (last >= 3)
        apic_write(APIC_ERROR, LVT_MASKED);
    if (last >= 4)
        apic_write(APIC_COUNTER, LVT_MASKED);
    if (last >= 5)
        apic_write(APIC_THERMAL, LVT_MASKED);
    apic_write(APIC_LINT0, LVT_EXTINT); /* the 8259's lines come this way */
    apic_write(APIC_LINT1, LVT_NMI);
    apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_TIMER, LVT_MASKED | VECTOR_TIMER);
    calibrate();
    if (!machine_tsc_hz || (!timer_hz && !has_tsc_deadline))
        panic("The timers do not count: TSC %lu Hz, APIC %lu Hz.", machine_tsc_hz, timer_hz);
    apic_write(APIC_TIMER, VECTOR_TIMER | (has_tsc_deadline ? LVT_DEADLINE : 0));
    machine_cpus = boot.cpu_count;
    klog("Time stamp counter %lu kHz, %s timer %s, %u of %u CPUs in use.", machine_tsc_hz / 1000,
         has_x2apic ? "x2APIC" : "xAPIC", has_tsc_deadline ? "with TSC deadline" : "one-shot", 1u,
         boot.cpu_count);
}

void apic_alarm(uint64_t now, uint64_t alarm)
{
    if (alarm == armed && armed > now)
        return;
    armed = alarm;
    if (has_tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, alarm == UINT64_MAX ? 0 : alarm);
        return;
    }
    uint32_t count = 0; /* stops the timer */
    if (alarm != UINT64_MAX) {
        uint64_t ticks = alarm > now ? alarm - now : 0;
        /* A far alarm comes early and is set again: 2^31 ticks are seconds. */
        if (ticks >> 31) {
            ticks = 1u << 31;
            armed = now + ticks;
        }
        uint64_t timer = (ticks * timer_per_tsc >> 32) + 1;
        count = timer > UINT32_MAX ? UINT32_MAX : (uint32_t)timer;
    }
    apic_write(APIC_INITIAL, count);
}
