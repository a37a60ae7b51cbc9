/* SPDX-License-Identifier: MIT */
/* relocate.h - moving a position-independent program. Built for the host, too, as elf.h is. */
#ifndef UEFI_RELOCATE_H
#define UEFI_RELOCATE_H

#include "elf.h"

/*
 * Add `base` to every word that holds an address in a program that elf_check accepted and elf_copy
 * placed: segment i of `plan`, as linked, at pages[i]. NULL, or what is wrong as the rest of a
 * sentence that begins with the file's name; the pages may then hold anything.
 */
const char *elf_relocate(const void *file, uint64_t size, const struct elf_plan *plan,
                         void *const *pages, uint64_t base);

#endif
