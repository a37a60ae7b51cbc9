/* SPDX-License-Identifier: MIT */
/*
 * smp_test.c - at each boot: can the other CPUs be relied upon? One that fails is left out.
 *
 *   - it acknowledges messages, one after the other
 *   - its time stamp counter is in step: what it reads between two looks of the boot CPU lies between them
 *   - its timer does not fire early, and fires at all
 *   - what it was told to forget it does not use: while it reads a page again and again, the page is
 *     made to show another frame, and the frame that was there gets what a next owner would write
 *
 * Each but the timer's is done ROUNDS times, or, where that takes longer than ROUNDS_MS, as often as
 * that allows, ROUNDS_LEAST times at least: emulated CPUs, more of them than the host has, take turns.
 */
#include "io.h"
#include "ipi.h"
#include "machine.h"
#include "mmio.h"
#include "smp.h"
#include "x86_64.h"

#define ROUNDS       1000u
#define ROUNDS_LEAST 20u
#define ROUNDS_MS    500u
#define TIMER_ROUNDS 5u
#define TIMER_US     1000u
#define EARLY_US     10u /* the one-shot timer's rate is known to 1/1000 */

#define NO_MORE      UINT64_MAX
#define IDLE         "does not do what it is given"

#define MINE         0x11u
#define ANOTHERS     0x99u

/* What the boot CPU and one other tell each other. */
static struct trial {
    uint64_t ask, answer; /* counts */
    uint64_t stamp;
    uint64_t worst;  /* ticks */
    uint64_t looks;  /* at the window */
    uint32_t failed; /* what must never be seen was seen so often */
} trials[EXO_BOOT_CPUS];

static volatile uint64_t *window;
static bool window_closes;

static uint64_t ticks(uint64_t us)
{
    return machine_tsc_hz / 1000000 * us;
}

static uint64_t nanoseconds(uint64_t count)
{
    return count * 1000 / (machine_tsc_hz / 1000000);
}

static bool rounds_over(uint32_t done, uint64_t begun)
{
    return done == ROUNDS || (done >= ROUNDS_LEAST && rdtsc() - begun > ticks(ROUNDS_MS * 1000));
}

/* Not before what stands before it is done, not after what stands behind it begins. */
static uint64_t rdtsc_in_order(void)
{
    __asm__ volatile("lfence" : : : "memory");
    uint64_t now = rdtsc();
    __asm__ volatile("lfence" : : : "memory");
    return now;
}

static bool count_reaches(const uint64_t *count, uint64_t wanted)
{
    uint64_t end = rdtsc() + ticks(IPI_PATIENCE_MS * 1000);

    while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < wanted) {
        if (rdtsc() > end)
            return false;
        pause();
    }
    return true;
}

/* --- messages ----------------------------------------------------------------------- */

/* What took how long. */
struct figures {
    uint32_t rounds;
    uint64_t sum, worst;
};

static void figures_add(struct figures *f, uint64_t took)
{
    f->rounds++;
    f->sum += took;
    f->worst = took > f->worst ? took : f->worst;
}

static const char *messages_try(struct cpu *cpu, struct figures *f)
{
    uint64_t start = rdtsc();

    while (!rounds_over(f->rounds, start)) {
        uint64_t begun = rdtsc();
        if (!ipi_wait(cpu, IPI_WAKE, ipi_ask(cpu, IPI_WAKE)))
            return "does not acknowledge messages";
        figures_add(f, rdtsc() - begun);
    }
    return NULL;
}

/* --- time stamps ---------------------------------------------------------------------- */

static void clock_answer(struct cpu *self)
{
    struct trial *t = &trials[self->number];

    for (uint64_t i = 1; count_reaches(&t->ask, i); i++) {
        if (__atomic_load_n(&t->ask, __ATOMIC_ACQUIRE) == NO_MORE)
            return;
        t->stamp = rdtsc_in_order();
        __atomic_store_n(&t->answer, i, __ATOMIC_RELEASE);
    }
}

/* *doubt becomes the smallest span in which both looked. */
static const char *clock_try(struct cpu *cpu, uint64_t *doubt)
{
    struct trial *t = &trials[cpu->number];
    uint64_t start = rdtsc();

    *doubt = UINT64_MAX;
    cpu_give(cpu, clock_answer);
    for (uint32_t i = 1; !rounds_over(i - 1, start); i++) {
        uint64_t before = rdtsc_in_order();
        __atomic_store_n(&t->ask, i, __ATOMIC_RELEASE);
        if (!count_reaches(&t->answer, i))
            return IDLE;
        uint64_t after = rdtsc_in_order();
        if (t->stamp < before)
            return "has a time stamp counter that is behind the boot CPU's";
        if (t->stamp > after)
            return "has a time stamp counter that is ahead of the boot CPU's";
        *doubt = after - before < *doubt ? after - before : *doubt;
    }
    __atomic_store_n(&t->ask, NO_MORE, __ATOMIC_RELEASE);
    return cpu_wait_idle(cpu) ? NULL : IDLE;
}

