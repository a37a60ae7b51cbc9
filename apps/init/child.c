/* SPDX-License-Identifier: MIT */
/*
 * child.c - from an ELF file to a running environment, and back.
 *
 * The address space is that of exo/abi/start.h. A page with contents is filled while it is ours,
 * shown in a window, and then given away; a page of zeros is allocated for the child at once.
 *
 * A child that others are under (bundle.h) gets what these take on top of its own, and a copy of what the
 * bundle has of them, so that it can start them by the same code.
 */
#include "child.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bundle_check.h"
#include "directory.h"
#include "libos.h"
#include "peers.h"
#include "under.h"

#define SELF ((env_t){EXO_ENV_SELF})
#define ANY  ((frame_t){EXO_FRAME_ANY})

struct build {
    env_t env;
    frame_t root, control_page;
    int64_t error; /* the first that a call returned; later steps do nothing */
};

static frame_t take(struct build *b, env_t owner, uint32_t type)
{
    int64_t frame = b->error ? 0 : exo_page_alloc(owner, ANY, type);

    if (frame < 0)
        b->error = frame;
    return (frame_t){frame < 0 ? EXO_FRAME_NONE : (uint32_t)frame};
}

static void check(struct build *b, int64_t result)
{
    if (result < 0 && !b->error)
        b->error = result;
}

/* The PT for an address; made if it is not there. */
static frame_t table_for(struct build *b, uint64_t address)
{
    frame_t table = b->root;

    for (uint32_t level = 0; level < 3 && !b->error; level++) {
        uint32_t index = address >> (39 - 9 * level) & 511;
        int64_t next = exo_pt_read(table, index);
        if (next == -EXO_E_EMPTY) {
            next = take(b, b->env, EXO_PDPT + level).n;
            if (!b->error)
                check(b, exo_pt_map(table, index, (frame_t){(uint32_t)next}, 0));
        } else {
            check(b, next);
        }
        table.n = (uint32_t)next;
    }
    return table;
}

static void place(struct build *b, uint64_t address, frame_t frame, uint32_t perm)
{
    frame_t table = table_for(b, address);

    if (!b->error)
        check(b, exo_pt_map(table, address >> EXO_PAGE_SHIFT & 511, frame, perm));
}

/* A page that stays ours: the child is granted it. */
static void share(struct build *b, frame_t frame, uint64_t address, uint32_t perm)
{
    frame_t table = table_for(b, address);
    int64_t grant = b->error ? 0 : exo_page_grant(frame, b->env, perm, 0);

    check(b, grant);
    if (!b->error)
        check(b, exo_grant_map((grant_t){(uint32_t)grant}, table, address >> EXO_PAGE_SHIFT & 511,
                               perm));
}

/* So do the rings. */
static void place_ring(struct build *b, struct ring ring)
{
    _Static_assert(EXO_TRACE_ADDRESS + EXO_TRACE_ROOM <
                       EXO_STACK_TOP - (EXO_STACK_PAGES + 1) * EXO_PAGE_SIZE,
                   "they lie below the stack and what must not be mapped below it");

    for (uint64_t at = 0; at < ring.bytes && !b->error; at += EXO_PAGE_SIZE)
        share(b, vm_frame((uint64_t)ring.at + at), EXO_TRACE_ADDRESS + at, EXO_WRITE);
}

/* A page of ours with this content at `offset`, zero elsewhere. */
static frame_t fill(struct build *b, const void *content, uint64_t offset, uint64_t length)
{
    frame_t frame = take(b, SELF, EXO_DATA);

    if (b->error)
        return frame;
    critical_enter();
    void *window = vm_window(frame);
    critical_exit();
    if (window)
        memcpy((char *)window + offset, content, length);
    critical_enter();
    vm_window((frame_t){EXO_FRAME_NONE});
    critical_exit();
    if (!window)
        check(b, -EXO_E_MEMORY);
    return frame;
}

/* A page of ours becomes the child's, at this address. */
static void hand_over(struct build *b, uint64_t address, uint32_t perm, frame_t frame)
{
    if (!b->error)
        check(b, exo_page_give(frame, b->env));
    if (b->error && frame.n)
        exo_page_free(frame);
    place(b, address, frame, perm);
}

static void place_segment(struct build *b, const char *file, const struct elf_segment *s)
{
    for (uint64_t page = 0; page < s->pages && !b->error; page++) {
        uint64_t address = s->virt + page * EXO_PAGE_SIZE;
        /* The file's part is [lead, lead + bytes) of the segment. */
        uint64_t from = page * EXO_PAGE_SIZE, to = from + EXO_PAGE_SIZE;
        uint64_t first = s->lead > from ? s->lead : from;
        uint64_t last = s->lead + s->bytes < to ? s->lead + s->bytes : to;
        if (first < last)
            hand_over(b, address, s->perm,
                      fill(b, file + s->offset + (first - s->lead), first - from, last - first));
        else
            place(b, address, take(b, b->env, EXO_DATA), s->perm);
    }
}

