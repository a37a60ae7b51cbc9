/* SPDX-License-Identifier: MIT */
/*
 * first.c - the first environment, built with the same calls that a parent uses for its child.
 *
 * Its address space is that of exo/abi/start.h; the loader has placed its segments in memory.
 */
#include "env.h"
#include "exo_handlers.h"
#include "frame.h"
#include "machine.h"
#include "start.h"
#include "x86_64.h"

static struct env *first;

static frame_t take(enum exo_frame_type type)
{
    int64_t frame = call_page_alloc(first, first, (frame_t){EXO_FRAME_ANY}, type);

    if (frame < 0)
        panic("There is too little memory for the first environment: error %ld.", -frame);
    return (frame_t){(uint32_t)frame};
}

/* A call of its own. */
static int64_t call(enum exo_call number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t arguments[6] = {a, b, c, d};

    return call_dispatch(first, number, arguments);
}

static void place(uint64_t address, frame_t frame, uint32_t perm)
{
    frame_t table = first->root;
    static const enum exo_frame_type below[] = {EXO_PDPT, EXO_PD, EXO_PT};

    for (int level = 0; level < 3; level++) {
        uint32_t index = address >> (39 - 9 * level) & 511;
        int64_t next = call(EXO_CALL_PT_READ, table.n, index, 0, 0);
        if (next < 0) {
            next = take(below[level]).n;
            call(EXO_CALL_PT_MAP, table.n, index, (uint64_t)next, 0);
        }
        table.n = (uint32_t)next;
    }
    int64_t error = call(EXO_CALL_PT_MAP, table.n, address >> 12 & 511, frame.n, perm);
    if (error)
        panic("The first environment's page at 0x%lx cannot be mapped: error %ld.", address,
              -error);
}

static void place_segments(void)
{

    for (uint32_t i = 0; i < boot.segment_count; i++) {
        const struct boot_segment *s = &boot.segments[i];
        for (uint64_t n = 0; n < s->count; n++) {
            frame_t frame = {(uint32_t)(s->first + n)};
            frame_adopt(first, frame);
            place(s->virt + n * EXO_PAGE_SIZE, frame, (uint32_t)s->perm);
        }
    }
}

static void tell_segments(struct exo_start *start)
{
    start->image_base = EXO_USER_END;
    for (uint32_t i = 0; i < boot.segment_count; i++) {
        const struct boot_segment *s = &boot.segments[i];
        uint64_t end = s->virt + s->count * EXO_PAGE_SIZE;
        start->image_base = s->virt < start->image_base ? s->virt : start->image_base;
        start->image_end = end > start->image_end ? end : start->image_end;
    }
}

static uint64_t bundle_frames(void)
{
    return (boot.bundle_size + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
}

static void place_start(void)
{
    static const char strings[] = "init\0FREEHOLD_NAME=init";
    frame_t frame = take(EXO_DATA);
    struct exo_start *start = machine_frame(frame);

    start->magic = EXO_START_MAGIC;
    start->version = EXO_START_VERSION;
    start->argc = 1;
    start->envc = 1;
    start->strings_bytes = sizeof(strings);
    __builtin_memcpy(start->strings, strings, sizeof(strings));
    start->wall_clock = boot.wall_clock;
    __builtin_memcpy(start->seed, boot.seed, sizeof(start->seed));
    __builtin_memset(boot.seed, 0, sizeof(boot.seed)); /* it is init's secret now */
    tell_segments(start);
    klog("init lies at 0x%lx.", start->image_base);
    start->bundle_size = boot.bundle_size;
    place(EXO_START_ADDRESS, frame, EXO_READ);
}

void first_start(void)
{
    uint64_t pages = frame_free_count + bundle_frames();

    for (uint32_t i = 0; i < boot.segment_count; i++)
        pages += boot.segments[i].count;
    first = env_first((uint32_t)pages);
    first->root = take(EXO_PML4);
    frame_pin(first->root);
    first->control = take(EXO_CONTROL);
    frame_pin(first->control);
    place(EXO_CONTROL_ADDRESS, first->control, EXO_WRITE);
    place_segments();
    place_start();
    for (uint64_t i = 1; i <= EXO_STACK_PAGES; i++)
        place(EXO_STACK_TOP - i * EXO_PAGE_SIZE, take(EXO_DATA), EXO_WRITE);
    for (uint64_t i = 0; i < bundle_frames(); i++) {
        frame_t frame = {(uint32_t)(boot.bundle_first + i)};
        frame_adopt(first, frame);
        place(EXO_BUNDLE_ADDRESS + i * EXO_PAGE_SIZE, frame, EXO_READ);
    }
    env_start(first, boot.init_entry, EXO_STACK_TOP - 8, EXO_START_ADDRESS);
}
