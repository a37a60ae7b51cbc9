/* SPDX-License-Identifier: MIT */
/* table.c - page tables: entries that must not be. */
#include "hostile.h"

static int64_t kernel_half(void)
{
    int64_t worst = 0, pdpt = exo_page_alloc(SELF, ANY, EXO_PDPT);

    if (pdpt < 0)
        return NOT_TRIED;
    for (uint32_t index = 255; index < 520; index++)
        if (let_through(exo_pt_map(stretch.root, index, (frame_t){(uint32_t)pdpt}, 0), &worst))
            break;
    exo_page_free((frame_t){(uint32_t)pdpt});
    return worst;
}

static int64_t unmap_kernel_half(void)
{
    int64_t worst = 0;

    for (uint32_t index = 256; index < 520; index++)
        if (let_through(exo_pt_unmap(stretch.root, index), &worst))
            break;
    return worst;
}

static int64_t read_kernel_half(void)
{
    int64_t worst = 0;

    for (uint32_t index = 256; index < 520; index++)
        if (let_through(exo_pt_read(stretch.root, index), &worst))
            break;
    return worst;
}

static const uint32_t tables_of_ours = 4;

static frame_t table_of_ours(uint32_t i)
{
    return (frame_t[]){stretch.root, stretch.pdpt, stretch.pd, stretch.pt}[i];
}

static int64_t map_table_writable(void)
{
    int64_t worst = 0;

    for (uint32_t i = 0; i < tables_of_ours; i++)
        if (let_through(exo_pt_map(stretch.pt, 8, table_of_ours(i), EXO_WRITE), &worst))
            break;
    return worst;
}

static int64_t protect_table_writable(void)
{
    if (exo_pt_map(stretch.pt, 9, stretch.pt, EXO_READ))
        return NOT_TRIED;
    int64_t result = exo_pt_protect(stretch.pt, 9, EXO_WRITE);
    exo_pt_unmap(stretch.pt, 9);
    return result;
}

static int64_t write_table(void)
{
    if (exo_pt_map(stretch.pt, 10, stretch.pt, EXO_READ) < 0)
        return NOT_TRIED;
    volatile uint64_t *entries = (volatile uint64_t *)(stretch.address + 10 * EXO_PAGE_SIZE);
    entries[511] = 0x87; /* frame 0, present, writable, for user mode, large */
    return 0;
}

static int64_t table_in_wrong_level(void)
{
    int64_t worst = 0;

    for (uint32_t i = 0; i < tables_of_ours - 1; i++)
        for (uint32_t j = 0; j < tables_of_ours; j++)
            if (let_through(exo_pt_map(table_of_ours(i), 77, table_of_ours(j), 0), &worst))
                return worst;
    return worst;
}

/* No bit but two exists in a permission: no large page, nothing global, no cache bits. */
static int64_t unknown_bits(void)
{
    int64_t worst = 0, n = exo_page_alloc(SELF, ANY, EXO_DATA);

    if (n < 0)
        return NOT_TRIED;
    for (uint32_t bit = 2; bit < 32; bit++)
        if (let_through(exo_pt_map(stretch.pt, 11, (frame_t){(uint32_t)n}, 1u << bit), &worst))
            break;
    exo_page_free((frame_t){(uint32_t)n});
    return worst;
}

static int64_t write_and_execute(void)
{
    int64_t n = exo_page_alloc(SELF, ANY, EXO_DATA);

    if (n < 0)
        return NOT_TRIED;
    int64_t result = exo_pt_map(stretch.pt, 12, (frame_t){(uint32_t)n}, EXO_WRITE | EXO_EXEC);
    if (result < 0 && !exo_pt_map(stretch.pt, 12, (frame_t){(uint32_t)n}, EXO_WRITE)) {
        result = exo_pt_protect(stretch.pt, 12, EXO_WRITE | EXO_EXEC);
        exo_pt_unmap(stretch.pt, 12);
    }
    exo_page_free((frame_t){(uint32_t)n});
    return result;
}

static int64_t free_own_root(void)
{
    return exo_page_free(stretch.root);
}

static int64_t free_own_control(void)
{
    return exo_page_free(
        (frame_t){(uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_CONTROL)});
}

static int64_t free_linked_table(void)
{
    return exo_page_free(stretch.pt);
}

static int64_t frame_types(void)
{
    static const uint32_t types[] = {EXO_FREE, EXO_KERNEL, EXO_DEVICE, EXO_FRAME_TYPES, 255};
    int64_t worst = 0;

    for (uint32_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (let_through(exo_page_alloc(SELF, ANY, types[i]), &worst))
            break;
    return worst;
}

/* The kernel's own tables, which others may read. */
static int64_t read_facts(void)
{
    static const uint32_t which[] = {EXO_MACHINE_OWNERS, EXO_MACHINE_ACCOUNTS};
    int64_t worst = 0;

    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t perm = EXO_READ; perm <= EXO_WRITE; perm++) {
            int64_t n = exo_info(EXO_INFO_MACHINE, 0, which[i]);
            if (n <= 0)
                return NOT_TRIED;
            if (let_through(exo_pt_map(stretch.pt, 9, (frame_t){(uint32_t)n}, perm), &worst))
                return worst;
        }
    return worst;
}

/* A large page of what is no block, or not at its beginning: XSA-148. */
static int64_t large_pages(void)
{
    int64_t block = exo_block_alloc(SELF, ANY), worst = 0;
    const frame_t frames[] = {stretch.pt,
                              stretch.root,
                              {(uint32_t)exo_page_alloc(SELF, ANY, EXO_DATA)},
                              {(uint32_t)block + 1},
                              {(uint32_t)block + 511}};

    for (uint32_t i = 0; i < sizeof(frames) / sizeof(*frames); i++)
        if (let_through(exo_pt_map(stretch.pd, 300 + i, frames[i], EXO_WRITE), &worst))
            break;
    exo_page_free(frames[2]);
    if (block > 0)
        exo_page_free((frame_t){(uint32_t)block});
    return worst;
}

static int64_t take_right(void)
{
    return exo_env_set(SELF, EXO_ENV_SET_RIGHTS, EXO_RIGHT_TABLES, 0);
}

const struct attack table_attacks[] = {
    {"fill the kernel's half of its root table", kernel_half},
    {"empty the kernel's half of its root table", unmap_kernel_half},
    {"read the kernel's half of its root table", read_kernel_half},
    {"map its own page tables to write to them", map_table_writable},
    {"make a mapped page table writable", protect_table_writable},
    {"write to a page table that is mapped to be read", write_table},
    {"hang a table in one of the wrong level", table_in_wrong_level},
    {"set other bits of an entry (large page, global)", unknown_bits},
    {"map a page writable and executable", write_and_execute},
    {"free its root table while it runs", free_own_root},
    {"free its control page", free_own_control},
    {"free a table that is linked", free_linked_table},
    {"take frames of the kernel's types", frame_types},
    {"read the kernel's tables without a right to it", read_facts},
    {"give itself that right", take_right},
    {"map large pages of what is no block", large_pages},
    {NULL, NULL},
};
