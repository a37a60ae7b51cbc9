/* SPDX-License-Identifier: MIT */
/*
 * image.c - an image moves to where it lies: good ones of any layout, and bad ones that must do no
 * harm and must not run.
 *
 * The linker's symbols are here the begin of an image that each case lays out anew. Its relocations
 * are written down by an encoder of this file's own; what must come out is known beforehand. Around
 * the image the address sanitizer looks on.
 */
#include "libos.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"

enum {
    PAGES = 16,
    SIZE = PAGES * EXO_PAGE_SIZE,
    WORDS = SIZE / 8,
    DYNAMIC_AT = 0x400,
    RELR_AT = 0x800,        /* up to RELA_AT */
    RELA_AT = 3 * 4096,     /* up to CONTENTS_AT */
    CONTENTS_AT = 6 * 4096, /* what may be relocated */
    SINGLES_MAX = 200,
    ROUNDS = 2000,
};

/* Known to image.c as __ehdr_start and _DYNAMIC (meson.build). */
uint8_t image[SIZE] __attribute__((aligned(EXO_PAGE_SIZE)));
__asm__(".globl image_header, image_dynamic\n"
        ".hidden image_header, image_dynamic\n"
        ".set image_header, image\n"
        ".set image_dynamic, image + 0x400\n");

static uint8_t before[SIZE], expected[SIZE];
static struct exo_start start;
static Elf64_Dyn *tags;
static uint64_t *relr;
static Elf64_Rela *singles;
static uint32_t listed, single_count;
static uint64_t protected_from, protected_size;
static unsigned protections;
static long protect_answer;

long vm_protect(uint64_t address, uint64_t size, uint32_t perm)
{
    protected_from = address - (uint64_t)image;
    protected_size = size;
    protections += perm == EXO_READ;
    return protect_answer;
}

static uint64_t base(void)
{
    return (uint64_t)image;
}

static void tag(int64_t kind, uint64_t value)
{
    *tags++ = (Elf64_Dyn){.d_tag = kind, .d_un.d_val = value};
}

static void clear(void)
{
    memset(image, 0, SIZE);
    for (uint32_t i = CONTENTS_AT; i < SIZE; i++)
        image[i] = (uint8_t)tap_random();
    start = (struct exo_start){.image_base = base(), .image_end = base() + SIZE};
    tags = (Elf64_Dyn *)(image + DYNAMIC_AT);
    relr = (uint64_t *)(image + RELR_AT);
    singles = (Elf64_Rela *)(image + RELA_AT);
    listed = single_count = 0;
    protections = 0;
    protect_answer = 0;
}

static Elf64_Phdr *part(uint32_t type, uint64_t at, uint64_t size)
{
    Elf64_Ehdr *header = (Elf64_Ehdr *)image;

    header->e_phoff = sizeof(*header);
    Elf64_Phdr *new = (Elf64_Phdr *)(image + header->e_phoff) + header->e_phnum++;
    *new = (Elf64_Phdr){.p_type = type, .p_vaddr = at, .p_memsz = size};
    return new;
}

static void list(uint64_t entry)
{
    relr[listed++] = entry;
}

static void single(uint64_t at, uint64_t kind, int64_t value)
{
    singles[single_count++] = (Elf64_Rela){.r_offset = at, .r_info = kind, .r_addend = value};
}

static void tables(void)
{
    tag(DT_RELR, RELR_AT);
    tag(DT_RELRSZ, listed * sizeof(*relr));
    tag(DT_RELRENT, sizeof(*relr));
    tag(DT_RELA, RELA_AT);
    tag(DT_RELASZ, single_count * sizeof(*singles));
    tag(DT_NULL, 0);
}

static void run(void)
{
    memcpy(before, image, SIZE);
    image_relocate(&start);
}

static void add(uint64_t at, uint64_t value)
{
    uint64_t word;

    memcpy(&word, expected + at, sizeof(word));
    word += value;
    memcpy(expected + at, &word, sizeof(word));
}

/* The words of `chosen`, as few entries as that takes. */
static void encode(const bool *chosen)
{
    uint64_t next = WORDS; /* the word that bit 1 of a bitmap would stand for; at first none */

    for (uint64_t i = CONTENTS_AT / 8; i < WORDS;) {
        uint64_t bits = 0;
        for (uint64_t bit = 0; next < WORDS && bit < 63 && next + bit < WORDS; bit++)
            bits |= (uint64_t)chosen[next + bit] << bit;
        if (bits) {
            list(bits << 1 | 1);
            i = next += 63;
            continue;
        }
        for (i = next < WORDS ? next : i; i < WORDS && !chosen[i]; i++)
            ;
        if (i < WORDS) {
            list(i * 8);
            next = ++i;
        }
    }
}

