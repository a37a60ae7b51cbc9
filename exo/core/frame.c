/* SPDX-License-Identifier: MIT */
/*
 * frame.c - what each physical frame is and which environment owns it.
 *
 *   F1  a frame is FREE exactly when it is on the free list      inv_frame_free
 *   F2  an environment's list holds exactly the frames that name it, tables before
 *       others, and `pages` is their number                      inv_frame_lists
 *   F3  every count equals what tables and kernel objects say    inv_table_counts
 *   F4  a frame that is mapped, linked or pinned keeps type and owner (checked before each change)
 *
 * A frame is zeroed when it is taken, so that nothing of its last owner is left in it. All frames
 * are in lists: taking one by number is as quick as any.
 */
#include "frame.h"

#include "block.h"
#include "exo_handlers.h"
#include "machine.h"

struct frame *frames;
uint32_t frame_count;
uint32_t frame_free_count;
static struct list frames_free;

LINK_AT(frame_link, frames[n].link)

static void free_push(uint32_t n)
{
    list_push(frame_link, &frames_free, n);
    frame_free_count++;
}

void frame_free_append(uint32_t n)
{
    list_append(frame_link, &frames_free, n);
    frame_free_count++;
}

void frame_free_remove(uint32_t n)
{
    list_remove(frame_link, &frames_free, n);
    frame_free_count--;
}

void frame_init(struct frame *table, uint32_t count)
{
    frames = table;
    frame_count = count;
    frame_free_count = 0;
    frames_free = (struct list){0};
    for (uint32_t n = 0; n < count; n++)
        frames[n] = (struct frame){.type = EXO_KERNEL};
}

void frame_add_free(uint32_t first, uint32_t count)
{
    /* Backwards, so that low frames are taken first. */
    for (uint32_t n = first + count; n-- > first;) {
        if (n == EXO_FRAME_NONE)
            continue; /* 0 ends a list */
        frames[n].type = EXO_FREE;
        free_push(n);
        block_freed(n);
    }
}

void frame_own(struct env *env, uint32_t n, enum exo_frame_type type)
{
    struct frame *f = &frames[n];

    f->type = (uint8_t)type;
    f->owner = (uint16_t)EXO_ENV_SLOT(env->name.n);
    if (frame_is_table(f)) /* reclaimed first, so they come first */
        list_push(frame_link, &env->frames, n);
    else
        list_append(frame_link, &env->frames, n);
    env->used[EXO_R_PAGES]++;
}

void frame_adopt(struct env *env, frame_t frame)
{
    if (frame.n >= frame_count || frames[frame.n].type != EXO_KERNEL)
        panic("frame %u cannot be given to the first environment: it is not the kernel's", frame.n);
    frame_own(env, frame.n, EXO_DATA);
}

void frame_publish(frame_t first, uint64_t bytes)
{
    for (uint32_t n = first.n; n && bytes > (uint64_t)(n - first.n) * EXO_PAGE_SIZE; n++)
        frames[n].type = EXO_FACTS;
}

struct frame *frame_of(const struct env *self, frame_t frame)
{
    if (frame.n >= frame_count)
        return NULL;
    struct frame *f = &frames[frame.n];
    return env_acts_for(self, &envs[f->owner]) ? f : NULL; /* ENV_KERNEL acts for nobody */
}

int64_t frame_check(const struct env *owner, uint64_t frame, uint32_t types)
{
    if (frame >= frame_count)
        return -EXO_E_RANGE;
    if (&envs[frames[frame].owner] != owner)
        return -EXO_E_OWNER;
    return types >> frames[frame].type & 1 ? 0 : -EXO_E_TYPE;
}

void frame_disown(uint32_t n)
{
    struct env *owner = &envs[frames[n].owner];

    table_settle();
    list_remove(frame_link, &owner->frames, n);
    owner->used[EXO_R_PAGES]--;
}

/* Frames of wholly free blocks come last, so that frames are taken from broken ones first. */
static void whole_block_last(uint32_t n)
{
    for (uint32_t i = n - n % block_frames, end = i + block_frames; i < end; i++) {
        frame_free_remove(i);
        frame_free_append(i);
    }
}

void frame_release(uint32_t n)
{
    if (frames[n].type == EXO_BLOCK) {
        block_release(n);
        return;
    }
    frame_disown(n);
    frames[n] = (struct frame){.type = EXO_FREE};
    free_push(n);
    if (block_freed(n))
        whole_block_last(n);
}

void frame_retire(uint32_t n)
{
    struct env *owner = &envs[frames[n].owner];

    frame_disown(n);
    frame_own(owner, n, EXO_DATA);
}

void frame_pin(frame_t frame)
{
    if (frames[frame.n].pinned == UINT16_MAX)
        panic("frame %u is pinned too often", frame.n);
    frames[frame.n].pinned++;
}

void frame_unpin(frame_t *frame)
{
    if (!frame->n)
        return;
    if (!frames[frame->n].pinned)
        panic("frame %u is unpinned more often than pinned", frame->n);
    frames[frame->n].pinned--;
    frame->n = EXO_FRAME_NONE;
}

int64_t call_page_alloc(struct env *self, struct env *env, frame_t frame, uint32_t type)
{
    uint32_t n = frame.n == EXO_FRAME_ANY ? frames_free.first : frame.n;

    if (type < EXO_PML4 || type > EXO_RING)
        return -EXO_E_TYPE;
    if (env->used[EXO_R_PAGES] >= env->quota[EXO_R_PAGES])
        return -EXO_E_QUOTA;
    if (frame.n == EXO_FRAME_ANY && !n)
        return -EXO_E_MEMORY;
    if (n >= frame_count)
        return -EXO_E_RANGE;
    if (frames[n].type != EXO_FREE)
        return -EXO_E_BUSY;

    frame_free_remove(n);
    block_taken(n);
    __builtin_memset(machine_frame((frame_t){n}), 0, EXO_PAGE_SIZE);
    if (type == EXO_PML4)
        machine_root_init(machine_frame((frame_t){n}));
    frame_own(env, n, type);
    return n;
}

int64_t call_page_free(struct env *self, frame_t frame)
{
    struct frame *f = frame_of(self, frame);

    if (frame.n >= frame_count)
        return -EXO_E_RANGE;
    if (!f)
        return -EXO_E_OWNER;
    if (f->mapped || f->pinned || f->parent || f->entries || f->granted)
        return -EXO_E_BUSY;

    frame_release(frame.n);
    return 0;
}

int64_t call_page_give(struct env *self, frame_t frame, struct env *to)
{
    int64_t error = frame_check(self, frame.n, 1u << EXO_DATA);
    if (error)
        return error;
    const struct frame *f = &frames[frame.n];
    if (to == self)
        return -EXO_E_ENV;
    if (f->mapped || f->pinned || f->granted)
        return -EXO_E_BUSY;
    if (to->used[EXO_R_PAGES] >= to->quota[EXO_R_PAGES])
        return -EXO_E_QUOTA;

    frame_disown(frame.n);
    frame_own(to, frame.n, EXO_DATA);
    return 0;
}
