/* SPDX-License-Identifier: MIT */
/* packet_queue.h - a queue as queue.c and its tests see it. */
#ifndef EXO_CORE_PACKET_QUEUE_H
#define EXO_CORE_PACKET_QUEUE_H

#include "filter.h"
#include "list.h"
#include "nic.h"
#include "ring.h"

struct queue {
    uint16_t owner; /* slot in envs[]; ENV_KERNEL: the queue is free */
    uint8_t nic;
    struct list filters;
    uint32_t filter_count;
    struct link hears; /* among its NIC's queues with a filter */
    frame_t ring[EXO_RINGS];
    uint32_t filled, received, sent, completed; /* our indices of the four rings */
    uint32_t flights;                           /* buffers with the device */
    frame_t buffer[EXO_QUEUE_BUFFERS / 2];
    struct set flight; /* buffers that are with the device */
    struct exo_queue_stats stats;
};

/* A packet to a group on its way to all queues that hear it (group.c). Of card n number 2 * n came in
 * and 2 * n + 1 was sent. */
#define GROUPS      (2u * NICS)
#define GROUP_STEPS 64u /* hearers that get it at a time */
struct group {
    uint32_t next;  /* whose turn it is: queue + 1; 0: nobody's, and the place is free */
    uint32_t steps; /* left until nic_carry */
    uint32_t length;
    uint16_t flags;
    const struct queue *from; /* its sender, who does not hear it; NULL: it came by the wire */
    struct exo_tuple tuple;
    uint8_t packet[EXO_PACKET_MAX];
};
extern struct group groups[GROUPS];

extern struct queue *queues;
extern uint32_t queue_count;
extern struct set queues_free;

/* Its owner is a ZOMBIE: it receives and sends nothing, and what it has waits to be reclaimed. */
bool queue_ended(const struct queue *queue);

/* A packet goes to a queue, whole, or is counted as dropped. */
void queue_receive(struct queue *queue, const struct packet *packet);

/* A packet in one buffer, at most EXO_PACKET_MAX bytes, goes to all who hear it but to `from`. False: another is under way. */
bool group_start(struct nic *nic, const struct queue *from, const struct exo_tuple *tuple,
                 const struct packet *packet);

/* Send of what waits in TRANSMIT, until `most` descriptors, or a packet more, were taken: how many. */
uint32_t queue_send(struct queue *queue, uint32_t most);

/* Boot: `table` has room for `count` queues and is zero. */
void queue_init(struct queue *table, uint32_t count);

#endif
