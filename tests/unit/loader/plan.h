/* SPDX-License-Identifier: MIT */
/* plan.h - what elf.h promises of a file that it accepts, as code. */
#ifndef TESTS_LOADER_PLAN_H
#define TESTS_LOADER_PLAN_H

#include "../../../uefi/elf.h"

static bool has_entry(const struct elf_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        if ((s->perm & EXO_EXEC) && plan->entry >= s->virt + s->lead &&
            plan->entry < s->virt + s->lead + s->bytes)
            return true;
    }
    return false;
}

/* What elf.h promises of an accepted plan. */
__attribute__((unused)) static bool inv_plan(const struct elf_plan *plan, uint64_t size,
                                             const struct elf_bounds *bounds)
{
    if (plan->count == 0 || plan->count > EXO_BOOT_SEGMENTS || !has_entry(plan))
        return false;
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        if (s->virt % EXO_PAGE_SIZE || s->pages == 0 ||
            s->pages > (bounds->end - bounds->base) / EXO_PAGE_SIZE || s->virt < bounds->base ||
            s->virt + s->pages * EXO_PAGE_SIZE > bounds->end)
            return false;
        if (s->perm == (EXO_WRITE | EXO_EXEC) || s->perm > (EXO_WRITE | EXO_EXEC))
            return false;
        if (s->bytes > size || s->offset > size - s->bytes || s->lead >= EXO_PAGE_SIZE ||
            s->lead + s->bytes > s->pages * EXO_PAGE_SIZE)
            return false;
        for (uint32_t j = 0; j < i; j++) {
            const struct elf_segment *t = &plan->segments[j];
            if (s->virt < t->virt + t->pages * EXO_PAGE_SIZE &&
                t->virt < s->virt + s->pages * EXO_PAGE_SIZE)
                return false;
        }
    }
    return true;
}

#endif
