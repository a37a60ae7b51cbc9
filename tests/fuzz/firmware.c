/* SPDX-License-Identifier: MIT */
/*
 * firmware.c - what the loader reads of the firmware's tables: ACPI's MADT and DMAR, and the memory
 * map.
 *
 * The first byte chooses. Runs of frames are compared with what each descriptor says of each frame.
 */
#include "target.h"

#include <stdbool.h>
#include <string.h>

#include "../../uefi/acpi.h"
#include "../../uefi/dmar.h"
#include "../../uefi/regions.h"

enum { LIMIT = 4, DESCRIPTORS = 40, HOLES = 4, STRIDE = 48, FRAMES = 600, RUNS = 3 };

static void madt(const uint8_t *bytes, size_t size)
{
    uint8_t *table = malloc(16 + size);
    uint32_t *ids = malloc(LIMIT * sizeof(*ids)), few;

    memcpy(table + 16, bytes, size);
    uint32_t count = madt_cpus(table + 16, size, ids, LIMIT);
    MUST(count <= size / 8, "%u CPUs in %zu bytes", count, size);
    for (uint32_t i = 0; i < count && i < LIMIT; i++)
        for (uint32_t j = 0; j < i; j++)
            MUST(ids[i] != ids[j], "CPU %u is there twice", ids[i]);
    /* With less room, the first is the same; those that found no room may be counted twice. */
    MUST(madt_cpus(table + 16, size, &few, 1) >= count && (!count || few == ids[0]),
         "%u CPUs with much room", count);
    acpi_sum_is_zero(table + 16, size);
    free(ids);
    free(table);
}

/* Any bridge leads anywhere, but always to the same place. */
static uint8_t pci(uint16_t id, uint32_t offset)
{
    return (uint8_t)(id * 7 + offset * 31);
}

static void dmar(const uint8_t *bytes, size_t size)
{
    struct boot_dma *dma = malloc(sizeof(*dma));
    uint8_t *table = malloc(40 + size); /* of the 48 bytes before its structures, some are there */

    memcpy(table + 40, bytes, size);
    dmar_read(table, 40 + size, pci, dma);
    MUST(dma->unit_count <= EXO_BOOT_UNITS && dma->covered_count <= EXO_BOOT_COVERED &&
             dma->reserved_count <= EXO_BOOT_RESERVED,
         "a list is longer than its place");
    MUST(dma->state == EXO_DMA_UNITS
             ? dma->unit_count > 0
             : !dma->unit_count && !dma->covered_count && !dma->reserved_count,
         "state %u with %u units", dma->state, dma->unit_count);
    for (uint32_t i = 0; i < dma->unit_count; i++)
        MUST(dma->units[i].registers && dma->units[i].registers % EXO_PAGE_SIZE == 0,
             "registers that are no page");
    for (uint32_t i = 0; i < dma->covered_count; i++)
        MUST(dma->covered[i].first <= dma->covered[i].last, "devices in the wrong order");
    for (uint32_t i = 0; i < dma->reserved_count; i++)
        MUST(dma->reserved[i].first < dma->reserved[i].last &&
                 dma->reserved[i].first % EXO_PAGE_SIZE == 0 &&
                 (dma->reserved[i].last + 1) % EXO_PAGE_SIZE == 0,
             "reserved memory that is no pages");
    free(table);
    free(dma);
}

struct map {
    uint8_t bytes[DESCRIPTORS * STRIDE] __attribute__((aligned(8)));
    struct memory_map map;
    struct boot_region holes[HOLES];
    uint32_t hole_count;
};

static struct memory_descriptor *descriptor(struct map *m, uint64_t i)
{
    return (struct memory_descriptor *)(m->bytes + i * STRIDE);
}

static bool may(struct map *m, uint32_t types, uint64_t frame)
{
    bool any = false;

    for (uint64_t i = 0; i < m->map.size / STRIDE; i++) {
        const struct memory_descriptor *d = descriptor(m, i);
        if (frame - d->physical_start / EXO_PAGE_SIZE >= d->pages)
            continue;
        if (d->type >= 32 || !(types >> d->type & 1))
            return false;
        any = true;
    }
    for (uint32_t i = 0; i < m->hole_count; i++)
        if (frame - m->holes[i].first < m->holes[i].count)
            return false;
    return any;
}

struct seen {
    bool frames[FRAMES];
    uint64_t end;
    struct region_list list;
    struct boot_region regions[RUNS];
};

static void see(void *context, uint64_t first, uint64_t count)
{
    struct seen *seen = context;

    MUST(count && (!seen->end || first > seen->end), "runs that are empty, touch or go down");
    for (uint64_t f = first; f < first + count && f < FRAMES; f++)
        seen->frames[f] = true;
    seen->end = first + count;
    region_collect(&seen->list, first, count);
}

static void map(struct input *in)
{
    struct map m = {0};
    struct seen seen = {.list = {seen.regions, RUNS, 0, 0}};
    uint32_t types = take(in, 1) % 2 ? MEMORY_USABLE : MEMORY_RAM;
    uint64_t total = 0;

    m.hole_count = take_below(in, HOLES + 1);
    for (uint32_t i = 0; i < m.hole_count; i++)
        m.holes[i] = (struct boot_region){take_below(in, FRAMES), take(in, 1)};
    m.map = (struct memory_map){m.bytes, 0, STRIDE};
    for (uint64_t i = 0; i < DESCRIPTORS && in->left; i++, m.map.size += STRIDE) {
        uint32_t kind = take(in, 1);
        *descriptor(&m, i) = (struct memory_descriptor){
            .type = kind < 200 ? kind % 16 : kind,
            .physical_start = (uint64_t)take_below(in, FRAMES - 255) * EXO_PAGE_SIZE,
            .pages = take(in, 1),
        };
    }
    memory_sort(&m.map);
    memory_runs(&m.map, types, m.holes, m.hole_count, see, &seen);
    for (uint64_t f = 0; f < FRAMES; f++) {
        MUST(seen.frames[f] == may(&m, types, f), "frame %lu is wrongly in a run or in none",
             (unsigned long)f);
        total += seen.frames[f];
    }
    for (uint32_t i = 0; i < seen.list.count; i++)
        total -= seen.list.regions[i].count;
    MUST(seen.list.count <= RUNS && total == seen.list.lost, "frames that nobody counted");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input in = {bytes, size};

    uint32_t kind = take(&in, 1);
    if (kind >= 0xc0)
        dmar(in.at, in.left);
    else if (kind % 2)
        madt(in.at, in.left);
    else
        map(&in);
    return 0;
}
