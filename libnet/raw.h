/* SPDX-License-Identifier: MIT */
/*
 * raw.h - lwIP itself, for an application that wants no sockets between it and TCP.
 *
 * lwIP's raw calls (lwip/tcp.h) may be used between net_enter() and net_leave(). Its callbacks run between
 * the two as well, in libnet's own thread when a packet or a timer wakes it, and may answer on the
 * spot: what they send leaves with all else of that round, by one call into the kernel. A callback
 * must not sleep. Such an application needs FREEHOLD_ADDRESS as any other; net_stats().up says whether
 * there is a network.
 */
#ifndef LIBNET_RAW_H
#define LIBNET_RAW_H

#include "lwip/tcp.h"

void net_enter(void);
void net_leave(void); /* sends what was put in the ring, and wakes poll() if there was news */

/* net_stats(), between the two. */
struct net_stats;
void net_stats_entered(struct net_stats *stats);

/* Between the two: leave a connection that is being closed to lwIP, which calls nobody back and ends
 * it even if its peer falls silent. */
void net_forsake(struct tcp_pcb *pcb);

#endif
