/* SPDX-License-Identifier: MIT */
/*
 * traps.c - exceptions and interrupts on their way from entry.S to the core.
 */
#include "env.h"
#include "io.h"
#include "ipi.h"
#include "irq.h"
#include "lock.h"
#include "machine.h"
#include "percpu.h"
#include "processor.h"
#include "x86_64.h"

#define EXCEPTIONS   32u
#define DEBUG        1u
#define PAGE_FAULT   14u
#define LINES        16u
#define LINE_SHARERS 8u

#define PIC_MASTER   0x20u
#define PIC_SLAVE    0xa0u
#define PIC_EOI      0x20u
#define PIC_ISR      0x0bu

struct source {
    irq_handler handler;
    void *device;
};

static struct source lines[LINES][LINE_SHARERS];
static struct source messages[MESSAGES];
static uint16_t line_mask = 0xffff;

struct exo_context *trap_user(uint64_t vector, uint64_t error);
void trap_in_kernel(uint64_t vector, const uint64_t *frame);
void syscall_entry(void);

/* Whom this CPU runs. Under the lock: before it was taken, another CPU may have ended it. */
static struct env *running(void)
{
    return this_cpu()->processor->current;
}

struct exo_context *trap_user(uint64_t vector, uint64_t error)
{
    if (vector == VECTOR_IPI + IPI_FORGET) {
        irq_dispatch(vector);
        return this_cpu()->context;
    }
    kernel_lock();
    if (vector >= EXCEPTIONS)
        irq_dispatch(vector);
    else if (vector == 2 || vector == 18)
        panic("The machine reports an error of its own (vector %lu).", vector);
    else
        cpu_fault(running(), vector, error, vector == PAGE_FAULT ? read_cr2() : 0);
    return machine_enter();
}

void trap_in_kernel(uint64_t vector, const uint64_t *frame)
{
    if (vector == VECTOR_IPI + IPI_FORGET || vector == VECTOR_STOP) {
        irq_dispatch(vector); /* its sender holds the lock */
        return;
    }
    if (vector >= EXCEPTIONS) {
        kernel_lock();
        irq_dispatch(vector);
        kernel_unlock();
        return;
    }
    if (vector == DEBUG && frame[2] == (uint64_t)syscall_entry)
        return; /* the step was the caller's; flags are masked, so there is no second one */
    panic("Exception %lu in the kernel at 0x%lx: error 0x%lx, address 0x%lx, flags 0x%lx, stack "
          "0x%lx.",
          vector, frame[2], frame[1], read_cr2(), frame[4], frame[5]);
}

/* --- interrupts ------------------------------------------------------------------ */

static void lines_apply(void)
{
    outb(PIC_MASTER + 1, (uint8_t)line_mask);
    outb(PIC_SLAVE + 1, (uint8_t)(line_mask >> 8));
}

void irq_init(void)
{
    /* Intel 8259A data sheet, initialisation command words 1 to 4. */
    outb(PIC_MASTER, 0x11);
    outb(PIC_SLAVE, 0x11);
    outb(PIC_MASTER + 1, VECTOR_LINE);
    outb(PIC_SLAVE + 1, VECTOR_LINE + 8);
    outb(PIC_MASTER + 1, 1u << 2); /* the slave is on line 2 */
    outb(PIC_SLAVE + 1, 2);
    outb(PIC_MASTER + 1, 1);
    outb(PIC_SLAVE + 1, 1);
    line_mask = 0xffff & ~(1u << 2);
    lines_apply();
}

bool irq_line(uint8_t line, irq_handler handler, void *device)
{
    if (line == 0 || line == 2 || line >= LINES)
        return false;
    for (uint32_t i = 0; i < LINE_SHARERS; i++)
        if (!lines[line][i].handler) {
            lines[line][i] = (struct source){handler, device};
            line_mask &= (uint16_t) ~(1u << line);
            lines_apply();
            return true;
        }
    return false;
}

bool irq_message(irq_handler handler, void *device, struct irq_message *message)
{
    for (uint32_t i = 0; i < MESSAGES; i++)
        if (!messages[i].handler) {
            messages[i] = (struct source){handler, device};
            apic_message(VECTOR_MESSAGE + i, &message->address, &message->data);
            return true;
        }
    return false;
}

/* Lines 7 and 15 also fire for interrupts that were gone before they were asked for. */
static bool line_is_spurious(uint32_t line)
{
    uint16_t chip = line < 8 ? PIC_MASTER : PIC_SLAVE;

    if (line % 8 != 7)
        return false;
    outb(chip, PIC_ISR);
    if (inb(chip) & 0x80)
        return false;
    if (line == 15)
        outb(PIC_MASTER, PIC_EOI); /* the master did see the slave */
    return true;
}

static void line_fired(uint32_t line)
{
    if (line_is_spurious(line))
        return;
    for (uint32_t i = 0; i < LINE_SHARERS && lines[line][i].handler; i++)
        lines[line][i].handler(lines[line][i].device);
    if (line >= 8)
        outb(PIC_SLAVE, PIC_EOI);
    outb(PIC_MASTER, PIC_EOI);
}

void irq_dispatch(uint64_t vector)
{
    if (vector >= VECTOR_LINE && vector < VECTOR_LINE + LINES) {
        line_fired((uint32_t)vector - VECTOR_LINE);
        return;
    }
    if (vector == VECTOR_SPURIOUS)
        return; /* wants no EOI (Intel SDM vol. 3, 10.9) */
    if (vector == VECTOR_TIMER) {
        features_check();
        this_cpu()->fired = rdtsc();
        this_cpu()->armed = UINT64_MAX; /* or one that came a little early would not be set again */
    }
    if (vector >= VECTOR_IPI && vector < VECTOR_IPI + IPIS)
        ipi_take((enum ipi)(vector - VECTOR_IPI));
    if (vector == VECTOR_STOP)
        for (;;)
            __asm__ volatile("cli; hlt");
    if (vector >= VECTOR_MESSAGE && vector < VECTOR_MESSAGE + MESSAGES) {
        const struct source *source = &messages[vector - VECTOR_MESSAGE];
        if (source->handler)
            source->handler(source->device);
    }
    apic_eoi(); /* the timer needs no more: cpu_next looks at the time */
}
