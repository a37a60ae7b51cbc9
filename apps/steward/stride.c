/* SPDX-License-Identifier: MIT */
/*
 * stride.c - stride scheduling (Waldspurger, Weihl 1995): time by weight.
 *
 *   D1  of those that can run, whose pass is least is next: so the passes of any two that always could differ
 *       by no more than one turn of each
 *   D2  who slept comes back no further behind than who runs: time that he did not want is not saved up
 *
 * One vector of passes for all CPUs: whoever is next runs on the CPU that asks.
 */
#include "stride.h"

#define SCALE                                                                                      \
    1024u /* of a pass: a weight is a divisor of ticks, so this many parts of one are kept */

void stride_join(struct stride *s, uint32_t app, uint32_t weight, uint64_t ticks)
{
    s->client[app] = (struct stride_client){true, weight ? weight : 1, s->now, ticks};
    s->ready &= ~(1u << app);
}

void stride_leave(struct stride *s, uint32_t app)
{
    s->client[app].here = false;
}

void stride_charge(struct stride *s, uint32_t app, uint64_t ticks)
{
    struct stride_client *client = &s->client[app];

    client->pass += (ticks - client->ticks) * SCALE / client->weight;
    client->ticks = ticks;
}

/* As signed numbers: passes go round. */
static bool is_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

uint32_t stride_next(struct stride *s, uint32_t ready, uint32_t busy)
{
    uint32_t best = STRIDE_NOBODY, woken = ready & ~s->ready;

    s->ready = ready;
    for (uint32_t i = 0; i < BUNDLE_UNDER; i++) {
        struct stride_client *client = &s->client[i];
        if (!client->here || !(ready >> i & 1))
            continue;
        if (woken >> i & 1 && is_before(client->pass, s->now))
            client->pass = s->now; /* D2 */
        if (busy >> i & 1)
            continue;
        if (best == STRIDE_NOBODY || is_before(client->pass, s->client[best].pass))
            best = i;
    }
    if (best != STRIDE_NOBODY && is_before(s->now, s->client[best].pass))
        s->now = s->client[best].pass;
    return best;
}
