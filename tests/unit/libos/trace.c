/* SPDX-License-Identifier: MIT */
/* trace.c - rings of events: whose is whose, what is in one, when it has gone round, and what marks have for
 * names. */
#include "trace.h"

#include <string.h>
#include <sys/mman.h>

#include "../tap.h"
#include "libos.h"

#define SIZE 8u /* events that the tests let one have */
#define EACH (EXO_TRACE_HEAD + EXO_PAGE_SIZE)

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

static const char *setting;
static unsigned polled;

const char *libos_setting(const char *name)
{
    return strcmp(name, "FREEHOLD_TRACE") ? NULL : setting;
}

/* Two rings, and a page behind them that is none. */
bool vm_mapped(uint64_t address)
{
    return address - EXO_TRACE_ADDRESS < 2 * EACH + EXO_PAGE_SIZE;
}

int64_t exo_poll(void)
{
    polled++;
    VCPU->page.pending = 0;
    return 0;
}

static struct exo_trace *ring_number(unsigned number)
{
    return (struct exo_trace *)(EXO_TRACE_ADDRESS + number * EACH);
}

static void test_whose(void)
{
    struct vcpu others[2] = {{.number = 1, .env = {7}}, {.number = 2}};

    vcpu_host.env.n = 6;
    trace_start(&vcpu_host);
    tap_ok(!trace_ring && !vcpu_host.watched, "who is not traced gets no ring");
    setting = "4096";
    trace_start(&vcpu_host);
    for (int i = 0; i < 2; i++)
        trace_start(&others[i]);
    tap_ok(trace_ring == ring_number(0) && others[0].trace == ring_number(1) && others[0].watched,
           "each vCPU gets a ring of its own");
    tap_ok(!others[1].trace && !others[1].watched, "but one for whom there is none");
    tap_ok(trace_ring->env == 6 && others[0].trace->env == 7, "and says there whose it is");

    unsigned first = libos_trace_name("first");
    trace_ring = others[0].trace;
    unsigned second = libos_trace_name("second");
    tap_ok(first == 1 && second == 2 && libos_trace_name("first") == 1 &&
               ring_number(0)->names == 2 && !ring_number(1)->names,
           "names are in the first ring, for all");
    libos_trace_mark(second, 1);
    tap_ok(ring_number(1)->written == 1 && !ring_number(0)->written,
           "events are in that of the vCPU on which they were");
    ring_number(0)->names = 0;
    trace_ring = ring_number(0);
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
    tap_ok(!critical && !VCPU->page.disabled && !polled, "upcalls are on again after all of that");
    VCPU->page.pending = 1;
    libos_trace_mark(send, 6);
    tap_ok(polled == 1, "and what was withheld meanwhile comes");
}

int main(void)
{
    void *at = mmap((void *)EXO_TRACE_ADDRESS, 3 * EACH, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (at != (void *)EXO_TRACE_ADDRESS)
        return 1;
    for (unsigned i = 0; i < 2; i++) {
        ring_number(i)->magic = EXO_TRACE_MAGIC;
        ring_number(i)->size = SIZE;
    }
    trace_start(&vcpu_host);
    trace_event(EXO_TRACE_RUNS, 0, 1, 0);
    libos_trace_begin(libos_trace_name("off"));
    tap_ok(!trace_ring && !ring_number(0)->written && !ring_number(0)->names,
           "without a ring nothing happens");
    test_whose();
    test_fields(trace_ring);
    test_round(trace_ring);
    test_marks(trace_ring);
    return tap_done();
}
