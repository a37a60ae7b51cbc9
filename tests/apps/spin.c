/* SPDX-License-Identifier: MIT */
/*
 * spin.c - spins for ever and says once a second of machine time how much of it it had the CPU.
 *
 * It says so after the second and not within it: on a serial line of 115,200 baud a line takes
 * longer than a slice, and is charged to whoever writes it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "event.h"
#include "libos.h"

#define WARM_UP_NS 200000000u /* until the others have started, too */
#define ROUND_NS   1000000000u

static void spin_until(uint64_t end)
{
    while (time_ns() < end)
        ;
}

static uint64_t cpu_ticks(void)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_TICKS);
}

int main(void)
{
    for (int round = 1;; round++) {
        spin_until(time_ns() + WARM_UP_NS);
        uint64_t start = time_ns(), ticks = cpu_ticks();
        spin_until(start + ROUND_NS);
        uint64_t had = time_ns_of(cpu_ticks() - ticks) / 1000, of = (time_ns() - start) / 1000;
        printf("round %d: %" PRIu64 " us of %" PRIu64 "\n", round, had, of);
    }
}
