/* SPDX-License-Identifier: MIT */
/* memory.c - frames that are not ours, and addresses that are nobody's. */
#include "hostile.h"

#define STRETCH_SLOT 200u /* of the root table: where a program may put what it likes */

struct stretch stretch;

static int64_t take(uint32_t type)
{
    return exo_page_alloc(SELF, ANY, type);
}

bool stretch_make(void)
{
    int64_t root = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT);
    int64_t pdpt = take(EXO_PDPT), pd = take(EXO_PD), pt = take(EXO_PT);

    stretch = (struct stretch){{(uint32_t)root},
                               {(uint32_t)pdpt},
                               {(uint32_t)pd},
                               {(uint32_t)pt},
                               (volatile uint8_t *)((uint64_t)STRETCH_SLOT << 39)};
    return pdpt > 0 && pd > 0 && pt > 0 &&
           !exo_pt_map(stretch.root, STRETCH_SLOT, stretch.pdpt, 0) &&
           !exo_pt_map(stretch.pdpt, 0, stretch.pd, 0) && !exo_pt_map(stretch.pd, 0, stretch.pt, 0);
}

uint32_t frame_total(void)
{
    return (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FRAMES);
}

bool own_frame(uint32_t n)
{
    return exo_info(EXO_INFO_FRAME, n, EXO_FRAME_TYPE) >= 0;
}

int64_t each_foreign(int64_t (*attempt)(frame_t frame))
{
    int64_t worst = 0;

    for (uint32_t n = 0; n < frame_total(); n++)
        if (!own_frame(n) && let_through(attempt((frame_t){n}), &worst))
            break;
    return worst;
}

static int64_t map_one(frame_t frame)
{
    return exo_pt_map(stretch.pt, 0, frame, EXO_READ);
}

static int64_t map_one_writable(frame_t frame)
{
    return exo_pt_map(stretch.pt, 0, frame, EXO_WRITE);
}

static int64_t print_one(frame_t frame)
{
    return exo_console_write(frame, 0, 64);
}

static int64_t give_one(frame_t frame)
{
    return exo_page_give(frame, SELF);
}

static int64_t as_table(frame_t frame)
{
    return exo_pt_map(frame, 0, stretch.pt, 0);
}

static int64_t read_table(frame_t frame)
{
    return exo_pt_read(frame, 0);
}

static int64_t map_foreign(void)
{
    return each_foreign(map_one);
}

static int64_t map_foreign_writable(void)
{
    return each_foreign(map_one_writable);
}

static int64_t free_foreign(void)
{
    return each_foreign(exo_page_free);
}

static int64_t print_foreign(void)
{
    return each_foreign(print_one);
}

static int64_t give_foreign(void)
{
    return each_foreign(give_one);
}

static int64_t change_foreign_table(void)
{
    return each_foreign(as_table);
}

static int64_t read_foreign_table(void)
{
    return each_foreign(read_table);
}

/* Take frames by number: those of others are BUSY, free ones hold nothing of their last owner. */
static int64_t leftovers(void)
{
    int64_t worst = -EXO_E_BUSY;

    for (uint32_t n = 1; n < frame_total(); n += 5) {
        if (own_frame(n) || exo_page_alloc(SELF, (frame_t){n}, EXO_DATA) < 0)
            continue;
        if (exo_pt_map(stretch.pt, 1, (frame_t){n}, EXO_READ))
            return NOT_TRIED;
        const volatile uint64_t *words =
            (const volatile uint64_t *)(stretch.address + EXO_PAGE_SIZE);
        for (uint32_t i = 0; i < EXO_PAGE_SIZE / 8; i++)
            if (words[i])
                worst = (int64_t)n;
        exo_pt_unmap(stretch.pt, 1);
        exo_page_free((frame_t){n});
        if (worst >= 0)
            return worst;
    }
    return BY_SILENCE;
}

