/* SPDX-License-Identifier: MIT */
/*
 * spin.c - spins and says every half second of machine time how much of the CPU it got.
 */
#include <inttypes.h>
#include <stdio.h>

#include "event.h"
#include "libos.h"

int main(void)
{
    uint64_t ticks = 0, start = time_ns();

    for (int round = 1;; round++) {
        while (time_ns() < start + (uint64_t)round * 500000000u)
            ;
        uint64_t total = (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_TICKS);
        uint64_t slices = (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SLICES_RUN);
        printf("round %d: %" PRIu64 " us of the CPU, %" PRIu64 " slices so far\n", round,
               time_ns_of(total - ticks) / 1000, slices);
        ticks = total;
    }
}
