/* SPDX-License-Identifier: MIT */
/*
 * image.c - the image makes itself at home where its parent has put it (exo/abi/start.h).
 *
 * A position-independent program finds its own things by their distance. What is left are words
 * that hold an address: the linker lists them as RELR (System V ABI, "Relative Relocation Table"),
 * none in text, and those that are not aligned as RELA, with their value as linked. A program that
 * was linked otherwise and needs more is left as it is where that concerns, and must not run.
 *
 *   R1  no such word is used before image_relocate has been there; it runs before any C of ours
 *   R2  constants among them are read-only from image_protect on, before the program runs
 *   R3  nothing outside of the image is read or written, whatever its tables say
 */
#include "libos.h"

#include <elf.h>

#define OWN __attribute__((visibility("hidden"))) /* found by distance at once */

extern const Elf64_Ehdr __ehdr_start OWN; /* linked at 0 */
extern const Elf64_Dyn _DYNAMIC[] OWN;

#define WORD sizeof(uint64_t)

static uint64_t base, size;
static const char *fault;

static uint64_t told(int64_t tag)
{
    for (const Elf64_Dyn *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return entry->d_un.d_val;
    return 0;
}

static bool within(uint64_t offset, uint64_t bytes)
{
    if (offset <= size && bytes <= size - offset)
        return true;
    fault = "one of its headers or relocations leads out of it";
    return false;
}

static void put(uint64_t offset, uint64_t value)
{
    __builtin_memcpy((void *)(base + offset), &value, WORD); /* it may not be aligned */
}

static void move(uint64_t offset)
{
    uint64_t value;

    if (!within(offset, WORD))
        return;
    __builtin_memcpy(&value, (const void *)(base + offset), WORD);
    put(offset, value + base);
}

/* An even entry is the place of a word; an odd one has a bit for each of the 63 after it. */
static void move_listed(uint64_t table, uint64_t bytes)
{
    uint64_t next = 0;

    if (!within(table, bytes))
        return;
    const uint64_t *list = (const uint64_t *)(base + table);
    for (uint64_t left = bytes / WORD; left; left--, list++) {
        if (!(*list & 1)) {
            move(*list);
            next = *list + WORD;
            continue;
        }
        for (uint64_t bits = *list >> 1, at = next; bits; bits >>= 1, at += WORD)
            if (bits & 1)
                move(at);
        next += 63 * WORD;
    }
}

static void move_single(uint64_t table, uint64_t bytes)
{
    if (!within(table, bytes))
        return;
    const Elf64_Rela *entry = (const Elf64_Rela *)(base + table);
    for (uint64_t left = bytes / sizeof(*entry); left; left--, entry++)
        if (entry->r_info != ELF64_R_INFO(0, R_X86_64_RELATIVE))
            fault = "it has relocations of another kind than R_X86_64_RELATIVE";
        else if (within(entry->r_offset, WORD))
            put(entry->r_offset, base + (uint64_t)entry->r_addend);
}

/* The canary is not drawn yet: image_relocate has none. */
__attribute__((no_stack_protector)) void image_relocate(const struct exo_start *start)
{
    base = (uint64_t)&__ehdr_start;
    size = start->image_end - base;
    fault = NULL;
    move_listed(told(DT_RELR), told(DT_RELRSZ));
    move_single(told(DT_RELA), told(DT_RELASZ));
    if (told(DT_RELSZ) || told(DT_PLTRELSZ))
        fault = "it has relocations in other tables than RELR and RELA";
}

/* A last page that is constant in part is not: the rest of it belongs to the program. */
static void protect(const Elf64_Phdr *part)
{
    uint64_t from = part->p_vaddr / EXO_PAGE_SIZE * EXO_PAGE_SIZE;
    uint64_t to = (part->p_vaddr + part->p_memsz) / EXO_PAGE_SIZE * EXO_PAGE_SIZE;

    if (within(part->p_vaddr, part->p_memsz) && from < to &&
        vm_protect(base + from, to - from, EXO_READ))
        fault = "what is constant cannot be made read-only";
}

void image_protect(void)
{
    const Elf64_Phdr *part = (const Elf64_Phdr *)(base + __ehdr_start.e_phoff);

    if (!within(__ehdr_start.e_phoff, __ehdr_start.e_phnum * sizeof(*part)))
        return;
    for (uint32_t i = 0; i < __ehdr_start.e_phnum; i++)
        if (part[i].p_type == PT_GNU_RELRO)
            protect(&part[i]);
}

bool image_constant(const void *at, size_t bytes)
{
    const Elf64_Phdr *part = (const Elf64_Phdr *)(base + __ehdr_start.e_phoff);
    uint64_t from = (uint64_t)at - base;

    for (uint32_t i = 0; from < size && i < __ehdr_start.e_phnum; i++)
        if (part[i].p_type == PT_LOAD && !(part[i].p_flags & PF_W) && from >= part[i].p_vaddr &&
            from - part[i].p_vaddr <= part[i].p_filesz &&
            bytes <= part[i].p_filesz - (from - part[i].p_vaddr))
            return true;
    return false;
}

const char *image_fault(void)
{
    return fault;
}
