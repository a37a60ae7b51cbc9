/* SPDX-License-Identifier: MIT */
/*
 * leftover.c - its first life fills all that it has with a pattern and dies, its second looks for it.
 *
 * Where: every page that its quota gives, page tables, all general registers, x87, SSE and their control
 * words. The second life sees its first registers as they were at its first instruction (leftover_entry,
 * where this program starts), then every free frame of the machine, and its own. A copy of
 * the pattern is nowhere in the program: it is kept inverted.
 */
#include <stdio.h>
#include <string.h>

#include "libos.h"

#define SELF         ((env_t){EXO_ENV_SELF})
#define ANY          ((frame_t){EXO_FRAME_ANY})
#define SPARE_SLOT   200u /* of the root table: where a program may put what it likes */
#define TABLES       20u
#define FIRST_MXCSR  0x1f80u /* Intel SDM vol. 1, 11.6.4: after reset */
#define FIRST_FCW    0x037fu /* 8.1.5: after FINIT */
#define OTHER_MXCSR  0x7fbfu /* rounds to zero, all flags set */
#define OTHER_FCW    0x0f7fu
#define REGISTERS    16u
#define FX_REGISTERS 32u /* byte offset in the FXSAVE area; 24 registers of 16 bytes */
#define FX_WORDS     96u /* of 32 bits */

/* Written before anything else of the program runs, then by registers_fill. */
uint64_t seen_register[REGISTERS];
uint8_t seen_fx[512] __attribute__((aligned(16)));
uint8_t planted_fx[512] __attribute__((aligned(16)));
uint64_t planted_register, kept_register[7], to_the_end;

/* What the 32-bit pattern is inverted; the compiler is not to invert it. */
static const volatile uint32_t not_pattern = 0x585a5c5e;

void leftover_entry(void);
void registers_fill(void);

/* clang-format off */
#define SAVE_ALL                                                                                   \
    "mov %rax, seen_register(%rip)\n\tmov %rbx, seen_register+8(%rip)\n\t"                         \
    "mov %rcx, seen_register+16(%rip)\n\tmov %rdx, seen_register+24(%rip)\n\t"                     \
    "mov %rsi, seen_register+32(%rip)\n\tmov %rdi, seen_register+40(%rip)\n\t"                     \
    "mov %rbp, seen_register+48(%rip)\n\tmov %r8, seen_register+56(%rip)\n\t"                      \
    "mov %r9, seen_register+64(%rip)\n\tmov %r10, seen_register+72(%rip)\n\t"                      \
    "mov %r11, seen_register+80(%rip)\n\tmov %r12, seen_register+88(%rip)\n\t"                     \
    "mov %r13, seen_register+96(%rip)\n\tmov %r14, seen_register+104(%rip)\n\t"                    \
    "mov %r15, seen_register+112(%rip)\n\tmov %rsp, seen_register+120(%rip)\n\t"                   \
    "fxsave seen_fx(%rip)\n\t"

__asm__(".text\n"
    ".globl leftover_entry\nleftover_entry:\n\t" SAVE_ALL "jmp _start\n"
    /* With `to_the_end` it does not come back, and has not even a stack of its own. */
    "registers_fill:\n\t"
    "mov %rbx, kept_register(%rip)\n\tmov %rbp, kept_register+8(%rip)\n\t"
    "mov %r12, kept_register+16(%rip)\n\tmov %r13, kept_register+24(%rip)\n\t"
    "mov %r14, kept_register+32(%rip)\n\tmov %r15, kept_register+40(%rip)\n\t"
    "mov %rsp, kept_register+48(%rip)\n\t"
    "fxrstor planted_fx(%rip)\n\t"
    "cmpq $0, to_the_end(%rip)\n\t"
    "mov planted_register(%rip), %rax\n\t"
    "mov %rax, %rbx\n\tmov %rax, %rcx\n\tmov %rax, %rdx\n\tmov %rax, %rsi\n\tmov %rax, %rdi\n\t"
    "mov %rax, %rbp\n\tmov %rax, %r8\n\tmov %rax, %r9\n\tmov %rax, %r10\n\tmov %rax, %r11\n\t"
    "mov %rax, %r12\n\tmov %rax, %r13\n\tmov %rax, %r14\n\tmov %rax, %r15\n\tmov %rax, %rsp\n\t"
    "je 1f\n\tud2\n"
    "1:\n\t" SAVE_ALL
    "mov kept_register(%rip), %rbx\n\tmov kept_register+8(%rip), %rbp\n\t"
    "mov kept_register+16(%rip), %r12\n\tmov kept_register+24(%rip), %r13\n\t"
    "mov kept_register+32(%rip), %r14\n\tmov kept_register+40(%rip), %r15\n\t"
    "mov kept_register+48(%rip), %rsp\n\t"
    "fninit\n\tldmxcsr first_mxcsr(%rip)\n\tret\n");
