/* SPDX-License-Identifier: MIT */
/*
 * measure.h - instructions between two points, as the programs of both worlds count them.
 *
 * Under QEMU's `-icount shift=0` the time stamp counter goes up by one an instruction. Each thing is
 * done many times; what is told is the median, so that a timer's interrupt in some of them does not
 * count, and the least and the greatest beside it.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLES_MAX 4096u

static uint64_t samples[SAMPLES_MAX];
static uint64_t stamp_cost; /* between two stamps with nothing in between */

static inline uint64_t stamp(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* `parts`: so many of what is told of are in each sample. */
static void tell(const char *what, uint32_t count, uint32_t parts)
{
    qsort(samples, count, sizeof(*samples), by_size);
    printf("bench %s %lu least %lu most %lu of %u\n", what,
           (unsigned long)((samples[count / 2] - stamp_cost) / parts),
           (unsigned long)((samples[0] - stamp_cost) / parts),
           (unsigned long)((samples[count - 1] - stamp_cost) / parts), count);
    fflush(stdout);
}

static void measure_nothing(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t from = stamp();
        samples[i] = stamp() - from;
    }
    qsort(samples, count, sizeof(*samples), by_size);
    stamp_cost = samples[count / 2];
}

#endif
