/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the loader's memory map and page tables against naive models.
 *
 * A small machine of a few hundred frames, described by random, overlapping, unsorted descriptors;
 * the model asks each frame on its own.
 */
#include <stdlib.h>
#include <string.h>

#include "../../../uefi/paging.h"
#include "../../../uefi/regions.h"
#include "../tap.h"

enum { FRAMES = 300, DESCRIPTORS = 24, HOLES = 6, STRIDE = 48, ROUNDS = 20000 };

struct machine {
    uint8_t bytes[DESCRIPTORS * STRIDE] __attribute__((aligned(8)));
    struct memory_map map;
    struct boot_region holes[HOLES];
    uint32_t hole_count;
};

static struct memory_descriptor *descriptor(struct machine *m, unsigned i)
{
    return (struct memory_descriptor *)(m->bytes + i * STRIDE);
}

static void make_machine(struct machine *m)
{
    unsigned count = (unsigned)(tap_random() % (DESCRIPTORS + 1));

    memset(m, 0, sizeof(*m));
    m->map = (struct memory_map){m->bytes, count * STRIDE, STRIDE};
    for (unsigned i = 0; i < count; i++) {
        uint64_t first = tap_random() % (FRAMES - 1), longest = tap_random() % 4 ? 12 : 80;
        uint64_t pages = tap_random() % longest;
        if (pages > FRAMES - first)
            pages = FRAMES - first;
        *descriptor(m, i) = (struct memory_descriptor){
            .type = tap_random() % 3 ? 7 : tap_random() % 40,
            .physical_start = first * EXO_PAGE_SIZE,
            .pages = pages,
        };
    }
    m->hole_count = (uint32_t)(tap_random() % (HOLES + 1));
    for (uint32_t i = 0; i < m->hole_count; i++)
        m->holes[i] = (struct boot_region){tap_random() % FRAMES, tap_random() % 8};
}

static bool model_allows(struct machine *m, uint32_t types, uint64_t frame)
{
    bool any = false;

    for (unsigned i = 0; i < m->map.size / STRIDE; i++) {
        const struct memory_descriptor *d = descriptor(m, i);
        uint64_t first = d->physical_start / EXO_PAGE_SIZE;
        if (frame < first || frame >= first + d->pages)
            continue;
        if (d->type >= 32 || !(types & 1u << d->type))
            return false;
        any = true;
    }
    for (uint32_t i = 0; i < m->hole_count; i++)
        if (frame >= m->holes[i].first && frame < m->holes[i].first + m->holes[i].count)
            return false;
    return any;
}

struct seen {
    bool frames[FRAMES + 100];
    uint64_t end; /* of the last run */
    bool sound;
};

static void see(void *context, uint64_t first, uint64_t count)
{
    struct seen *seen = context;

    /* Sorted, not empty, and a gap between two runs, or they would not be the longest. */
    if (count == 0 || (seen->end && first <= seen->end) || first + count > FRAMES)
        seen->sound = false;
    for (uint64_t f = first; f < first + count && f < FRAMES; f++)
        seen->frames[f] = true;
    seen->end = first + count;
}

static void test_runs(void)
{
    unsigned unsound = 0, different = 0;
    uint64_t handed = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct machine m;
        struct seen seen = {.sound = true};
        uint32_t types = round % 2 ? MEMORY_USABLE : MEMORY_RAM;
        make_machine(&m);
        memory_sort(&m.map);
        memory_runs(&m.map, types, m.holes, m.hole_count, see, &seen);
        unsound += !seen.sound;
        for (uint64_t f = 0; f < FRAMES; f++) {
            different += seen.frames[f] != model_allows(&m, types, f);
            handed += seen.frames[f];
        }
    }
    tap_ok(unsound == 0, "runs are sorted, not empty, and apart");
    tap_ok(different == 0, "%u random maps: each frame is in a run exactly when it may be", ROUNDS);
    tap_ok(handed > ROUNDS, "frames were handed out at all");
}

