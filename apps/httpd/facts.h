/* SPDX-License-Identifier: MIT */
/*
 * facts.h - what the server tells about itself, and the one door to the platform.
 *
 * facts_freehold.c answers in an application of Freehold; the tests have an answer of their own, so
 * that everything else here builds and runs on any POSIX host.
 */
#ifndef HTTPD_FACTS_H
#define HTTPD_FACTS_H

#include <stdint.h>

struct facts {
    /* the environment */
    const char *application, *version;
    uint64_t environment; /* its number in the kernel's table */
    uint64_t pages, pages_max;
    uint64_t slices, slices_max,
        slices_run; /* positions owned, positions there are, slices begun */
    uint64_t cpu_ms, uptime_s;
    uint64_t faults;         /* pages given on demand */
    uint64_t upcalls, calls; /* from the kernel, into it */
    const char *policy;
    uint64_t threads;

    /* its network queue */
    const char *address, *gateway, *mac;
    const char *nic, *link;
    uint64_t rx_packets, rx_bytes, rx_dropped;
    uint64_t tx_packets, tx_bytes, tx_refused;
    uint64_t kicks; /* calls that told the kernel to send */
    uint64_t local; /* packets that went straight to another application */

    /* the machine */
    uint64_t machine_pages, machine_free, idle_ms;

    /* the server: itself keeps these */
    uint64_t requests, connections, connections_max, accepted, refused, evicted;
};

/* Fill in everything but the server's own numbers, which stay. It is given the same object each time, all of
 * this zero at first, so that it may ask once what never changes. */
void facts_get(struct facts *facts);

/* facts_freehold.c: how it reads libnet's counters. net_stats(), unless who asks has the network's lock. */
struct net_stats;
extern void (*facts_network)(struct net_stats *stats);

#endif
