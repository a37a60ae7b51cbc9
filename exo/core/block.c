/* SPDX-License-Identifier: MIT */
/*
 * block.c - 512 frames that lie side by side, as one.
 *
 *   L1  `free` of a block is how many of its frames are FREE, and the list holds exactly those
 *       of which all are                                                        inv_block_free
 *   L2  a frame of type BLOCK begins a block whose other frames are PART, which are nobody's and
 *       can be named in no call; no frame is PART without that                  inv_block_parts
 *   L3  a block counts as all of its frames against its owner's quota           inv_frame_lists
 *   L4  a large page is mapped of a BLOCK alone, whole                          inv_table_leaves
 *
 * A wholly free block is the first of a list: nothing is searched. Taking and freeing one are the
 * longest steps of the core, 512 records and 2 MiB of zeroes, the same on every machine.
 */
#include "block.h"

#include "exo_handlers.h"
#include "frame.h"
#include "machine.h"

struct block *blocks;
uint32_t block_frames;
struct list blocks_whole;

void block_init(struct block *table, uint32_t each)
{
    blocks = table;
    block_frames = each;
    blocks_whole = (struct list){0};
}

LINK_AT(block_link, blocks[n].link)

bool block_freed(uint32_t n)
{
    if (!block_frames || ++blocks[n / block_frames].free < block_frames)
        return false;
    list_push(block_link, &blocks_whole, n / block_frames);
    return true;
}

void block_taken(uint32_t n)
{
    if (block_frames && blocks[n / block_frames].free-- == block_frames)
        list_remove(block_link, &blocks_whole, n / block_frames);
}

void block_release(uint32_t first)
{
    frame_disown(first);
    envs[frames[first].owner].used[EXO_R_PAGES] -= block_frames - 1;
    for (uint32_t n = first; n < first + block_frames; n++) {
        frames[n] = (struct frame){.type = EXO_FREE};
        frame_free_append(n);
        block_freed(n);
    }
}

int64_t call_block_alloc(struct env *self, struct env *env, frame_t frame)
{
    uint32_t first = frame.n == EXO_FRAME_ANY ? blocks_whole.first * block_frames : frame.n;

    if ((uint64_t)env->used[EXO_R_PAGES] + block_frames > env->quota[EXO_R_PAGES])
        return -EXO_E_QUOTA;
    if (!block_frames || (frame.n == EXO_FRAME_ANY && !first))
        return -EXO_E_MEMORY;
    if (first % block_frames || (uint64_t)first + block_frames > frame_count)
        return -EXO_E_RANGE;
    if (blocks[first / block_frames].free < block_frames)
        return -EXO_E_BUSY;

    for (uint32_t n = first; n < first + block_frames; n++) {
        frame_free_remove(n);
        block_taken(n);
        frames[n] = (struct frame){.type = EXO_PART};
        __builtin_memset(machine_frame((frame_t){n}), 0, EXO_PAGE_SIZE);
    }
    frame_own(env, first, EXO_BLOCK);
    env->used[EXO_R_PAGES] += block_frames - 1;
    return first;
}