/* Sorting keeps every descriptor whole. */
static void test_sort(void)
{
    unsigned wrong = 0;

    for (unsigned round = 0; round < 1000; round++) {
        struct machine m;
        uint64_t before = 0, after = 0, last = 0;
        make_machine(&m);
        unsigned count = (unsigned)(m.map.size / STRIDE);
        for (unsigned i = 0; i < count; i++)
            before += descriptor(&m, i)->physical_start * (descriptor(&m, i)->pages + 3) *
                      (descriptor(&m, i)->type + 5);
        memory_sort(&m.map);
        for (unsigned i = 0; i < count; i++) {
            after += descriptor(&m, i)->physical_start * (descriptor(&m, i)->pages + 3) *
                     (descriptor(&m, i)->type + 5);
            wrong += descriptor(&m, i)->physical_start < last;
            last = descriptor(&m, i)->physical_start;
        }
        wrong += before != after;
    }
    tap_ok(wrong == 0, "descriptors are sorted and whole");
}

static void test_full_list(void)
{
    enum { LIMIT = 5, RUNS = 40 };
    unsigned wrong = 0;

    for (unsigned round = 0; round < 2000; round++) {
        struct boot_region regions[LIMIT];
        struct region_list list = {regions, LIMIT, 0, 0};
        uint64_t counts[RUNS], total = 0, kept = 0, at = 1, last = 0;
        for (unsigned i = 0; i < RUNS; i++) {
            counts[i] = 1 + tap_random() % 50;
            region_collect(&list, at, counts[i]);
            at += counts[i] + 1;
            total += counts[i];
        }
        /* The model: the sum of the largest LIMIT, found by taking the largest again and again. */
        uint64_t largest = 0;
        for (unsigned i = 0; i < LIMIT; i++) {
            unsigned best = 0;
            for (unsigned j = 1; j < RUNS; j++)
                if (counts[j] > counts[best])
                    best = j;
            largest += counts[best];
            counts[best] = 0;
        }
        for (unsigned i = 0; i < list.count; i++) {
            kept += regions[i].count;
            wrong += regions[i].first <= last;
            last = regions[i].first;
        }
        wrong += list.count != LIMIT || kept != largest || list.lost != total - kept;
    }
    tap_ok(wrong == 0, "a full list keeps the largest runs, in order, and counts the lost");
}

/* --- page tables --- */

enum { TABLES = 1300 };

struct tables {
    uint64_t *made[TABLES];
    unsigned count, limit, upper;
};

static uint64_t *table_make(void *context, bool upper_half)
{
    struct tables *tables = context;

    if (tables->count == tables->limit)
        return NULL;
    uint64_t *table = aligned_alloc(EXO_PAGE_SIZE, EXO_PAGE_SIZE);
    memset(table, 0, EXO_PAGE_SIZE);
    tables->made[tables->count++] = table;
    tables->upper += upper_half;
    return table;
}

static void tables_free(struct tables *tables)
{
    while (tables->count)
        free(tables->made[--tables->count]);
}

/* What the CPU would do: the entry that maps `virt` and the level it is found at, 0 if none. */
static int walk(const uint64_t *root, uint64_t virt, uint64_t *entry)
{
    const uint64_t *table = root;

    for (int level = 4; level > 0; level--) {
        *entry = table[(virt >> (12 + 9 * (level - 1))) & 511];
        if (!(*entry & PAGE_PRESENT))
            return 0;
        if (level == 1 || (*entry & PAGE_LARGE))
            return level;
        table = (const uint64_t *)(*entry & PAGE_ADDRESS);
    }
    return 0;
}

struct span {
    uint64_t virt, phys, count;
    bool large, gigabyte;
};

