/* SPDX-License-Identifier: MIT */
/*
 * rings.c - init's rings for traced applications: which settings make one, and what a copy holds
 * whatever the application does to its ring meanwhile.
 */
#include "rings.h"

#include <pthread.h>

#include "libos.h"
#include "readable.h"

#undef printf

enum { APPS = 4, SIZE = EXO_PAGE_SIZE / 16, COPIES = 3000 };

struct env *fake_init;
int fake_fail_at;
uint64_t fake_random;
char fake_said[4096];
const struct exo_start *libos_start_info;

int fake_printf(const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(fake_said);

    va_start(arguments, format);
    int length = vsnprintf(fake_said + used, sizeof(fake_said) - used, format, arguments);
    va_end(arguments);
    return length;
}

static uint64_t now = UINT64_MAX;

uint64_t time_tsc(void)
{
    return now;
}

/* The kernel's rings; NULL: it has none that can be read. */
static uint8_t *of_cpus;

const volatile uint8_t *readable_traces(uint32_t *cpus)
{
    *cpus = 2;
    return of_cpus;
}

static char bundle[4096];
static struct bundle_app apps[APPS];

/* An application of this name with one argument that looks like the setting, and this setting. */
static void app_with(uint32_t i, const char *name, const char *setting)
{
    char *at = bundle + i * 256;

    memset(&apps[i], 0, sizeof(apps[i]));
    strcpy(apps[i].name, name);
    apps[i].strings_offset = i * 256;
    apps[i].argc = 2;
    apps[i].envc = 1;
    apps[i].vcpus = 1;
    apps[i].strings_size = (uint32_t)(snprintf(at, 128, "%s", name) + 1);
    at += apps[i].strings_size;
    apps[i].strings_size += (uint32_t)(snprintf(at, 64, "FREEHOLD_TRACE=4096") + 1);
    apps[i].strings_size +=
        (uint32_t)(snprintf(bundle + i * 256 + apps[i].strings_size, 64, "%s", setting) + 1);
}

static void test_settings(void)
{
    static const char *const bad[] = {"",     "0",     "4095",   "4097",  "2048",
                                      "8191", "4096x", "524288", "-4096", "99999999999999999999"};
    char setting[64], want[200];
    bool refused = true;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        fake_init = mock_boot();
        uint32_t pages = fake_init->used[EXO_R_PAGES];
        snprintf(setting, sizeof(setting), "FREEHOLD_TRACE=%s", bad[i]);
        app_with(0, "www", setting);
        fake_said[0] = 0;
        rings_make(bundle, apps, 1);
        snprintf(want, sizeof(want), "www is not traced: its ring cannot have %s bytes.\n", bad[i]);
        refused &=
            !strcmp(fake_said, want) && !ring_empty(0).at && fake_init->used[EXO_R_PAGES] == pages;
    }
    tap_ok(refused, "sizes that no ring has are refused, and it is told");

    fake_init = mock_boot();
    fake_said[0] = 0;
    uint32_t pages = fake_init->used[EXO_R_PAGES];
    app_with(0, "small", "FREEHOLD_TRACE=4096");
    app_with(1, "none", "A=1");
    app_with(2, "large", "FREEHOLD_TRACE=8192");
    rings_make(bundle, apps, 3);
    tap_ok(!*fake_said && fake_init->used[EXO_R_PAGES] == pages + 2 * (2 + 3),
           "each gets its ring with a page for its head, and as much for a copy");
    tap_ok(!ring_empty(1).at && !ring_copied(1, 0), "an argument is no setting");
    struct ring ring = ring_empty(2);
    tap_ok(ring.bytes == 3 * EXO_PAGE_SIZE && ring.at->magic == EXO_TRACE_MAGIC &&
               ring.at->size == 512,
           "a ring says how many events there is room for");
    app_with(0, "huge", "FREEHOLD_TRACE=262144");
    app_with(1, "small", "FREEHOLD_TRACE=4096");
    fake_said[0] = 0;
    rings_make(bundle, apps, 2);
    tap_ok(!strcmp(fake_said, "huge is not traced: there is no memory for its rings.\n") &&
               !ring_empty(0).at && !ring_copied(0, 0) && ring_empty(1).at,
           "whose ring there is no memory for is told and not traced, and others are");
}

/* One of the rings of an application. */
static struct exo_trace *ring_number(struct ring rings, uint32_t number)
{
    return (struct exo_trace *)((char *)rings.at + number * 2 * EXO_PAGE_SIZE);
}

static void test_vcpus(void)
{
    fake_init = mock_boot();
    fake_said[0] = 0;
    uint32_t pages = fake_init->used[EXO_R_PAGES];
    app_with(0, "two", "FREEHOLD_TRACE=4096");
    app_with(1, "one", "FREEHOLD_TRACE=4096");
    apps[0].vcpus = 2;
    rings_make(bundle, apps, 2);
    struct ring two = ring_empty(0), one = ring_empty(1);
    tap_ok(!*fake_said && two.bytes == 4 * EXO_PAGE_SIZE && one.bytes == 2 * EXO_PAGE_SIZE &&
               fake_init->used[EXO_R_PAGES] == pages + 2 * (4 + 2),
           "one of two vCPUs gets two rings, one behind the other");
    bool good = true;
    for (uint32_t i = 0; i < 2; i++) {
        const struct exo_trace *ring = ring_number(two, i);
        good &= ring->magic == EXO_TRACE_MAGIC && ring->cpu == i && ring->size == SIZE;
        ring_number(two, i)->written = i + 1;
    }
    one.at->written = 7;
    rings_copy();
    for (uint32_t i = 0; i < 2; i++)
        good &= ring_copied(0, i)->ring->cpu == i && ring_copied(0, i)->end == i + 1;
    tap_ok(good && !ring_copied(0, 2) && ring_copied(1, 0)->end == 7 && !ring_copied(1, 1),
           "each has its number, and is copied");

    fake_said[0] = 0;
    app_with(0, "many", "FREEHOLD_TRACE=262144");
    apps[0].vcpus = 3;
    rings_make(bundle, apps, 2);
    tap_ok(!strcmp(fake_said, "many is not traced: there is no place for its rings.\n") &&
               !ring_empty(0).at && ring_empty(1).at,
           "whose rings would reach beyond their place is told and not traced, and others are");
}

