/* SPDX-License-Identifier: MIT */
/* packet_queue.h - a queue as queue.c and its tests see it. */
#ifndef EXO_CORE_PACKET_QUEUE_H
#define EXO_CORE_PACKET_QUEUE_H

#include "ring.h"
#include "set.h"
#include "types.h"

struct queue {
    uint16_t owner; /* slot in envs[]; ENV_KERNEL: the queue is free */
    uint8_t nic;
    uint16_t filters; /* the first of a list, 0: none; and how many */
    uint16_t filter_count;
    uint16_t hears_next, hears_before; /* list of its NIC's queues with a filter: queue + 1 */
    frame_t ring[EXO_RINGS];
    uint32_t filled, received, sent, completed; /* our indices of the four rings */
    uint32_t flights;                           /* packets with the device */
    frame_t buffer[EXO_QUEUE_BUFFERS / 2];
    uint8_t flight[EXO_QUEUE_BUFFERS / 8]; /* a bit a buffer: with the device */
    struct exo_queue_stats stats;
};

extern struct queue *queues;
extern uint32_t queue_count;
extern struct set queues_free;

/* Boot: `table` has room for `count` queues and is zero. */
void queue_init(struct queue *table, uint32_t count);

#endif
