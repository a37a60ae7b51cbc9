/* SPDX-License-Identifier: MIT */
/*
 * ipi.c - asking, answering, waiting (ipi.h).
 */
#include "ipi.h"
#include "io.h"
#include "machine.h"
#include "x86_64.h"

static const volatile void *forget_address; /* written before `asked` is counted up */

static void forget(const volatile void *address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
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

void ipi_take(enum ipi kind)
{
    struct cpu *cpu = this_cpu();
    uint64_t asked = __atomic_load_n(&cpu->ipi[kind].asked, __ATOMIC_ACQUIRE);

    if (kind == IPI_FORGET)
        forget(forget_address);
    else
        features_check(); /* IPI_WAKE: the interrupt has ended the halt */
    __atomic_store_n(&cpu->ipi[kind].done, asked, __ATOMIC_RELEASE);
}

void cpus_forget(const volatile void *address)
{
    struct cpu *self = this_cpu();

    forget_address = address;
    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpus[i] != self && cpu_is_up(cpus[i]))
            ipi_ask(cpus[i], IPI_FORGET);
    forget(address); /* meanwhile */
    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpus[i] != self && cpu_is_up(cpus[i]) &&
            !ipi_wait(cpus[i], IPI_FORGET, cpus[i]->ipi[IPI_FORGET].asked))
            panic("CPU %u (APIC id %u) was asked to forget what is at 0x%lx and did not answer "
                  "within %u ms.",
                  i, cpus[i]->apic_id, (uint64_t)address, IPI_PATIENCE_MS);
}

void cpus_stop(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpu_is_up(cpus[i]) && cpus[i]->apic_id != apic_id())
            apic_send(cpus[i]->apic_id, APIC_ASSERT | VECTOR_STOP);
}
