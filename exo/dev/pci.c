/* SPDX-License-Identifier: MIT */
/*
 * pci.c - find devices and turn them on.
 *
 * Every machine has the two ports, also those whose firmware offers no ACPI table with a
 * memory-mapped configuration space.
 */
#include "pci.h"

#include "io.h"
#include "mmio.h"

#define ADDRESS_PORT 0xcf8u
#define DATA_PORT    0xcfcu

#define CLASS        0x08u /* in the highest byte */
#define HEADER_TYPE  0x0cu
#define BAR0         0x10u
#define CAPABILITIES 0x34u
#define STATUS_CAPS  (1u << 20) /* in the word at PCI_COMMAND */
#define CAPS_MAX     48u        /* more do not fit: a longer list is a loop */
#define MSIX_ENABLE  (1u << 31)
#define MSI_ENABLE   (1u << 16)
#define MSI_MULTIPLE (7u << 20)
#define MSI_64       (1u << 23)

static uint32_t address_of(const struct pci_device *d, uint32_t offset)
{
    return 1u << 31 | (uint32_t)d->bus << 16 | (uint32_t)d->slot << 11 |
           (uint32_t)d->function << 8 | (offset & 0xfc);
}

uint32_t pci_read(const struct pci_device *device, uint32_t offset)
{
    outl(ADDRESS_PORT, address_of(device, offset));
    return inl(DATA_PORT);
}

uint8_t pci_read8(const struct pci_device *device, uint32_t offset)
{
    return (uint8_t)(pci_read(device, offset) >> (offset % 4 * 8));
}

uint16_t pci_read16(const struct pci_device *device, uint32_t offset)
{
    return (uint16_t)(pci_read(device, offset) >> (offset % 4 * 8));
}

void pci_write(const struct pci_device *device, uint32_t offset, uint32_t value)
{
    outl(ADDRESS_PORT, address_of(device, offset));
    outl(DATA_PORT, value);
}

void pci_scan(bool (*visit)(const struct pci_device *))
{
    for (uint32_t bus = 0; bus < 256; bus++)
        for (uint32_t slot = 0; slot < 32; slot++)
            for (uint32_t function = 0; function < 8; function++) {
                struct pci_device d = {(uint8_t)bus, (uint8_t)slot, (uint8_t)function, 0, 0};
                uint32_t id = pci_read(&d, 0);
                if ((id & 0xffff) == 0xffff) {
                    if (function == 0)
                        break;
                    continue;
                }
                d.vendor = (uint16_t)id;
                d.device = (uint16_t)(id >> 16);
                if (!visit(&d))
                    return;
                if (function == 0 && !(pci_read(&d, HEADER_TYPE) >> 23 & 1))
                    break; /* one function only */
            }
}

void pci_enable(const struct pci_device *device)
{
    uint32_t command = pci_read(device, PCI_COMMAND) & 0xffff;

    command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    pci_write(device, PCI_COMMAND, command & ~PCI_COMMAND_NO_INTX);
}

/* PCI Code and ID Assignment Specification, 1. */
enum { DISPLAY = 3, BRIDGE = 6 };

bool pci_is_display(const struct pci_device *device)
{
    return pci_read(device, CLASS) >> 24 == DISPLAY;
}

bool pci_disable(const struct pci_device *device)
{
    if (pci_is_display(device) || pci_read(device, CLASS) >> 24 == BRIDGE)
        return false;
    uint32_t command = pci_read(device, PCI_COMMAND) & 0xffff & ~PCI_COMMAND_MASTER;
    pci_write(device, PCI_COMMAND, command | PCI_COMMAND_NO_INTX);
    return true;
}

uint64_t pci_bar(const struct pci_device *device, uint32_t bar, uint64_t *size)
{
    uint32_t offset = BAR0 + 4 * bar, low = pci_read(device, offset), high = 0,
             high_mask = UINT32_MAX;
    bool wide = (low >> 1 & 3) == 2;

    if (bar > 5 || (low & 1) || (wide && bar == 5))
        return 0;
    /* Sizing writes ones into the BAR: the device must not decode meanwhile. */
    uint32_t command = pci_read(device, PCI_COMMAND) & 0xffff;
    pci_write(device, PCI_COMMAND, command & ~PCI_COMMAND_MEMORY);
    pci_write(device, offset, UINT32_MAX);
    uint32_t low_mask = pci_read(device, offset) & ~0xfu;
    pci_write(device, offset, low);
    if (wide) {
        high = pci_read(device, offset + 4);
        pci_write(device, offset + 4, UINT32_MAX);
        high_mask = pci_read(device, offset + 4);
        pci_write(device, offset + 4, high);
    }
    pci_write(device, PCI_COMMAND, command);
    if (!low_mask)
        return 0;
    *size = ~((uint64_t)high_mask << 32 | low_mask) + 1;
    return (uint64_t)high << 32 | (low & ~0xfu);
}

uint32_t pci_capability(const struct pci_device *device, uint32_t id, uint32_t after)
{
    if (!(pci_read(device, PCI_COMMAND) & STATUS_CAPS))
        return 0;
    uint32_t at = pci_read8(device, after ? after + 1 : CAPABILITIES) & 0xfcu;
    for (uint32_t i = 0; at >= 0x40 && i < CAPS_MAX; i++) {
        if (pci_read8(device, at) == id)
            return at;
        at = pci_read8(device, at + 1) & 0xfcu;
    }
    return 0;
}

static bool interrupt_msix(const struct pci_device *device, irq_handler handler, void *argument)
{
    uint32_t cap = pci_capability(device, PCI_CAP_MSIX, 0);
    struct irq_message message;
    uint64_t size;

    if (!cap)
        return false;
    uint32_t where = pci_read(device, cap + 4);
    uint64_t bar = pci_bar(device, where & 7, &size);
    if (!bar || (where & ~7u) + 16 > size || !irq_message(handler, argument, &message))
        return false;
    volatile uint32_t *entry = mmio_map(bar + (where & ~7u), 16);
    if (!entry)
        return false;
    entry[0] = (uint32_t)message.address;
    entry[1] = (uint32_t)(message.address >> 32);
    entry[2] = message.data;
    entry[3] = 0; /* not masked */
    pci_write(device, cap, (pci_read(device, cap) | MSIX_ENABLE) & ~(1u << 30));
    return true;
}

static bool interrupt_msi(const struct pci_device *device, irq_handler handler, void *argument)
{
    uint32_t cap = pci_capability(device, PCI_CAP_MSI, 0);
    struct irq_message message;

    if (!cap || !irq_message(handler, argument, &message))
        return false;
    uint32_t control = pci_read(device, cap);
    pci_write(device, cap + 4, (uint32_t)message.address);
    if (control & MSI_64) {
        pci_write(device, cap + 8, (uint32_t)(message.address >> 32));
        pci_write(device, cap + 12, message.data);
    } else {
        pci_write(device, cap + 8, message.data);
    }
    pci_write(device, cap, (control & ~MSI_MULTIPLE) | MSI_ENABLE);
    return true;
}

bool pci_interrupt(const struct pci_device *device, irq_handler handler, void *argument, bool *msix)
{
    *msix = interrupt_msix(device, handler, argument);
    return *msix || interrupt_msi(device, handler, argument) ||
           irq_line(pci_read8(device, PCI_LINE), handler, argument);
}
