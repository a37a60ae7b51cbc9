/* SPDX-License-Identifier: MIT */
/*
 * regions.c - from the firmware's memory map to runs of frames.
 *
 * Firmware gives maps in any order, in many small pieces, now and then with pieces that overlap.
 * Where a frame is in two descriptors, the stricter one wins: it is handed on only if all of them
 * allow it. Runs come out sorted, disjoint, not touching, never empty.
 */
#include "regions.h"

static struct memory_descriptor *descriptor(const struct memory_map *map, uint64_t index)
{
    return (struct memory_descriptor *)(map->descriptors + index * map->stride);
}

static uint64_t first_frame(const struct memory_descriptor *d)
{
    return d->physical_start / EXO_PAGE_SIZE;
}

static bool is_of(const struct memory_descriptor *d, uint32_t types)
{
    return d->type < 32 && (types >> d->type & 1);
}

void memory_sort(struct memory_map *map)
{
    uint64_t count = map->size / map->stride;

    /* Insertion: maps have a few hundred entries and are nearly sorted. */
    for (uint64_t i = 1; i < count; i++) {
        for (uint64_t j = i; j > 0; j--) {
            struct memory_descriptor *low = descriptor(map, j - 1), *high = descriptor(map, j);
            if (low->physical_start <= high->physical_start)
                break;
            struct memory_descriptor swap = *low;
            *low = *high;
            *high = swap;
        }
    }
}

/* The lowest frame at or after `at` that may not be handed on starts the result; none: first = ~0.
 */
static struct boot_region next_obstacle(const struct memory_map *map, uint32_t types,
                                        const struct boot_region *holes, uint32_t hole_count,
                                        uint64_t at)
{
    uint64_t count = map->size / map->stride;
    struct boot_region found = {UINT64_MAX, 0};

    for (uint64_t i = 0; i < count; i++) {
        const struct memory_descriptor *d = descriptor(map, i);
        if (!is_of(d, types) && d->pages && first_frame(d) + d->pages > at) {
            found = (struct boot_region){first_frame(d), d->pages};
            break;
        }
    }
    for (uint32_t i = 0; i < hole_count; i++)
        if (holes[i].count && holes[i].first + holes[i].count > at && holes[i].first < found.first)
            found = holes[i];
    return found;
}

/* A run being put together: pieces that touch become one. Empty while first == end. */
struct run {
    uint64_t first, end;
    void (*each)(void *context, uint64_t first, uint64_t count);
    void *context;
};

static void run_finish(struct run *run)
{
    if (run->end > run->first)
        run->each(run->context, run->first, run->end - run->first);
}

static void run_add(struct run *run, uint64_t first, uint64_t end)
{
    if (first >= end)
        return;
    if (first != run->end) {
        run_finish(run);
        run->first = first;
    }
    run->end = end;
}

void memory_runs(const struct memory_map *map, uint32_t types, const struct boot_region *holes,
                 uint32_t hole_count, void (*each)(void *context, uint64_t first, uint64_t count),
                 void *context)
{
    struct run run = {0, 0, each, context};
    uint64_t count = map->size / map->stride;
    uint64_t at = 0; /* every frame below was looked at */

    for (uint64_t i = 0; i < count; i++) {
        const struct memory_descriptor *d = descriptor(map, i);
        if (!is_of(d, types))
            continue;
        uint64_t end = first_frame(d) + d->pages;
        if (first_frame(d) > at)
            at = first_frame(d);
        while (at < end) {
            struct boot_region obstacle = next_obstacle(map, types, holes, hole_count, at);
            run_add(&run, at, obstacle.first < end ? obstacle.first : end);
            at = obstacle.first < end ? obstacle.first + obstacle.count : end;
        }
    }
    run_finish(&run);
}

void region_collect(void *context, uint64_t first, uint64_t count)
{
    struct region_list *list = context;
    uint32_t least = 0;

    if (list->count == list->limit) {
        for (uint32_t i = 1; i < list->count; i++)
            if (list->regions[i].count < list->regions[least].count)
                least = i;
        if (count <= list->regions[least].count) {
            list->lost += count;
            return;
        }
        list->lost += list->regions[least].count;
        list->count--;
        for (uint32_t i = least; i < list->count; i++)
            list->regions[i] = list->regions[i + 1];
    }
    list->regions[list->count++] = (struct boot_region){first, count};
}
