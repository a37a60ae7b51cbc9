/* SPDX-License-Identifier: MIT */
/*
 * table.c - the page tables of this application: found, made, filled and emptied.
 *
 *   T1  page tables, once made, stay: the last one used is remembered without a check
 *
 * All of it runs with upcalls off, and on memory that is always there.
 */
#include "table.h"

#include <string.h>

#include "batch.h"
#include "offsets.h"

static frame_t root;

/* The operations of a batch lie in the first vCPU's control page, which is always there. */
#define operations    ((volatile struct exo_operation *)(EXO_CONTROL_ADDRESS + OPERATIONS_AT))
#define OPERATIONS_AT VCPU_BYTES
_Static_assert(OPERATIONS_AT + EXO_BATCH_MAX * sizeof(struct exo_operation) <= EXO_PAGE_SIZE,
               "they are behind what the kernel uses of it");
static frame_t control_frame;

static struct {
    uint64_t tag; /* address >> 21, plus 1 */
    frame_t table;
} last;

static int64_t batch(uint32_t count)
{
    return exo_batch(control_frame, OPERATIONS_AT, count);
}

static int64_t new_frame(uint32_t type)
{
    return exo_page_alloc((env_t){EXO_ENV_SELF}, (frame_t){EXO_FRAME_ANY}, type);
}

frame_t table_for(uint64_t address, bool make)
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

frame_t vm_frame(uint64_t address)
{
    frame_t table = table_for(address, false);
    int64_t entry = table.n ? exo_pt_read(table, table_index(address)) : -1;

    return (frame_t){entry < 0 ? EXO_FRAME_NONE : (uint32_t)entry};
}

bool vm_mapped(uint64_t address)
{
    return address < EXO_USER_END && vm_frame(address).n;
}

bool table_fill(uint64_t address, uint32_t perm, uint32_t type)
{
    frame_t table = table_for(address, true);
    int64_t frame = table.n ? new_frame(type) : -1;

    if (frame < 0)
        return false;
    if (exo_pt_map(table, table_index(address), (frame_t){(uint32_t)frame}, perm) < 0) {
        exo_page_free((frame_t){(uint32_t)frame});
        return false;
    }
    return true;
}

/* Carry out `count` operations, those that are refused left out: results of the others, and how many. */
static uint32_t batch_all(uint32_t count, uint32_t *results)
{
    uint32_t done = 0;

    for (uint32_t from = 0; from < count; from++) {
        int64_t result = exo_batch(
            control_frame, (uint32_t)(OPERATIONS_AT + from * sizeof(*operations)), count - from);
        uint32_t end = from + (result < 0 ? EXO_BATCH_INDEX(result) : count - from);
        for (; from < end; from++)
            results[done++] = (uint32_t)operations[from].result;
    }
    return done;
}

/* Pages of one table. First all are taken out: other CPUs are told once to forget them. */
static void empty_some(frame_t table, uint32_t index, uint32_t count)
{
    uint32_t gone[EXO_BATCH_MAX];

    for (uint32_t i = 0; i < count; i++) {
        operations[i].call = EXO_CALL_PT_UNMAP;
        operations[i].argument[0] = table.n;
        operations[i].argument[1] = index + i;
    }
    count = batch_all(count, gone);
    for (uint32_t i = 0; i < count; i++) {
        operations[i].call = EXO_CALL_PAGE_FREE;
        operations[i].argument[0] = gone[i];
    }
    batch_all(count, gone); /* refused: it is not ours alone */
}

void table_empty(uint64_t start, uint64_t end)
{
    for (uint64_t at = start, count; at < end; at += count * EXO_PAGE_SIZE) {
        frame_t table = table_for(at, false);
        count = MIN((end - at) / EXO_PAGE_SIZE, 512 - table_index(at));
        if (!table.n)
            continue; /* nothing until the next one's reach */
        count = MIN(count, EXO_BATCH_MAX);
        empty_some(table, table_index(at), (uint32_t)count);
    }
}

bool table_fill_some(uint64_t address, uint32_t count, uint32_t type)
{
    if (count == 1) /* two calls cost less than two batches of one */
        return table_fill(address, EXO_WRITE, type);
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
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        operations[i].call = EXO_CALL_PT_MAP;
        operations[i].argument[0] = table.n;
        operations[i].argument[1] = table_index(address) + i;
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

bool table_holds(uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at += EXO_PAGE_SIZE) {
        frame_t table = table_for(at, false);
        if (!table.n)
            at |= (1ull << 21) - EXO_PAGE_SIZE; /* no table: nothing until the next one's reach */
        else if (exo_pt_read(table, table_index(at)) >= 0)
            return true;
    }
    return false;
}

void table_protect(uint64_t start, uint64_t end, uint32_t perm)
{
    for (uint64_t at = start; at < end; at += EXO_PAGE_SIZE) {
        frame_t table = table_for(at, false);
        if (table.n)
            exo_pt_protect(table, table_index(at), perm); /* EMPTY: that page did not come yet */
    }
}

bool vm_map_frame(uint64_t address, frame_t frame, uint32_t perm)
{
    frame_t table = table_for(address, true);

    return table.n && exo_pt_map(table, table_index(address), frame, perm) == 0;
}

bool vm_map_grant(uint64_t address, grant_t grant, uint32_t perm)
{
    frame_t table = table_for(address, true);

    return table.n && exo_grant_map(grant, table, table_index(address), perm) == 0;
}

void vm_wipe_start(uint64_t offset, uint64_t length)
{
    frame_t table = table_for(EXO_START_ADDRESS, false);
    uint32_t index = table_index(EXO_START_ADDRESS);

    if (exo_pt_protect(table, index, EXO_WRITE) < 0)
        return; /* it is not ours to write */
    memset((char *)EXO_START_ADDRESS + offset, 0, length);
    exo_pt_protect(table, index, EXO_READ);
}

void table_init(void)
{
    root.n = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT);
    control_frame.n = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_CONTROL);
}
