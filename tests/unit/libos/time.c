/* SPDX-License-Identifier: MIT */
/*
 * time.c - ticks and nanoseconds on the host's own time stamp counter, at rates of many machines.
 */
#include "libos.h"

#include <stdlib.h>

#include "../tap.h"

static uint64_t hz;

int64_t exo_info(uint32_t what, uint64_t which, uint32_t index)
{
    (void)what, (void)which;
    return index == EXO_MACHINE_TSC_HZ ? (int64_t)hz : 0;
}

/* The rate is read once a program: each is a program of its own. */
int main(int count, char **arguments)
{
    hz = count > 1 ? strtoull(arguments[1], NULL, 10) : 1000000000u;
    tap_ok(time_ticks(0) == 0, "no time is no ticks");
    uint64_t second = time_ticks(1000000000u);
    tap_ok(second <= hz && hz - second <= 1, "a second is %lu ticks of %lu", second, hz);
    uint64_t back = time_ns_of(hz);
    tap_ok(back <= 1000000000u && back >= 999999998u, "and back: %lu ns", back);
    tap_ok(time_ticks(UINT64_MAX) <= UINT64_MAX / 2, "the longest time is no time past");

    bool later = true;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t before = time_tsc(), deadline = time_deadline(1ull << i);
        later &= deadline > before && deadline != 0;
    }
    later &= time_deadline(0) > 1;
    tap_ok(later, "a deadline lies ahead, however far");
    return tap_done();
}
