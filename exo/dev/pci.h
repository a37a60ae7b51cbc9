/* SPDX-License-Identifier: MIT */
/* pci.h - configuration space by ports 0xCF8/0xCFC (PCI Local Bus Specification 3.0, 3.2.2.3.2). */
#ifndef EXO_DEV_PCI_H
#define EXO_DEV_PCI_H

#include "irq.h"
#include "types.h"

struct pci_device {
    uint8_t bus, slot, function;
    uint16_t vendor, device;
};

#define PCI_COMMAND         0x04u
#define PCI_COMMAND_MEMORY  0x0002u
#define PCI_COMMAND_MASTER  0x0004u
#define PCI_COMMAND_NO_INTX 0x0400u
#define PCI_LINE            0x3cu

#define PCI_CAP_MSI         0x05u
#define PCI_CAP_VENDOR      0x09u
#define PCI_CAP_MSIX        0x11u

/* Visit every function of every bus until `visit` returns false. */
void pci_scan(bool (*visit)(const struct pci_device *));

uint32_t pci_read(const struct pci_device *device, uint32_t offset); /* 4 bytes, aligned */
uint8_t pci_read8(const struct pci_device *device, uint32_t offset);
uint16_t pci_read16(const struct pci_device *device, uint32_t offset);
void pci_write(const struct pci_device *device, uint32_t offset, uint32_t value);

/* Memory decoding, bus mastering and, by line, interrupts: on. Bits of `off` are cleared. */
void pci_enable(const struct pci_device *device);

/*
 * Nobody drives the device: whatever the firmware had it do, it reaches no memory and raises no
 * interrupt any more. Bridges pass on what is behind them and screens show what they hold: they
 * are left alone, false.
 */
bool pci_disable(const struct pci_device *device);

/* Is it there, and a display controller? */
bool pci_is_display(const struct pci_device *device);

/* Physical address of memory BAR `bar`, 0 if it is not one or not set; *size becomes its length. */
uint64_t pci_bar(const struct pci_device *device, uint32_t bar, uint64_t *size);

/* Offset of the first capability `id` after `after` (0: from the start), 0 if there is none. */
uint32_t pci_capability(const struct pci_device *device, uint32_t id, uint32_t after);

/*
 * Have the device interrupt by MSI-X entry 0, else MSI, else its line. Panics never; false if it
 * cannot interrupt at all. *msix tells whether MSI-X is on.
 */
bool pci_interrupt(const struct pci_device *device, irq_handler handler, void *argument,
                   bool *msix);

#endif
