/* SPDX-License-Identifier: MIT */
/*
 * elf.c - the ELF checker with the bounds that the loader and init give it.
 *
 * The first byte chooses the bounds; the rest is the file, at the end of its memory.
 */
#include "target.h"

#include <string.h>

#include "../../uefi/relocate.h"
#include "../unit/loader/plan.h"
#include "start.h"

enum { PAGES_MAX = 64 };

static const struct elf_bounds bounds[] = {
    {0, EXO_KERNEL_SIZE},
    {0, EXO_IMAGE_SIZE},
};

static const struct elf_bounds placed = {EXO_IMAGE_BASE, EXO_IMAGE_END};

static void load(const uint8_t *file, uint64_t size, const struct elf_plan *plan)
{
    void *placed[EXO_BOOT_SEGMENTS] = {0};
    uint32_t loaded = 0;

    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        if (s->pages > PAGES_MAX)
            continue;
        uint8_t *pages = placed[i] = malloc(s->pages * EXO_PAGE_SIZE);
        memset(pages, 0xa5, s->pages * EXO_PAGE_SIZE);
        elf_copy(file, s, pages);
        for (uint64_t at = 0; at < s->pages * EXO_PAGE_SIZE; at++) {
            bool of_file = at >= s->lead && at - s->lead < s->bytes;
            MUST(pages[at] == (of_file ? file[s->offset + at - s->lead] : 0),
                 "byte %lu of segment %u is wrong", (unsigned long)at, i);
        }
        loaded++;
    }
    if (loaded == plan->count)
        elf_relocate(file, size, plan, placed, EXO_KERNEL_BASE);
    for (uint32_t i = 0; i < plan->count; i++)
        free(placed[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct elf_plan plan, untouched;
    uint32_t version, info_size;

    if (!size)
        return 0;
    const struct elf_bounds *b = &bounds[*bytes % 2];
    /* Room in front: the file's end is the memory's, and malloc(0) might give a byte behind. */
    uint8_t *room = malloc(16 + size - 1), *file = room + 16;
    memset(&plan, 0x5a, sizeof(plan));
    memset(&untouched, 0x5a, sizeof(untouched));
    memcpy(file, bytes + 1, size - 1);
    if (elf_check(file, size - 1, b, &plan)) {
        MUST(!memcmp(&plan, &untouched, sizeof(plan)), "a refused file touched the plan");
    } else {
        MUST(inv_plan(&plan, size - 1, b), "an accepted plan breaks its promises");
        load(file, size - 1, &plan);
        elf_boot_note(file, size - 1, &version, &info_size);
        if (b == &bounds[1]) {
            elf_place(&plan, size * 0x9e3779b97f4a7c15ull);
            MUST(inv_plan(&plan, size - 1, &placed), "a moved plan breaks its promises");
        }
    }
    free(room);
    return 0;
}
