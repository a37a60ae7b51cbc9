/* SPDX-License-Identifier: MIT */
/*
 * vm.c - this application's address space: reserved ranges, filled with pages on demand.
 *
 *   V1  `ranges` is sorted and nothing overlaps; what they do not hold is not ours to fill
 *   V2  a page of a range is mapped with the range's permission or not at all
 *   V3  page tables, once made, stay: the last one used is remembered without a check
 *   V4  a page that is never mapped lies below and above each vm_alloc and the window
 *   V5  nothing is writable and executable, and no range holds page 0
 *   V6  what vm_map places has a page of no range below and above it, while there are few ranges
 *
 * All of it runs with upcalls off, and on memory that is always there.
 *
 * Where ranges and resident pages begin is drawn anew at each start (docs/design/libos.md, Layout).
 */
#include "batch.h"
#include "libos.h"
#include "prefer.h"

#include <errno.h>
#include <string.h>

#define RANGES        1024
#define RANGES_APART  512 /* ranges that do not touch cannot be one: more are put side by side */
#define RESIDENT_BASE 0x0000001000000000ull
#define RESIDENT_END  0x0000002000000000ull
#define DEMAND_BASE   0x0000002000000000ull
#define DEMAND_END    0x0000007000000000ull
#define DEMAND_BITS   26 /* pages: 256 of the 320 GiB */
/* 32 of the 64 GiB, in steps of 2 MiB, and there within the first MiB, so that an application which
 * needs no more than 256 resident pages takes one page table for them, wherever they are. */
#define BLOCK_BITS   14
#define OFFSET_BITS  8
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
static frame_t root;
static uint64_t demand_base, window, resident_next;
static bool out_of_memory;
static frame_t
    zeroes; /* what is read of discardable memory that is not there; none before any is */

/* The operations of a batch lie in the control page, which is always there. */
#define operations    ((volatile struct exo_operation *)(EXO_CONTROL_ADDRESS + OPERATIONS_AT))
#define OPERATIONS_AT ((sizeof(struct exo_control) + 7) & ~7ul)
_Static_assert(OPERATIONS_AT + EXO_BATCH_MAX * sizeof(struct exo_operation) <= EXO_PAGE_SIZE,
               "they are behind what the kernel uses of it");
static frame_t control_frame;

static struct {
    uint64_t tag; /* address >> 21, plus 1 */
    frame_t table;
} last;

/* --- page tables ---------------------------------------------------------------------- */

static int64_t batch(uint32_t count)
{
    return exo_batch(control_frame, OPERATIONS_AT, count);
}

static int64_t new_frame(uint32_t type)
{
    int64_t frame = exo_page_alloc((env_t){EXO_ENV_SELF}, (frame_t){EXO_FRAME_ANY}, type);

    if (frame < 0)
        out_of_memory = true;
    return frame;
}

/* The PT for an address; made if `make`. EXO_FRAME_NONE: there is none. */
static frame_t table_for(uint64_t address, bool make)
{
    frame_t table = root;

    if (last.tag == (address >> 21) + 1)
        return last.table;
    for (uint32_t level = 0; level < 3; level++) {
        uint32_t index = address >> (39 - 9 * level) & 511;
        int64_t next = exo_pt_read(table, index);
        if (next < 0) {
            if (!make || (next = new_frame(EXO_PDPT + level)) < 0)
                return (frame_t){EXO_FRAME_NONE};
            exo_pt_map(table, index, (frame_t){(uint32_t)next}, 0);
        }
        table.n = (uint32_t)next;
    }
    last.tag = (address >> 21) + 1;
    last.table = table;
    return table;
}

static uint32_t index_of(uint64_t address)
{
    return address >> EXO_PAGE_SHIFT & 511;
}

frame_t vm_frame(uint64_t address)
{
    frame_t table = table_for(address, false);
    int64_t entry = table.n ? exo_pt_read(table, index_of(address)) : -1;

    return (frame_t){entry < 0 ? EXO_FRAME_NONE : (uint32_t)entry};
}

