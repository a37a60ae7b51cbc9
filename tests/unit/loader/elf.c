/* SPDX-License-Identifier: MIT */
/*
 * elf.c - the loader's ELF checker against good, broken and random files.
 *
 * Each file lies in a buffer of exactly its size, so that the address sanitizer sees any byte read
 * outside of it. After every check either the plan keeps what elf.h promises, or it is untouched.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "../../../uefi/elf.h"
#include "../tap.h"
#include "plan.h"

enum {
    TEXT_AT = 0x1000, /* offsets in the file */
    DATA_AT = 0x2010,
    NOTE_AT = 0x2100,
    SECTIONS_AT = 0x2200,
    FILE_SIZE = SECTIONS_AT + 2 * sizeof(Elf64_Shdr),
    ROUNDS = 300000,
    PAGES_MAX = 64, /* copied out in the random test; larger plans are checked but not loaded */
};

#define BASE EXO_KERNEL_BASE
static const struct elf_bounds bounds = {BASE, BASE + 0x100000};

struct good_file {
    Elf64_Ehdr header;
    Elf64_Phdr programs[3];
};

/* A kernel as the linker makes it: text, data with bss that starts within a page, boot note. */
static void make_good(uint8_t *file)
{
    struct good_file good = {
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_DYN,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = BASE + 0x10,
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_shoff = SECTIONS_AT,
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 3,
                   .e_shentsize = sizeof(Elf64_Shdr),
                   .e_shnum = 2},
        .programs = {{PT_LOAD, PF_R | PF_X, TEXT_AT, BASE, BASE, 0x800, 0x800, 0x1000},
                     {PT_LOAD, PF_R | PF_W, DATA_AT, BASE + 0x2010, 0, 0x80, 0x3000, 0x1000},
                     {PT_NOTE, PF_R, NOTE_AT, BASE + 0x2100, 0, 0x40, 0x40, 4}},
    };
    struct exo_boot_note note = {9, 8, EXO_BOOT_NOTE_TYPE, EXO_BOOT_NOTE_NAME, 7, 1234};
    uint32_t other[6] = {4, 8, 3, 0x00554e47, 0, 0}; /* a GNU note before it */

    for (unsigned i = 0; i < FILE_SIZE; i++)
        file[i] = (uint8_t)(i * 7 + 1);
    memcpy(file, &good, sizeof(good));
    memcpy(file + NOTE_AT, other, sizeof(other));
    memcpy(file + NOTE_AT + sizeof(other), &note, sizeof(note));
}

static uint8_t *exact(const void *file, uint64_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, file, size);
    return copy;
}

static void load_all(const uint8_t *file, const struct elf_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        if (s->pages > PAGES_MAX)
            continue;
        uint8_t *pages = malloc(s->pages * EXO_PAGE_SIZE);
        elf_copy(file, s, pages);
        free(pages);
    }
}

static void test_good(void)
{
    uint8_t file[FILE_SIZE], *copy, pages[4 * EXO_PAGE_SIZE];
    struct elf_plan plan;
    uint32_t version = 0, info_size = 0;
    bool same = true;

    make_good(file);
    copy = exact(file, FILE_SIZE);
    const char *wrong = elf_check(copy, FILE_SIZE, &bounds, &plan);
    tap_ok(!wrong, "a good file is accepted");
    tap_ok(inv_plan(&plan, FILE_SIZE, &bounds), "its plan keeps the promises");
    tap_ok(plan.entry == BASE + 0x10 && plan.count == 2, "entry and segments are found");
    tap_ok(plan.segments[0].virt == BASE && plan.segments[0].pages == 1 &&
               plan.segments[0].perm == EXO_EXEC,
           "text is one page, executable");
    tap_ok(plan.segments[1].virt == BASE + 0x2000 && plan.segments[1].pages == 4 &&
               plan.segments[1].perm == EXO_WRITE,
           "data and bss are four pages, writable");
    memset(pages, 0xff, sizeof(pages));
    elf_copy(copy, &plan.segments[1], pages);
    for (unsigned i = 0; i < sizeof(pages); i++)
        if (pages[i] != (i >= 0x10 && i < 0x90 ? copy[DATA_AT + i - 0x10] : 0))
            same = false;
    tap_ok(same, "data is copied, everything around it is zero");
    tap_ok(elf_boot_note(copy, FILE_SIZE, &version, &info_size) && version == 7 &&
               info_size == 1234,
           "the boot note is found behind another note");
    free(copy);
}

static void test_empty(void)
{
    struct elf_plan plan;
    const char *wrong = elf_check("", 0, &bounds, &plan);
    tap_ok(wrong && strcmp(wrong, "is empty") == 0, "an empty file is refused as such");
}

