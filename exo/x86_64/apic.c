/* SPDX-License-Identifier: MIT */
/*
 * apic.c - the local APIC: the one-shot timer, end of interrupt, messages of devices and to other CPUs
 * (Intel SDM vol. 3, ch. 10).
 *
 * The time stamp counter and the APIC's timer are measured against channel 2 of the PIT, whose
 * 1,193,182 Hz nearly every PC has; where it stands still, CPUID must tell. All CPUs' clocks run as the
 * boot CPU's do; smp_test.c looks whether they do.
 */
#include "io.h"
#include "machine.h"
#include "mmio.h"
#include "percpu.h"
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
#define APIC_ICR     0x300u
#define APIC_ICR_TO  0x310u
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

#define ICR_PENDING  (1u << 12) /* not in x2APIC mode */
#define ICR_LOOKS    1000000u   /* a message takes less than a microsecond */
#define XAPIC_ALL    0xffu

#define PIT_HZ       1193182u
#define PIT_MEASURE  (PIT_HZ / 50) /* 20 ms */
#define PIT_LOOKS    10000000u     /* 20 ms are some ten thousand */
#define MEASUREMENTS 20
#define MSI_ADDRESS  0xfee00000ull

uint64_t machine_tsc_hz;
uint64_t machine_boot_tsc;
uint32_t machine_cpus = 1; /* smp_start counts the others */

static volatile uint32_t *registers;
static bool timer_counts, timers_known;
static uint64_t timer_per_tsc; /* 32.32 fixed point */

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

uint32_t apic_id(void)
{
    return has_x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

/* False: the register was busy for longer than a message can take. */
static bool icr_is_free(void)
{
    for (uint32_t looks = 0; looks < ICR_LOOKS; looks++) {
        if (!(apic_read(APIC_ICR) & ICR_PENDING))
            return true;
        pause();
    }
    return false;
}

bool apic_send(uint32_t id, uint32_t command)
{
    if (has_x2apic) {
        /* This write is not ordered behind stores that the receiver must see (10.12.3). */
        __asm__ volatile("mfence; lfence" : : : "memory");
        wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)id << 32 | command);
        return true;
    }
    if (id >= XAPIC_ALL || !icr_is_free())
        return false;
    apic_write(APIC_ICR_TO, id << 24);
    apic_write(APIC_ICR, command);
    return true;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void apic_message(uint32_t vector, uint64_t *address, uint32_t *data)
{
    *address = MSI_ADDRESS | (uint64_t)(apic_id() & 0xff) << 12;
    *data = vector; /* fixed delivery, edge */
}

struct sample {
    uint64_t tsc;               /* ticks while the PIT counted PIT_MEASURE, at most `doubt` off */
    uint64_t doubt;             /* time that passed between neighbouring looks at the clocks */
    uint64_t timer, timer_span; /* ticks of the APIC's timer, and of the TSC meanwhile */
};

/* False: the PIT does not count, as in machines whose firmware turned it off to save power. */
static bool measure(struct sample *sample)
{
    uint8_t gate = inb(0x61) & 0xfc;

    outb(0x61, gate); /* gate closed, speaker off */
    outb(0x43, 0xb0); /* channel 2, both bytes, mode 0: output rises at zero */
    outb(0x42, PIT_MEASURE & 0xff);
    outb(0x42, PIT_MEASURE >> 8);
    apic_write(APIC_INITIAL, UINT32_MAX);
    uint64_t before_go = rdtsc();
    outb(0x61, gate | 1); /* go */
    uint32_t timer_start = apic_read(APIC_CURRENT);
    uint64_t after_go = rdtsc(), running = after_go, over = after_go;
    bool done = false;
    for (uint32_t looks = 0; !done && looks < PIT_LOOKS; looks++) {
        running = over;
        done = inb(0x61) & 0x20;
        over = rdtsc();
    }
    uint32_t timer_end = apic_read(APIC_CURRENT);
    uint64_t end = rdtsc();
    apic_write(APIC_INITIAL, 0);
    outb(0x61, gate);
    /* It began between before_go and after_go and ended between running and over. */
    sample->tsc = (running + over - before_go - after_go) / 2;
    sample->doubt = (after_go - before_go) + (end - running);
    sample->timer = timer_start - timer_end;
    sample->timer_span = (over + end - before_go - after_go) / 2;
    return done;
}

/* Intel SDM vol. 2, CPUID leaf 15H; vol. 3, 10.5.4: the APIC's timer then counts the crystal. */
static void calibrate_by_cpuid(void)
{
    struct cpuid clock = cpuid(0).eax >= 0x15 ? cpuid(0x15) : (struct cpuid){0};

    if (!clock.eax || !clock.ebx || !clock.ecx)
        panic("No clock is known here to measure the time stamp counter by: the PIT does not "
              "count, and CPUID tells no frequency.");
    machine_tsc_hz = (uint64_t)clock.ecx * clock.ebx / clock.eax;
    timer_per_tsc = ((uint64_t)clock.ecx << 32) / machine_tsc_hz;
    timer_counts = true;
}

static void calibrate(void)
{
    struct sample best = {.doubt = UINT64_MAX}, sample;

    /* Until nothing disturbed: an emulator's host may be busy. */
    for (int i = 0; i < MEASUREMENTS && best.doubt > best.tsc / 1000; i++) {
        if (!measure(&sample)) {
            calibrate_by_cpuid();
            return;
        }
        if (sample.doubt < best.doubt)
            best = sample;
    }
    machine_tsc_hz = best.tsc * PIT_HZ / PIT_MEASURE;
    timer_per_tsc = (best.timer << 32) / best.timer_span;
    timer_counts = best.timer > 0;
}

void apic_enable(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    wrmsr(MSR_APIC_BASE, base | APIC_ENABLE | (has_x2apic ? APIC_X2 : 0));
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
    /* The 8259's lines come this way, to one CPU. */
    apic_write(APIC_LINT0, this_cpu()->number ? LVT_MASKED : LVT_EXTINT);
    apic_write(APIC_LINT1, LVT_NMI);
    apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_TIMER,
               VECTOR_TIMER | (timers_known ? has_tsc_deadline ? LVT_DEADLINE : 0 : LVT_MASKED));
}

void apic_init(void)
{
    machine_boot_tsc = rdtsc();
    if (!has_x2apic)
        registers = mmio_map(rdmsr(MSR_APIC_BASE) & 0xffffff000ull, EXO_PAGE_SIZE);
    apic_enable();
    calibrate();
    if (!machine_tsc_hz || (!timer_counts && !has_tsc_deadline))
        panic("The timers do not count: TSC %lu Hz, APIC %s.", machine_tsc_hz,
              timer_counts ? "runs" : "stands still");
    timers_known = true;
    apic_enable();
    klog("Time stamp counter %lu kHz, %s timer %s.", machine_tsc_hz / 1000,
         has_x2apic ? "x2APIC" : "xAPIC", has_tsc_deadline ? "with TSC deadline" : "one-shot");
}

void apic_alarm(struct cpu *cpu, uint64_t now, uint64_t alarm)
{
    cpu->armed = alarm;
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
            cpu->armed = now + ticks;
        }
        uint64_t timer = (ticks * timer_per_tsc >> 32) + 1;
        count = timer > UINT32_MAX ? UINT32_MAX : (uint32_t)timer;
    }
    apic_write(APIC_INITIAL, count);
}