bool vm_mapped(uint64_t address)
{
    return address < EXO_USER_END && vm_frame(address).n;
}

/* A new page at `address`. False: memory is out, nothing changed. */
static bool fill(uint64_t address, uint32_t perm, uint32_t type)
{
    frame_t table = table_for(address, true);
    int64_t frame = table.n ? new_frame(type) : -1;

    if (frame < 0)
        return false;
    if (exo_pt_map(table, index_of(address), (frame_t){(uint32_t)frame}, perm) < 0) {
        exo_page_free((frame_t){(uint32_t)frame});
        return false;
    }
    return true;
}

static void empty(uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at += EXO_PAGE_SIZE) {
        frame_t table = table_for(at, false);
        if (!table.n) {
            at |= (1ull << 21) - EXO_PAGE_SIZE; /* no table: nothing until the next one's reach */
            continue;
        }
        int64_t frame = exo_pt_unmap(table, index_of(at));
        if (frame >= 0)
            exo_page_free((frame_t){(uint32_t)frame});
    }
}

/* --- ranges --------------------------------------------------------------------------- */

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

/* V6 */
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
    empty(address, address + size);
    int first = range_at(address), end = first;
    while (end < range_count && ranges[end].start < address + size)
        end++;
    memmove(&ranges[first], &ranges[end], (size_t)(range_count - end) * sizeof(struct range));
    range_count -= end - first;
    return 0;
}

/* Is any page of this stretch there? */
static bool holds(uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at += EXO_PAGE_SIZE) {
        frame_t table = table_for(at, false);
        if (!table.n)
            at |= (1ull << 21) - EXO_PAGE_SIZE; /* no table: nothing until the next one's reach */
        else if (exo_pt_read(table, index_of(at)) >= 0)
            return true;
    }
    return false;
}

static void protect(uint64_t start, uint64_t end, uint32_t perm)
{
    for (uint64_t at = start; at < end; at += EXO_PAGE_SIZE) {
        frame_t table = table_for(at, false);
        if (table.n)
            exo_pt_protect(table, index_of(at), perm); /* EMPTY: that page did not come yet */
    }
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
    if (perm == VM_NONE && (image || holds(address, address + size)))
        return -EACCES;
    if (image) {
        protect(address, address + size, perm);
        return 0;
    }
    if (!range_split(address) || !range_split(address + size))
        return -ENOMEM;
    for (int i = range_at(address); i < range_count && ranges[i].start < address + size; i++)
        if (ranges[i].perm == VM_SHARED)
            return -EACCES; /* what may be done with it its owner says */
    for (int i = range_at(address); i < range_count && ranges[i].start < address + size; i++) {
        ranges[i].perm = perm;
        protect(ranges[i].start, ranges[i].end, perm);
    }
    return 0;
}

long vm_discard(uint64_t address, uint64_t size)
{
    size = PAGES(size);
    if (!valid(address, size))
        return -EINVAL;
    empty(address, address + size);
    return 0;
}

bool vm_map_frame(uint64_t address, frame_t frame, uint32_t perm)
{
    frame_t table = table_for(address, true);

    return table.n && exo_pt_map(table, index_of(address), frame, perm) == 0;
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
                at |= (1ull << 21) - EXO_PAGE_SIZE; /* as in empty() */
                continue;
            }
            int64_t entry = exo_pt_read(table, index_of(at));
            if (entry < 0 || (uint32_t)entry == zeroes.n)
                continue;
            addresses[count] = at;
            list[count++] = (struct exo_preferred){(uint32_t)entry, table.n, index_of(at), 0};
        }
    }
    return count;
}

bool vm_map_grant(uint64_t address, grant_t grant, uint32_t perm)
{
    frame_t table = table_for(address, true);

    return table.n && exo_grant_map(grant, table, index_of(address), perm) == 0;
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
        return address >= window - EXO_PAGE_SIZE && address < resident_next ? VM_RESIDENT_GUARD
                                                                            : VM_UNKNOWN;
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
        return !there.n && exo_pt_map(table, index_of(page), zeroes, EXO_READ) == 0;
    if (there.n)
        exo_pt_unmap(table, index_of(page));
    return fill(page, EXO_WRITE, EXO_DATA);
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
    return !vm_mapped(address) && fill(page, range->perm, EXO_DATA);
}