static bool any_layout(void)
{
    static bool chosen[WORDS];
    uint64_t density = 1 + tap_random() % 300;

    clear();
    for (uint64_t i = 0; i < WORDS; i++)
        chosen[i] = i >= CONTENTS_AT / 8 && tap_random() % density == 0;
    chosen[WORDS - 1] = tap_random() & 1; /* up to the last byte */
    encode(chosen);
    memcpy(expected, image, SIZE);
    for (uint64_t i = 0; i < WORDS; i++)
        if (chosen[i])
            add(i * 8, base());
    for (uint64_t i = 0, at = CONTENTS_AT; i < SINGLES_MAX; i++) {
        at += 1 + tap_random() % 150;
        if (at % 8 == 0 || chosen[at / 8] || chosen[at / 8 + 1])
            continue;
        int64_t value = (int64_t)(tap_random() % SIZE);
        single(at, R_X86_64_RELATIVE, value);
        memset(expected + at, 0, 8);
        add(at, base() + (uint64_t)value);
        at += 8;
    }
    tables();
    /* The tables themselves were written since. */
    memcpy(expected, image, CONTENTS_AT);
    run();
    return !image_fault() && !memcmp(image, expected, SIZE);
}

static void good_images(void)
{
    unsigned good = 0, words = 0, unaligned = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        good += any_layout();
        words += listed;
        unaligned += single_count;
    }
    tap_ok(good == ROUNDS && words > ROUNDS && unaligned > ROUNDS,
           "%u of %u images with %u entries of RELR and %u of RELA come out as they should", good,
           ROUNDS, words, unaligned);
    clear();
    tag(DT_NULL, 0);
    run();
    tap_ok(!image_fault() && !memcmp(before, image, SIZE), "an image without tables stays");
}

/* Refused, and nothing was written, but one good word if `one`. */
static void refused(bool one, const char *why)
{
    tables();
    run();
    memcpy(expected, before, SIZE);
    if (one)
        add(CONTENTS_AT, base());
    tap_ok(image_fault() && !memcmp(image, expected, SIZE), "must not run: %s", why);
}

static void other_kinds(void)
{
    static const struct {
        uint64_t kind;
        const char *name;
    } kinds[] = {
        {R_X86_64_NONE, "R_X86_64_NONE"},
        {R_X86_64_64, "R_X86_64_64"},
        {R_X86_64_GLOB_DAT, "R_X86_64_GLOB_DAT"},
        {R_X86_64_TPOFF64, "R_X86_64_TPOFF64"},
        {R_X86_64_IRELATIVE, "R_X86_64_IRELATIVE"},
        {ELF64_R_INFO(1, R_X86_64_RELATIVE), "R_X86_64_RELATIVE with a symbol"},
    };

    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        clear();
        list(CONTENTS_AT);
        single(CONTENTS_AT + 64, kinds[i].kind, 5);
        refused(true, kinds[i].name);
    }
    clear();
    list(CONTENTS_AT);
    tag(DT_JMPREL, RELA_AT);
    tag(DT_PLTRELSZ, sizeof(*singles));
    refused(true, "relocations of a procedure linkage table");
    clear();
    list(CONTENTS_AT);
    tag(DT_REL, RELA_AT);
    tag(DT_RELSZ, 16);
    refused(true, "relocations without a value");
}

static void out_of_it(void)
{
    static const uint64_t places[] = {SIZE - 7, SIZE, SIZE + 8, 1ull << 47, UINT64_MAX - 7};

    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        clear();
        single(places[i], R_X86_64_RELATIVE, 5);
        list(CONTENTS_AT);
        refused(true, "a word in RELA beyond the end");
        if (places[i] & 1)
            continue;
        clear();
        list(CONTENTS_AT);
        list(places[i]);
        refused(true, "a word in RELR beyond the end");
    }
    clear();
    list(CONTENTS_AT);
    for (unsigned i = 0; i < (SIZE - CONTENTS_AT) / 8 / 63; i++)
        list(1);
    list(UINT64_MAX);
    tables();
    run();
    tap_ok(image_fault() != NULL, "must not run: a bitmap that reaches over the end");
}

