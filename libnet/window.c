/* SPDX-License-Identifier: MIT */
/*
 * window.c - how much of one connection may be on its way, each way.
 *
 * A quarter of the memory for data in flight, but from 64 KiB (which the receive buffers hold) to 1 MiB. So one
 * connection that fills both ways takes what goes to who comes first (memory.c), and beside many others it stops
 * at its share. It is fixed before the first connection: lwIP takes it for a constant.
 */
#include "lwip/tcp.h"

#include "net.h"

uint32_t net_window_more;

_Static_assert(NET_WINDOW_STEP % (1 << TCP_RCV_SCALE) == 0, "no window is rounded");
_Static_assert(NET_WINDOW_LEAST % NET_WINDOW_STEP == 0 && NET_WINDOW_MOST % NET_WINDOW_STEP == 0,
               "nor are the limits");
_Static_assert(NET_WINDOW_MOST <= 0xffff << TCP_RCV_SCALE, "the largest can be told to the peer");
_Static_assert(4 * (NET_WINDOW_MOST / TCP_MSS) <= 0xffff, "and its pieces be counted");

void net_window_set(size_t memory)
{
    size_t window = LWIP_MIN(memory / 4, NET_WINDOW_MOST);

    window -= window % NET_WINDOW_STEP;
    net_window_more = window > NET_WINDOW_LEAST ? (uint32_t)window - NET_WINDOW_LEAST : 0;
}