/* A copy made now of the first application's. */
static struct ring_copy copied(void)
{
    rings_copy();
    return *ring_copied(0, 0);
}

static void write_event(struct exo_trace *ring, uint64_t number)
{
    struct exo_trace_event *event = &ring->events[number % SIZE];

    __atomic_store_n(&event->time, number, __ATOMIC_RELAXED);
    __atomic_store_n(&event->what, ~number, __ATOMIC_RELAXED);
    __atomic_store_n(&ring->written, number + 1, __ATOMIC_RELEASE);
}

/* Are all events of the copy those that were written under these numbers? */
static bool copy_is_whole(const struct ring_copy *copy)
{
    for (uint64_t n = copy->first; n < copy->end; n++) {
        const struct exo_trace_event *event = &copy->ring->events[n % copy->size];
        if (event->time != n || event->what != ~n)
            return false;
    }
    return copy->end - copy->first < copy->size;
}

static void test_copy(struct exo_trace *ring)
{
    bool good = !ring_copied(0, 0)->when;
    struct ring_copy copy = copied();

    good &= !copy.first && !copy.end && copy.when;

    for (uint64_t n = 0; n < 3 * SIZE; n++) {
        write_event(ring, n);
        copy = copied();
        good &= copy_is_whole(&copy) && copy.end == n + 1 &&
                copy.first == (n + 1 < SIZE ? 0 : n + 2 - SIZE);
    }
    tap_ok(good, "a copy has all that was written, but for what may be overwritten just now");

    static const uint64_t nonsense[] = {UINT64_MAX, UINT64_MAX - 1, 1ull << 63, 1ull << 40};
    for (unsigned i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
        ring->written = nonsense[i];
        ring->size = (uint32_t)nonsense[i];
        copy = copied();
        good &= copy.end - copy.first < SIZE && copy.size == SIZE;
    }
    tap_ok(good, "whatever is written over its head: there are never more than it has room for");
}

/* All copies end at one time, though they are made one after the other. */
static void test_time(struct exo_trace *ring)
{
    struct ring_copy copy;

    memset(ring, 0, sizeof(*ring));
    for (uint64_t n = 0; n < SIZE / 2; n++)
        write_event(ring, n);
    now = 10;
    copy = copied();
    tap_ok(!copy.first && copy.end == 11 && copy.when == 10,
           "what came after that time is left out");
    for (uint64_t n = SIZE / 2; n < 2 * SIZE; n++)
        write_event(ring, n);
    copy = copied();
    tap_ok(copy.first == copy.end, "if all did, there is nothing");
    now = UINT64_MAX;
}

static volatile bool over;

static void *writer(void *argument)
{
    for (uint64_t n = 0; !over; n++)
        write_event(argument, n);
    return NULL;
}

/* The application goes on, on another CPU. */
static void test_overrun(struct exo_trace *ring)
{
    pthread_t thread;
    uint64_t moved = 0, last = 0;
    bool good = !pthread_create(&thread, NULL, writer, ring);

    for (int i = 0; good && (i < COPIES || moved < 2); i++) {
        struct ring_copy copy = copied();
        good &= copy_is_whole(&copy);
        moved += copy.end != last;
        last = copy.end;
    }
    over = true;
    pthread_join(thread, NULL);
    tap_ok(good, "nothing in a copy was overwritten while it was copied");
}

static void test_cpus(void)
{
    static uint64_t memory[2 * EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE / sizeof(uint64_t)];

    tap_ok(!ring_copied(RINGS_OF_CPUS, 0), "without the kernel's rings there are none to copy");
    of_cpus = (uint8_t *)memory;
    fake_init = mock_boot();
    rings_make(bundle, apps, 0);
    tap_ok(!ring_copied(RINGS_OF_CPUS, 0),
           "if no application is traced the kernel is not made to tell anything");
    rings_make(bundle, apps, 1);
    tap_ok(ring_copied(RINGS_OF_CPUS, 1) && !ring_copied(RINGS_OF_CPUS, 2),
           "else there is one a CPU");
    struct exo_trace *second = (struct exo_trace *)(of_cpus + EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE);
    second->written = 3;
    second->events[2].argument = 77;
    rings_copy();
    const struct ring_copy *copy = ring_copied(RINGS_OF_CPUS, 1);
    tap_ok(!copy->first && copy->end == 3 && copy->ring->events[2].argument == 77 &&
               copy->size == EXO_TRACE_CPU / sizeof(struct exo_trace_event),
           "and each is copied like an application's");
}

int main(void)
{
    test_settings();
    test_vcpus();
    fake_init = mock_boot();
    app_with(0, "www", "FREEHOLD_TRACE=4096");
    rings_make(bundle, apps, 1);
    test_copy(ring_empty(0).at);
    test_time(ring_empty(0).at);
    test_overrun(ring_empty(0).at);
    test_cpus();
    return tap_done();
}
