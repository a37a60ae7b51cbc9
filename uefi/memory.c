/* SPDX-License-Identifier: MIT */
/*
 * memory.c - pages from the firmware, and the account of them for the kernel.
 *
 * What the loader allocates is all of one type in the firmware's map; the list `kept` says which
 * part of it goes to the kernel. Everything else, the loader itself included, is usable again
 * as soon as the kernel runs.
 */
#include "loader.h"

/* A few dozen allocations, most of which touch each other. */
enum { KEPT = 128 };
/* Descriptors by which the map may grow until the firmware is left. */
enum { MAP_SPARE = 32 };

/* Above, in the first MiB, is what was adapters' memory; a start-up message cannot name it (Intel SDM
 * vol. 3, 8.4.3: vectors A0H to BFH are reserved). */
enum { LOW_END = 0xa0000 };

static struct boot_region kept[KEPT] = {{0, 1}}; /* frame 0 belongs to nobody */
static uint32_t kept_count = 1;

static uint8_t *map_buffer;
static UINTN map_buffer_size;

void *pages_alloc(uint64_t count, const char *purpose)
{
    EFI_PHYSICAL_ADDRESS address;
    EFI_STATUS status =
        firmware->BootServices->AllocatePages(AllocateAnyPages, EfiLoaderData, count, &address);

    if (status != EFI_SUCCESS)
        fail("There is too little memory for %s: %lu KiB in one piece are needed.", purpose,
             count * (EXO_PAGE_SIZE / KIB));
    return (void *)address;
}

void pages_keep(const void *pages, uint64_t count)
{
    uint64_t first = (uint64_t)pages / EXO_PAGE_SIZE;

    for (uint32_t i = 1; i < kept_count; i++) {
        if (kept[i].first + kept[i].count == first) {
            kept[i].count += count;
            return;
        }
        if (first + count == kept[i].first) {
            kept[i].first = first;
            kept[i].count += count;
            return;
        }
    }
    if (kept_count == KEPT)
        fail("The firmware's memory is too fragmented: the loader keeps account of %u pieces.",
             (unsigned)KEPT);
    kept[kept_count++] = (struct boot_region){first, count};
}

void *pages_alloc_kept(uint64_t count, const char *purpose)
{
    void *pages = pages_alloc(count, purpose);

    pages_keep(pages, count);
    return pages;
}

void *pages_alloc_low(uint64_t count)
{
    EFI_PHYSICAL_ADDRESS address = LOW_END - 1;

    if (firmware->BootServices->AllocatePages(AllocateMaxAddress, EfiLoaderData, count, &address) !=
        EFI_SUCCESS)
        return NULL;
    pages_keep((void *)address, count); /* frame 0, if it is among them, is nobody's anyway */
    return (void *)address;
}

void memory_map_prepare(void)
{
    UINTN size = 0, key, stride;
    UINT32 version;

    if (map_buffer)
        firmware->BootServices->FreePages((EFI_PHYSICAL_ADDRESS)map_buffer,
                                          map_buffer_size / EXO_PAGE_SIZE);
    /* With no buffer this can only answer how large one must be. */
    firmware->BootServices->GetMemoryMap(&size, NULL, &key, &stride, &version);
    size += MAP_SPARE * stride;
    uint64_t pages = (size + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    map_buffer = pages_alloc(pages, "the memory map");
    map_buffer_size = pages * EXO_PAGE_SIZE;
}

EFI_STATUS memory_map_get(struct memory_map *map, UINTN *key)
{
    UINTN size = map_buffer_size, stride = 0;
    UINT32 version;
    EFI_STATUS status = firmware->BootServices->GetMemoryMap(
        &size, (EFI_MEMORY_DESCRIPTOR *)map_buffer, key, &stride, &version);

    if (status != EFI_SUCCESS)
        return status;
    *map = (struct memory_map){map_buffer, size, stride};
    memory_sort(map);
    return EFI_SUCCESS;
}

static void note_end(void *context, uint64_t first, uint64_t count)
{
    *(uint64_t *)context = first + count;
}

uint64_t memory_describe(const struct memory_map *map, struct boot_info *info)
{
    struct region_list list = {info->regions, EXO_BOOT_REGIONS, 0, 0};

    memory_runs(map, MEMORY_RAM, NULL, 0, note_end, &info->max_frame);
    memory_runs(map, MEMORY_USABLE, kept, kept_count, region_collect, &list);
    info->region_count = list.count;
    return list.lost;
}

uint64_t memory_usable_frames(const struct boot_info *info)
{
    uint64_t frames = 0;

    for (uint32_t i = 0; i < info->region_count; i++)
        frames += info->regions[i].count;
    return frames;
}
