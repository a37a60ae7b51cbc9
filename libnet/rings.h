/* SPDX-License-Identifier: MIT */
/*
 * rings.h - the application's side of its network queue: packets in and out, no protocol.
 *
 * All of it under net_lock (net.h).
 */
#ifndef LIBNET_RINGS_H
#define LIBNET_RINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "ring.h"

struct packet {
    uint32_t buffer;
    uint32_t length;
    uint32_t flags; /* EXO_DESC_... */
    uint8_t *data;
};

struct rings_stats {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, tx_full, tx_refused, kicks;
};

extern struct rings_stats rings_stats;

/* Make the queue. Once. NULL: done, else a sentence's end: why not. */
const char *rings_open(uint32_t rx_buffers, uint32_t tx_buffers);

/* EXO_OFFLOAD_...: what the card takes with packets to send. */
uint32_t rings_offloads(void);

/* The next packet received, or a further piece of it; its buffer is the caller's until rings_give(). */
bool rings_take(struct packet *packet);
void rings_give(uint32_t buffer);

/* How many buffers there are of each kind. */
void rings_count(uint32_t *rx_buffers, uint32_t *tx_buffers);

/* How many empty buffers the kernel has for what comes. */
uint32_t rings_posted(void);

/*
 * A buffer to write the next packet into, at most EXO_PACKET_MAX bytes, then rings_send(), or a
 * further piece of the last one, then rings_send_more(). NULL: all are in flight; rings_wanted() is
 * true until one came back. Both give the descriptor, which may be changed as long as
 * rings_stats.kicks stays the same.
 */
uint8_t *rings_send_buffer(void);
struct exo_desc *rings_send(uint32_t length, uint32_t flags);
struct exo_desc *rings_send_more(uint32_t length);
bool rings_have(uint32_t count); /* so many buffers are free: rings_send_buffer() gives them */

uint32_t rings_flying(void);

/* Tell the kernel of what rings_send() gave: one call for all of it. */
void rings_kick(void);

/* Take back what was sent. True: somebody was refused a buffer, and now there are some. */
bool rings_reap(void);
bool rings_wanted(void);

/* News before sleep: arm, then look at rings_news(). */
void rings_arm(void);
void rings_disarm(void);
bool rings_news(void);

/* A counter of the kernel's about the queue, by its offset in struct exo_queue_stats. */
uint64_t rings_kernel_counter(size_t offset);

#endif