static uint64_t end_of(const struct elf_plan *plan)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        if (s->virt + s->pages * EXO_PAGE_SIZE > end)
            end = s->virt + s->pages * EXO_PAGE_SIZE;
    }
    return end;
}

static void place_bundle(struct build *b, const char *bundle, const struct bundle_app *app)
{
    uint64_t size = ((const struct bundle_header *)bundle)->size;

    for (uint64_t at = 0; at < size && !b->error; at += EXO_PAGE_SIZE)
        if (under_is_for(bundle, app, at >> EXO_PAGE_SHIFT))
            hand_over(b, EXO_BUNDLE_ADDRESS + at, EXO_READ,
                      fill(b, bundle + at, 0, MIN(EXO_PAGE_SIZE, size - at)));
}

/* What one of those under it may, it may, too. */
static void allow_also(struct build *b, const char *bundle, const struct bundle_app *other)
{
    if (right_given(bundle, other, "tables"))
        check(b, exo_env_set(b->env, EXO_ENV_SET_RIGHTS, EXO_RIGHT_TABLES, 0));
    if (!other->allowances)
        return;
    frame_t frame =
        fill(b, bundle + other->allow_offset, 0, other->allowances * sizeof(struct exo_filter));
    for (uint64_t i = 0; i < other->allowances && !b->error; i++)
        check(b, exo_env_set(b->env, EXO_ENV_SET_ALLOW, frame.n, i * sizeof(struct exo_filter)));
    if (frame.n)
        exo_page_free(frame);
}

static void set_up_steward(struct build *b, const char *bundle, const struct bundle_app *app)
{
    place_bundle(b, bundle, app);
    for (uint32_t i = 0; i < ((const struct bundle_header *)bundle)->apps; i++)
        if (under_is(bundle, app, i))
            allow_also(b, bundle, &bundle_apps(bundle)[i]);
}

static void place_start(struct build *b, const char *bundle, const struct bundle_app *app,
                        const struct elf_plan *plan, uint64_t image_base)
{
    static struct exo_start start;

    start = (struct exo_start){
        .magic = EXO_START_MAGIC,
        .version = EXO_START_VERSION,
        .argc = app->argc,
        .envc = app->envc,
        .strings_bytes = app->strings_size,
        .wall_clock = libos_start_info->wall_clock,
        .image_base = image_base,
        .image_end = end_of(plan),
        .mac = app->mac,
        .bundle_size = app->cpus ? ((const struct bundle_header *)bundle)->size : 0,
        .allowances = app->allowances,
    };
    random_bytes(start.seed, sizeof(start.seed));
    memcpy(start.strings, bundle + app->strings_offset, app->strings_size);
    memcpy(start.allow, bundle + app->allow_offset, app->allowances * sizeof(struct exo_filter));
    frame_t frame = fill(b, &start, 0, sizeof(start));
    /* While the page is ours the kernel reads from it what the child may bind. */
    for (uint64_t i = 0; i < app->allowances && !b->error; i++)
        check(b, exo_env_set(b->env, EXO_ENV_SET_ALLOW, frame.n,
                             offsetof(struct exo_start, allow) + i * sizeof(struct exo_filter)));
    hand_over(b, EXO_START_ADDRESS, EXO_READ, frame);
    memset(start.seed, 0, sizeof(start.seed)); /* it is the child's secret */
}

static void set_up(struct build *b, const char *bundle, const struct bundle_app *app,
                   const struct elf_plan *plan, struct ring ring, uint64_t image_base)
{
    uint64_t label[2] = {0};

    memcpy(label, app->name, strlen(app->name));
    check(b, exo_env_set(b->env, EXO_ENV_SET_NAME, label[0], label[1]));
    b->root = take(b, b->env, EXO_PML4);
    b->control_page = take(b, b->env, EXO_CONTROL);
    for (uint32_t i = 0; i < plan->count; i++)
        place_segment(b, bundle + app->image_offset, &plan->segments[i]);
    place(b, EXO_CONTROL_ADDRESS, b->control_page, EXO_WRITE);
    for (uint64_t i = 1; i <= EXO_STACK_PAGES; i++)
        place(b, EXO_STACK_TOP - i * EXO_PAGE_SIZE, take(b, b->env, EXO_DATA), EXO_WRITE);
    place_start(b, bundle, app, plan, image_base);
    if (right_given(bundle, app, "tables"))
        check(b, exo_env_set(b->env, EXO_ENV_SET_RIGHTS, EXO_RIGHT_TABLES, 0));
    if (right_given(bundle, app, "directory"))
        share(b, peers_frame(), EXO_DIRECTORY_ADDRESS, EXO_READ);
    place_ring(b, ring);
    if (app->cpus)
        set_up_steward(b, bundle, app);
    if (b->error)
        return;
    check(b, exo_env_set(b->env, EXO_ENV_SET_ROOT, b->root.n, 0));
    check(b, exo_env_set(b->env, EXO_ENV_SET_CONTROL, b->control_page.n, 0));
    if (!b->error)
        check(b, exo_env_run(b->env, plan->entry, EXO_STACK_TOP - 8, EXO_START_ADDRESS));
}

