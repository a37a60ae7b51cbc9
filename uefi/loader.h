/* SPDX-License-Identifier: MIT */
/*
 * loader.h - what the loader's files share: the firmware, its console, files and memory.
 *
 * Everything here runs under the firmware's boot services, on one CPU, once. A function that cannot
 * do its work says so in a sentence and does not return.
 */
#ifndef UEFI_LOADER_H
#define UEFI_LOADER_H

#include <efi.h>

#include "boot_info.h"
#include "elf.h"
#include "paging.h"
#include "regions.h"
#include "relocate.h"

#define KIB ((uint64_t)1024)

extern EFI_SYSTEM_TABLE *firmware;
extern EFI_HANDLE loader_image;

/* --- console.c --- */

/* One line on the firmware's console, "[uefi] " before it. Knows %s %u %lu %x %lx. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say why Freehold does not start, keep it on the screen until a key is pressed, then go back to
 * the firmware. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- files.c --- */

struct loaded_file {
    const char *name; /* as people see it, from the volume's root */
    uint8_t *data;    /* page-aligned, in memory of its own; the last page's rest is zero */
    uint64_t size;
};

/* Open the volume that the loader was started from. Once, before file_read. */
void volume_open(void);
struct loaded_file file_read(const char *name);
bool file_there(const char *name);

/* --- memory.c --- */

/*
 * Pages from the firmware. `purpose` completes "There is too little memory for ...". Kept pages are
 * handed to the kernel and never called usable; the others become usable when the kernel runs.
 */
void *pages_alloc(uint64_t count, const char *purpose);
void pages_keep(const void *pages, uint64_t count);
void *pages_alloc_kept(uint64_t count, const char *purpose);
/* Kept, and in the first 640 KiB; NULL if the firmware has none there. */
void *pages_alloc_low(uint64_t count);

/* The memory map of this moment, sorted, and the key that goes with it. Uses one buffer for ever;
 * returns the firmware's status, so that it serves while leaving, too. */
EFI_STATUS memory_map_get(struct memory_map *map, UINTN *key);
/* Make that buffer large enough for this moment and some more. */
void memory_map_prepare(void);

/* Fill max_frame, regions and region_count; returns the frames that were given up because the list
 * was full. Calls no firmware. */
uint64_t memory_describe(const struct memory_map *map, struct boot_info *info);
uint64_t memory_usable_frames(const struct boot_info *info);

/* --- tables.c --- */

struct placed_segment {
    struct elf_segment segment;
    uint64_t physical;
};

/* Build the address space of boot_info.h; returns the physical address of its root. */
uint64_t tables_build(const struct memory_map *map, const struct placed_segment *kernel,
                      uint32_t kernel_count);

/* --- machine.c --- */

/* Say which needed features this CPU lacks, if any, and fail. */
void cpu_check(void);
bool cpu_has_gigabyte_pages(void);
/* Fill the CPUs, RSDP, DMA units, framebuffer and wall clock. */
void machine_describe(struct boot_info *info);

/* --- cpus.c --- */

/* Fill cpus, cpu_count and low_first, after the RSDP. */
void cpus_find(struct boot_info *info);

/* --- seed.c --- */

/* Fill seed and seed_bits. */
void seed_gather(struct boot_info *info);
/* Take a word out of the seed: nobody gets it again. There are four. */
uint64_t seed_draw(struct boot_info *info);

/* --- exit.c --- */

/* End the boot services; `map` is then the memory map they ended with. After memory_map_prepare. */
EFI_STATUS firmware_leave(struct memory_map *map);

/* --- leave.c --- */

/* Leave the firmware, describe the memory as it then is, and start the kernel. */
_Noreturn void leave(struct boot_info *info, uint64_t root, uint64_t entry);

/* --- x86 instructions --- */

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#endif