/* clang-format on */

const uint32_t first_mxcsr = FIRST_MXCSR;

static unsigned failed;

static void check(bool good, const char *what)
{
    printf("%s: %s\n", good ? "ok" : "not ok", what);
    failed += !good;
}

/* --- what is looked at, through an entry of a table of its own ---------------------------- */

static struct {
    frame_t pt;
    volatile uint32_t *word;
} view;

static bool view_make(void)
{
    frame_t table = {(uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT)};
    uint32_t index = SPARE_SLOT;

    for (uint32_t type = EXO_PDPT; type <= EXO_PT; type++, index = 0) {
        int64_t next = exo_page_alloc(SELF, ANY, type);
        if (next < 0 || exo_pt_map(table, index, (frame_t){(uint32_t)next}, 0))
            return false;
        table.n = (uint32_t)next;
    }
    view.pt = table;
    view.word = (volatile uint32_t *)((uint64_t)SPARE_SLOT << 39);
    return true;
}

struct found {
    uint64_t frames, pattern, other; /* words: with the pattern, and else not 0 */
};

static bool look(uint32_t frame, struct found *found)
{
    if (exo_pt_map(view.pt, 0, (frame_t){frame}, EXO_READ))
        return false;
    for (uint32_t i = 0; i < EXO_PAGE_SIZE / 4; i++) {
        uint32_t word = view.word[i];
        if (~word == not_pattern)
            found->pattern++;
        else if (word)
            found->other++;
    }
    exo_pt_unmap(view.pt, 0);
    found->frames++;
    return true;
}

static uint32_t words_with_pattern(const void *from, uint32_t words)
{
    uint32_t found = 0, word;

    for (uint32_t i = 0; i < words; i++) {
        memcpy(&word, (const char *)from + 4 * (uint64_t)i, 4);
        found += ~word == not_pattern;
    }
    return found;
}

/* --- the first life ------------------------------------------------------------------------ */

static bool plant(uint32_t frame)
{
    if (exo_pt_map(view.pt, 0, (frame_t){frame}, EXO_WRITE))
        return false;
    for (uint32_t i = 0; i < EXO_PAGE_SIZE / 4; i++)
        view.word[i] = ~not_pattern;
    exo_pt_unmap(view.pt, 0);
    return true;
}

static uint32_t fill_tables(void)
{
    int64_t data = exo_page_alloc(SELF, ANY, EXO_DATA);
    uint32_t entries = 0;

    for (uint32_t i = 0; i < TABLES; i++) {
        int64_t pt = exo_page_alloc(SELF, ANY, EXO_PT);
        for (uint32_t index = 0; index < 512; index++)
            entries +=
                !exo_pt_map((frame_t){(uint32_t)pt}, index, (frame_t){(uint32_t)data}, EXO_WRITE);
    }
    return entries;
}

static void prepare_registers(void)
{
    uint16_t fcw = OTHER_FCW;
    uint32_t mxcsr = OTHER_MXCSR, words[FX_WORDS];

    planted_register = (uint64_t)(uint32_t)~not_pattern << 32 | (uint32_t)~not_pattern;
    for (uint32_t i = 0; i < FX_WORDS; i++)
        words[i] = ~not_pattern;
    memcpy(planted_fx, &fcw, sizeof(fcw));
    memcpy(planted_fx + 24, &mxcsr, sizeof(mxcsr));
    memcpy(planted_fx + FX_REGISTERS, words, sizeof(words));
}

/* Does not come back. */
static void fill_and_die(void)
{
    uint64_t pages = 0;
    int64_t frame;
    struct found found = {0};

    check(fill_tables() == TABLES * 512, "tables are full of entries");
    while ((frame = exo_page_alloc(SELF, ANY, EXO_DATA)) >= 0) {
        if (!pages)
            look((uint32_t)frame, &found);
        pages += plant((uint32_t)frame);
        if (pages == 1)
            look((uint32_t)frame, &found);
    }
    check(found.pattern == EXO_PAGE_SIZE / 4 && !found.other,
          "a page with the pattern is found out");
    prepare_registers();
    critical_enter();
    registers_fill();
    critical_exit();
    check(words_with_pattern(seen_register, 2 * REGISTERS) == 2 * REGISTERS,
          "so are general registers");
    /* An x87 register has 10 bytes: of its four words the last is none, the third half a one. */
    check(words_with_pattern(seen_fx + FX_REGISTERS, FX_WORDS) == 8 * 2 + 16 * 4,
          "so are x87 and SSE registers");
    printf("leftover: planted in %lu pages and every register\n", pages);
    fflush(stdout);
    if (failed)
        return;
    to_the_end = 1;
    critical_enter(); /* so that nobody touches a register before the kernel ends it */
    registers_fill();
}

