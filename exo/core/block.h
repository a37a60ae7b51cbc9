/* SPDX-License-Identifier: MIT */
/* block.h - 2 MiB blocks: which are wholly free, and frames that are taken as one. */
#ifndef EXO_CORE_BLOCK_H
#define EXO_CORE_BLOCK_H

#include "list.h"

struct block {
    uint32_t free;    /* how many of its frames are FREE */
    struct link link; /* list of those of which all are; block 0, with frame 0, never is */
};

extern struct block *blocks;
extern uint32_t block_frames;    /* frames of a block: EXO_BLOCK_FRAMES, fewer in tests; 0: none */
extern struct list blocks_whole; /* those that are wholly free */

/* Boot, after frame_init and before frame_add_free: one entry, all zero, for each `each` frames. */
void block_init(struct block *table, uint32_t each);

/* frame.c: this frame was put on the free list; true if its block is wholly free by that. */
bool block_freed(uint32_t n);
/* frame.c: this frame was taken off the free list. */
void block_taken(uint32_t n);

/* Checked by the caller: the block that begins with this frame is used no more. */
void block_release(uint32_t first);

#endif
