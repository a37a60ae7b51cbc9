/* SPDX-License-Identifier: MIT */
/*
 * cpu_clock.c - a clock that stands still while this application does not have the CPU.
 *
 * The time stamp counter minus what of it the CPU was elsewhere. How much that was is asked of the
 * kernel when a slice has begun since the last look, which a word in the control page tells: between
 * slices no call is needed.
 */
#include "libos.h"

static uint64_t slices_seen, elsewhere, last;

uint64_t cpu_clock(void)
{
    uint64_t slices, now;

    do {
        slices = control->slices;
        now = time_tsc();
        if (slices != slices_seen) {
            elsewhere = now - (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_TICKS);
            slices_seen = slices;
        }
    } while (slices != control->slices);
    /* Kernel and application read the counter one after the other. */
    if ((int64_t)(now - elsewhere - last) > 0)
        last = now - elsewhere;
    return last;
}
