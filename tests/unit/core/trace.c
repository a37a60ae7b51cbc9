/* SPDX-License-Identifier: MIT */
/* trace.c - the kernel's ring of events for each CPU: whom it ran, and why the one before no more. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include "mock.h"

#define SIZE  (EXO_TRACE_CPU / sizeof(struct exo_trace_event))
#define FIRST (MOCK_FRAMES - MOCK_CPUS * EXO_TRACE_CPU_FRAMES) /* frames that nobody here gets */

static uint8_t *memory;
static struct env *init, *child;

static struct exo_trace *ring(uint32_t cpu)
{
    return (struct exo_trace *)(memory + (size_t)cpu * EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE);
}

/* Two that have half of the slices of CPU 0 each and always work. */
static void boot(void)
{
    const size_t bytes = (size_t)MOCK_CPUS * EXO_TRACE_CPU_FRAMES * EXO_PAGE_SIZE;

    init = mock_boot();
    child = mock_child_with(init, 5, 0, 0, true);
    mock_control(child)->upcall_entry = mock_control(init)->upcall_entry = 0x401000;
    mock_control(child)->upcall_stack = mock_control(init)->upcall_stack = 0x501000;
    for (uint32_t i = 0; i < slice_each; i += 2)
        CALL(init, SLICE_SET, i, child->name.n);
    free(memory);
    memory = calloc(1, bytes);
    trace_init(memory, (frame_t){FIRST});
    mock_next();
}

static void watch(uint32_t cpu, bool on)
{
    frames[FIRST + cpu * EXO_TRACE_CPU_FRAMES].mapped = on;
    mock_next();
}

/* The last event of CPU 0's ring, which must be the only new one. */
static bool told(const struct env *env, uint8_t why)
{
    static uint64_t seen;
    const struct exo_trace *r = ring(0);

    if (r->written == 1)
        seen = 0;
    if (r->written != ++seen)
        return false;
    const struct exo_trace_event *e = &r->events[(seen - 1) % SIZE];
    return e->time == mock_now && e->detail == why &&
           e->kind == (env ? EXO_TRACE_GIVEN : EXO_TRACE_NOBODY) &&
           e->argument == (env ? env->name.n : 0) &&
           e->thread == (env ? EXO_ENV_SLOT(env->name.n) : 0);
}

/* Whoever runs makes a call as a program does. */
static void call(uint64_t number, uint64_t a, uint64_t b)
{
    current->context.rax = number;
    current->context.rdi = a;
    current->context.rsi = b;
    mock_now += 10;
    cpu_call(current);
    mock_next();
}

static struct env *other(void)
{
    return current == init ? child : init;
}

static void slice_over(void)
{
    mock_now = mock_alarm;
    mock_next();
}

static void test_watched(void)
{
    boot();
    slice_over();
    slice_over();
    tap_ok(!ring(0)->written, "nobody reads: nothing is told");
    watch(0, true);
    tap_ok(told(current, EXO_TRACE_AFTER_NOBODY), "somebody does: who has the CPU");
    struct env *next = other();
    slice_over();
    tap_ok(current == next && told(next, EXO_TRACE_TAKEN),
           "who gets it, and that the other's slice was over");
    mock_now += 10;
    mock_next();
    tap_ok(ring(0)->written == 2, "who goes on is not told again");
    watch(0, false);
    slice_over();
    tap_ok(ring(0)->written == 2, "nobody reads any more: nothing is told");
    tap_ok(ring(0)->magic == EXO_TRACE_MAGIC && ring(2)->cpu == 2 && ring(2)->size == SIZE &&
               ring(2)->hz == machine_tsc_hz && ring(2)->boot == machine_boot_tsc,
           "each ring says whose it is and what its times are");
    tap_ok(frames[FIRST].type == EXO_FACTS && frames[MOCK_FRAMES - 1].type == EXO_FACTS &&
               frames[FIRST - 1].type != EXO_FACTS,
           "just these frames may be read with the right to it");
}

static void test_why(void)
{
    boot();
    watch(0, true);
    ring(0)->written = 0;
    struct env *next = other();
    call(EXO_CALL_YIELD, 0, 0);
    tap_ok(current == next && told(next, EXO_TRACE_GAVE), "it gave up its slice");
    next = other();
    call(EXO_CALL_WAIT, 0, 0);
    tap_ok(current == next && told(next, EXO_TRACE_WAITS), "it waits");
    uint64_t deadline = mock_now + 1000000;
    call(EXO_CALL_WAIT, deadline, 0);
    tap_ok(!current && told(NULL, EXO_TRACE_WAITS), "it waits, and nobody is left");
    mock_now = deadline;
    mock_next();
    tap_ok(current == next && told(next, EXO_TRACE_AFTER_NOBODY), "after nobody had it");

    boot();
    watch(0, true);
    if (current == child)
        call(EXO_CALL_YIELD, 0, 0);
    child->waiting = true;
    cpu_consider(child);
    for (uint32_t i = 0; i < 3; i++) {
        mock_now += 10 * (uint64_t)EXO_SLICE_NS;
        mock_next();
    }
    bool alone = current == init && init->preempts;
    env_pend(child, EXO_UP_NOTIFY);
    cpu_consider(child);
    ring(0)->written = 0;
    call(EXO_CALL_YIELD, 0, 0);
    tap_ok(alone && current == child && told(child, EXO_TRACE_GAVE),
           "it gave up its slice, though earlier ones were over while nobody wanted the CPU");

    boot();
    watch(0, true);
    uint64_t gate = (uint64_t)CALL(init, GATE_CREATE, 7);
    CALL(init, GATE_GRANT, gate, child->name.n, 1);
    mock_control(init)->disabled = 0;
    if (current == init)
        call(EXO_CALL_WAIT, 0, 0);
    ring(0)->written = 0;
    call(EXO_CALL_GATE_CALL, gate, 0);
    tap_ok(current == init && told(init, EXO_TRACE_CALLS), "it called another through a gate");

    boot();
    watch(0, true);
    if (current == init)
        call(EXO_CALL_YIELD, 0, 0);
    ring(0)->written = 0;
    call(EXO_CALL_ENV_KILL, EXO_ENV_SELF, 3);
    tap_ok(current == init && told(init, EXO_TRACE_OVER), "it ended");
}

static void test_round(void)
{
    boot();
    watch(0, true);
    bool good = true;
    ring(0)->written = 0;
    uint32_t changes = 0;
    for (uint32_t i = 0; i < 3 * SIZE; i++) {
        struct env *next = other();
        slice_over();
        if (current != next) /* its next position is its own as well */
            continue;
        good &= told(next, EXO_TRACE_TAKEN);
        changes++;
    }
    tap_ok(good && changes > 2 * SIZE && ring(0)->written == changes,
           "the oldest events are overwritten");
    tap_ok(!ring(1)->written && ring(1)->magic == EXO_TRACE_MAGIC,
           "and no other CPU's ring is touched");
}

static void test_cpus(void)
{
    boot();
    CALL(init, SLICE_SET, slice_each, child->name.n);
    if (current == child)
        call(EXO_CALL_YIELD, 0, 0);
    mock_cpu = 1;
    watch(1, true);
    const struct exo_trace_event *e = &ring(1)->events[0];
    tap_ok(ring(1)->written == 1 && e->kind == EXO_TRACE_GIVEN && e->argument == current->name.n &&
               !ring(0)->written,
           "each CPU tells of itself, if it is asked");
    mock_cpu = 0;
}

int main(void)
{
    mock_cpus = MOCK_CPUS;
    test_watched();
    test_why();
    test_round();
    test_cpus();
    free(memory);
    return tap_done();
}
