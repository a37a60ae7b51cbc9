/* SPDX-License-Identifier: MIT */
/*
 * rings.c - the rings of traced applications, those of the CPUs, and copies of them (rings.h).
 *
 *   N1  how large a ring is, is init's own knowledge: nothing that an application wrote into its ring
 *       leads out of it
 *   N2  a copied event was not being overwritten while it was copied
 *   N3  a copy has each event up to one time, the same for all rings, but for one that is just being
 *       written; the lock of its application (libos/trace.c) keeps other vCPUs from telling any that
 *       follows from that one
 */
#include "rings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos.h"
#include "peers.h"
#include "readable.h"

#define OF_APPS (BUNDLE_APPS + EXO_CPUS) /* rings of applications, at most */

static struct source {
    const struct exo_trace *ring; /* an application's is ours, a CPU's the kernel's */
    struct exo_trace *memory;     /* for the copy */
    struct ring_copy copy;
} sources[OF_APPS + EXO_CPUS];

/* Those of one application, or of the CPUs. */
static struct group {
    uint32_t first, count; /* in `sources`; 0: there are none */
    uint32_t bytes;        /* of events in each */
} groups[BUNDLE_APPS + 1];

static uint32_t used;

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

static uint64_t bytes_of(const struct group *group)
{
    return (uint64_t)group->count * (sizeof(struct exo_trace) + group->bytes);
}

static void *memory_for(uint64_t bytes)
{
    critical_enter();
    void *at = vm_alloc((uint32_t)(bytes / EXO_PAGE_SIZE), EXO_DATA);
    critical_exit();
    return at;
}

/* Memory for copies of these rings, of which `at` is the first; false: there is none. */
static bool add(struct group *group, const volatile void *at)
{
    uint64_t each = bytes_of(group) / group->count;
    char *memory = at ? memory_for(bytes_of(group)) : NULL;

    if (!memory)
        return false;
    group->first = used;
    for (uint32_t i = 0; i < group->count; i++, used++)
        sources[used] = (struct source){
            .ring = (const struct exo_trace *)((const volatile char *)at + i * each),
            .memory = (struct exo_trace *)(memory + i * each),
        };
    return true;
}

static void add_app(const char *bundle, const struct bundle_app *app, struct group *group)
{
    const char *missing = "place";

    *group = (struct group){.bytes = wanted(bundle, app), .count = app->vcpus};
    if (group->bytes && bytes_of(group) <= EXO_TRACE_ROOM && used + group->count <= OF_APPS) {
        if (add(group, memory_for(bytes_of(group))))
            return;
        missing = "memory";
    }
    if (group->bytes)
        printf("%s is not traced: there is no %s for its rings.\n", app->name, missing);
    group->count = 0;
}

/* The kernel writes them as long as we map them. */
static void add_cpus(struct group *group)
{
    uint32_t count;
    const volatile uint8_t *at = readable_traces(&count);

    *group = (struct group){.bytes = EXO_TRACE_CPU, .count = MIN(count, EXO_CPUS)};
    if (!add(group, at))
        group->count = 0;
}

void rings_make(const char *bundle, const struct bundle_app *apps, uint32_t count)
{
    memset(groups, 0, sizeof(groups));
    used = 0;
    for (uint32_t i = 0; i < count; i++)
        add_app(bundle, &apps[i], &groups[i]);
    if (used)
        add_cpus(&groups[RINGS_OF_CPUS]);
}

struct ring ring_empty(uint32_t app)
{
    const struct group *group = &groups[app];

    if (!group->count)
        return (struct ring){NULL, 0};
    struct exo_trace *first = (struct exo_trace *)sources[group->first].ring;
    memset(first, 0, bytes_of(group));
    for (uint32_t i = 0; i < group->count; i++) {
        struct exo_trace *ring = (struct exo_trace *)sources[group->first + i].ring;
        ring->magic = EXO_TRACE_MAGIC;
        ring->cpu = i;
        ring->size = group->bytes / sizeof(struct exo_trace_event);
        ring->hz = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_TSC_HZ);
        ring->boot = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_BOOT_TSC);
    }
    return (struct ring){first, bytes_of(group)};
}

static void copy(struct source *source, uint32_t bytes, uint64_t when)
{
    const struct exo_trace *ring = source->ring, *made = source->memory;
    uint32_t size = bytes / sizeof(struct exo_trace_event);
    uint64_t end = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);

    memcpy(source->memory, ring, sizeof(*ring) + bytes);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    uint64_t after = __atomic_load_n(&ring->written, __ATOMIC_RELAXED);
    /* N2: number `after` may be under way, and with it goes what lay in its place. */
    uint64_t first = after >= size ? after - size + 1 : 0;
    if (first > end || end > after)
        first = end; /* it has gone round meanwhile, or is nonsense */
    while (end > first && made->events[(end - 1) % size].time > when)
        end--; /* N3 */
    source->copy = (struct ring_copy){made, size, first, end, when};
}

void rings_copy(void)
{
    uint64_t when = time_tsc();

    __builtin_ia32_lfence(); /* N3: the clock is read before any ring is (Intel SDM vol. 2, RDTSC) */
    for (struct group *group = groups; group <= &groups[RINGS_OF_CPUS]; group++)
        for (uint32_t i = 0; i < group->count; i++)
            copy(&sources[group->first + i], group->bytes, when);
}

const struct ring_copy *ring_copied(uint32_t app, uint32_t number)
{
    return number < groups[app].count ? &sources[groups[app].first + number].copy : NULL;
}
