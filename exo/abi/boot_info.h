/* SPDX-License-Identifier: MIT */
/*
 * boot_info.h - what the loader tells the kernel.
 *
 * The loader jumps to the kernel's ELF entry with interrupts off, its own page
 * tables in CR3 (below), a stack of at least 16 KiB inside the kernel image's
 * bss is NOT set up: rsp is whatever the loader had, the kernel switches at
 * once. rdi holds the address (in the direct map) of struct boot_info.
 *
 * Address space at the jump:
 *   EXO_DIRECT_MAP + p   physical address p, for all RAM below max_frame, read-write, no-execute, global;
 *                        the frames of the kernel image are left out of it
 *   a page drawn at each boot between EXO_KERNEL_BASE and EXO_KERNEL_END: the kernel image, a
 *                        position-independent program linked at 0, moved; text read-execute, rodata
 *                        read-only, the rest read-write no-execute, 4 KiB pages
 *   low half             identity map of the loader's own code, which the kernel drops at once
 * The tables that make up the upper half are in frames listed as kernel memory and stay in use.
 * EXO_MMIO_BASE's top-level entry (PML4 slot 509) is left empty for the kernel.
 * CR0.WP and EFER.NXE are set.
 *
 * Everything that the loader hands over lies in memory that `regions` does not
 * call usable, so the kernel may take every usable frame at once.
 */
#ifndef EXO_ABI_BOOT_INFO_H
#define EXO_ABI_BOOT_INFO_H

#include "types.h"

#define EXO_BOOT_MAGIC    0x31746f6f62657266ull /* "freboot1" */
#define EXO_BOOT_VERSION  3u

#define EXO_DIRECT_MAP    0xffff800000000000ull /* PML4 slot 256 */
#define EXO_MMIO_BASE     0xfffffe8000000000ull /* PML4 slot 509 */
#define EXO_KERNEL_BASE   0xffffff8000000000ull /* PML4 slot 511, but for the last 2 MiB */
#define EXO_KERNEL_END    0xffffffffffe00000ull
#define EXO_KERNEL_SIZE   0x1000000ull /* of its image, at most */

#define EXO_BOOT_REGIONS  256u
#define EXO_BOOT_CPUS     64u
#define EXO_BOOT_LOW      5u /* frames by which the other CPUs are started */
#define EXO_BOOT_SEGMENTS 8u
#define EXO_BOOT_UNITS    8u
#define EXO_BOOT_COVERED  64u
#define EXO_BOOT_RESERVED 32u

/* A run of usable physical frames. Runs are sorted and do not overlap. */
struct boot_region {
    uint64_t first; /* frame number */
    uint64_t count;
};

/* A part of the first environment's image, already copied into frames of its own. */
struct boot_segment {
    uint64_t virt;  /* page-aligned user address */
    uint64_t first; /* first frame; the frames are contiguous */
    uint64_t count;
    uint64_t perm; /* enum exo_perm */
};

struct boot_framebuffer {
    uint64_t address; /* physical; 0: there is none */
    uint32_t width, height;
    uint32_t stride; /* pixels a line */
    uint32_t bgr;    /* 1: blue in the lowest byte (the usual), 0: red */
};

/* What ACPI's DMAR says of Intel VT-d, by which devices can be kept from memory. */
enum exo_boot_dma {
    EXO_DMA_NONE, /* no such table */
    EXO_DMA_UNITS,
    EXO_DMA_BROKEN, /* the table contradicts itself */
    EXO_DMA_MANY    /* more units, devices or reservations than fit here */
};

struct boot_unit {
    uint64_t registers; /* physical address of the first page of them, a multiple of 4096 */
    uint64_t segment;   /* of PCI */
};

/* Devices of segment 0, from one to another in the order of bus << 8 | device << 3 | function. */
struct boot_devices {
    uint16_t first, last;
};

/* Memory that firmware wants a device to reach for ever. */
struct boot_reserved {
    uint64_t first, last; /* physical addresses; the first and the last byte of pages */
    uint64_t id;          /* the device: a number as in boot_devices */
};

struct boot_dma {
    uint32_t state; /* enum exo_boot_dma; only EXO_DMA_UNITS comes with any of the rest */
    uint32_t unit_count;
    struct boot_unit units[EXO_BOOT_UNITS];
    uint32_t covered_count, reserved_count;
    struct boot_devices covered[EXO_BOOT_COVERED]; /* which devices are under some unit */
    struct boot_reserved reserved[EXO_BOOT_RESERVED];
};

struct boot_info {
    uint64_t magic;
    uint32_t version;
    uint32_t size; /* of this struct */

    uint64_t max_frame; /* one past the highest frame of RAM */
    uint32_t region_count;
    uint32_t cpu_count; /* 1 or more */
    struct boot_region regions[EXO_BOOT_REGIONS];
    uint32_t cpus[EXO_BOOT_CPUS]; /* APIC ids, each once, the boot CPU first */
    uint64_t low_first;           /* EXO_BOOT_LOW frames in one run in the first 640 KiB; 0: none */

    uint64_t rsdp; /* physical address of the ACPI RSDP, 0: none */
    struct boot_dma dma;
    struct boot_framebuffer framebuffer;
    uint64_t wall_clock; /* seconds since 1970-01-01 UTC, 0: unknown */
    uint8_t seed[64];    /* random bytes */
    uint32_t seed_bits;  /* how many of them are believed unpredictable; 0: TSC jitter only */

    /* The first environment: an ELF file that the loader took apart. */
    uint32_t segment_count;
    uint64_t init_entry;
    struct boot_segment segments[EXO_BOOT_SEGMENTS];

    /* The bundle, given to the first environment read-only. Page-aligned. */
    uint64_t bundle_first; /* frame */
    uint64_t bundle_size;  /* bytes */
};

/*
 * The kernel image carries this ELF note (a PT_NOTE segment), so that the loader knows before the
 * jump whether both mean the same struct. The kernel writes EXO_BOOT_NOTE; once, in one of its C
 * files; its linker script keeps *(.note.freehold) with the read-only data.
 */
#define EXO_BOOT_NOTE_NAME "Freehold"
#define EXO_BOOT_NOTE_TYPE 1u

struct exo_boot_note {
    uint32_t name_size; /* of `name` with its NUL: 9 */
    uint32_t desc_size; /* of what follows `name`: 8 */
    uint32_t type;      /* EXO_BOOT_NOTE_TYPE */
    char name[12];      /* EXO_BOOT_NOTE_NAME, padded to a multiple of 4 */
    uint32_t version;   /* EXO_BOOT_VERSION */
    uint32_t size;      /* sizeof(struct boot_info) */
};

#define EXO_BOOT_NOTE                                                                              \
    __attribute__((section(".note.freehold"), used, aligned(4)))                                   \
    const struct exo_boot_note exo_boot_note = {                                                   \
        sizeof(EXO_BOOT_NOTE_NAME), 8, EXO_BOOT_NOTE_TYPE, EXO_BOOT_NOTE_NAME, EXO_BOOT_VERSION,   \
        sizeof(struct boot_info)}

#endif