/* --- the second ---------------------------------------------------------------------------- */

static void registers_are_new(void)
{
    uint16_t fcw;
    uint32_t mxcsr;
    uint64_t other = 0;

    for (uint32_t i = 0; i < 15; i++)
        other |= i == 5 ? seen_register[i] ^ EXO_START_ADDRESS : seen_register[i];
    check(!other && seen_register[15] == EXO_STACK_TOP - 8, "general registers hold nothing");
    memcpy(&fcw, seen_fx, sizeof(fcw));
    memcpy(&mxcsr, seen_fx + 24, sizeof(mxcsr));
    check(fcw == FIRST_FCW && mxcsr == FIRST_MXCSR, "the control words are those of a reset");
    other = 0;
    for (uint32_t i = FX_REGISTERS; i < FX_REGISTERS + 4 * FX_WORDS; i++)
        other |= seen_fx[i];
    check(!other, "x87 and SSE registers hold nothing");
}

/* Registers beyond SSE cannot be reached: the kernel does not switch them on (CR4.OSXSAVE). */
extern char try_avx[], after_avx[], try_xgetbv[], after_xgetbv[];
static uint32_t undefined;

static bool fault_hook(struct exo_context *context, const struct exo_fault *fault)
{
    if (fault->vector != 6 ||
        (context->rip != (uint64_t)try_avx && context->rip != (uint64_t)try_xgetbv))
        return false;
    context->rip = (uint64_t)(context->rip == (uint64_t)try_avx ? after_avx : after_xgetbv);
    undefined++;
    return true;
}

static void no_more_registers(void)
{
    uint32_t eax = 1, ebx, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    check(!(ecx >> 27 & 1), "CPUID says that OSXSAVE is off");
    libos_fault_hook = fault_hook;
    __asm__ volatile("try_avx: vxorps %%ymm0, %%ymm0, %%ymm0\nafter_avx:\n\t" ::: "xmm0", "memory");
    __asm__ volatile("xor %%ecx, %%ecx\ntry_xgetbv: xgetbv\nafter_xgetbv:\n\t" ::
                         : "rax", "rcx", "rdx", "memory");
    libos_fault_hook = NULL;
    check(undefined == 2, "AVX and XGETBV are invalid instructions");
}

static void free_frames_are_empty(uint32_t total)
{
    struct found found = {0};
    int64_t free;
    uint32_t unseen = 0;

    do { /* until nobody took or freed one meanwhile */
        free = exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FREE);
        found.frames = 0;
        for (uint32_t n = 0; n < total; n++) {
            if (exo_page_alloc(SELF, (frame_t){n}, EXO_DATA) < 0)
                continue;
            unseen += !look(n, &found);
            exo_page_free((frame_t){n});
        }
    } while (exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FREE) != free);
    check(!unseen && found.frames == (uint64_t)free, "every free frame was taken and read");
    check(!found.pattern && !found.other, "all are zero");
    printf("leftover: searched %lu free frames\n", found.frames);
}

static void own_frames_hold_no_pattern(uint32_t total)
{
    struct found found = {0};

    for (uint32_t n = 0; n < total; n++)
        if (exo_info(EXO_INFO_FRAME, n, EXO_FRAME_TYPE) >= 0)
            look(n, &found);
    check(found.frames > 20 && found.other && !found.pattern,
          "own frames and tables hold no pattern");
    printf("leftover: searched %lu own frames\n", found.frames);
}

static void search(void)
{
    uint32_t total = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FRAMES);

    registers_are_new();
    no_more_registers();
    free_frames_are_empty(total);
    own_frames_hold_no_pattern(total);
    int64_t frame = exo_page_alloc(SELF, ANY, EXO_DATA);
    struct found found = {0};
    check(frame > 0 && plant((uint32_t)frame) && look((uint32_t)frame, &found) &&
              found.pattern == EXO_PAGE_SIZE / 4,
          "it would have been found");
}

int main(void)
{
    uint32_t name = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    uint32_t parent = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_PARENT);

    check(view_make(), "a table of its own");
    /* The machine has no other application, and slots are given out in turn. */
    if (name == parent + 1)
        fill_and_die();
    else
        search();
    return failed ? 3 : 0;
}
