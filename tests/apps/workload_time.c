/* SPDX-License-Identifier: MIT */
/*
 * workload_time.c - the time of a workload, and threads that sleep and compute.
 *
 * To compute is to take so much CPU time as libos counts it for this thread (thread_ran_ns), so that it
 * does not matter how often others come between, nor how fast the machine is.
 */
#include "workload.h"

#define LOOK_NS 100000u /* while it computes it looks as often whether the workload is over */
#define ROUNDS  1000u

static uint64_t begin_ns, begin_tsc;
static uint64_t rounds_a_us = 1;

/* Does nothing for some time. An emulator that counts instructions is quick about instructions that
 * do nothing: a second of these takes it some hundredths. */
static void spin(uint64_t rounds)
{
    while (rounds--)
        __asm__ volatile(".rept 128\n nop\n .endr");
}

void time_measure_spin(void)
{
    spin(ROUNDS);
    uint64_t before = thread_ran_ns();
    spin(ROUNDS);
    uint64_t ns = thread_ran_ns() - before;

    rounds_a_us = ns < ROUNDS * 1000 ? ROUNDS * 1000 / (ns ? ns : 1) : 1;
}

void time_begin(uint64_t at_ns)
{
    critical_enter();
    begin_ns = at_ns;
    begin_tsc = time_tsc() + time_ticks(at_ns - time_ns());
    critical_exit();
}

int64_t now_ns(void)
{
    return (int64_t)(time_ns() - begin_ns);
}

static bool over(void)
{
    return now_ns() >= (int64_t)workload.duration_ns;
}

/* A thread without a further job is there until the end, too, so that who waits for it is not woken before. */
bool sleep_until(uint64_t at_ns)
{
    bool within = at_ns < workload.duration_ns;

    if (!within)
        at_ns = workload.duration_ns;
    critical_enter();
    if (now_ns() < (int64_t)at_ns)
        thread_block(NULL, 0, begin_tsc + time_ticks(at_ns) + 1);
    critical_exit();
    return within;
}

bool compute(uint64_t ns)
{
    uint64_t had = thread_ran_ns(), until = had + ns;

    for (; had < until; had = thread_ran_ns()) {
        if (over())
            return false;
        uint64_t some = until - had < LOOK_NS ? until - had : LOOK_NS;
        /* Most of what is left: reading the clock takes time as well. */
        uint64_t rounds = some * rounds_a_us / 1000;
        spin(rounds > 8 ? rounds - rounds / 8 : 1);
    }
    return !over();
}
