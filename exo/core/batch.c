/* SPDX-License-Identifier: MIT */
/*
 * batch.c - several operations in one call.
 *
 *   B1  an operation is checked and carried out exactly as the call of its number
 *   B2  each word of an operation is read once: what the caller changes meanwhile changes nothing
 *   B3  the frame that holds them stays the caller's until the last result is written: it is pinned
 *
 *   B4  other CPUs are asked once to forget what all of its operations took from tables (table.c, T5)
 *
 * At most EXO_BATCH_MAX operations, the longest of them a page_alloc. A batch is not in the table
 * of what a batch may hold, so there is no nesting.
 */
#include "batch.h"

#include "exo_handlers.h"
#include "frame.h"
#include "machine.h"

int64_t call_batch(struct env *self, frame_t frame, uint32_t offset, uint32_t count)
{
    if (count > EXO_BATCH_MAX || offset % 8 ||
        offset > EXO_PAGE_SIZE - count * sizeof(struct exo_operation))
        return -EXO_E_RANGE;
    int64_t error = frame_check(self, frame.n, 1u << EXO_DATA | 1u << EXO_CONTROL);
    if (error)
        return error;

    volatile struct exo_operation *operation =
        (volatile void *)((char *)machine_frame(frame) + offset);
    int64_t stopped = 0;
    frame_pin(frame);
    table_keep(true);
    for (uint32_t i = 0; i < count && !stopped; i++) {
        uint64_t a[6] = {0};
        for (uint32_t j = 0; j < EXO_BATCH_ARGUMENTS; j++)
            a[j] = operation[i].argument[j];
        int64_t result = batch_dispatch(self, operation[i].call, a);
        if (result < 0)
            stopped = EXO_BATCH_STOPPED(i, -result);
        else
            operation[i].result = result;
    }
    table_keep(false);
    frame_unpin(&frame);
    return stopped ? stopped : count;
}
