/* SPDX-License-Identifier: MIT */
/* mmio.h - memory for the kernel's own use at boot: device registers, driver rings, tables. */
#ifndef EXO_X86_64_MMIO_H
#define EXO_X86_64_MMIO_H

#include "types.h"

/*
 * Map `size` bytes of device memory at physical `address`, uncached, read-write. Only at boot; the
 * mapping stays. NULL if the address is not one that page tables can hold.
 */
volatile void *mmio_map(uint64_t address, uint64_t size);

/* As mmio_map, but writes are combined: for a framebuffer. */
volatile void *mmio_map_framebuffer(uint64_t address, uint64_t size);

/*
 * `count` zeroed frames in one run, the kernel's for ever. Only at boot. *physical becomes their
 * address, below 4 GiB if there is any RAM left there. Panics when memory is out.
 */
void *boot_alloc(uint64_t count, uint64_t *physical);

#endif
