/* SPDX-License-Identifier: MIT */
/*
 * dmar.h - what ACPI's DMAR says of the units that translate devices' addresses, without trust.
 *
 * No firmware and no hardware in here: tests/unit builds the same file for the host.
 */
#ifndef UEFI_DMAR_H
#define UEFI_DMAR_H

#include "boot_info.h"

/* The byte at `offset` of a PCI function's configuration space; `id` is its bus, device and
 * function as in struct boot_reserved. */
typedef uint8_t (*pci_byte)(uint16_t id, uint32_t offset);

/*
 * Fill *dma from a DMAR of `size` bytes. What contradicts itself, or does not fit, leaves no unit
 * in it and the reason in its `state`.
 */
void dmar_read(const void *table, uint64_t size, pci_byte pci, struct boot_dma *dma);

#endif
