/* SPDX-License-Identifier: MIT */
/* frame.h - the frame table: what each physical frame is, whose it is, and who still needs it. */
#ifndef EXO_CORE_FRAME_H
#define EXO_CORE_FRAME_H

#include "env.h"
#include "facts.h"

/* Readable as memory: the fields before `index` are those of struct exo_frame_fact
 * (memory.c sees to it). */
struct frame {
    uint8_t type;     /* enum exo_frame_type */
    uint16_t owner;   /* slot in envs[]; ENV_KERNEL: nobody */
    uint16_t entries; /* of a table: how many are filled */
    uint16_t pinned;  /* uses by the kernel: root, control page, ring, buffer, packet in flight */
    uint32_t mapped;  /* leaf entries that name it */
    uint16_t granted; /* grants of it to others */
    uint16_t index;   /* of a linked table: its place in `parent` */
    uint32_t parent;  /* of a table: the table that holds it, 0 while none does */
    struct link link; /* list of free frames, or of one owner's frames */
};

extern struct frame *frames;
extern uint32_t frame_count; /* one past the highest */
extern uint32_t frame_free_count;

static inline bool frame_is_table(const struct frame *f)
{
    return f->type >= EXO_PML4 && f->type <= EXO_PT;
}

/* Boot: `table` has room for `count` entries; every frame is KERNEL until frame_add_free. */
void frame_init(struct frame *table, uint32_t count);
void frame_add_free(uint32_t first, uint32_t count);
/* Boot: a KERNEL frame with contents becomes a DATA frame of `env`, within its quota. */
void frame_adopt(struct env *env, frame_t frame);

/* Boot: KERNEL frames that hold a table which may be read (facts.h), if any do. */
void frame_publish(frame_t first, uint64_t bytes);

/* The frame if it exists and belongs to `self` or an EMBRYO child of it, else NULL. */
struct frame *frame_of(const struct env *self, frame_t frame);

/* 0 if the frame exists, is `owner`'s and of one of `types` (a bit a type), else what is wrong. */
int64_t frame_check(const struct env *owner, uint64_t frame, uint32_t types);

/* Checked by the caller: the frame is used no more. It becomes FREE and leaves its owner's count.
 */
void frame_release(uint32_t n);

/*
 * Checked by the caller: an emptied table outside the tree, of a ZOMBIE. Other tables still map it
 * to be read, so it may not be reused yet: it becomes one of the frames that are taken back after
 * all tables.
 */
void frame_retire(uint32_t n);

/* --- for block.c: a frame joins or leaves an owner's list and count, and the list of free ones. */
void frame_own(struct env *env, uint32_t n, enum exo_frame_type type);
void frame_disown(uint32_t n);
void frame_free_append(uint32_t n);
void frame_free_remove(uint32_t n);

/* The kernel itself uses the frame; as long as it does, the frame stays what and whose it is. Once it
 * does no more, what named the frame names none; if it named none already nothing happens. */
void frame_pin(frame_t frame);
void frame_unpin(frame_t *frame);

/* --- table.c */

/* Checked by the caller: fill an empty entry of a PT, by the grant in that slot or (0) as owner. */
void table_fill(uint32_t table, uint32_t index, uint32_t n, uint32_t perm, uint32_t grant);

/* Clear one entry of a table, counting; with table_unmap no CPU remembers it, either. */
void table_clear(uint32_t table, uint32_t index);
void table_unmap(uint32_t table, uint32_t index);

/* While `keep` is set CPUs are asked to forget entries that were cleared or weakened by table_settle alone,
 * which is called before a frame changes hands, and when it is set and reset. */
void table_keep(bool keep);
void table_settle(void);

#endif
