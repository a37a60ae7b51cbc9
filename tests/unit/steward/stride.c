/* SPDX-License-Identifier: MIT */
/* stride.c - turns of the steward's policy `stride`, on one CPU and on several, of clients that spin or sleep. */
#include "stride.h"

#include <string.h>

#include "../tap.h"

#define TURN 6000000u /* ticks of a turn */

static struct stride stride;
static uint64_t ticks[BUNDLE_UNDER]; /* that each had */

static void make(const uint32_t *weights, uint32_t count)
{
    memset(&stride, 0, sizeof(stride));
    memset(ticks, 0, sizeof(ticks));
    for (uint32_t i = 0; i < count; i++)
        stride_join(&stride, i, weights[i], 0);
}

static void have(uint32_t client, uint64_t time)
{
    ticks[client] += time;
    stride_charge(&stride, client, ticks[client]);
}

/* D1: is each within one turn of what its weight says of all that they had? */
static bool is_fair(const uint32_t *weights, uint32_t count, uint64_t turn)
{
    uint64_t all = 0, sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        all += ticks[i];
        sum += weights[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t due = all * weights[i] / sum;
        uint64_t off = ticks[i] > due ? ticks[i] - due : due - ticks[i];
        if (off > turn * count)
            return false;
    }
    return true;
}

static void test_weights(void)
{
    static const uint32_t weights[] = {7, 1, 3, 63};
    bool fair = true;

    make(weights, 4);
    for (uint32_t i = 0; i < 100000; i++) {
        have(stride_next(&stride, 15, 0), TURN - tap_random() % TURN / 2); /* some give up early */
        fair &= is_fair(weights, 4, TURN);
    }
    tap_ok(fair, "time is by weight at any time, whatever of its turn each uses");
}

static void test_two_cpus(void)
{
    static const uint32_t weights[] = {2, 1, 1};
    bool never_twice = true;

    make(weights, 3);
    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t a = stride_next(&stride, 7, 0), b = stride_next(&stride, 7, 1u << a);
        never_twice &= a != b && b != STRIDE_NOBODY;
        have(a, TURN);
        have(b, TURN);
    }
    tap_ok(never_twice, "who has a CPU is not asked to have another");
    tap_ok(is_fair(weights, 3, TURN), "one that is to have half of two CPUs has one whole");
}

static void test_sleeper(void)
{
    static const uint32_t weights[] = {1, 1};
    uint32_t turns = 0;

    make(weights, 2);
    for (uint32_t i = 0; i < 1000; i++)
        have(stride_next(&stride, 1, 0), TURN);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t next = stride_next(&stride, 3, 0);
        turns += next;
        have(next, TURN);
    }
    tap_ok(turns >= 50 && turns <= 51,
           "who slept long has its share from then on, not what it slept (%u)", turns);
}

static void test_come_and_go(void)
{
    static const uint32_t weights[] = {1, 4};

    make(weights, 1);
    tap_ok(stride_next(&stride, 0, 0) == STRIDE_NOBODY &&
               stride_next(&stride, 1, 1) == STRIDE_NOBODY,
           "nobody is next if nobody can run, or all that can do");
    for (uint32_t i = 0; i < 1000; i++)
        have(stride_next(&stride, 1, 0), TURN);
    ticks[1] =
        77 * (uint64_t)TURN; /* it is another's slot, say: what it had before does not count */
    stride_join(&stride, 1, 4, ticks[1]);
    uint64_t before = ticks[1];
    for (uint32_t i = 0; i < 100; i++)
        have(stride_next(&stride, 3, 0), TURN);
    tap_ok(ticks[1] - before >= 79 * (uint64_t)TURN && ticks[1] - before <= 81 * (uint64_t)TURN,
           "who joins has its share from then on");
    stride_leave(&stride, 1);
    tap_ok(stride_next(&stride, 3, 0) == 0, "who has left is never next");
}

static void test_long(void)
{
    static const uint32_t weights[] = {1, 2};

    make(weights, 2);
    for (uint32_t i = 0; i < 2; i++)
        stride.client[i].pass = UINT64_MAX - 50 * (uint64_t)TURN; /* after months */
    stride.now = stride.client[0].pass;
    for (uint32_t i = 0; i < 300000; i++)
        have(stride_next(&stride, 3, 0), TURN);
    tap_ok(is_fair(weights, 2, TURN), "passes may go round");
}

int main(void)
{
    test_weights();
    test_two_cpus();
    test_sleeper();
    test_come_and_go();
    test_long();
    return tap_done();
}
