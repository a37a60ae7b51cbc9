/* SPDX-License-Identifier: MIT */
/* irq.h - who is called when a device interrupts. Handlers run with interrupts off. */
#ifndef EXO_X86_64_IRQ_H
#define EXO_X86_64_IRQ_H

#include "types.h"

typedef void (*irq_handler)(void *device);

/*
 * Call `handler` when the 8259's line (0..15) fires; several devices may share a line. False if the
 * line is none or all places are taken.
 */
bool irq_line(uint8_t line, irq_handler handler, void *device);

/* What a device must write, and where, to raise a message-signalled interrupt. */
struct irq_message {
    uint64_t address;
    uint32_t data;
};

/* Call `handler` when the device sends the message. False if all vectors are taken. */
bool irq_message(irq_handler handler, void *device, struct irq_message *message);

/* traps.c, apic.c */
void irq_init(void);
void irq_dispatch(uint64_t vector);

#endif
