/* SPDX-License-Identifier: MIT */
/*
 * regions.h - from the firmware's memory map to runs of frames.
 *
 * No firmware calls in here: tests/unit builds the same file for the host.
 */
#ifndef UEFI_REGIONS_H
#define UEFI_REGIONS_H

#include "boot_info.h"

/* UEFI specification, GetMemoryMap(): EFI_MEMORY_DESCRIPTOR. */
struct memory_descriptor {
    uint32_t type;
    uint32_t unused;
    uint64_t physical_start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attribute;
};

/* The map as the firmware returns it: descriptors may be longer than the struct above. */
struct memory_map {
    uint8_t *descriptors;
    uint64_t size;
    uint64_t stride;
};

/* What a descriptor's type lets the frames be used for; sets of types as bit masks. */
#define MEMORY_USABLE 0x9eu  /* conventional, loader's and boot services' code and data */
#define MEMORY_RAM    0x6feu /* those, and runtime services', ACPI tables, ACPI non-volatile */

/* Put the descriptors in the order of their addresses. The other functions rely on it. */
void memory_sort(struct memory_map *map);

/*
 * Call `each` for every longest run of frames that lie in a descriptor of one of `types`, in no
 * descriptor of another type, and in none of the `hole_count` holes; upwards.
 */
void memory_runs(const struct memory_map *map, uint32_t types, const struct boot_region *holes,
                 uint32_t hole_count, void (*each)(void *context, uint64_t first, uint64_t count),
                 void *context);

/* A bounded list of runs, which gives up the smallest when it is full. */
struct region_list {
    struct boot_region *regions;
    uint32_t limit;
    uint32_t count;
    uint64_t lost; /* frames in runs that were given up */
};

/* For memory_runs: `context` is a struct region_list. */
void region_collect(void *context, uint64_t first, uint64_t count);

#endif
