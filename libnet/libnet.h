/* SPDX-License-Identifier: MIT */
/*
 * libnet.h - the network as its application sees it, beside the POSIX calls.
 *
 * An application that is linked with libnet (`net_app` in its meson.build) has its network up
 * before main(). Its settings are strings of the environment:
 *
 *   FREEHOLD_ADDRESS      10.0.2.15/24, or dhcp; without it there is no network
 *   FREEHOLD_GATEWAY      10.0.2.2; may be missing, then only the own subnet is reached
 *   FREEHOLD_ADDRESS6     fd00::15/64; without it there is no IPv6
 *   FREEHOLD_GATEWAY6     fd00::1, or a link-local address as fe80::1; may be missing
 *   FREEHOLD_NET_BUFFERS  64/64: buffers to receive and to send, each 2 to 256, even; 2 KiB each
 *   FREEHOLD_NET_MEMORY   256: KiB that data in flight may take beside them, never more than half of
 *                         what the quota has left at the start, and as much for connections, never
 *                         more than a quarter. The window of a connection is a quarter of it, from
 *                         64 KiB to 1 MiB
 *
 * Sockets: socket bind listen accept accept4 connect send sendto sendmsg recv recvfrom recvmsg
 * shutdown getsockname getpeername setsockopt getsockopt, and read write readv writev poll epoll
 * close fcntl(O_NONBLOCK) ioctl(FIONBIO, FIONREAD): IPv4 and IPv6, TCP and UDP. docs/design/network.md says what
 * differs from Linux.
 */
#ifndef LIBNET_H
#define LIBNET_H

#include <stdbool.h>
#include <stdint.h>

/* All counters start at 0 with the application and only grow. */
struct net_stats {
    bool up; /* there is a network (not: there is an address yet) */
    uint8_t mac[6];
    char address[16]; /* "10.0.2.15"; "0.0.0.0" while DHCP has none */
    char netmask[16];
    char gateway[16]; /* "0.0.0.0": none */

    uint64_t rx_packets, rx_bytes;
    uint64_t rx_malformed; /* dropped before lwIP: too short, or fields that make no sense */
    uint64_t rx_foreign;   /* dropped before lwIP: neither IPv4 nor ARP, nor IPv6 where it is on */
    uint64_t rx_copied;    /* packets copied because few receive buffers were left */
    uint64_t rx_no_memory; /* dropped: no memory to copy them */
    uint64_t rx_dropped;   /* dropped by the kernel: no buffer posted */
    uint64_t tx_packets, tx_bytes;
    uint64_t tx_full;    /* attempts that found every send buffer in flight; TCP sends again */
    uint64_t tx_refused; /* refused by the kernel */
    uint64_t kicks;      /* queue_kick calls */
    uint64_t local;      /* packets that went straight to another application */

    uint64_t udp_dropped;            /* datagrams dropped because their socket's queue was full */
    uint32_t rx_buffers, tx_buffers; /* how many there are */
    uint32_t rx_held, tx_flying;     /* of these: held by the stack or sockets, in flight */
    uint32_t memory_used, memory_limit; /* bytes, beside the buffers */
    uint32_t sockets;                   /* open, or waiting to be accepted */
    uint32_t tcp_active, tcp_waiting;   /* connections; those in TIME_WAIT */
};

/* Takes the lock of the network for a moment; any thread. */
void net_stats(struct net_stats *stats);

#endif