/* Every shorter file: none may be accepted, since the section headers come last. */
static void test_truncated(void)
{
    uint8_t file[FILE_SIZE];
    unsigned accepted = 0, unnamed = 0;

    make_good(file);
    for (uint64_t size = 0; size < FILE_SIZE; size++) {
        struct elf_plan plan;
        uint8_t *copy = exact(file, size);
        const char *wrong = elf_check(copy, size, &bounds, &plan);
        accepted += !wrong;
        unnamed += wrong && size >= 4 && !strstr(wrong, "truncated");
        free(copy);
    }
    tap_ok(accepted == 0, "no truncated file is accepted");
    tap_ok(unnamed == 0, "each is called truncated");
}

/* Ways to break a good file; each must be refused with its own words. */
struct breakage {
    const char *words;
    void (*apply)(struct good_file *good);
};

#define BREAK(name, statement)                                                                     \
    static void name(struct good_file *good)                                                       \
    {                                                                                              \
        statement;                                                                                 \
    }
BREAK(bad_magic, good->header.e_ident[3] = 'G')
BREAK(bad_class, good->header.e_ident[4] = ELFCLASS32)
BREAK(bad_order, good->header.e_ident[5] = ELFDATA2MSB)
BREAK(bad_machine, good->header.e_machine = EM_AARCH64)
BREAK(bad_version, good->header.e_version = 2)
BREAK(bad_ident_version, good->header.e_ident[6] = 0)
BREAK(bad_fixed, good->header.e_type = ET_EXEC)
BREAK(bad_object, good->header.e_type = ET_REL)
BREAK(bad_entry_size, good->header.e_phentsize = 32)
BREAK(bad_no_programs, good->header.e_phnum = 0)
BREAK(bad_phoff, good->header.e_phoff = UINT64_MAX - 8)
BREAK(bad_phnum, good->header.e_phnum = 0xffff)
BREAK(bad_shoff, good->header.e_shoff = UINT64_MAX - 8)
BREAK(bad_shnum, good->header.e_shnum = 3)
BREAK(bad_interpreter, good->programs[2].p_type = PT_INTERP)
BREAK(bad_nothing, good->programs[0].p_type = good->programs[1].p_type = PT_NULL)
BREAK(bad_filesz, good->programs[1].p_memsz = 0x7f)
BREAK(bad_offset, good->programs[0].p_offset = FILE_SIZE - 0x7ff)
BREAK(bad_offset_wraps, good->programs[0].p_offset = UINT64_MAX - 0x100)
BREAK(bad_low, good->programs[0].p_vaddr = BASE - 1)
BREAK(bad_high, good->programs[1].p_vaddr = bounds.end - 0x2fff)
BREAK(bad_memsz, good->programs[1].p_memsz = UINT64_MAX - BASE)
BREAK(bad_wx, good->programs[0].p_flags = PF_R | PF_W | PF_X)
BREAK(bad_overlap, good->programs[1].p_vaddr = BASE + 0x810)
BREAK(bad_entry_data, good->header.e_entry = BASE + 0x2020)
BREAK(bad_entry_end, good->header.e_entry = BASE + 0x800)
BREAK(bad_entry_low, good->header.e_entry = BASE - 1)

static const struct breakage breakages[] = {
    {"is not an ELF file", bad_magic},
    {"is not a 64-bit ELF file", bad_class},
    {"big-endian", bad_order},
    {"another kind of processor", bad_machine},
    {"unknown ELF version", bad_version},
    {"unknown ELF version", bad_ident_version},
    {"linked for a fixed address", bad_fixed},
    {"is not an executable", bad_object},
    {"no program headers of the usual size", bad_entry_size},
    {"no program headers", bad_no_programs},
    {"ends before its program headers do", bad_phoff},
    {"ends before its program headers do", bad_phnum},
    {"ends before its section headers do", bad_shoff},
    {"ends before its section headers do", bad_shnum},
    {"dynamically linked", bad_interpreter},
    {"nothing to load", bad_nothing},
    {"more bytes in the file than in memory", bad_filesz},
    {"ends within a segment", bad_offset},
    {"ends within a segment", bad_offset_wraps},
    {"outside of the addresses", bad_low},
    {"outside of the addresses", bad_high},
    {"outside of the addresses", bad_memsz},
    {"both writable and executable", bad_wx},
    {"share a page", bad_overlap},
    {"does not start in its own text", bad_entry_data},
    {"does not start in its own text", bad_entry_end},
    {"does not start in its own text", bad_entry_low},
};

