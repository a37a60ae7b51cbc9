/* SPDX-License-Identifier: MIT */
/*
 * rings.c - the rings of traced applications, those of the CPUs, and copies of them (rings.h).
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
#include "readable.h"

/* Applications, then CPUs. */
static struct source {
    const struct exo_trace *ring; /* an application's is ours, a CPU's the kernel's */
    uint32_t bytes;               /* of events; 0: there is none */
    struct exo_trace *memory;     /* for the copy */
    struct ring_copy copy;
} sources[BUNDLE_APPS + EXO_CPUS];

#define OF_CPUS (sources + BUNDLE_APPS)

static uint32_t cpus;

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

/* False: there is no memory for it. */
static bool add(struct source *source, const struct exo_trace *ring, uint32_t bytes)
{
    source->memory = ring ? memory_for(bytes) : NULL;
    source->ring = ring;
    source->bytes = source->memory ? bytes : 0;
    return source->memory;
}

/* The kernel writes them as long as we map them. */
static void add_cpus(void)
{
    uint32_t count;
    const volatile uint8_t *at = readable_traces(&count);

    for (cpus = 0; at && cpus < MIN(count, EXO_CPUS);
         cpus++, at += EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE)
        if (!add(&OF_CPUS[cpus], (const struct exo_trace *)at, EXO_TRACE_CPU))
            return;
}

void rings_make(const char *bundle, const struct bundle_app *apps, uint32_t count)
{
    bool any = false;

    cpus = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bytes = wanted(bundle, &apps[i]);
        sources[i].bytes = 0;
        if (!bytes)
            continue;
        any |= add(&sources[i], memory_for(bytes), bytes);
        if (!sources[i].bytes)
            printf("%s is not traced: there is no memory for its ring.\n", apps[i].name);
    }
    if (any)
        add_cpus();
}

struct ring ring_empty(uint32_t app)
{
    uint32_t bytes = sources[app].bytes;
    struct exo_trace *ring = (struct exo_trace *)sources[app].ring;

    if (!bytes)
        return (struct ring){NULL, 0};
    memset(ring, 0, sizeof(*ring) + bytes);
    ring->magic = EXO_TRACE_MAGIC;
    ring->size = bytes / sizeof(struct exo_trace_event);
    ring->hz = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_TSC_HZ);
    ring->boot = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_BOOT_TSC);
    return (struct ring){ring, bytes};
}

static void copy(struct source *source)
{
    const struct exo_trace *ring = source->ring;
    uint32_t size = source->bytes / sizeof(struct exo_trace_event);
    uint64_t end = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);

    memcpy(source->memory, ring, sizeof(*ring) + source->bytes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint64_t after = __atomic_load_n(&ring->written, __ATOMIC_RELAXED);
    /* N2: number `after` may be under way, and with it goes what lay in its place. */
    uint64_t first = after >= size ? after - size + 1 : 0;
    if (first > end || end > after)
        first = end; /* it has gone round meanwhile, or is nonsense */
    source->copy = (struct ring_copy){source->memory, size, first, end, time_tsc()};
}

void rings_copy(void)
{
    for (struct source *source = sources; source < OF_CPUS + cpus; source++)
        if (source->bytes)
            copy(source);
}

const struct ring_copy *ring_copied(uint32_t app)
{
    return sources[app].bytes ? &sources[app].copy : NULL;
}

const struct ring_copy *ring_copied_cpu(uint32_t cpu)
{
    return cpu < cpus ? &OF_CPUS[cpu].copy : NULL;
}
