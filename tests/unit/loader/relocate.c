/* SPDX-License-Identifier: MIT */
/*
 * relocate.c - moving a program: the list of its addresses as the linker packs it, against one that
 * is kept unpacked; and lists of random words, under the address sanitizer.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "../../../uefi/relocate.h"
#include "../tap.h"

enum { WORDS_AT = 512, FILE_SIZE = 0x3000, ROUNDS = 20000 };
#define BASE 0xffffffa123456000ull

static const struct elf_bounds bounds = {0, EXO_KERNEL_SIZE};

/* Text of a page; then two pages of data: dynamic section, list, words. */
struct program {
    Elf64_Ehdr header;
    Elf64_Phdr programs[3];
    uint8_t text[0x1000 - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
    Elf64_Dyn dynamic[4];
    uint64_t table[WORDS_AT - 8];
    uint64_t words[512];
};

static struct program good;
static _Alignas(8) uint8_t placed[2][0x2000];

_Static_assert(offsetof(struct program, dynamic) == 0x1000, "data is a segment of its own");
_Static_assert(offsetof(struct program, words) == 0x2000, "the words fill a page");

static void make_good(uint64_t entries)
{
    good = (struct program){
        .header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                   .e_type = ET_DYN,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = 0x400,
                   .e_phoff = sizeof(Elf64_Ehdr),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 3},
        .programs = {{PT_LOAD, PF_R | PF_X, 0, 0, 0, 0x1000, 0x1000, 0x1000},
                     {PT_LOAD, PF_R | PF_W, 0x1000, 0x1000, 0, 0x2000, 0x2000, 0x1000},
                     {PT_DYNAMIC, PF_R, 0x1000, 0x1000, 0, 64, 64, 8}},
        .dynamic = {{35, {entries * 8}}, {36, {0x1040}}, {DT_RELASZ, {0}}, {DT_NULL, {0}}},
    };
    for (uint64_t i = 0; i < 512; i++)
        good.words[i] = i * 3;
}

static const char *move(void)
{
    struct elf_plan plan;
    uint8_t *file = malloc(FILE_SIZE);
    void *const pages[] = {placed[0], placed[1]};

    memcpy(file, &good, FILE_SIZE);
    const char *wrong = elf_check(file, FILE_SIZE, &bounds, &plan);
    for (uint32_t i = 0; !wrong && i < plan.count; i++)
        elf_copy(file, &plan.segments[i], pages[i]);
    if (!wrong)
        wrong = elf_relocate(file, FILE_SIZE, &plan, pages, BASE);
    free(file);
    return wrong;
}

/* Pack the list as a linker does: an address, then bits for what follows closely. */
static uint64_t pack(const bool *moved)
{
    uint64_t used = 0;

    for (uint64_t i = 0; i < 512;) {
        if (!moved[i]) {
            i++;
            continue;
        }
        good.table[used++] = 0x2000 + 8 * i++;
        for (;;) {
            uint64_t bits = 0;
            for (uint64_t bit = 0; bit < 63 && i + bit < 512; bit++)
                bits |= (uint64_t)moved[i + bit] << (bit + 1);
            if (!bits)
                break;
            good.table[used++] = bits | 1;
            i += 63;
            if (i >= 512)
                break;
        }
    }
    return used;
}

static bool words_are(const bool *moved)
{
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t word;
        memcpy(&word, placed[1] + 0x1000 + 8 * i, sizeof(word));
        if (word != i * 3 + (moved[i] ? BASE : 0))
            return false;
    }
    return true;
}

static void test_lists(void)
{
    unsigned wrong = 0;

    for (int round = 0; round < 2000; round++) {
        bool moved[600] = {false};
        uint64_t density = tap_random() % 64 + 1;
        for (int i = 0; i < 512; i++)
            moved[i] = tap_random() % density == 0;
        make_good(0);
        good.dynamic[0].d_un.d_val = 8 * pack(moved);
        wrong += move() || !words_are(moved);
    }
    tap_ok(!wrong, "2000 lists move the words that they name and no others (%u wrong)", wrong);
}

static void test_refusals(void)
{
    make_good(1);
    good.table[0] = 0x2ffa; /* the word's end is the page's end and two bytes more */
    tap_ok(move() && strstr(move(), "relocations outside"), "a word that leaves its segment");
    make_good(1);
    good.dynamic[1].d_un.d_val = 0x2ffc;
    tap_ok(move() && strstr(move(), "relocations outside"), "a list that leaves its segment");
    make_good(1);
    good.dynamic[0].d_un.d_val = UINT64_MAX;
    tap_ok(move() && strstr(move(), "relocations outside"), "a list without end");
    make_good(0);
    good.dynamic[2] = (Elf64_Dyn){DT_PLTRELSZ, {24}};
    tap_ok(move() && strstr(move(), "of a kind"), "relocations of another kind");
    make_good(0);
    good.programs[2].p_vaddr = 0x5000;
    tap_ok(move() && strstr(move(), "dynamic section outside"),
           "a dynamic section that is nowhere");
    make_good(0);
    good.header.e_type = ET_EXEC;
    tap_ok(move() && strstr(move(), "fixed address"), "a program for a fixed address");
    make_good(0);
    good.header.e_phnum = 2;
    tap_ok(!move(), "a program without a dynamic section has nothing to move");
}

/* A list of the older kind is for words that are not aligned. */
static void test_unaligned(void)
{
    bool moved[600] = {false};
    uint64_t word, value = 0x2345;

    make_good(0);
    good.dynamic[0] = (Elf64_Dyn){DT_RELA, {0x1040}};
    good.dynamic[1] = (Elf64_Dyn){DT_RELASZ, {24}};
    good.dynamic[2] = (Elf64_Dyn){DT_NULL, {0}};
    good.table[0] = 0x2000 + 8 * 500 + 2;
    good.table[1] = R_X86_64_RELATIVE;
    good.table[2] = value;
    const char *wrong = move();
    memcpy(&word, placed[1] + 0x1000 + 8 * 500 + 2, sizeof(word));
    memset(placed[1] + 0x1000 + 8 * 500, 0, 16);
    memcpy(placed[1] + 0x1000 + 8 * 500, (uint64_t[]){500 * 3, 501 * 3}, 16);
    tap_ok(!wrong && word == BASE + value && words_are(moved), "a word that is not aligned");
    good.table[1] = R_X86_64_64;
    tap_ok(move() && strstr(move(), "of a kind"), "a relocation that names a symbol");
    good.table[1] = R_X86_64_RELATIVE;
    good.table[0] = 0x2ffa;
    tap_ok(move() && strstr(move(), "relocations outside"), "an unaligned word that is nowhere");
}

static void test_random(void)
{
    unsigned refused = 0;

    for (int round = 0; round < ROUNDS; round++) {
        make_good(tap_random() % 20);
        for (int i = 0; i < 20; i++)
            good.table[i] = tap_random() % 3 ? tap_random() % 0x4000 : tap_random();
        if (tap_random() % 8 == 0)
            good.dynamic[tap_random() % 4].d_un.d_val = tap_random() >> tap_random() % 64;
        if (tap_random() % 8 == 0)
            good.programs[2].p_memsz = tap_random() >> tap_random() % 64;
        refused += move() != NULL;
    }
    tap_ok(refused > ROUNDS / 10 && refused < ROUNDS,
           "%d random lists: nothing outside is touched, %u were refused", ROUNDS, refused);
}

int main(void)
{
    test_lists();
    test_refusals();
    test_unaligned();
    test_random();
    return tap_done();
}