/* Map one span and look at its pages, the sizes of its leaves and what lies beside it. */
static bool span_is_mapped(const struct span *span)
{
    struct tables tables = {.limit = TABLES};
    struct paging paging = {.table = table_make,
                            .context = &tables,
                            .gigabyte_pages = span->gigabyte,
                            .root = table_make(&tables, true)};
    uint64_t entry, step;
    int largest = span->large ? (span->gigabyte ? 3 : 2) : 1;
    bool good = paging_map(&paging, span->virt, span->phys, span->count,
                           PAGE_WRITE | PAGE_NO_EXECUTE, span->large);

    for (uint64_t page = 0; good && page < span->count; page += step) {
        uint64_t virt = span->virt + page * EXO_PAGE_SIZE, phys = span->phys + page * EXO_PAGE_SIZE;
        int level = walk(paging.root, virt, &entry);
        step = level ? 1ull << (9 * (level - 1)) : 1;
        good = level && level <= largest && virt % (step * EXO_PAGE_SIZE) == 0 &&
               (entry & PAGE_ADDRESS & ~PAGE_LARGE) == phys && page + step <= span->count &&
               (entry & PAGE_WRITE) && (entry & PAGE_NO_EXECUTE) && !(entry & PAGE_GLOBAL);
        /* As large as possible. */
        uint64_t next = step * 512;
        if (good && level < largest)
            good = (virt | phys) / EXO_PAGE_SIZE % next || span->count - page < next;
    }
    good = good && !walk(paging.root, span->virt - EXO_PAGE_SIZE, &entry) &&
           !walk(paging.root, span->virt + span->count * EXO_PAGE_SIZE, &entry);
    tables_free(&tables);
    return good;
}

static void test_paging(void)
{
    unsigned wrong = 0;

    for (unsigned round = 0; round < 3000; round++) {
        /* Virtual and physical address agree modulo 4 KiB, 2 MiB or 1 GiB. */
        uint64_t unit = 1ull << (9 * (tap_random() % 3)), r = tap_random();
        uint64_t offset = (r >> 8) % 3 ? (r >> 16) % 262144 : 0;
        struct span span = {
            .virt = EXO_PAGE_SIZE * (unit * (1 + (r >> 40) % 64 * (262144 / unit)) + offset),
            .phys = EXO_PAGE_SIZE * (unit * (2 + (r >> 48) % 1000) + offset),
            .count = 1 + tap_random() % (tap_random() % 4 ? 2000 : 600000),
            .large = r % 4,
            .gigabyte = r % 3 == 0,
        };
        if (!span.large)
            span.count %= 2000;
        span.count += !span.count;
        wrong += !span_is_mapped(&span);
    }
    tap_ok(wrong == 0, "spans are mapped whole, with the largest leaves, and nothing beside them");
}

static void test_halves(void)
{
    struct tables tables = {.limit = TABLES};
    struct paging paging = {.table = table_make, .context = &tables};

    paging.root = table_make(&tables, true);
    bool good = paging_map(&paging, 0x400000, 0x5000, 1, 0, false);
    tap_ok(good && tables.count == 4 && tables.upper == 1,
           "tables of the lower half are asked for as such");
    good = paging_map(&paging, 0xffffffff80000000, 0x6000, 1, 0, false);
    tap_ok(good && tables.count == 7 && tables.upper == 4,
           "tables of the upper half are asked for as such");
    tables_free(&tables);
}

static void test_out_of_tables(void)
{
    unsigned refused = 0;

    for (unsigned limit = 1; limit <= 4; limit++) {
        struct tables tables = {.limit = limit};
        struct paging paging = {.table = table_make, .context = &tables};
        paging.root = table_make(&tables, true);
        refused += !paging_map(&paging, 0x400000, 0x5000, 1, 0, false);
        tables_free(&tables);
    }
    tap_ok(refused == 3, "running out of tables is told");
}

int main(void)
{
    test_sort();
    test_runs();
    test_full_list();
    test_paging();
    test_halves();
    test_out_of_tables();
    return tap_done();
}
