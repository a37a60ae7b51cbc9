/* SPDX-License-Identifier: MIT */
/* mmio.h - device registers, and memory for the kernel's own use at boot: driver rings, tables. */
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

/* Registers of a device, at an offset of what mmio_map gave. */
static inline uint32_t mmio_read32(const volatile uint8_t *registers, uint32_t offset)
{
    return *(const volatile uint32_t *)(const volatile void *)(registers + offset);
}

static inline uint64_t mmio_read64(const volatile uint8_t *registers, uint32_t offset)
{
    return *(const volatile uint64_t *)(const volatile void *)(registers + offset);
}

static inline void mmio_write32(volatile uint8_t *registers, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)(registers + offset) = value;
}

static inline void mmio_write64(volatile uint8_t *registers, uint32_t offset, uint64_t value)
{
    *(volatile uint64_t *)(volatile void *)(registers + offset) = value;
}

/* Write the cache lines of `size` bytes back to memory, for a device that does not look into the
 * caches. They are there before any later store. */
static inline void mmio_write_back(const void *at, uint64_t size)
{
    const char *line = (const char *)((uint64_t)at & ~63ull);

    for (; line < (const char *)at + size; line += 64)
        __asm__ volatile("clflush (%0)" : : "r"(line) : "memory");
    __asm__ volatile("mfence" : : : "memory");
}

#endif
