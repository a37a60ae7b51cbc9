/* SPDX-License-Identifier: MIT */
/*
 * time.c - time from the time stamp counter, without a call.
 *
 * The rate is read once. Ticks become nanoseconds by a 32.32 fixed-point factor in 128-bit
 * arithmetic, which is exact to a part in 2^32 for as long as the counter runs.
 */
#include "libos.h"

#define NS 1000000000ull

static uint64_t ns_per_tick, ticks_per_ns; /* 32.32 */
static uint64_t boot;

uint64_t time_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void rate(void)
{
    uint64_t hz = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_TSC_HZ);

    boot = (uint64_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_BOOT_TSC);
    ticks_per_ns = (uint64_t)(((unsigned __int128)hz << 32) / NS);
    ns_per_tick = (uint64_t)(((unsigned __int128)NS << 32) / hz);
}

uint64_t time_ns_of(uint64_t ticks)
{
    if (!ns_per_tick)
        rate();
    return (uint64_t)((unsigned __int128)ticks * ns_per_tick >> 32);
}

uint64_t time_ns(void)
{
    if (!ns_per_tick)
        rate();
    return time_ns_of(time_tsc() - boot);
}

uint64_t time_ticks(uint64_t ns)
{
    if (!ticks_per_ns)
        rate();
    unsigned __int128 ticks = (unsigned __int128)ns * ticks_per_ns >> 32;
    return ticks > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)ticks;
}

uint64_t time_deadline(uint64_t timeout_ns)
{
    uint64_t ticks = time_ticks(timeout_ns);
    return time_tsc() + ticks + 1;
}
