/* SPDX-License-Identifier: MIT */
/*
 * cpu_clock.c - the application's own clock on the host: the CPU is lost at every reading of the time stamp
 * counter that matters, and the kernel's count lags behind by what a call takes.
 */
#include "libos.h"

#include "../tap.h"

struct vcpu vcpu_host;

static uint64_t now = 1000000, had; /* the time stamp, and what of it this application had */
static uint64_t lost_before; /* readings of the counter until the CPU is lost; 0: it is not */
static uint64_t call = 10;   /* ticks that a call takes before the kernel looks */

static void lose(uint64_t ticks)
{
    now += ticks;
    VCPU->page.slices++;
}

uint64_t time_tsc(void)
{
    now++;
    had++;
    uint64_t read = now;
    if (lost_before && !--lost_before)
        lose(1000000);
    return read;
}

int64_t exo_info(uint32_t kind, uint64_t which, uint32_t index)
{
    (void)kind, (void)which, (void)index;
    now += call;
    had += call;
    return (int64_t)had;
}

/* As yield.S reads it. */
static uint64_t raw(void)
{
    return time_tsc() - VCPU->clock_elsewhere;
}

int main(void)
{
    VCPU->page.slices = 1;
    uint64_t before = cpu_clock();
    tap_ok(before >= had && before <= had + call, "it is what the application had, but for a call");
    had += 100, now += 100;
    tap_ok(cpu_clock() >= before + 100, "it goes on");

    unsigned back = 0, far = 0;
    for (uint64_t at = 1; at < 5; at++) {
        before = cpu_clock();
        lost_before = at;
        uint64_t after = cpu_clock();
        lost_before = 0;
        back += after < before;
        far += after > had + call;
    }
    tap_ok(!back && !far, "it stands still wherever between two instructions the CPU is lost");

    /* The call is slow when the kernel is asked first, then quick: its answers differ by that. */
    struct thread thread = {0};
    thread_current = &thread;
    call = 500;
    lose(1000);
    cpu_clock();
    thread.slice_from = raw(); /* a switch by the short way */
    call = 0;
    lose(1000);
    before = thread.slice_from;
    tap_ok(cpu_clock() >= before && raw() >= before,
           "it steps back for nobody, even if the kernel's count seems less than before");
    return tap_done();
}