/* --- the timer ------------------------------------------------------------------------- */

static void timer_answer(struct cpu *self)
{
    struct trial *t = &trials[self->number];

    for (uint32_t i = 0; i < TIMER_ROUNDS; i++) {
        uint64_t now = rdtsc(), alarm = now + ticks(TIMER_US), fired;
        __atomic_store_n(&self->fired, 0, __ATOMIC_RELEASE);
        apic_alarm(self, now, alarm);
        while (!(fired = __atomic_load_n(&self->fired, __ATOMIC_ACQUIRE)) &&
               rdtsc() < alarm + ticks(IPI_PATIENCE_MS * 1000 / (2 * TIMER_ROUNDS)))
            pause();
        if (fired + ticks(EARLY_US) < alarm)
            t->failed++;
        else if (fired > alarm && fired - alarm > t->worst)
            t->worst = fired - alarm;
    }
    apic_alarm(self, rdtsc(), UINT64_MAX);
}

static const char *timer_try(struct cpu *cpu)
{
    cpu_give(cpu, timer_answer);
    if (!cpu_wait_idle(cpu))
        return IDLE;
    return trials[cpu->number].failed ? "has a timer that fires early or never" : NULL;
}

/* --- what was forgotten ------------------------------------------------------------------ */

static void window_look(struct cpu *self)
{
    struct trial *t = &trials[self->number];

    while (!__atomic_load_n(&window_closes, __ATOMIC_ACQUIRE)) {
        t->failed += *window != MINE;
        __atomic_store_n(&t->looks, t->looks + 1, __ATOMIC_RELEASE);
    }
}

/* Each of them has looked once more, so that it has something to forget. */
static void looks_await(void)
{
    for (uint32_t i = 1; i < cpu_count; i++)
        /* The first may have begun before the last change. */
        if (cpu_is_up(cpus[i]) && !count_reaches(&trials[i].looks, trials[i].looks + 2))
            cpu_leave_out(cpus[i], IDLE);
}

/* Show the frames in turn, each as long as all have looked at it. */
static struct figures window_rounds(void)
{
    uint64_t physical[2], *frame[2] = {boot_alloc(1, &physical[0]), boot_alloc(1, &physical[1])};
    uint64_t start = rdtsc();
    struct figures f = {0};

    *frame[0] = MINE;
    memory_window_set(window, physical[0]);
    for (uint32_t i = 1; i < cpu_count; i++)
        if (cpu_is_up(cpus[i]))
            cpu_give(cpus[i], window_look);
    while (!rounds_over(f.rounds, start)) {
        uint32_t before = f.rounds % 2, after = 1 - before;
        looks_await();
        *frame[after] = MINE;
        memory_window_set(window, physical[after]);
        uint64_t begun = rdtsc();
        cpus_forget(window);
        figures_add(&f, rdtsc() - begun);
        *(volatile uint64_t *)frame[before] = ANOTHERS;
    }
    looks_await();
    return f;
}

static void window_try(void)
{
    window = memory_window();
    struct figures f = window_rounds();

    __atomic_store_n(&window_closes, true, __ATOMIC_RELEASE);
    for (uint32_t i = 1; i < cpu_count; i++)
        if (cpu_is_up(cpus[i]) && (!cpu_wait_idle(cpus[i]) || trials[i].failed))
            cpu_leave_out(cpus[i], "used a translation that it had been told to forget");
    memory_window_set(window, 0);
    cpus_forget(window);
    klog("Forgetting a page on all CPUs: %u times, %lu ns on average, %lu at most.", f.rounds,
         nanoseconds(f.sum / f.rounds), nanoseconds(f.worst));
}

static void one_try(struct cpu *cpu)
{
    struct figures messages = {0};
    uint64_t doubt = 0;
    const char *wrong = messages_try(cpu, &messages);

    wrong = wrong ? wrong : clock_try(cpu, &doubt);
    wrong = wrong ? wrong : timer_try(cpu);
    if (wrong) {
        cpu_leave_out(cpu, wrong);
        return;
    }
    klog("CPU %u (APIC id %u): %u messages acknowledged, %lu ns on average, %lu at most; clock in "
         "step "
         "within %lu ns; timer at most %lu ns late.",
         cpu->number, cpu->apic_id, messages.rounds, nanoseconds(messages.sum / messages.rounds),
         nanoseconds(messages.worst), nanoseconds(doubt), nanoseconds(trials[cpu->number].worst));
}

void smp_test(void)
{
    uint32_t others = 0;

    for (uint32_t i = 1; i < cpu_count; i++)
        if (cpu_is_up(cpus[i])) {
            one_try(cpus[i]);
            others += cpu_is_up(cpus[i]);
        }
    if (others)
        window_try();
}
