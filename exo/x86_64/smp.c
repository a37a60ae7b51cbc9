/* SPDX-License-Identifier: MIT */
/*
 * smp.c - from one CPU to all (Intel SDM vol. 3, 8.4.4.1: INIT, 10 ms, SIPI, 200 us, SIPI).
 *
 *   S1  a CPU is up only when it has shown the APIC id that it was started by and has all that protects
 *       (protection.h) as the boot CPU has it
 *   S2  one that does not come within START_MS, or fails a test, is told by name, held in reset and left
 *       out; the machine goes on without it
 *   S3  no page is writable and executable meanwhile either: the trampoline's page is read-only in the
 *       direct map from before the first CPU runs it until the last one has left it. Then all five
 *       frames go to applications; but if a CPU did not come, they stay as they are, for it could still
 *
 * Until smp_serve the others know nothing of environments: they halt, answer what they are asked (ipi.h)
 * and do what they are given.
 */
#include "smp.h"
#include "io.h"
#include "ipi.h"
#include "lock.h"
#include "machine.h"
#include "processor.h"
#include "speculation.h"
#include "table.h"
#include "trampoline.h"
#include "x86_64.h"

#define SEND_INIT 0x500u
#define SEND_SIPI 0x600u /* and the page's number */
#define INIT_MS   10u
#define SIPI_US   200u
#define START_MS                                                                                   \
    1000u /* a real one takes less than 1 ms; an emulated one is a thread of a busy host */

struct trampoline {
    uint64_t gdt[4];
    uint16_t gdt_limit;
    uint32_t gdt_base;
    uint16_t unused0;
    uint32_t far_32;
    uint16_t code_32, unused1;
    uint32_t far_64;
    uint16_t code_64, unused2;
    uint32_t cr3, cr4, cr0, efer;
    uint64_t entry;
} __attribute__((packed));
#define AT(field, offset)                                                                          \
    _Static_assert(T_GDT + __builtin_offsetof(struct trampoline, field) == (offset),               \
                   "trampoline.S says so")
AT(gdt_limit, T_GDT_REGISTER);
AT(far_32, T_FAR_32);
AT(far_64, T_FAR_64);
AT(cr3, T_CR3);
AT(cr4, T_CR4);
AT(cr0, T_CR0);
AT(efer, T_EFER);
AT(entry, T_ENTRY);

extern const char trampoline_start[], trampoline_32[], trampoline_64[], trampoline_end[];
extern uint64_t kernel_cr3;

void cpu_start(void); /* entry.S */
void cpu_serve(struct cpu *self);
struct exo_context *cpu_join(void);
_Noreturn void cpu_main(struct cpu *cpu);
void cpu_idle(void);

/* Whose stack the next one to come takes. */
struct cpu *cpu_starting;

static void *low(uint32_t n)
{
    return machine_frame((frame_t){(uint32_t)boot.low_first + n});
}

static uint64_t low_physical(uint32_t n)
{
    return (boot.low_first + n) << EXO_PAGE_SHIFT;
}

static void trampoline_fill(void)
{
    struct feature_registers on;
    uint32_t page = (uint32_t)low_physical(0);
    struct trampoline *t = (struct trampoline *)((char *)low(0) + T_GDT);

    features_pinned(&on);
    __builtin_memcpy(low(0), trampoline_start, (uint64_t)(trampoline_end - trampoline_start));
    *t = (struct trampoline){
        /* Flat; marked as accessed, so that the CPU has no reason to write to them. */
        .gdt = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff},
        .gdt_limit = sizeof(t->gdt) - 1,
        .gdt_base = page + T_GDT,
        .far_32 = page + (uint32_t)(trampoline_32 - trampoline_start),
        .code_32 = T_CODE_32,
        .far_64 = page + (uint32_t)(trampoline_64 - trampoline_start),
        .code_64 = T_CODE_64,
        .cr3 = (uint32_t)low_physical(1),
        .cr4 = (uint32_t)on.cr4,
        .cr0 = (uint32_t)on.cr0,
        .efer = (uint32_t)on.efer,
        .entry = (uint64_t)cpu_start,
    };
}

/* Tables below 4 GiB, as 32-bit code must load them: the kernel's half, and the trampoline's page. */
static void tables_fill(void)
{
    uint64_t page = low_physical(0), *table[4];

    for (uint32_t i = 0; i < 4; i++) {
        table[i] = low(1 + i);
        __builtin_memset(table[i], 0, EXO_PAGE_SIZE);
    }
    machine_root_init(table[0]);
    for (uint32_t i = 0; i < 3; i++)
        table[i][page >> (39 - 9 * i) & 511] = low_physical(2 + i) | PTE_PRESENT | PTE_WRITE;
    table[3][page >> 12 & 511] = page | PTE_PRESENT;
}