static void test_breakages(void)
{
    for (unsigned i = 0; i < sizeof(breakages) / sizeof(breakages[0]); i++) {
        uint8_t file[FILE_SIZE], *copy;
        struct elf_plan plan, before;
        struct good_file good;
        make_good(file);
        memcpy(&good, file, sizeof(good));
        breakages[i].apply(&good);
        memcpy(file, &good, sizeof(good));
        copy = exact(file, FILE_SIZE);
        memset(&plan, 0x5a, sizeof(plan));
        before = plan;
        const char *wrong = elf_check(copy, FILE_SIZE, &bounds, &plan);
        tap_ok(wrong && strstr(wrong, breakages[i].words), "breakage %u: \"%s\"", i,
               wrong ? wrong : "accepted");
        tap_ok(memcmp(&plan, &before, sizeof(plan)) == 0, "breakage %u leaves the plan alone", i);
        free(copy);
    }
}

static void test_too_many(void)
{
    enum { COUNT = EXO_BOOT_SEGMENTS + 1 };
    uint8_t file[FILE_SIZE];
    struct elf_plan plan;
    Elf64_Ehdr header;

    make_good(file);
    memcpy(&header, file, sizeof(header));
    header.e_phnum = COUNT;
    memcpy(file, &header, sizeof(header));
    for (unsigned i = 0; i < COUNT; i++) {
        Elf64_Phdr program = {
            PT_LOAD, i ? PF_R : PF_R | PF_X, TEXT_AT, BASE + i * 0x1000ull, 0, 0x100, 0x100,
            0x1000};
        memcpy(file + sizeof(header) + i * sizeof(program), &program, sizeof(program));
    }
    const char *wrong = elf_check(file, FILE_SIZE, &bounds, &plan);
    tap_ok(wrong && strstr(wrong, "more loadable segments"), "one segment too many is refused");
    header.e_phnum = COUNT - 1;
    memcpy(file, &header, sizeof(header));
    tap_ok(!elf_check(file, FILE_SIZE, &bounds, &plan) && plan.count == EXO_BOOT_SEGMENTS,
           "as many as fit are accepted");
}

static void test_notes(void)
{
    struct {
        const char *what;
        unsigned at; /* word in the note segment */
        uint32_t value;
    } broken[] = {
        {"the first note's size runs past the segment", 0, 0xfffffff0},
        {"both of its sizes wrap in 32 bits", 1, 0xffffffff},
        {"another name", 9, 0x21212121},
        {"another type", 8, 2},
        {"a description of another size", 7, 4},
        {"a name of another size", 6, 8},
    };
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        uint8_t file[FILE_SIZE];
        uint32_t version, size;
        make_good(file);
        memcpy(file + NOTE_AT + 4 * broken[i].at, &broken[i].value, 4);
        uint8_t *copy = exact(file, FILE_SIZE);
        tap_ok(!elf_boot_note(copy, FILE_SIZE, &version, &size), "no boot note: %s",
               broken[i].what);
        free(copy);
    }
}

static const uint64_t odd_values[] = {0,
                                      1,
                                      4,
                                      55,
                                      56,
                                      64,
                                      0x800,
                                      0xfff,
                                      0x1000,
                                      FILE_SIZE - 1,
                                      FILE_SIZE,
                                      FILE_SIZE + 1,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      BASE,
                                      BASE - 1,
                                      BASE + 0x1000,
                                      BASE + 0xfffff,
                                      BASE + 0x100000,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      UINT64_MAX - 0xfff,
                                      UINT64_MAX};

/* One change: a random byte, or an odd value at a random aligned place of headers or notes. */
static void mutate(uint8_t *file)
{
    uint64_t r = tap_random();
    bool in_notes = (r >> 8) % 4 == 0;
    unsigned at = in_notes ? NOTE_AT + (r >> 16) % 0x40 : (r >> 16) % sizeof(struct good_file);

    if (r % 3 == 0) {
        file[at] = (uint8_t)(r >> 40);
        return;
    }
    unsigned width = r % 3 == 1 ? 8 : 2u << ((r >> 32) % 2);
    uint64_t value = odd_values[(r >> 40) % (sizeof(odd_values) / sizeof(odd_values[0]))];
    memcpy(file + at - at % width, &value, width);
}

