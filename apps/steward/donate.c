/* SPDX-License-Identifier: MIT */
/*
 * donate.c - the policy `stride` on the machine: the steward keeps all slices of its CPUs and gives away each as it
 * comes.
 *
 * Wherever nobody else runs on one of its CPUs, or a slice there has ended, the steward itself is next, as all
 * positions are its own. So it need not know which CPU it is on: it yields to whoever is next, and by that is
 * free to be next on another.
 */
#include "libos.h"
#include "steward.h"
#include "stride.h"

static struct stride stride;

static const char *init(const struct bundle_app *apps, uint32_t count, char **words)
{
    (void)apps;
    (void)count;
    return *words ? "stride takes no further words" : NULL;
}

static void joined(uint32_t client)
{
    stride_join(&stride, client, clients[client].weight, client_ticks(client));
}

static void left(uint32_t client)
{
    stride_leave(&stride, client);
}

static uint64_t turn(void)
{
    uint32_t ready = clients_ready(), busy = 0, next;

    for (uint32_t i = 0; i < BUNDLE_UNDER; i++)
        if (clients[i].env.n)
            stride_charge(&stride, i, client_ticks(i));
    while ((next = stride_next(&stride, ready, busy)) != STRIDE_NOBODY) {
        if (exo_yield(clients[next].env) == 0)
            return STEWARD_NOW;
        busy |= 1u << next; /* it has another CPU, or has just fallen asleep */
    }
    /* Whoever has a CPU has it for the rest of one slice: this is to be here for the next. */
    return busy ? time_deadline(EXO_SLICE_NS) : 0;
}

const struct policy policy_stride = {"stride", init, joined, left, turn};
