/* SPDX-License-Identifier: MIT */
/* readable.c - maps the kernel's tables (readable.h). */
#include "readable.h"

#include "libos.h"

/* Frames from `first` on, one behind the other. Critical. */
static const volatile void *map(int64_t first, uint64_t bytes)
{
    long start = first > 0 ? vm_map(0, bytes, VM_SHARED, false) : -1;

    if (start < 0)
        return NULL;
    for (uint64_t at = 0; at < bytes; at += EXO_PAGE_SIZE)
        if (!vm_map_frame((uint64_t)start + at,
                          (frame_t){(uint32_t)((uint64_t)first + at / EXO_PAGE_SIZE)}, EXO_READ)) {
            vm_unmap((uint64_t)start, bytes);
            return NULL;
        }
    return (const volatile void *)start;
}

static const volatile void *map_once(const volatile void **place, uint32_t what, uint64_t bytes)
{
    critical_enter();
    if (!*place)
        *place = map(exo_info(EXO_INFO_MACHINE, 0, what), bytes);
    critical_exit();
    return *place;
}

const volatile struct exo_frame_fact *readable_frames(uint32_t *count)
{
    static const volatile void *place;

    *count = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FRAMES);
    return map_once(&place, EXO_MACHINE_OWNERS, (uint64_t)*count * sizeof(struct exo_frame_fact));
}

const volatile struct exo_account *readable_accounts(uint32_t *count)
{
    static const volatile void *place;

    *count = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_ENVS);
    return map_once(&place, EXO_MACHINE_ACCOUNTS, (uint64_t)*count * sizeof(struct exo_account));
}

const volatile uint8_t *readable_traces(uint32_t *cpus)
{
    static const volatile void *place;

    *cpus = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_CPUS);
    return map_once(&place, EXO_MACHINE_TRACES,
                    (uint64_t)*cpus * EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE);
}
