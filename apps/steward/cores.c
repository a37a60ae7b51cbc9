/* SPDX-License-Identifier: MIT */
/*
 * cores.c - which CPUs go to a latency-critical server and which to batch applications, in the manner of
 * Caladan (Fried and others, 2020): a CPU is moved as soon as there is congestion, and given back soon after
 * there is none.
 *
 *   K1  whenever somebody of them waits for a CPU and one is the batch's, they get one more
 *   K2  what they have not used for the whole of CORES_PATIENCE_NS goes back
 *
 * The sign of congestion is that more of them can run than they have CPUs: a vCPU that is ready and waits is
 * what a queue that grows comes to here, where each application sleeps when its queues are empty.
 */
#include "cores.h"

uint64_t cores_decide(struct cores *c, uint32_t wanting, uint64_t now, uint64_t patience)
{
    if (wanting > c->cpus)
        wanting = c->cpus;
    if (wanting >= c->critical) {
        c->critical = wanting;
        c->since = 0;
        return 0;
    }
    if (!c->since)
        c->since = now;
    if (now - c->since < patience)
        return c->since + patience;
    c->critical = wanting;
    c->since = 0;
    return 0;
}
