/* SPDX-License-Identifier: MIT */
/*
 * rings.c - the rings of traced applications, and copies of them (rings.h).
 *
 *   N1  how large a ring is, is init's own knowledge: nothing that an application wrote into its ring
 *       leads out of it
 *   N2  a copied event was not being overwritten while it was copied
 */
#include "rings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos.h"
#include "peers.h"

static struct ring rings[BUNDLE_APPS];
static struct exo_trace *copied; /* as large as the largest of them */

/* What its setting asks for; 0: nothing. */
static uint32_t wanted(const char *bundle, const struct bundle_app *app)
{
    const char *setting = setting_of(bundle, app, "FREEHOLD_TRACE");
    char *end = NULL;
    unsigned long bytes = setting ? strtoul(setting, &end, 10) : 0;
    bool good = bytes >= EXO_TRACE_MIN && bytes <= EXO_TRACE_MAX && !(bytes & (bytes - 1)) && !*end;

    if (setting && !good)
        printf("%s is not traced: its ring cannot have %s bytes.\n", app->name, setting);
    return good ? (uint32_t)bytes : 0;
}

static struct exo_trace *memory_for(uint32_t bytes)
{
    critical_enter();
    void *at = vm_alloc(1 + bytes / EXO_PAGE_SIZE, EXO_DATA);
    critical_exit();
    return at;
}

void rings_make(const char *bundle, const struct bundle_app *apps, uint32_t count)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t bytes = wanted(bundle, &apps[i]);
        if (!bytes)
            continue;
        rings[i] = (struct ring){memory_for(bytes), bytes};
        if (bytes > most)
            most = bytes;
    }
    if (most)
        copied = memory_for(most);
    for (uint32_t i = 0; i < count; i++) {
        if (!rings[i].bytes || (rings[i].at && copied))
            continue;
        printf("%s is not traced: there is no memory for its ring.\n", apps[i].name);
        rings[i].at = NULL;
    }
}

struct ring ring_empty(uint32_t app)
{
    struct ring *ring = &rings[app];

    if (!ring->at)
        return (struct ring){NULL, 0};
    memset(ring->at, 0, sizeof(*ring->at) + ring->bytes);
    ring->at->magic = EXO_TRACE_MAGIC;
    ring->at->size = ring->bytes / sizeof(struct exo_trace_event);
    ring->at->hz = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_TSC_HZ);
    ring->at->boot = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_BOOT_TSC);
    return *ring;
}

bool ring_copy(uint32_t app, struct ring_copy *copy)
{
    const struct exo_trace *ring = rings[app].at;
    uint32_t size = rings[app].bytes / sizeof(struct exo_trace_event);

    if (!ring)
        return false;
    uint64_t end = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);
    memcpy(copied, ring, sizeof(*ring) + rings[app].bytes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint64_t after = __atomic_load_n(&ring->written, __ATOMIC_RELAXED);
    /* N2: number `after` may be under way, and with it goes what lay in its place. */
    uint64_t first = after >= size ? after - size + 1 : 0;
    if (first > end || end > after)
        first = end; /* it has gone round meanwhile, or is nonsense */
    *copy = (struct ring_copy){copied, size, first, end, time_tsc()};
    return true;
}
