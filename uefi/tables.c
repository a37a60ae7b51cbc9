/* SPDX-License-Identifier: MIT */
/*
 * tables.c - the address space that the kernel starts in.
 *
 *   - no page is both writable and executable, in either half;
 *   - a frame of the kernel image is mapped once in the upper half: where the kernel was linked;
 *   - the direct map covers RAM alone, so nothing reaches a device through cached memory;
 *   - the tables of the lower half are not kept: the kernel drops that half before it uses memory.
 */
#include "loader.h"

/* Tables come from the firmware in pieces, so that they do not litter its map. */
enum { TABLES_AT_ONCE = 16 };

struct table_pool {
    uint8_t *next;
    uint64_t left;
};

struct builder {
    struct paging paging;
    struct table_pool pools[2]; /* lower half, upper half */
};

static uint64_t *table_alloc(void *context, bool upper_half)
{
    struct builder *builder = context;
    struct table_pool *pool = &builder->pools[upper_half];

    if (pool->left == 0) {
        pool->next = pages_alloc(TABLES_AT_ONCE, "page tables");
        pool->left = TABLES_AT_ONCE;
    }
    uint8_t *table = pool->next;
    pool->next += EXO_PAGE_SIZE;
    pool->left--;
    __builtin_memset(table, 0, EXO_PAGE_SIZE);
    if (upper_half)
        pages_keep(table, 1);
    return (uint64_t *)table;
}

static void map(struct builder *builder, uint64_t virt, uint64_t phys, uint64_t count,
                uint64_t bits, bool large)
{
    if (!paging_map(&builder->paging, virt, phys, count, bits, large))
        fail("There is too little memory for page tables.");
}

static void map_direct(void *context, uint64_t first, uint64_t count)
{
    map(context, EXO_DIRECT_MAP + first * EXO_PAGE_SIZE, first * EXO_PAGE_SIZE, count,
        PAGE_WRITE | PAGE_GLOBAL | PAGE_NO_EXECUTE, true);
}

static void map_kernel(struct builder *builder, const struct placed_segment *placed)
{
    uint64_t bits = PAGE_GLOBAL;

    if (placed->segment.perm & EXO_WRITE)
        bits |= PAGE_WRITE;
    if (!(placed->segment.perm & EXO_EXEC))
        bits |= PAGE_NO_EXECUTE;
    map(builder, placed->segment.virt, placed->physical, placed->segment.pages, bits, false);
}

/* The CPU is in the loader's own code when it changes tables. */
static void map_loader(struct builder *builder)
{
    static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    EFI_LOADED_IMAGE *self;

    if (firmware->BootServices->HandleProtocol(loader_image, &loaded_image, (void **)&self) !=
        EFI_SUCCESS)
        fail("The firmware does not say where this loader lies in memory.");
    uint64_t base = (uint64_t)self->ImageBase;
    uint64_t first = base / EXO_PAGE_SIZE;
    uint64_t last = (base + self->ImageSize - 1) / EXO_PAGE_SIZE;
    map(builder, first * EXO_PAGE_SIZE, first * EXO_PAGE_SIZE, last - first + 1, 0, false);
}

uint64_t tables_build(const struct memory_map *memory, const struct placed_segment *kernel,
                      uint32_t kernel_count)
{
    struct builder builder = {
        .paging = {.table = table_alloc, .gigabyte_pages = cpu_has_gigabyte_pages()}};
    struct boot_region image[EXO_BOOT_SEGMENTS];

    builder.paging.context = &builder;
    builder.paging.root = table_alloc(&builder, true);
    for (uint32_t i = 0; i < kernel_count; i++) {
        image[i] =
            (struct boot_region){kernel[i].physical / EXO_PAGE_SIZE, kernel[i].segment.pages};
        map_kernel(&builder, &kernel[i]);
    }
    memory_runs(memory, MEMORY_RAM, image, kernel_count, map_direct, &builder);
    map_loader(&builder);
    return (uint64_t)builder.paging.root;
}
