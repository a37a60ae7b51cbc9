/* SPDX-License-Identifier: MIT */
/*
 * image.c - the image makes itself at home where its parent has put it (exo/abi/start.h).
 *
 * A position-independent program finds its own things by their distance. What is left are words
 * that hold an address: the linker lists them as RELR (System V ABI, "Relative Relocation Table"),
 * none in text, and those that are not aligned as RELA, with their value as linked.
 *
 *   R1  no such word is used before image_relocate has been there; it runs before any C of ours
 *   R2  constants among them are read-only from image_protect on, before the program runs
 */
#include "libos.h"

#include <elf.h>

#define OWN __attribute__((visibility("hidden"))) /* found by distance at once */

extern const Elf64_Ehdr __ehdr_start OWN; /* linked at 0 */
extern const Elf64_Dyn _DYNAMIC[] OWN;

static uint64_t told(int64_t tag)
{
    for (const Elf64_Dyn *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return entry->d_un.d_val;
    return 0;
}

/* The canary is not drawn yet: image_relocate has none. */
__attribute__((no_stack_protector)) void image_relocate(void)
{
    uint64_t base = (uint64_t)&__ehdr_start;
    const uint64_t *list = (const uint64_t *)(base + told(DT_RELR));
    const Elf64_Rela *single = (const Elf64_Rela *)(base + told(DT_RELA));
    uint64_t *next = (uint64_t *)base;

    /* An even entry is the address of a word; an odd one has a bit for each of the 63 after it. */
    for (uint64_t left = told(DT_RELRSZ) / sizeof(*list); left; left--, list++) {
        if (!(*list & 1)) {
            next = (uint64_t *)(base + *list);
            *next++ += base;
            continue;
        }
        for (uint64_t bits = *list >> 1, i = 0; bits; bits >>= 1, i++)
            if (bits & 1)
                next[i] += base;
        next += 63;
    }
    for (uint64_t left = told(DT_RELASZ) / sizeof(*single); left; left--, single++)
        *(uint64_t *)(base + single->r_offset) = base + (uint64_t)single->r_addend;
}

void image_protect(void)
{
    const Elf64_Phdr *part = (const Elf64_Phdr *)((uint64_t)&__ehdr_start + __ehdr_start.e_phoff);

    for (uint32_t i = 0; i < __ehdr_start.e_phnum; i++, part++)
        if (part->p_type == PT_GNU_RELRO)
            vm_protect((uint64_t)&__ehdr_start + part->p_vaddr / EXO_PAGE_SIZE * EXO_PAGE_SIZE,
                       part->p_memsz + part->p_vaddr % EXO_PAGE_SIZE, EXO_READ);
}
