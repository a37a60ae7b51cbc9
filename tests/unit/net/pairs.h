/* SPDX-License-Identifier: MIT */
/* pairs.h - connections of a peer to a listener, and that nothing of them is left behind. */
#ifndef TESTS_NET_PAIRS_H
#define TESTS_NET_PAIRS_H

#include <stdint.h>
#include <stdlib.h>

#include "../tap.h"
#include "libnet.h"
#include "peer.h"
#include "sockets.h"
#include "world.h"

/* A listener. */
static inline long server(uint16_t port, int backlog)
{
    long fd = t_socket(SOCK_STREAM);

    t_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (fd < 0 || t_bind(fd, 0, port) || t_listen(fd, backlog))
        abort();
    return fd;
}

/* A connection from `t` to a fresh listener on `port`; the listener is closed. */
static inline long pair(struct peer_tcp *t, uint16_t port)
{
    long listener = server(port, 8);

    peer_tcp_open(t, (uint16_t)(20000 + port), port);
    long fd = t_accept(listener, NULL, 0);
    world_close((int)listener);
    if (fd < 0)
        abort();
    return fd;
}

/* Once TIME_WAIT is over no socket, buffer or memory is in use but what was `before`, and the peer saw no bad frame. */
static inline void left_nothing(const char *what, const struct net_stats *before)
{
    struct net_stats now;

    world_pass(200 * 1000000000ull);
    net_stats(&now);
    tap_ok(now.sockets == before->sockets && now.rx_held == before->rx_held &&
               now.tx_flying == before->tx_flying && now.memory_used == before->memory_used &&
               now.tcp_active == 0 && now.tcp_waiting == 0 && peer_bad_frames == 0,
           "%s: nothing is left behind (sockets %u, held %u, flying %u, memory %u to %u, "
           "connections %u+%u, bad frames %u)",
           what, now.sockets, now.rx_held, now.tx_flying, before->memory_used, now.memory_used,
           now.tcp_active, now.tcp_waiting, peer_bad_frames);
}

#endif
