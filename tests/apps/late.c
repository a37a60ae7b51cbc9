/* SPDX-License-Identifier: MIT */
/*
 * late.c - a latency-critical application: sleeps, has a little to do, and says how late it came to it.
 *
 * Once in a while it has much to do, for longer than a slice: then it is no more than punctual afterwards.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "event.h"

#define EVERY_NS 3000000u
#define WORK_NS  100000u
#define MUCH_NS  20000000u
#define JOBS     200u /* in a round */

static uint32_t late[JOBS]; /* microseconds */

static void spin_until(uint64_t end)
{
    while (time_ns() < end)
        ;
}

static void sleep_until(uint64_t at)
{
    const struct timespec when = {(time_t)(at / 1000000000), (long)(at % 1000000000)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL))
        ;
}

static int by_size(const void *a, const void *b)
{
    return (*(const uint32_t *)a > *(const uint32_t *)b) -
           (*(const uint32_t *)a < *(const uint32_t *)b);
}

int main(void)
{
    for (int round = 1;; round++) {
        for (uint32_t i = 0; i < JOBS; i++) {
            uint64_t due = time_ns() + EVERY_NS;
            sleep_until(due);
            uint64_t now = time_ns();
            late[i] = (uint32_t)((now - due) / 1000);
            spin_until(now + (i % 50 == 49 ? MUCH_NS : WORK_NS));
        }
        qsort(late, JOBS, sizeof(*late), by_size);
        printf("round %d: %u jobs, late by p50 %u us, p90 %u us, p99 %u us, most %u us\n", round,
               JOBS, late[JOBS / 2], late[JOBS * 9 / 10], late[JOBS * 99 / 100], late[JOBS - 1]);
    }
}
