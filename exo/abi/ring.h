/* SPDX-License-Identifier: MIT */
/*
 * ring.h - the rings of a network queue, shared between application and kernel.
 *
 * A queue has four rings, one RING frame each, and a table of buffer frames
 * (DATA), two buffers of EXO_BUFFER_SIZE bytes a frame: buffer b lies in frame
 * b / 2 of the table at offset (b % 2) * EXO_BUFFER_SIZE. Every word has one
 * writer:
 *
 *   ring        application writes        kernel writes
 *   FILL        producer, desc            consumer      empty buffers to receive into
 *   RECEIVE     consumer                  producer, desc   packets received
 *   TRANSMIT    producer, desc            consumer      packets to send
 *   COMPLETE    consumer                  producer, desc   buffers of packets sent
 *
 * Indices run freely (modulo 2^32) and are taken modulo EXO_RING_SIZE to find
 * the slot; producer - consumer is the number of full slots. The kernel keeps
 * indices of its own and never reads back a word that it wrote; each shared
 * word that it does read it reads once. A descriptor that makes no sense (see
 * below) is consumed and counted in exo_queue_stats.tx_bad or .fill_bad; an
 * index that claims more than EXO_RING_SIZE full slots stalls its ring and is
 * counted in .index_bad. Neither harms anybody but the writer.
 *
 *   FILL      buffer; all else ignored. The buffer must be with the
 *             application (not already posted, not in flight).
 *   RECEIVE   buffer, offset (0), length, flags.
 *   TRANSMIT  buffer, offset, length, flags: EXO_PACKET_MIN <= length <= EXO_PACKET_MAX,
 *             offset + length <= EXO_BUFFER_SIZE, buffer with the application.
 *             Its source must match one of the queue's filters (filter.h).
 *   COMPLETE  buffer, offset 0, length 0 if sent, EXO_E_... (positive) if refused.
 *
 * A packet may lie in several buffers, EXO_PACKET_BUFFERS at most: each descriptor but
 * the last has EXO_DESC_MORE, and all are there before the producer index tells of the
 * first. The first one's other flags count. Filters are compared with what is in the
 * first buffer. All of its buffers come, or are refused, or none; each comes back by
 * itself. To send, flags are for cards that offer what they ask for (EXO_NIC_OFFLOADS):
 *
 *   EXO_DESC_CHECKSUM  of TCP or UDP, not a fragment. TRANSMIT: its checksum field holds
 *                      the sum of the pseudo header (RFC 9293, 3.1), not complemented,
 *                      and the card completes it. RECEIVE: nobody need look at it; the
 *                      field may hold no more than that sum.
 *   EXO_DESC_SEGMENT   of TCP, with EXO_DESC_CHECKSUM: EXO_SEGMENT_MIN or more bytes of
 *                      payload in each segment into which the card cuts the packet,
 *                      which may have EXO_PACKET_LONG bytes; no segment is longer than
 *                      EXO_PACKET_MAX. RECEIVE: such a packet came in one piece. 0: none.
 *
 * Ordering (x86-64: stores are seen in order): write the descriptor, then the
 * producer index.
 *
 * Wake-up. The kernel raises EXO_UP_QUEUE when it appends to RECEIVE or COMPLETE and
 * the consumer's `armed` word in that ring is not 0; it then expects nothing.
 * An application about to sleep sets `armed`, looks at the ring once more, and waits.
 * The kernel looks for what a device has sent when it has other work with it; it does so by itself
 * only if COMPLETE was armed at the last queue_kick. Who needs its buffers back sets `armed`, kicks,
 * and looks then.
 */
#ifndef EXO_ABI_RING_H
#define EXO_ABI_RING_H

#include "types.h"

#define EXO_RING_SIZE 256u /* slots a ring, a power of two */

enum exo_ring_name {
    EXO_RING_FILL,
    EXO_RING_RECEIVE,
    EXO_RING_TRANSMIT,
    EXO_RING_COMPLETE,
    EXO_RINGS
};

/* One slot: 8 bytes, so that it can be read and written whole. */
struct exo_desc {
    _Alignas(8) uint16_t buffer;
    uint16_t offset;
    uint16_t length;
    uint16_t flags;
};

#define EXO_DESC_MORE     0x8000u /* the packet goes on in the next descriptor */
#define EXO_DESC_CHECKSUM 0x4000u
#define EXO_DESC_SEGMENT  0x07ffu /* a number, in these bits */

/* What a card takes with packets to send (EXO_NIC_OFFLOADS). */
#define EXO_OFFLOAD_CHECKSUM 1u /* EXO_DESC_CHECKSUM, EXO_DESC_MORE */
#define EXO_OFFLOAD_SEGMENT4 2u /* EXO_DESC_SEGMENT of TCP over IPv4 */
#define EXO_OFFLOAD_SEGMENT6 4u /* and over IPv6 */

#define EXO_PACKET_BUFFERS   33u
#define EXO_PACKET_LONG      (65535u + 14u) /* what the length field of IPv4 can tell, and Ethernet */
#define EXO_SEGMENT_MIN      256u

struct exo_ring {
    uint32_t producer;
    uint32_t unused0[15]; /* each writer has its own cache line */
    uint32_t consumer;
    uint32_t armed; /* application writes: wake me when this ring gets an entry */
    uint32_t unused1[14];
    struct exo_desc desc[EXO_RING_SIZE];
};

_Static_assert(sizeof(struct exo_desc) == 8, "a descriptor is one word");
_Static_assert(sizeof(struct exo_ring) <= EXO_PAGE_SIZE, "a ring is one page");

/* Counters of a queue; read one at a time by info(EXO_INFO_QUEUE, queue, index). */
struct exo_queue_stats {
    uint64_t rx_packets, rx_bytes;
    uint64_t rx_dropped; /* no buffer posted or RECEIVE full */
    uint64_t tx_packets, tx_bytes;
    uint64_t tx_bad;     /* TRANSMIT descriptors refused: shape */
    uint64_t tx_foreign; /* TRANSMIT packets refused: no filter of the queue's matches */
    uint64_t fill_bad;   /* FILL descriptors refused */
    uint64_t index_bad;  /* impossible producer index seen */
    uint64_t local;      /* packets that went straight to another queue */
};

#endif
