/* SPDX-License-Identifier: MIT */
/*
 * vm.c - this application's address space: reserved ranges, filled with pages on demand.
 *
 *   V1  `ranges` is sorted and nothing overlaps; what they do not hold is not ours to fill
 *   V2  a page of a range is mapped with the range's permission or not at all
 *   V3  nothing is writable and executable, and no range holds page 0
 *   V4  what vm_map places has a page of no range below and above it, while there are few ranges
 *
 * All of it runs with upcalls off, and on memory that is always there.
 *
 * Where ranges begin is drawn anew at each start (docs/design/libos.md, Layout).
 */
#include "libos.h"
#include "prefer.h"
#include "resident.h"
#include "table.h"

#include <errno.h>
#include <string.h>

#define RANGES       1024
#define RANGES_APART 512 /* ranges that do not touch cannot be one: more are put side by side */
#define DEMAND_BASE  0x0000002000000000ull
#define DEMAND_END   0x0000007000000000ull
#define DEMAND_BITS  26 /* pages: 256 of the 320 GiB */
#define PAGES(bytes) (((bytes) + EXO_PAGE_SIZE - 1) & ~(uint64_t)(EXO_PAGE_SIZE - 1))

#define FAULT_WRITE  (1u << 1)
#define FAULT_FETCH  (1u << 4)

struct range {
    uint64_t start, end;
    uint32_t perm;
};

uint64_t vm_faults;

static struct range ranges[RANGES];
static int range_count;
static uint64_t demand_base;
/* What is read of discardable memory that is not there; none before any is. */
static frame_t zeroes;

