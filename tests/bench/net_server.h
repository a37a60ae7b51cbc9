/* SPDX-License-Identifier: MIT */
/*
 * net_server.h - what the bench of the network asks on both systems: the same code, the same sockets.
 */
#ifndef BENCH_NET_SERVER_H
#define BENCH_NET_SERVER_H

#define PORT_MEET 5003 /* TCP: sends back what comes, up to 16 bytes at once */
#define PORT_ECHO 5004 /* UDP: sends back each datagram */

/* Prints "bench ready" once all ports are open, and does not return. */
void serve(void);

#endif