static bool low_prepare(void)
{
    if (!boot.low_first) {
        klog("The firmware gave no memory in the first 640 KiB, where CPUs start: %u stay off.",
             boot.cpu_count - 1);
        return false;
    }
    __builtin_memset(low(0), 0, EXO_PAGE_SIZE);
    trampoline_fill();
    tables_fill();
    if (memory_direct_write(low_physical(0), false))
        return true;
    klog("The page in which CPUs start cannot be made read-only alone: %u stay off.",
         boot.cpu_count - 1);
    return false;
}

static void low_release(void)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        if (!cpu_is_up(cpus[i])) {
            klog("The %u KiB at 0x%lx stay reserved, for it could still come.",
                 (unsigned)(EXO_BOOT_LOW * EXO_PAGE_SIZE / 1024), low_physical(0));
            boot.low_first = 0;
            return;
        }
    memory_direct_write(low_physical(0), true);
    cpus_forget(low(0));
}

static void wait_us(uint64_t us)
{
    uint64_t end = rdtsc() + machine_tsc_hz / 1000000 * us;

    while (rdtsc() < end)
        pause();
}

static bool wait_up(const struct cpu *cpu, uint64_t us)
{
    uint64_t end = rdtsc() + machine_tsc_hz / 1000000 * us;

    while (!cpu_is_up(cpu)) {
        if (rdtsc() > end)
            return false;
        pause();
    }
    return true;
}

void cpu_leave_out(struct cpu *cpu, const char *why)
{
    __atomic_store_n(&cpu->state, CPU_LEFT_OUT, __ATOMIC_RELEASE);
    apic_send(cpu->apic_id, APIC_ASSERT | SEND_INIT);
    klog("CPU %u (APIC id %u) %s: it is left out.", cpu->number, cpu->apic_id, why);
}

/* INIT was sent to it. */
static void start_one(struct cpu *cpu)
{
    uint32_t sipi = APIC_ASSERT | SEND_SIPI | (uint32_t)boot.low_first;

    __atomic_store_n(&cpu_starting, cpu, __ATOMIC_RELEASE);
    bool sent = apic_send(cpu->apic_id, sipi);
    if (sent && !wait_up(cpu, SIPI_US))
        apic_send(cpu->apic_id, sipi); /* it is ignored if the first one did come */
    if (sent && wait_up(cpu, START_MS * 1000))
        return;
    __atomic_store_n(&cpu_starting, NULL, __ATOMIC_RELEASE);
    cpu_leave_out(cpu, sent ? "did not start within 1 s" : "has an id that this APIC cannot reach");
}

void smp_start(void)
{
    uint32_t up = 0;

    this_cpu()->state = CPU_UP;
    if (boot.cpu_count > 1 && low_prepare()) {
        for (uint32_t i = 1; i < boot.cpu_count; i++)
            apic_send(cpu_make(boot.cpus[i])->apic_id, APIC_ASSERT | SEND_INIT);
        wait_us(INIT_MS * 1000);
        for (uint32_t i = 1; i < cpu_count; i++)
            start_one(cpus[i]);
        low_release();
        smp_test();
    }
    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpu_is_up(cpus[i]))
            serving[up++] = cpus[i];
    machine_cpus = up;
    klog("%u of %u CPUs are up.", up, boot.cpu_count);
}

void smp_serve(void)
{
    for (uint32_t i = 0; i < machine_cpus; i++) {
        serving[i]->processor = &processors[i];
        if (i)
            cpu_give(serving[i], cpu_serve);
    }
}

struct exo_context *cpu_join(void)
{
    kernel_lock();
    return machine_enter();
}

void cpu_give(struct cpu *cpu, void (*work)(struct cpu *self))
{
    __atomic_store_n(&cpu->work, work, __ATOMIC_RELEASE);
    ipi_ask(cpu, IPI_WAKE);
}

bool cpu_wait_idle(const struct cpu *cpu)
{
    uint64_t end = rdtsc() + machine_tsc_hz / 1000 * IPI_PATIENCE_MS;

    while (__atomic_load_n(&cpu->work, __ATOMIC_ACQUIRE)) {
        if (rdtsc() > end)
            return false;
        pause();
    }
    return true;
}

/* Where a CPU is that runs nobody. Interrupts are off between the look for work and the halt. */
static inline _Noreturn void cpu_loop(struct cpu *self)
{
    for (;;) {
        void (*work)(struct cpu *) = __atomic_load_n(&self->work, __ATOMIC_ACQUIRE);
        if (!work) {
            cpu_idle();
            continue;
        }
        __asm__ volatile("sti" : : : "memory");
        work(self);
        __asm__ volatile("cli" : : : "memory");
        __atomic_store_n(&self->work, NULL, __ATOMIC_RELEASE);
    }
}

_Noreturn void cpu_main(struct cpu *self)
{
    descriptors_load(self);
    features_apply();
    speculation_apply();
    apic_enable();
    features_check();
    /* Another's id: it was given up, and came when its successor was awaited. */
    while (apic_id() != self->apic_id)
        __asm__ volatile("cli; hlt");
    __atomic_store_n(&self->state, CPU_UP, __ATOMIC_RELEASE);
    cpu_loop(self);
}