static void test_random(void)
{
    unsigned accepted = 0, broken_plans = 0, touched = 0, notes = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t file[FILE_SIZE];
        struct elf_plan plan, before;
        make_good(file);
        for (unsigned changes = 1 + tap_random() % 3; changes; changes--)
            mutate(file);
        uint64_t size = tap_random() % 16 ? FILE_SIZE : tap_random() % (FILE_SIZE + 1);
        uint8_t *copy = exact(file, size);
        memset(&plan, 0x5a, sizeof(plan));
        before = plan;
        if (elf_check(copy, size, &bounds, &plan)) {
            touched += memcmp(&plan, &before, sizeof(plan)) != 0;
        } else {
            uint32_t version, info_size;
            accepted++;
            broken_plans += !inv_plan(&plan, size, &bounds);
            load_all(copy, &plan);
            notes += elf_boot_note(copy, size, &version, &info_size);
        }
        free(copy);
    }
    tap_ok(accepted > ROUNDS / 50 && accepted < ROUNDS * 49ull / 50,
           "%u of %u random files were accepted: both sides are tried", accepted, ROUNDS);
    tap_ok(notes > 0 && notes < accepted, "%u of them have a boot note", notes);
    tap_ok(broken_plans == 0, "every accepted plan keeps the promises");
    tap_ok(touched == 0, "no refused file touched the plan");
}

/* Table entries of one level that a moved plan's pages need. */
static uint64_t tables(const struct elf_plan *plan, uint32_t shift)
{
    const struct elf_segment *last = &plan->segments[plan->count - 1];

    return ((last->virt + last->pages * EXO_PAGE_SIZE - 1) >> shift) -
           (plan->segments[0].virt >> shift) + 1;
}

/* What elf_place promises of a program of `pages` pages, for one number. */
static bool placed_well(uint64_t pages, uint64_t random)
{
    struct elf_plan plan = {.entry = 0x1010,
                            .count = 2,
                            .segments = {{.virt = 0, .pages = 1, .perm = EXO_EXEC},
                                         {.virt = EXO_PAGE_SIZE, .pages = pages - 1}}};
    uint64_t base = elf_place(&plan, random);
    const struct elf_segment *s = plan.segments;

    return base % EXO_PAGE_SIZE == 0 && base >= EXO_IMAGE_BASE &&
           base + pages * EXO_PAGE_SIZE <= EXO_IMAGE_END && plan.entry == base + 0x1010 &&
           plan.count == 2 && s[0].virt == base && s[1].virt == base + EXO_PAGE_SIZE &&
           s[0].pages == 1 && s[1].pages == pages - 1 && s[0].perm == EXO_EXEC &&
           tables(&plan, 21) == (pages + 511) / 512 && tables(&plan, 30) == 1;
}

static void test_places(void)
{
    static const uint64_t sizes[] = {2, 9, 47, 256, 511, 512, 513, 1024, 131072, 262143, 262144};
    static const uint64_t words[] = {0, 1, 511, 1ull << 32, UINT64_MAX, UINT64_MAX / 2};
    unsigned wrong = 0;

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned word = 0; word < sizeof(words) / sizeof(words[0]); word++)
            wrong += !placed_well(sizes[i], words[word]);
        for (unsigned round = 0; round < 20000; round++)
            wrong += !placed_well(sizes[i], tap_random());
    }
    tap_ok(!wrong, "programs of a page to a GiB: within the bounds, with the fewest tables");
}

/* Numbers one after the other lead to as many places, the first and the last of them included. */
static void test_all_places(void)
{
    const uint64_t directories = 190 * 512, blocks = 512, offsets = 512 - 47 + 1;
    const uint64_t count = directories * blocks * offsets;
    static const uint64_t steps[] = {0, 1, 190 * 512, 190 * 512 * 512};
    uint64_t least = UINT64_MAX, most = 0, seen[4];

    for (uint64_t i = 0; i < 100000; i++) {
        struct elf_plan plan = {.count = 1, .segments = {{.pages = 47}}};
        /* The ends, and what lies between. */
        uint64_t base = elf_place(&plan, i < 50000 ? i * (count / 50000) : count - 1 - (i - 50000));
        least = base < least ? base : least;
        most = base > most ? base : most;
    }
    for (unsigned i = 0; i < 4; i++)
        seen[i] = elf_place(&(struct elf_plan){.count = 1, .segments = {{.pages = 47}}}, steps[i]);
    tap_ok(least == EXO_IMAGE_BASE && most == EXO_IMAGE_END - 47 * EXO_PAGE_SIZE,
           "the lowest and the highest place are drawn");
    tap_ok(seen[1] - seen[0] == 1ull << 30 && seen[2] - seen[0] == 1ull << 21 &&
               seen[3] - seen[0] == EXO_PAGE_SIZE && count >> 34 == 1,
           "directory, table and page are drawn each for itself: 34 bits");
}

int main(void)
{
    test_places();
    test_all_places();
    test_good();
    test_empty();
    test_truncated();
    test_breakages();
    test_too_many();
    test_notes();
    test_random();
    return tap_done();
}
