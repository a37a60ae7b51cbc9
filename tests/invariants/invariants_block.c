/* SPDX-License-Identifier: MIT */
/* invariants_block.c - the invariants of block.c, everything counted anew. */
#include "block.h"
#include "frame.h"
#include "invariants.h"

#define REQUIRE(condition, sentence)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

const char *inv_block_free(void)
{
    uint32_t whole = 0, listed = 0, before = 0;

    if (!block_frames)
        return NULL;
    for (uint32_t b = 0; b * block_frames < frame_count; b++) {
        uint32_t free = 0;
        for (uint32_t n = b * block_frames; n < (b + 1) * block_frames && n < frame_count; n++)
            free += frames[n].type == EXO_FREE;
        REQUIRE(free == blocks[b].free, "a block's count of free frames is wrong");
        whole += free == block_frames;
    }
    for (uint32_t b = blocks_whole.first; b; before = b, b = blocks[b].link.next) {
        REQUIRE(b < frame_count / block_frames && blocks[b].free == block_frames &&
                    blocks[b].link.prev == before && listed++ < whole,
                "the list of wholly free blocks is broken");
    }
    REQUIRE(listed == whole && blocks_whole.last == before,
            "a wholly free block is missing on the list");
    return NULL;
}

const char *inv_block_parts(void)
{
    for (uint32_t n = 0; n < frame_count; n++) {
        uint32_t first = block_frames ? n - n % block_frames : n;
        if (frames[n].type == EXO_BLOCK)
            REQUIRE(block_frames && n == first && n + block_frames <= frame_count,
                    "a block does not begin where blocks do");
        REQUIRE((frames[n].type == EXO_PART) == (n != first && frames[first].type == EXO_BLOCK),
                "a part without its block, or a block without a part");
        REQUIRE(frames[n].type != EXO_PART ||
                    (!frames[n].mapped && !frames[n].pinned && !frames[n].granted),
                "a part of a block is used by itself");
    }
    return NULL;
}
