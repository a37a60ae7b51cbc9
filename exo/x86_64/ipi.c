/* SPDX-License-Identifier: MIT */
/*
 * ipi.c - asking, answering, waiting (ipi.h).
 */
#include "ipi.h"
#include "io.h"
#include "machine.h"
#include "x86_64.h"

/* What is asked by IPI_FORGET; written before `asked` is counted up. */
static struct {
    frame_t root; /* 0: the kernel's half, which is in all of them */
    uint64_t address;
} request;

__attribute__((noinline)) static void do_forget(struct cpu *cpu)
{
    if (request.root.n)
        switch_forget(cpu, request.root, request.address);
    else
        __asm__ volatile("invlpg (%0)" : : "r"(request.address) : "memory");
}

uint64_t ipi_ask(struct cpu *cpu, enum ipi kind)
{
    uint64_t count = cpu->ipi[kind].asked + 1;

    __atomic_store_n(&cpu->ipi[kind].asked, count, __ATOMIC_RELEASE);
    /* A message that could not be sent is one that is not answered: ipi_wait tells. */
    apic_send(cpu->apic_id, APIC_ASSERT | (VECTOR_IPI + kind));
    return count;
}

bool ipi_wait(const struct cpu *cpu, enum ipi kind, uint64_t count)
{
    uint64_t end = rdtsc() + machine_tsc_hz / 1000 * IPI_PATIENCE_MS;

    while (__atomic_load_n(&cpu->ipi[kind].done, __ATOMIC_ACQUIRE) < count) {
        if (rdtsc() > end)
            return false;
        pause();
    }
    return true;
}

void ipi_answer(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t asked = __atomic_load_n(&cpu->ipi[IPI_FORGET].asked, __ATOMIC_ACQUIRE);

    if (asked == cpu->ipi[IPI_FORGET].done)
        return; /* it was done while it waited for the lock */
    do_forget(cpu);
    __atomic_store_n(&cpu->ipi[IPI_FORGET].done, asked, __ATOMIC_RELEASE);
}

void ipi_take(enum ipi kind)
{
    struct cpu *cpu = this_cpu();

    if (kind == IPI_FORGET) {
        ipi_answer();
        return;
    }
    uint64_t asked = __atomic_load_n(&cpu->ipi[kind].asked, __ATOMIC_ACQUIRE);
    features_check(); /* the interrupt itself has ended the halt, or brings the CPU to cpu_next */
    __atomic_store_n(&cpu->ipi[kind].done, asked, __ATOMIC_RELEASE);
}

static bool is_concerned(const struct cpu *cpu)
{
    return cpu_is_up(cpu) &&
           (!request.root.n ||
            __atomic_load_n(&cpu->loaded_root.n, __ATOMIC_RELAXED) == request.root.n);
}

/* Ask all that are concerned, do the same meanwhile, and wait. */
static void forget_everywhere(void)
{
    struct cpu *self = this_cpu();
    uint64_t awaited = 0;

    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpus[i] != self && is_concerned(cpus[i])) {
            ipi_ask(cpus[i], IPI_FORGET);
            awaited |= 1ull << i;
        }
    do_forget(self);
    for (; awaited; awaited &= awaited - 1) {
        const struct cpu *cpu = cpus[__builtin_ctzll(awaited)];
        if (!ipi_wait(cpu, IPI_FORGET, cpu->ipi[IPI_FORGET].asked))
            panic("CPU %u (APIC id %u) was asked to forget what is at 0x%lx and did not answer "
                  "within %u ms.",
                  cpu->number, cpu->apic_id, request.address, IPI_PATIENCE_MS);
    }
}

void cpus_forget(const volatile void *address)
{
    request.root.n = 0;
    request.address = (uint64_t)address;
    forget_everywhere();
}

void ipi_forget(frame_t root, uint64_t address)
{
    request.root = root;
    request.address = address;
    forget_everywhere();
}

void cpus_stop(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpu_is_up(cpus[i]) && cpus[i]->apic_id != apic_id())
            apic_send(cpus[i]->apic_id, APIC_ASSERT | VECTOR_STOP);
}
