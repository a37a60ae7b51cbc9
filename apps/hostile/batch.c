/* SPDX-License-Identifier: MIT */
/* batch.c - several operations in one call: from memory of others, of itself, and while it changes. */
#include "batch.h"

#include "hostile.h"

/* What the tricks of this file are made of: a page of operations. */
static struct {
    uint32_t frame;
    volatile struct exo_operation *operation;
} page;

static bool page_make(void)
{
    if (page.frame)
        return true;
    int64_t n = exo_page_alloc(SELF, ANY, EXO_DATA);
    if (n < 0 || exo_pt_map(stretch.pt, 20, (frame_t){(uint32_t)n}, EXO_WRITE))
        return false;
    page.frame = (uint32_t)n;
    page.operation = (volatile struct exo_operation *)(stretch.address + 20 * EXO_PAGE_SIZE);
    return true;
}

static void put(uint32_t i, uint64_t call, uint64_t a, uint64_t b, uint64_t c)
{
    page.operation[i].call = call;
    page.operation[i].argument[0] = a;
    page.operation[i].argument[1] = b;
    page.operation[i].argument[2] = c;
    page.operation[i].argument[3] = 0;
}

/* The refusal of the operation, not of the batch, so that the report names it. */
static int64_t run(uint32_t count)
{
    int64_t result = exo_batch((frame_t){page.frame}, 0, count);

    return result < -255 ? -(int64_t)EXO_BATCH_ERROR(result) : result;
}

static int64_t batch_one(frame_t frame)
{
    return exo_batch(frame, 0, 1);
}

static int64_t from_foreign(void)
{
    return each_foreign(batch_one);
}

static int64_t past_the_end(void)
{
    int64_t worst = 0;

    if (!page_make())
        return NOT_TRIED;
    for (uint32_t offset = EXO_PAGE_SIZE - sizeof(*page.operation) + 8; offset; offset <<= 1)
        if (let_through(exo_batch((frame_t){page.frame}, offset, 1), &worst))
            return worst;
    let_through(exo_batch((frame_t){page.frame}, 0, 0xffffffff), &worst);
    let_through(exo_batch((frame_t){page.frame}, 0xfffffff8, 1), &worst);
    return worst;
}

static int64_t nested(void)
{
    if (!page_make())
        return NOT_TRIED;
    put(0, EXO_CALL_BATCH, page.frame, 0, 1);
    return run(1);
}

static int64_t sleep_inside(void)
{
    static const uint64_t calls[] = {EXO_CALL_WAIT, EXO_CALL_YIELD, EXO_CALL_ENV_KILL, EXO_CALLS};
    int64_t worst = 0;

    if (!page_make())
        return NOT_TRIED;
    for (uint32_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        put(0, calls[i], 0, 0, 0);
        if (let_through(run(1), &worst))
            break;
    }
    return worst;
}

/* Its frame freed under it, the kernel would go on in somebody else's. */
static int64_t free_itself(void)
{
    if (!page_make())
        return NOT_TRIED;
    put(0, EXO_CALL_PT_UNMAP, stretch.pt.n, 20, 0);
    put(1, EXO_CALL_PAGE_FREE, page.frame, 0, 0);
    put(2, EXO_CALL_PAGE_ALLOC, 0, page.frame, EXO_PT);
    int64_t result = run(3);
    exo_pt_map(stretch.pt, 20, (frame_t){page.frame}, EXO_WRITE);
    return result;
}

static int64_t map_one(frame_t frame)
{
    put(0, EXO_CALL_PT_MAP, stretch.pt.n, 21, frame.n);
    return run(1);
}

static int64_t map_foreign(void)
{
    return page_make() ? each_foreign(map_one) : NOT_TRIED;
}

const struct attack batch_attacks[] = {
    {"read a batch from each frame that is not its own", from_foreign},
    {"read a batch past the end of its frame", past_the_end},
    {"make a batch in a batch", nested},
    {"sleep, yield or end in a batch", sleep_inside},
    {"free the frame that the batch lies in", free_itself},
    {"map each frame that is not its own by a batch", map_foreign},
    {NULL, NULL},
};
