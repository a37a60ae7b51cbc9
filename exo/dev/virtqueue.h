/* SPDX-License-Identifier: MIT */
/*
 * virtqueue.h - the driver's side of a split virtqueue (OASIS virtio 1.2, 2.7).
 *
 * Neither side tells the other more than that asked for: with EVENT_IDX each writes down at which
 * index it wants to hear, without it a flag says whether it does.
 */
#ifndef EXO_DEV_VIRTQUEUE_H
#define EXO_DEV_VIRTQUEUE_H

#include "types.h"

#define VIRTQUEUE_SIZE      256u
#define VIRTQUEUE_EVENT_IDX (1ull << 29) /* 6: the feature bit */

#define DESC_NEXT           1u
#define DESC_WRITE          2u

struct virtq_desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

struct virtq_avail {
    uint16_t flags, index;
    uint16_t ring[VIRTQUEUE_SIZE];
    uint16_t used_event; /* 2.7.7: interrupt when used->index moves past it */
};

struct virtq_used {
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[VIRTQUEUE_SIZE];
    uint16_t avail_event; /* 2.7.10: ring the doorbell when avail->index moves past it */
};

struct virtqueue {
    struct virtq_desc *desc;
    volatile struct virtq_avail *avail;
    volatile struct virtq_used *used;
    volatile uint16_t *doorbell;
    uint16_t number;  /* is written there */
    bool event_index; /* EVENT_IDX was negotiated */
    bool translated;  /* by QEMU, where a fence is not enough (virtqueue.c) */
    uint16_t next_avail, told_avail, last_used;
};

/* Make the chain that starts at descriptor `id` available. */
void virtqueue_put(struct virtqueue *q, uint16_t id);

/* Ring the doorbell if the device wants to hear of what was put since the last time. It does not
 * while it is at work and will look again by itself. */
void virtqueue_notify(struct virtqueue *q);

/* The next used entry. False: there is none. The numbers are the device's: look at them. */
bool virtqueue_take(struct virtqueue *q, uint32_t *id, uint32_t *length);

/* No interrupts; one may still come, and does no harm. */
void virtqueue_interrupt_off(struct virtqueue *q);

/*
 * One interrupt when `count` more entries (1 to 256) are used; without EVENT_IDX each interrupts
 * from now on. False: so many are there to be taken already, and may not interrupt any more.
 */
bool virtqueue_interrupt_after(struct virtqueue *q, uint16_t count);

#endif
