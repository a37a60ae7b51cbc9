/* SPDX-License-Identifier: MIT */
/*
 * blocked.c - who is BLOCKED, against a list that is searched from end to end: threads come and go at
 * random, some wait for one of a few addresses, some for a time, some for both.
 */
#include "blocked.h"

#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "switching.h"

#define THREADS   300u
#define ADDRESSES 70u
#define STEPS     200000u

static struct thread threads[THREADS];
static uint64_t came[THREADS]; /* 0: it is not BLOCKED */
static uint32_t words[ADDRESSES * 16];
static uint64_t random_state = 7;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * 6364136223846793005 + 1442695040888963407;
    return (random_state >> 33) % below;
}

static const void *address_of(uint64_t which)
{
    return &words[which * (which % 3 ? 1 : 16)];
}

/* Those that wait for `address` are given in the order in which they came, and no others. */
static bool right_at(const void *address)
{
    uint64_t before = 0;
    unsigned count = 0, wanted = 0;

    for (struct thread *at = blocked_at(address, NULL); at; at = blocked_at(address, at)) {
        if (at->address != address || came[at - threads] <= before)
            return false;
        before = came[at - threads];
        count++;
    }
    for (unsigned i = 0; i < THREADS; i++)
        wanted += came[i] && threads[i].address == address;
    return count == wanted;
}

static bool right_earliest(uint64_t now)
{
    uint64_t earliest = NO_ALARM;

    for (unsigned i = 0; i < THREADS; i++)
        if (came[i] && threads[i].wake_at && threads[i].wake_at < earliest)
            earliest = threads[i].wake_at;
    const struct thread *due = blocked_due(now);
    if (earliest > now)
        return !due && (thread_earliest == earliest || earliest > 1ull << 62);
    return due && due->wake_at == earliest && thread_earliest == earliest;
}

int main(void)
{
    unsigned wrong = 0, ends_far = 0;

    for (uint64_t step = 1; step <= STEPS; step++) {
        unsigned i = draw(THREADS);
        if (came[i]) {
            blocked_remove(&threads[i]);
            came[i] = 0;
        } else {
            threads[i].address = draw(4) ? address_of(draw(ADDRESSES)) : NULL;
            threads[i].wake_at = draw(2) || !threads[i].address ? 1 + draw(1000) : 0;
            if (threads[i].wake_at && !draw(10)) {
                threads[i].wake_at = UINT64_MAX / 2 + draw(1000);
                ends_far++;
            }
            memset(&threads[i].wait_next, 0xee, sizeof(threads[i].wait_next));
            came[i] = step;
            blocked_add(&threads[i]);
        }
        wrong += !right_at(address_of(draw(ADDRESSES))) || !right_earliest(draw(1200));
    }
    tap_ok(!wrong, "in %u steps each address had its threads in order, and the time was the least",
           STEPS);
    tap_ok(ends_far > 1000, "some wait for ever, all but");
    for (unsigned i = 0; i < THREADS; i++)
        if (came[i])
            blocked_remove(&threads[i]);
    bool empty = thread_earliest == NO_ALARM && !blocked_due(UINT64_MAX / 4);
    for (unsigned i = 0; i < ADDRESSES; i++)
        empty = empty && !blocked_at(address_of(i), NULL);
    tap_ok(empty, "when all have gone nobody is left");
    return tap_done();
}
