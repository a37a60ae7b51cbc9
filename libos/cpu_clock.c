/* SPDX-License-Identifier: MIT */
/*
 * cpu_clock.c - a clock that stands still while this application does not have the CPU.
 *
 *   K1  it is the time stamp counter less `elsewhere`. How much that is is asked of the kernel when a
 *       slice has begun since the last look, which a word in the control page tells: between slices
 *       no call is needed
 *   K2  it never steps back, whoever reads it: kernel and application read the counter one after the
 *       other, so a look finds a little less or more than the one before
 */
#include "libos.h"

uint64_t cpu_clock_slices, cpu_clock_elsewhere;
static uint64_t last;

static void look(void)
{
    uint64_t slices = control->slices, now = time_tsc(), latest = last;
    uint64_t had = (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_TICKS);

    if (slices != control->slices)
        return;
    if (thread_current && thread_current->slice_from > latest) /* yield.S has read it, too */
        latest = thread_current->slice_from;
    cpu_clock_elsewhere = now - (had > latest ? had : latest);
    cpu_clock_slices = slices;
}

uint64_t cpu_clock(void)
{
    uint64_t now;

    /* The stamp first: if no slice began before this look, none did before the stamp. */
    while (now = time_tsc(), control->slices != cpu_clock_slices)
        look();
    last = now - cpu_clock_elsewhere;
    return last;
}