/* Index of the first range that ends after `address`. */
static int range_at(uint64_t address)
{
    int low = 0, high = range_count;

    while (low < high) {
        int middle = (low + high) / 2;
        if (ranges[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool range_insert(int at, struct range range)
{
    if (at > 0 && ranges[at - 1].end == range.start && ranges[at - 1].perm == range.perm) {
        ranges[at - 1].end = range.end;
        return true;
    }
    if (range_count == RANGES)
        return false;
    memmove(&ranges[at + 1], &ranges[at], (size_t)(range_count - at) * sizeof(range));
    ranges[at] = range;
    range_count++;
    return true;
}

/* Make `address` a border between ranges, if it lies inside one. */
static bool range_split(uint64_t address)
{
    int at = range_at(address);

    if (at == range_count || ranges[at].start >= address)
        return true;
    if (range_count == RANGES)
        return false;
    memmove(&ranges[at + 1], &ranges[at], (size_t)(range_count - at) * sizeof(struct range));
    range_count++;
    ranges[at].end = address;
    ranges[at + 1].start = address;
    return true;
}

static bool valid(uint64_t address, uint64_t size)
{
    return size && !(address % EXO_PAGE_SIZE) && address >= DEMAND_BASE && size <= DEMAND_END &&
           address <= DEMAND_END - size;
}

/* Lowest gap of `size` bytes. 0: none. */
static uint64_t gap(uint64_t size)
{
    uint64_t at = demand_base;

    for (int i = range_at(at); i < range_count; i++) {
        if (ranges[i].start > at && ranges[i].start - at >= size)
            return at;
        at = ranges[i].end;
    }
    return DEMAND_END - at >= size ? at : 0;
}

static bool writes_and_runs(uint32_t perm)
{
    return perm != VM_NONE && perm & EXO_WRITE && perm & EXO_EXEC;
}

/* V4 */
static uint64_t place_for(uint64_t size)
{
    uint64_t guard = range_count < RANGES_APART ? EXO_PAGE_SIZE : 0, found = gap(size + 2 * guard);

    return found ? found + guard : 0;
}

long vm_map(uint64_t hint, uint64_t size, uint32_t perm, bool fixed)
{
    if (size == 0 || size > DEMAND_END)
        return -EINVAL;
    if (writes_and_runs(perm))
        return -EACCES;
    size = PAGES(size);
    uint64_t address = fixed ? hint : place_for(size);
    if (!fixed && !address)
        return -ENOMEM;
    if (!valid(address, size))
        return -EINVAL;
    if (fixed) {
        long error = vm_unmap(address, size);
        if (error)
            return error;
    }
    if (!range_insert(range_at(address), (struct range){address, address + size, perm}))
        return -ENOMEM;
    return (long)address;
}

long vm_unmap(uint64_t address, uint64_t size)
{
    size = PAGES(size);
    if (!valid(address, size))
        return -EINVAL;
    if (!range_split(address) || !range_split(address + size))
        return -ENOMEM;
    table_empty(address, address + size);
    int first = range_at(address), end = first;
    while (end < range_count && ranges[end].start < address + size)
        end++;
    memmove(&ranges[first], &ranges[end], (size_t)(range_count - end) * sizeof(struct range));
    range_count -= end - first;
    return 0;
}

/* The image has no range: all of its pages are always there. */
static bool in_image(uint64_t address, uint64_t size)
{
    uint64_t end = libos_start_info->image_end;

    return size && !(address % EXO_PAGE_SIZE) && address >= libos_start_info->image_base &&
           address < end && size <= end - address;
}

long vm_protect(uint64_t address, uint64_t size, uint32_t perm)
{
    if (writes_and_runs(perm))
        return -EACCES;
    size = PAGES(size);
    bool image = in_image(address, size);
    if (!image && !valid(address, size))
        return -EINVAL;
    /* A mapped page can always be read: no access means no page, and contents would be lost. */
    if (perm == VM_NONE && (image || table_holds(address, address + size)))
        return -EACCES;
    if (image) {
        table_protect(address, address + size, perm);
        return 0;
    }
    if (!range_split(address) || !range_split(address + size))
        return -ENOMEM;
    for (int i = range_at(address); i < range_count && ranges[i].start < address + size; i++)
        if (ranges[i].perm == VM_SHARED)
            return -EACCES; /* what may be done with it its owner says */
    for (int i = range_at(address); i < range_count && ranges[i].start < address + size; i++) {
        ranges[i].perm = perm;
        table_protect(ranges[i].start, ranges[i].end, perm);
    }
    return 0;
}

long vm_discard(uint64_t address, uint64_t size)
{
    size = PAGES(size);
    if (!valid(address, size))
        return -EINVAL;
    table_empty(address, address + size);
    return 0;
}

long vm_set_discardable(uint64_t address, uint64_t size)
{
    uint64_t at = address;

    size = PAGES(size);
    if (!valid(address, size))
        return -EINVAL;
    if (!zeroes.n) {
        void *page = vm_alloc(1, EXO_DATA);
        if (!page)
            return -ENOMEM;
        zeroes = vm_frame((uint64_t)page);
    }
    if (!range_split(address) || !range_split(address + size))
        return -ENOMEM;
    int first = range_at(address), end = first;
    for (; end < range_count && ranges[end].start == at && at < address + size; end++) {
        if ((ranges[end].perm & ~(uint32_t)VM_DISCARDABLE) != EXO_WRITE)
            return -EINVAL;
        at = ranges[end].end;
    }
    if (at != address + size)
        return -EINVAL;
    for (; first < end; first++)
        ranges[first].perm |= VM_DISCARDABLE;
    return 0;
}

uint32_t vm_discardable_pages(struct exo_preferred *list, uint64_t *addresses, uint32_t most)
{
    uint32_t count = 0;

    for (int i = 0; i < range_count; i++) {
        if (!(ranges[i].perm & VM_DISCARDABLE))
            continue;
        for (uint64_t at = ranges[i].start; at < ranges[i].end && count < most;
             at += EXO_PAGE_SIZE) {
            frame_t table = table_for(at, false);
            if (!table.n) {
                at |= (1ull << 21) - EXO_PAGE_SIZE; /* as in table_empty() */
                continue;
            }
            int64_t entry = exo_pt_read(table, table_index(at));
            if (entry < 0 || (uint32_t)entry == zeroes.n)
                continue;
            addresses[count] = at;
            list[count++] = (struct exo_preferred){(uint32_t)entry, table.n, table_index(at), 0};
        }
    }
    return count;
}

/* --- faults ---------------------------------------------------------------------------- */

static const struct range *range_of(uint64_t address)
{
    int at = range_at(address);

    return at < range_count && ranges[at].start <= address ? &ranges[at] : NULL;
}

enum vm_why vm_why(uint64_t address, uint64_t error)
{
    const struct range *range = range_of(address);

    if (!range && vm_mapped(address))
        return VM_PERMISSION;
    if (!range && (range_of(address - EXO_PAGE_SIZE) || range_of(address + EXO_PAGE_SIZE)))
        return VM_BESIDE;
    if (!range)
        return resident_guards(address) ? VM_RESIDENT_GUARD : VM_UNKNOWN;
    if (range->perm == VM_NONE)
        return VM_GUARD;
    if (range->perm == VM_SHARED)
        return vm_mapped(address) ? VM_PERMISSION : VM_TAKEN_BACK;
    if ((error & FAULT_WRITE && !(range->perm & EXO_WRITE)) ||
        (error & FAULT_FETCH && !(range->perm & EXO_EXEC)))
        return VM_PERMISSION;
    return VM_OUT_OF_MEMORY;
}

/*
 * What is not there of discardable memory reads as zeroes without a page of its own: else whoever
 * looks at what it gave back would take it again.
 */
static bool fault_discardable(uint64_t page, uint64_t error)
{
    frame_t there = vm_frame(page), table = table_for(page, true);

    if (!table.n || (there.n && there.n != zeroes.n))
        return false;
    if (!(error & FAULT_WRITE))
        return !there.n && exo_pt_map(table, table_index(page), zeroes, EXO_READ) == 0;
    if (there.n)
        exo_pt_unmap(table, table_index(page));
    return table_fill(page, EXO_WRITE, EXO_DATA);
}

bool vm_fault(uint64_t address, uint64_t error)
{
    const struct range *range = range_of(address);
    uint64_t page = address & ~(uint64_t)(EXO_PAGE_SIZE - 1);

    if (!range || vm_why(address, error) != VM_OUT_OF_MEMORY)
        return false;
    vm_faults++;
    if (range->perm & VM_DISCARDABLE)
        return fault_discardable(page, error);
    return !vm_mapped(address) && table_fill(page, range->perm, EXO_DATA);
}

void vm_init(void)
{
    table_init();
    random_init();

    uint64_t drawn[2];
    random_bytes_critical(drawn, sizeof(drawn));
    demand_base = DEMAND_BASE + (drawn[0] & ((1ull << DEMAND_BITS) - 1)) * EXO_PAGE_SIZE;
    resident_init(drawn[1]);
}
