/* SPDX-License-Identifier: MIT */
/*
 * virtqueue.c - see virtqueue.h.
 *
 *   V1  what was put is told to the device, or the device looks by itself: it asks, then looks at
 *       the ring again, and we put, then look what it asked for
 *   V2  the same the other way: a used entry interrupts, or virtqueue_interrupt_after() saw it
 *
 * Both need a fence between a store and a load. QEMU before 8.0 leaves it out where it translates for one
 * CPU, though the device runs in a thread of its own. POPF ends a block of translated code there, and
 * between two blocks QEMU exchanges a word of its own to look for interrupts (cpu_handle_interrupt in
 * accel/tcg/cpu-exec.c), which is a fence to the host. Unlike a register of the device it takes no lock.
 */
#include "virtqueue.h"

#define AVAIL_NO_INTERRUPT 1u
#define USED_NO_NOTIFY     1u

_Static_assert(__builtin_offsetof(struct virtq_avail, used_event) == 4 + 2 * VIRTQUEUE_SIZE,
               "2.7.6");
_Static_assert(__builtin_offsetof(struct virtq_used, avail_event) == 4 + 8 * VIRTQUEUE_SIZE,
               "2.7.8");

/* Below the red zone, which the kernel has not, but its tests have. */
static void settle(const struct virtqueue *q)
{
    if (q->translated)
        __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; popfq; lea 128(%%rsp), %%rsp"
                         :
                         :
                         : "memory", "cc");
}

/* 2.7.10.1: is avail_event among the indices of what was put? They wrap around. */
static bool is_wanted(const struct virtqueue *q, uint16_t put)
{
    return q->event_index ? (uint16_t)(q->next_avail - q->used->avail_event - 1) < put
                          : !(q->used->flags & USED_NO_NOTIFY);
}

void virtqueue_put(struct virtqueue *q, uint16_t id)
{
    q->avail->ring[q->next_avail % VIRTQUEUE_SIZE] = id;
    q->next_avail++;
    /* The ring entry is stored before the index that publishes it (2.7.13.3.1). */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    q->avail->index = q->next_avail;
}

void virtqueue_notify(struct virtqueue *q)
{
    uint16_t put = (uint16_t)(q->next_avail - q->told_avail);

    if (!put)
        return;
    q->told_avail = q->next_avail;
    /* avail->index is stored before what the device asked for is loaded (2.7.13.4.1). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!is_wanted(q, put))
        settle(q);
    if (is_wanted(q, put))
        *q->doorbell = q->number;
}

bool virtqueue_take(struct virtqueue *q, uint32_t *id, uint32_t *length)
{
    if (q->last_used == q->used->index)
        return false;
    /* The index is loaded before the entry that it publishes. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    *id = q->used->ring[q->last_used % VIRTQUEUE_SIZE].id;
    *length = q->used->ring[q->last_used % VIRTQUEUE_SIZE].length;
    q->last_used++;
    return true;
}

void virtqueue_interrupt_off(struct virtqueue *q)
{
    /* An index that has been passed is not met before 65,280 more are used. With EVENT_IDX the flag
     * stays 0 (2.7.7.1). */
    if (q->event_index)
        q->avail->used_event = (uint16_t)(q->last_used - 1);
    else
        q->avail->flags = AVAIL_NO_INTERRUPT;
}

bool virtqueue_interrupt_after(struct virtqueue *q, uint16_t count)
{
    if (q->event_index)
        q->avail->used_event = (uint16_t)(q->last_used + count - 1);
    else
        q->avail->flags = 0;
    /* What is asked for is stored before used->index is loaded (2.7.7.2). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    settle(q);
    return (uint16_t)(q->used->index - q->last_used) < (q->event_index ? count : 1);
}
