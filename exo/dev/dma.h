/* SPDX-License-Identifier: MIT */
/* dma.h - which memory devices reach, for their drivers (dma.c). */
#ifndef EXO_DEV_DMA_H
#define EXO_DEV_DMA_H

#include "boot_info.h"
#include "nic.h"
#include "pci.h"

/* Boot, before the first driver: from now on no device reaches anything, if the machine can see to
 * that; if not, the log says so. */
void dma_init(void);

/* Do devices reach only what they are given here? */
bool dma_confined(void);

/*
 * Boot, before the device may master the bus: it has a driver, which will give it memory. False,
 * with a sentence in the log, if it may not have one.
 */
bool dma_attach(const struct pci_device *device);

/*
 * Boot: as boot_alloc, `count` frames that the attached device reaches, at the address that
 * *address becomes, to read, write or both.
 */
#define DMA_READ  1u
#define DMA_WRITE 2u
void *dma_alloc(const struct pci_device *device, uint64_t count, uint32_t access,
                uint64_t *address);

/* Boot: the attached device is this card; its queues' buffers are its to read from now on. */
void dma_bind(const struct pci_device *device, struct nic *nic);

/* What the log calls the device (bus << 8 | slot << 3 | function). */
const char *dma_name(uint16_t id);

#endif