static void tables_out_of_it(void)
{
    static const struct {
        uint64_t at, bytes;
    } tables_at[] = {
        {SIZE - 8, 16}, {SIZE, 8}, {1ull << 47, 8}, {0, UINT64_MAX}, {16, UINT64_MAX - 8}};

    for (unsigned i = 0; i < 2 * sizeof(tables_at) / sizeof(tables_at[0]); i++) {
        clear();
        tag(i & 1 ? DT_RELA : DT_RELR, tables_at[i / 2].at);
        tag(i & 1 ? DT_RELASZ : DT_RELRSZ, tables_at[i / 2].bytes);
        refused(false, "a table that does not lie in it");
    }
    clear();
    list(CONTENTS_AT);
    start.image_end -= PAGES / 2 * EXO_PAGE_SIZE;
    single(SIZE / 2, R_X86_64_RELATIVE, 5);
    refused(true, "a word beyond the end that the parent tells");
}

static void relro(uint64_t at, uint64_t size, uint64_t from, uint64_t bytes)
{
    clear();
    tag(DT_NULL, 0);
    part(PT_LOAD, 0, SIZE);
    part(PT_GNU_RELRO, at, size);
    run();
    image_protect();
    tap_ok(!image_fault() && protections == (bytes != 0) &&
               (!bytes || (protected_from == from && protected_size == bytes)),
           "constants from 0x%lx, 0x%lx bytes: 0x%lx bytes become read-only", at, size, bytes);
}

static void protection(void)
{
    relro(0x6000, 0x2000, 0x6000, 0x2000);
    relro(0x6608, 0x19f8, 0x6000, 0x2000);
    relro(0x6608, 0x1a00, 0x6000, 0x2000); /* what follows is the program's to write */
    relro(0x6608, 0x100, 0, 0);
    relro(SIZE - 4096, 4096, SIZE - 4096, 4096);
    clear();
    tag(DT_NULL, 0);
    part(PT_LOAD, 0, SIZE);
    run();
    image_protect();
    tap_ok(!image_fault() && !protections, "without constants nothing becomes read-only");
}

static void bad_protection(void)
{
    static const struct {
        uint64_t at, size;
    } parts[] = {
        {SIZE, 4096}, {SIZE - 4096, 8192}, {0x6000, UINT64_MAX - 0x5000}, {1ull << 47, 4096}};

    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        clear();
        tag(DT_NULL, 0);
        part(PT_GNU_RELRO, parts[i].at, parts[i].size);
        run();
        image_protect();
        tap_ok(image_fault() && !protections, "must not run: constants that do not lie in it");
    }
    clear();
    tag(DT_NULL, 0);
    part(PT_GNU_RELRO, 0x6000, 4096);
    run();
    protect_answer = -1;
    image_protect();
    tap_ok(image_fault() != NULL, "must not run: constants that stay writable");
    clear();
    tag(DT_NULL, 0);
    part(PT_GNU_RELRO, 0x6000, 4096);
    ((Elf64_Ehdr *)image)->e_phoff = SIZE - sizeof(Elf64_Phdr) + 8;
    run();
    image_protect();
    tap_ok(image_fault() && !protections, "must not run: program headers that do not lie in it");
}

static void load(uint64_t at, uint64_t in_file, uint64_t in_memory, uint32_t flags)
{
    Elf64_Phdr *new = part(PT_LOAD, at, in_memory);

    new->p_filesz = in_file;
    new->p_flags = flags;
}

static bool constant(uint64_t at, uint64_t bytes)
{
    return image_constant(image + at, bytes);
}

static void constants(void)
{
    clear();
    tag(DT_NULL, 0);
    load(0, 0x1800, 0x1800, PF_R);
    load(0x2000, 0x1000, 0x1000, PF_R | PF_X);
    load(0x3000, 0x2000, 0x4000, PF_R | PF_W);
    part(PT_GNU_RELRO, 0x3000, 0x1000)->p_filesz = 0x1000;
    run();
    tap_ok(constant(0, 0x1800) && constant(0x17ff, 1) && constant(0x2000, 0x1000),
           "what is in the file and may only be read is constant");
    tap_ok(!constant(0x1000, 0x801) && !constant(0x1800, 1) && !constant(0x17ff, 0x802) &&
               !constant(0x2800, 0x801) && !constant(0x10, UINT64_MAX),
           "not what lies partly behind it");
    tap_ok(!constant(0x3000, 1) && !constant(0x5000, 1) && !constant(SIZE, 1) &&
               !image_constant(&start, 1) && !image_constant(NULL, 1),
           "nor what may be written, nor what is not in the image");
}

int main(void)
{
    good_images();
    constants();
    other_kinds();
    out_of_it();
    tables_out_of_it();
    protection();
    bad_protection();
    return tap_done();
}