static int64_t use_after_unmap(void)
{
    int64_t n = take(EXO_DATA);

    if (n < 0 || exo_pt_map(stretch.pt, 2, (frame_t){(uint32_t)n}, EXO_WRITE))
        return NOT_TRIED;
    volatile uint8_t *page = stretch.address + 2 * EXO_PAGE_SIZE;
    *page = 1; /* now the CPU knows the translation */
    exo_pt_unmap(stretch.pt, 2);
    exo_page_free((frame_t){(uint32_t)n});
    *page = 2;
    return 0;
}

static int64_t free_while_mapped(void)
{
    int64_t n = take(EXO_DATA);

    if (n < 0 || exo_pt_map(stretch.pt, 3, (frame_t){(uint32_t)n}, EXO_WRITE))
        return NOT_TRIED;
    int64_t result = exo_page_free((frame_t){(uint32_t)n});
    exo_pt_unmap(stretch.pt, 3);
    exo_page_free((frame_t){(uint32_t)n});
    return result;
}

#define TOUCH(name, address, access)                                                               \
    static int64_t name(void)                                                                      \
    {                                                                                              \
        uint64_t at = (uint64_t)(address);                                                         \
        __asm__("" : "+r"(at)); /* the compiler need not know that it cannot work */               \
        volatile uint64_t *word = (volatile uint64_t *)at;                                         \
        access;                                                                                    \
        return 0;                                                                                  \
    }
TOUCH(read_null, 0x0ull, (void)*word)
TOUCH(write_null, 0x8ull, *word = 1)
TOUCH(read_direct_map, 0xffff800000000000ull, (void)*word)
TOUCH(write_direct_map, 0xffff800000100000ull, *word = 1)
TOUCH(read_kernel, 0xffffffff80000000ull, (void)*word)
TOUCH(write_kernel, 0xffffffff80000000ull, *word = 1)
TOUCH(read_devices, 0xfffffe8000000000ull, (void)*word)
TOUCH(read_gap, 0x0000800000000000ull, (void)*word)
TOUCH(write_text, &read_null, *word = 0)
TOUCH(write_start_page, EXO_START_ADDRESS, *word = 0)

static int64_t jump_to_kernel(void)
{
    ((void (*)(void))0xffffffff80000000)();
    return 0;
}

static int64_t execute_stack(void)
{
    volatile uint8_t code[] = {0xc3}; /* ret */

    ((void (*)(void))(uint64_t)code)();
    return 0;
}

static int64_t execute_data(void)
{
    static uint8_t code[] = {0xc3};

    ((void (*)(void))(uint64_t)code)();
    return 0;
}

/* All pages that the quota allows, and one more; then all of them back. */
static int64_t exhaust_quota(void)
{
    static uint32_t taken[8192];
    uint32_t count = 0;
    int64_t result = 0;

    while (count < sizeof(taken) / sizeof(*taken) && (result = take(EXO_DATA)) >= 0)
        taken[count++] = (uint32_t)result;
    while (count)
        exo_page_free((frame_t){taken[--count]});
    return result;
}

const struct attack memory_attacks[] = {
    {"map each frame that is not its own", map_foreign},
    {"map each frame that is not its own, writable", map_foreign_writable},
    {"free each frame that is not its own", free_foreign},
    {"take each frame that is not its own as a gift", give_foreign},
    {"print from each frame that is not its own", print_foreign},
    {"put an entry into each table that is not its own", change_foreign_table},
    {"read each table that is not its own", read_foreign_table},
    {"find what the last owner left in free frames", leftovers},
    {"use a page that it has given back", use_after_unmap},
    {"free a frame that is mapped", free_while_mapped},
    {"take more pages than its quota", exhaust_quota},
    {"read page 0", read_null},
    {"write page 0", write_null},
    {"read the kernel's view of all memory", read_direct_map},
    {"write the kernel's view of all memory", write_direct_map},
    {"read the kernel", read_kernel},
    {"write the kernel", write_kernel},
    {"read a device's registers", read_devices},
    {"read an address that is not canonical", read_gap},
    {"jump into the kernel", jump_to_kernel},
    {"write its own text", write_text},
    {"write its start page", write_start_page},
    {"execute its stack", execute_stack},
    {"execute its data", execute_data},
    {NULL, NULL},
};
