/* SPDX-License-Identifier: MIT */
/*
 * elf.h - reading an ELF64 program without trusting it.
 *
 * No firmware and no hardware in here: tests/unit builds the same file for the host and feeds it
 * broken input.
 */
#ifndef UEFI_ELF_H
#define UEFI_ELF_H

#include "boot_info.h"
#include "start.h"

/* Where an image may be linked: every page of it in [base, end), both page-aligned. It is moved from
 * there: position-independent programs are wanted, and no others. */
struct elf_bounds {
    uint64_t base;
    uint64_t end;
};

/* An application's, exo/abi/start.h. */
static const struct elf_bounds elf_application = {0, EXO_IMAGE_SIZE};

/* One loadable segment, as whole pages. */
struct elf_segment {
    uint64_t virt;   /* page-aligned */
    uint64_t pages;  /* 1 or more */
    uint64_t lead;   /* zero bytes before the file's part, less than a page */
    uint64_t offset; /* of the file's part, in the file */
    uint64_t bytes;  /* of the file's part; the pages' rest is zero */
    uint32_t perm;   /* enum exo_perm; never EXO_WRITE | EXO_EXEC */
};

struct elf_plan {
    uint64_t entry; /* inside a segment with EXO_EXEC */
    uint32_t count; /* 1 or more */
    struct elf_segment segments[EXO_BOOT_SEGMENTS];
};

/*
 * Check `file` whole and say how to load it. Returns NULL and fills `plan`, or returns what is
 * wrong as the rest of a sentence that begins with the file's name; `plan` is then untouched.
 */
const char *elf_check(const void *file, uint64_t size, const struct elf_bounds *bounds,
                      struct elf_plan *plan);

/*
 * Move the plan of an application, entry and segments, to the place that `random` chooses, where
 * it takes as many page tables as anywhere else; 0 is EXO_IMAGE_BASE. Returns how far. A program of
 * P pages has 190 * 512 * (513 - T) * (T * 512 - P + 1) places, where T is P / 512, rounded up: 34
 * bits up to 168 pages, 33 bits up to 340.
 */
uint64_t elf_place(struct elf_plan *plan, uint64_t random);

/* Write all bytes of a checked segment's pages. */
void elf_copy(const void *file, const struct elf_segment *segment, void *pages);

/*
 * Look for the kernel's boot note (boot_info.h) in a file that elf_check accepted. True when there
 * is one; the outputs are written only then.
 */
bool elf_boot_note(const void *file, uint64_t size, uint32_t *version, uint32_t *info_size);

/* The same of its dynamic section: where it is linked to be, and its bytes. */
bool elf_dynamic(const void *file, uint64_t size, uint64_t *address, uint64_t *length);

#endif
