/* SPDX-License-Identifier: MIT */
/*
 * thread.c - libos' threads on the host, in a world where the environment loses the CPU for a long
 * time whenever it reads the clock: the worst a neighbour can do between two instructions.
 */
#include "libos.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "../tap.h"
#include "switching.h"
#include "trace.h"

#define AWAY 5000000000ull /* ticks: far longer than any quantum */

void thread_restart(void);

static uint64_t now = 1000, own, alarm_set;
static const char *policy;

uint64_t time_tsc(void)
{
    return now += AWAY;
}

/* The time that the environment had the CPU. */
struct vcpu vcpu_host = {.armed = NO_ALARM};
bool vcpus_many;
uint64_t cpu_clock(void)
{
    return own;
}

uint64_t time_ns(void)
{
    return now;
}

uint64_t time_ticks(uint64_t ns) /* one a nanosecond */
{
    return ns;
}

uint64_t time_deadline(uint64_t timeout_ns)
{
    return time_tsc() + time_ticks(timeout_ns);
}

uint64_t time_ns_of(uint64_t ticks)
{
    return ticks;
}

int64_t exo_poll(void)
{
    return 0;
}

int64_t exo_timer(uint64_t deadline)
{
    alarm_set = deadline;
    return 0;
}

const char *libos_setting(const char *name)
{
    return strcmp(name, "FREEHOLD_SCHED") ? NULL : policy;
}

void *vm_alloc(uint32_t pages, uint32_t type)
{
    (void)type;
    return aligned_alloc(EXO_PAGE_SIZE, pages * EXO_PAGE_SIZE);
}

void gate_flush(void)
{
}

static void entry(void *argument)
{
    (void)argument;
}

/* A thread would run now. */
static jmp_buf back;

void switch_in(const struct thread_saved *saved)
{
    (void)saved;
    longjmp(back, 1);
}

/* What switching and ending would need is not called here. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define NOT_CALLED(result, name, ...)                                                              \
    result name(__VA_ARGS__)                                                                       \
    {                                                                                              \
        abort();                                                                                   \
    }
NOT_CALLED(void, console_printf, const char *format, ...)
NOT_CALLED(void, libos_exit, uint32_t status)
NOT_CALLED(bool, vm_mapped, uint64_t address)
NOT_CALLED(long, vm_unmap, uint64_t address, uint64_t size)
NOT_CALLED(void, gate_incoming, void)
NOT_CALLED(uint32_t, gate_wait, uint64_t deadline)
NOT_CALLED(void, canary_no_thread, void)
NOT_CALLED(void, critical_enter, void)
NOT_CALLED(void, vcpus_lock, void)
NOT_CALLED(void, vcpus_unlock, void)
NOT_CALLED(void, vcpus_share, void)
NOT_CALLED(void, vcpus_offer, struct thread *woken, enum enqueue_why why)
NOT_CALLED(uint32_t, vcpu_wait, uint64_t deadline)
NOT_CALLED(void, yield_back, void)
void vcpu_park(void)
{
}
void vcpus_events(uint32_t reasons)
{
}
NOT_CALLED(void, critical_exit, void)
NOT_CALLED(void, switch_out, struct thread_saved *saved)
NOT_CALLED(void, resume_full, const struct exo_context *context)
NOT_CALLED(void, thread_restart, void)
NOT_CALLED(void, run_on, uint64_t stack, void (*function)(void *), void *argument)

/* Is the event of this number so? */
static bool told(uint64_t number, enum exo_trace_kind kind, uint8_t detail, uint16_t thread,
                 uint32_t argument)
{
    const struct exo_trace_event *e = &trace_ring->events[number];

    return number < trace_ring->written && e->kind == kind && e->detail == detail &&
           e->thread == thread && e->argument == argument;
}

int main(void)
{
    /* Bit 1: user mode may set fs, which switching does (Linux from 5.9 on). */
    if (!(getauxval(AT_HWCAP2) & 2)) {
        printf("1..0 # SKIP this machine does not let user mode set fs\n");
        return 0;
    }
    uint64_t fs;
    __asm__("rdfsbase %0" : "=r"(fs));
    policy = "round_robin";
    trace_ring = vm_alloc(2, EXO_DATA);
    memset(trace_ring, 0, 2 * EXO_PAGE_SIZE);
    trace_ring->size = EXO_PAGE_SIZE / sizeof(struct exo_trace_event);
    thread_init();
    uint64_t quantum_ns = thread_policy->quantum_ns;
    struct thread *one = thread_create(entry, NULL, 0, 4096, fs);
    if (!setjmp(back))
        thread_schedule();
    tap_ok(one && thread_current == one && !alarm_set, "a thread that is alone needs no timer");
    struct thread *two = thread_create(entry, NULL, 0, 4096, fs);
    tap_ok(two && alarm_set == now + quantum_ns,
           "when it makes another, its quantum ends from then on, whatever time passed before");

    own += quantum_ns - 1;
    thread_events(EXO_UP_SLICE_BEGIN | EXO_UP_TIMER);
    tap_ok(!thread_must_switch() && alarm_set == now + 1,
           "a thread keeps its quantum while the CPU is away");
    own += 1;
    thread_events(EXO_UP_TIMER);
    tap_ok(thread_must_switch() && thread_current->ran_ns == quantum_ns,
           "and gives way when it has had it");
    tap_ok(told(0, EXO_TRACE_CREATED, 0, 1, 1) &&
               told(1, EXO_TRACE_ENQUEUED, EXO_TRACE_NEW, 1, 0) &&
               told(2, EXO_TRACE_RUNS, 0, 1, 0) && told(3, EXO_TRACE_CREATED, 0, 2, 2) &&
               told(4, EXO_TRACE_ENQUEUED, EXO_TRACE_NEW, 2, 1) && trace_ring->written == 5,
           "the trace tells just that");
    void *page = mmap((void *)EXO_CONTROL_ADDRESS, EXO_PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page == (void *)EXO_CONTROL_ADDRESS && !setjmp(back))
        thread_preempt();
    tap_ok(thread_current == two && told(5, EXO_TRACE_ENQUEUED, EXO_TRACE_PREEMPTED, 1, 1) &&
               told(6, EXO_TRACE_RUNS, 0, 2, 1) && trace_ring->written == 7,
           "and which of them was preempted for the other");
    return tap_done();
}
