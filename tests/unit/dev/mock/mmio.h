/* SPDX-License-Identifier: MIT */
/* mmio.h - in place of exo/x86_64/mmio.h: registers and memory of the machine of units.h. */
#ifndef EXO_X86_64_MMIO_H
#define EXO_X86_64_MMIO_H

#include "types.h"

volatile void *mmio_map(uint64_t address, uint64_t size);
void *boot_alloc(uint64_t count, uint64_t *physical);
uint32_t mmio_read32(const volatile uint8_t *registers, uint32_t offset);
uint64_t mmio_read64(const volatile uint8_t *registers, uint32_t offset);
void mmio_write32(volatile uint8_t *registers, uint32_t offset, uint32_t value);
void mmio_write64(volatile uint8_t *registers, uint32_t offset, uint64_t value);
void mmio_write_back(const void *at, uint64_t size);

#endif
