/* SPDX-License-Identifier: MIT */
/* trace.c - the ring of events: what is in it, when it has gone round, and what marks have for names. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "libos.h"

#define SIZE 8u

static struct thread self = {.id = 70000};
static unsigned critical;

struct vcpu vcpu_host = {.current = &self};

void critical_enter(void)
{
    critical++;
}

void critical_exit(void)
{
    critical--;
}

/* What finds the ring when a program starts is tested on the machine. */
const char *libos_setting(const char *name)
{
    (void)name;
    return NULL;
}

bool vm_mapped(uint64_t address)
{
    (void)address;
    return false;
}

static bool is(const struct exo_trace_event *event, uint8_t kind, uint8_t detail, uint16_t thread,
               uint32_t argument)
{
    return event->kind == kind && event->detail == detail && event->thread == thread &&
           event->argument == argument;
}

/* One kind at a time: nothing of a field runs over into its neighbour. */
static void test_fields(struct exo_trace *ring)
{
    bool good = true;

    for (uint8_t kind = 1; kind <= EXO_TRACE_MARK; kind++) {
        ring->written = 0;
        uint64_t before = __builtin_ia32_rdtsc();
        trace_event(kind, 0xff, -1, UINT64_MAX);
        trace_event(kind, 0, 0, 0xfull << 32);
        uint64_t after = __builtin_ia32_rdtsc();
        const struct exo_trace_event *e = ring->events;
        good &= is(&e[0], kind, 0xff, 0xffff, UINT32_MAX) && is(&e[1], kind, 0, 0, 0) &&
                ring->written == 2 && before <= e[0].time && e[0].time <= e[1].time &&
                e[1].time <= after;
    }
    tap_ok(good, "each field holds what was said, cut to its width, and the time is the event's");
}

static void test_round(struct exo_trace *ring)
{
    bool good = true;

    ring->written = 0;
    for (uint32_t i = 0; i < 3 * SIZE + 3; i++) {
        trace_event(EXO_TRACE_RUNS, 0, 1, i);
        good &= ring->written == i + 1;
    }
    for (uint32_t i = 2 * SIZE + 3; i < 3 * SIZE + 3; i++)
        good &= is(&ring->events[i % SIZE], EXO_TRACE_RUNS, 0, 1, i);
    tap_ok(good, "the newest as many as there is room for are in the ring, the older ones gone");
    tap_ok(!ring->events[SIZE].time && !ring->events[SIZE].what, "nothing is written behind it");
}

static void test_marks(struct exo_trace *ring)
{
    ring->written = 0;
    unsigned parse = libos_trace_name("parse"), send = libos_trace_name("send");
    tap_ok(parse == 1 && send == 2 && libos_trace_name("parse") == 1, "a name has one number");
    tap_ok(!strcmp(ring->name[0], "parse") && !strcmp(ring->name[1], "send") && ring->names == 2,
           "and is found under it");
    libos_trace_begin(parse);
    libos_trace_mark(send, 5);
    libos_trace_end(parse);
    const struct exo_trace_event *e = ring->events;
    tap_ok(e[0].kind == EXO_TRACE_BEGIN && e[0].detail == parse && e[1].kind == EXO_TRACE_MARK &&
               e[1].detail == send && e[1].argument == 5 && e[2].kind == EXO_TRACE_END &&
               e[2].detail == parse && ring->written == 3,
           "marks say what the application said");
    tap_ok(e[0].thread == (uint16_t)self.id, "of the thread that runs, by the low bits of its id");

    static const char longest[] = "0123456789012345678901234567890123456789";
    unsigned number = libos_trace_name(longest);
    tap_ok(strlen(ring->name[number - 1]) == EXO_TRACE_NAME_MAX - 1, "a long name is cut");
    for (unsigned i = ring->names; i < EXO_TRACE_NAMES; i++) {
        char name[8];
        snprintf(name, sizeof(name), "n%u", i);
        libos_trace_name(name);
    }
    tap_ok(ring->names == EXO_TRACE_NAMES && libos_trace_name("one more") == 0 &&
               libos_trace_name("send") == 2 && ring->names == EXO_TRACE_NAMES,
           "when there is no more room for names, new ones have none and old ones theirs");
    tap_ok(!critical, "upcalls are on again after all of that");
}

int main(void)
{
    struct exo_trace *ring = aligned_alloc(EXO_PAGE_SIZE, 2 * EXO_PAGE_SIZE);

    if (!ring)
        return 1;
    memset(ring, 0, 2 * EXO_PAGE_SIZE);
    ring->magic = EXO_TRACE_MAGIC;
    ring->size = SIZE;
    trace_start();
    trace_event(EXO_TRACE_RUNS, 0, 1, 0);
    libos_trace_begin(libos_trace_name("off"));
    tap_ok(!trace_ring && !ring->written && !ring->names, "without a ring nothing happens");
    trace_ring = ring;
    test_fields(ring);
    test_round(ring);
    test_marks(ring);
    free(ring);
    return tap_done();
}