/*
 * New pages at `address`, as many as one table and one batch hold. False: not all of them; those
 * that are mapped the caller empties.
 */
static bool fill_some(uint64_t address, uint32_t count, uint32_t type)
{
    if (count == 1)
        return fill(address, EXO_WRITE, type); /* two calls cost less than two batches of one */
    frame_t table = table_for(address, true);
    if (!table.n)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        operations[i].call = EXO_CALL_PAGE_ALLOC;
        operations[i].argument[0] = EXO_ENV_SELF;
        operations[i].argument[1] = EXO_FRAME_ANY;
        operations[i].argument[2] = type;
    }
    int64_t taken = batch(count);
    if (taken < 0) {
        for (uint32_t i = 0; i < EXO_BATCH_INDEX(taken); i++)
            exo_page_free((frame_t){(uint32_t)operations[i].result});
        out_of_memory = true;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        operations[i].call = EXO_CALL_PT_MAP;
        operations[i].argument[0] = table.n;
        operations[i].argument[1] = index_of(address) + i;
        operations[i].argument[2] = (uint64_t)operations[i].result;
        operations[i].argument[3] = EXO_WRITE;
    }
    int64_t mapped = batch(count);
    if (mapped >= 0)
        return true;
    for (uint32_t i = EXO_BATCH_INDEX(mapped); i < count; i++)
        exo_page_free((frame_t){(uint32_t)operations[i].argument[2]});
    return false;
}

void *vm_alloc(uint32_t pages, uint32_t type)
{
    uint64_t start = resident_next, end = start + (uint64_t)pages * EXO_PAGE_SIZE;

    if (pages > (RESIDENT_END - start) / EXO_PAGE_SIZE - 1)
        return NULL;
    for (uint64_t at = start, count; at < end; at += count * EXO_PAGE_SIZE) {
        count = MIN((end - at) / EXO_PAGE_SIZE, MIN(EXO_BATCH_MAX, 512 - index_of(at)));
        if (!fill_some(at, (uint32_t)count, type)) {
            empty(start, at + count * EXO_PAGE_SIZE);
            return NULL;
        }
    }
    resident_next += ((uint64_t)pages + 1) * EXO_PAGE_SIZE; /* V4 */
    return (void *)start;
}

void *vm_window(frame_t frame)
{
    frame_t table = table_for(window, true);

    if (!table.n)
        return NULL;
    exo_pt_unmap(table, index_of(window)); /* EMPTY at first */
    if (!frame.n || exo_pt_map(table, index_of(window), frame, EXO_WRITE) < 0)
        return NULL;
    return (void *)window;
}

void vm_wipe_start(uint64_t offset, uint64_t length)
{
    frame_t table = table_for(EXO_START_ADDRESS, false);
    uint32_t index = index_of(EXO_START_ADDRESS);

    if (exo_pt_protect(table, index, EXO_WRITE) < 0)
        return; /* it is not ours to write */
    memset((char *)EXO_START_ADDRESS + offset, 0, length);
    exo_pt_protect(table, index, EXO_READ);
}

void vm_init(void)
{
    root.n = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT);
    control_frame.n = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_CONTROL);
    random_init();

    uint64_t drawn[2];
    random_bytes_critical(drawn, sizeof(drawn));
    demand_base = DEMAND_BASE + (drawn[0] & ((1ull << DEMAND_BITS) - 1)) * EXO_PAGE_SIZE;
    window = RESIDENT_BASE + (drawn[1] & ((1ull << BLOCK_BITS) - 1)) * (2ull << 20) +
             (drawn[1] >> 32 & ((1ull << OFFSET_BITS) - 1)) * EXO_PAGE_SIZE + EXO_PAGE_SIZE;
    resident_next = window + 2 * EXO_PAGE_SIZE; /* V4 */
}