bool child_reclaim(env_t child)
{
    int64_t left;

    do
        left = exo_env_reclaim(child);
    while (left > 0);
    if (left && left != -EXO_E_BUSY)
        printf("environment %u cannot be taken back: %s\n", EXO_ENV_SLOT(child.n),
               exo_error_text(left));
    return left != -EXO_E_BUSY;
}

/* Pages first to last. */
struct span {
    uint64_t first, last;
};

/* How many tables, each for 2^shift pages, these pages need. */
static uint64_t tables(const struct span *spans, uint32_t count, uint32_t shift)
{
    uint64_t needed = 0;

    for (uint32_t i = 0; i < count; i++)
        for (uint64_t part = spans[i].first >> shift; part <= spans[i].last >> shift; part++) {
            bool there = false;
            for (uint32_t j = 0; j < i; j++)
                there |= spans[j].first >> shift <= part && part <= spans[j].last >> shift;
            needed += !there;
        }
    return needed;
}

uint64_t child_pages(const struct elf_plan *plan)
{
    struct span spans[EXO_BOOT_SEGMENTS + 3] = {
        {EXO_CONTROL_ADDRESS, EXO_CONTROL_ADDRESS},
        {EXO_START_ADDRESS, EXO_START_ADDRESS},
        {EXO_STACK_TOP - EXO_STACK_PAGES * EXO_PAGE_SIZE, EXO_STACK_TOP - 1},
    };
    uint32_t count = 3;
    uint64_t pages = 1; /* the root table */

    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        spans[count++] = (struct span){s->virt, s->virt + s->pages * EXO_PAGE_SIZE - 1};
    }
    for (uint32_t i = 0; i < count; i++) {
        spans[i].first >>= EXO_PAGE_SHIFT;
        spans[i].last >>= EXO_PAGE_SHIFT;
        pages += spans[i].last - spans[i].first + 1;
    }
    return pages + tables(spans, count, 9) + tables(spans, count, 18) + tables(spans, count, 27);
}

/* Can it be given the memory it wants, and is that enough to start it? If not, says so. */
static bool memory_suffices(const struct bundle_app *app, uint32_t pages, uint64_t needed)
{
    uint64_t left = (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_QUOTA + EXO_R_PAGES) -
                    (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_USED + EXO_R_PAGES);

    left = left > CHILD_RESERVE ? left - CHILD_RESERVE : 0;
    if (pages > left)
        printf("%s is not started: it wants %u pages, %" PRIu64 " are left.\n", app->name, pages,
               left);
    else if (app->pages < needed)
        printf("%s is not started: its quota is %u pages, to start it takes %" PRIu64
               "; raise `memory` in the machine file.\n",
               app->name, app->pages, needed);
    return pages <= left && app->pages >= needed;
}

/* A place for the image; where init's own was not drawn, for a debugger, no other is. */
static uint64_t draw(void)
{
    uint64_t word = 0;

    if (libos_start_info->image_base != EXO_IMAGE_BASE)
        random_bytes(&word, sizeof(word));
    return word;
}

/* Of `all` that the kernel has, what each application may have: `most`, or an even part. */
static uint32_t part(const char *bundle, uint32_t all, uint32_t most)
{
    uint32_t apps = ((const struct bundle_header *)bundle)->apps;

    return most * apps <= all ? most : all / apps;
}

env_t child_start(const char *bundle, const struct bundle_app *app, struct ring ring,
                  uint64_t *image_base)
{
    struct elf_plan plan;
    const char *wrong =
        elf_check(bundle + app->image_offset, app->image_size, &elf_application, &plan);

    if (wrong) {
        printf("%s is not started: its image %s.\n", app->name, wrong);
        return SELF;
    }
    *image_base = elf_place(&plan, draw());
    struct under_quotas quotas = under_quotas(bundle, app);
    uint64_t needed = child_pages(&plan) + under_pages(bundle, app);
    if (!memory_suffices(app, quotas.pages, needed))
        return SELF;
    /* Entry 0 of grants and filters is none, and init gives some grants itself. */
    int64_t env =
        exo_env_create(quotas.pages, quotas.environments, quotas.queues,
                       part(bundle, EXO_GRANTS - CHILD_RESERVE, CHILD_GRANTS) * quotas.apps,
                       part(bundle, EXO_GATES, CHILD_GATES) * quotas.apps,
                       part(bundle, EXO_FILTERS - 1, CHILD_FILTERS) * quotas.apps);
    if (env < 0) {
        printf("%s is not started: it wants %u pages, %u network queues and %u environments: %s\n",
               app->name, quotas.pages, quotas.queues, quotas.environments, exo_error_text(env));
        return SELF;
    }
    struct build b = {.env = {(uint32_t)env}};
    check(&b, exo_env_set(b.env, EXO_ENV_SET_FLOOR, needed, 0));
    set_up(&b, bundle, app, &plan, ring, *image_base);
    if (!b.error)
        return b.env;
    printf("%s is not started: %s\n", app->name, exo_error_text(b.error));
    child_reclaim(b.env);
    return SELF;
}
