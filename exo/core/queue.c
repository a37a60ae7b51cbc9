/* SPDX-License-Identifier: MIT */
/*
 * queue.c - network queues: rings shared with applications, and the way of a packet.
 *
 *   Q1  each buffer is with the application or in flight to the device, whatever the application
 *       writes; what is in flight is pinned and its queue stays        inv_queue_flights
 *   Q2  the device is given addresses within frames of the queue's owner alone  inv_queue_frames
 *   Q3  a packet goes to the one queue whose filter matches it (filter.c), and is sent only if one
 *       of the sending queue's matches its source: the header is copied first, then checked, and
 *       sent from the copy
 *   Q4  shared words are read once into a local, the kernel's indices are private, and a call
 *       does a bounded amount of work
 *
 * Empty buffers are taken from FILL when a packet comes, not before: the kernel holds none, and
 * there is nothing to give back when a queue ends.
 */
#include "packet_queue.h"

#include "exo_handlers.h"
#include "frame.h"
#include "machine.h"
#include "packet_filter.h"

struct queue *queues;
uint32_t queue_count;
struct set queues_free;
struct nic *nics[NICS];
uint32_t nic_count;
bool nics_busy;

_Static_assert(EXO_QUEUE_BUFFERS <= SET_MAX, "a set holds all buffers of a queue");

#define KICK_MAX   32u /* packets sent by one call */
#define FILL_TRIES 8u  /* bad FILL descriptors passed over for one packet */
/* Stalled queues told by one packet that is sent: of a card with room for EXO_QUEUES / 8 packets at
 * least, so that the last of them tells the last. */
#define WAKE_MAX 8u

void queue_init(struct queue *table, uint32_t count)
{
    queues = table;
    queue_count = count;
    queues_free = (struct set){0};
    for (uint32_t i = 0; i < count; i++)
        set_add(&queues_free, i);
}

bool queue_ended(const struct queue *q)
{
    return envs[q->owner].state == EXO_ENV_ZOMBIE;
}

/* --- shared words: each read once, each written by us only ---------------------- */

static struct exo_ring *ring_of(const struct queue *q, enum exo_ring_name name)
{
    return machine_frame(q->ring[name]);
}

static struct exo_desc fetch_desc(const struct exo_desc *slot)
{
    uint64_t word = __atomic_load_n((const uint64_t *)(const void *)slot, __ATOMIC_RELAXED);
    struct exo_desc desc;

    __builtin_memcpy(&desc, &word, sizeof(desc));
    return desc;
}

static void publish(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* How many descriptors the application has ready, 0 if it claims the impossible. */
static uint32_t ready(struct queue *q, enum exo_ring_name name, uint32_t consumed)
{
    uint32_t count = __atomic_load_n(&ring_of(q, name)->producer, __ATOMIC_ACQUIRE) - consumed;

    if (count <= EXO_RING_SIZE)
        return count;
    q->stats.index_bad++;
    return 0;
}

/* How many free slots a ring that we fill has, 0 if the application claims the impossible. */
static uint32_t room(struct queue *q, enum exo_ring_name name, uint32_t produced)
{
    uint32_t used = produced - __atomic_load_n(&ring_of(q, name)->consumer, __ATOMIC_ACQUIRE);

    if (used <= EXO_RING_SIZE)
        return EXO_RING_SIZE - used;
    q->stats.index_bad++;
    return 0;
}

/* Append to a ring that we fill; there is room. */
static void append(struct queue *q, enum exo_ring_name name, uint32_t *produced,
                   struct exo_desc desc)
{
    struct exo_ring *ring = ring_of(q, name);

    ring->desc[*produced % EXO_RING_SIZE] = desc;
    publish(&ring->producer, ++*produced);
    /*
     * The new index must be visible before `armed` is read (a store before a load, which x86
     * reorders): the application sets `armed` and then looks at the index.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ring->armed, __ATOMIC_ACQUIRE))
        env_pend(&envs[q->owner], EXO_UP_QUEUE);
}

/* --- receiving ------------------------------------------------------------------- */

/* As the card sees it. */
static uint64_t buffer_address(const struct queue *q, uint32_t buffer)
{
    uint64_t window = nics[q->nic]->window, frame = buffer / 2;
    uint64_t page =
        window ? (window >> EXO_PAGE_SHIFT) + (uint64_t)(q - queues) * EXO_QUEUE_FRAMES + frame
               : q->buffer[frame].n;

    return (page << EXO_PAGE_SHIFT) + buffer % 2 * EXO_BUFFER_SIZE;
}

static uint8_t *buffer_memory(const struct queue *q, uint32_t buffer)
{
    return (uint8_t *)machine_frame(q->buffer[buffer / 2]) + buffer % 2 * EXO_BUFFER_SIZE;
}

/* Is this a buffer of the queue's that the application may hand over? */
static bool buffer_ok(const struct queue *q, uint32_t buffer)
{
    return buffer < EXO_QUEUE_BUFFERS && q->buffer[buffer / 2].n && !set_has(&q->flight, buffer);
}

/* Take the next good buffer from FILL. */
static bool buffer_take(struct queue *q, uint32_t *buffer)
{
    struct exo_ring *ring = ring_of(q, EXO_RING_FILL);
    uint32_t count = ready(q, EXO_RING_FILL, q->filled);
    bool found = false;

    for (uint32_t tries = 0; !found && tries < FILL_TRIES && tries < count; tries++) {
        *buffer = fetch_desc(&ring->desc[q->filled++ % EXO_RING_SIZE]).buffer;
        found = buffer_ok(q, *buffer);
        q->stats.fill_bad += !found;
    }
    publish(&ring->consumer, q->filled);
    return found;
}

void queue_receive(struct queue *q, const uint8_t *head, uint32_t head_length, const uint8_t *rest,
                   uint32_t rest_length)
{
    uint32_t buffer;

    if (!room(q, EXO_RING_RECEIVE, q->received) || !buffer_take(q, &buffer)) {
        q->stats.rx_dropped++;
        return;
    }
    uint8_t *to = buffer_memory(q, buffer);
    __builtin_memcpy(to, head, head_length);
    __builtin_memcpy(to + head_length, rest, rest_length);
    q->stats.rx_packets++;
    q->stats.rx_bytes += head_length + rest_length;
    append(q, EXO_RING_RECEIVE, &q->received,
           (struct exo_desc){buffer, 0, (uint16_t)(head_length + rest_length)});
}

void nic_received(struct nic *nic, const uint8_t *packet, uint32_t length)
{
    struct exo_tuple tuple;

    if (length < EXO_PACKET_MIN || length > EXO_PACKET_MAX)
        return;
    tuple_read(&tuple, packet, length < NIC_HEADER ? length : NIC_HEADER);
    struct queue *q;
    if (mac_is_group(tuple.mac))
        nic->crowded += !group_start(nic, NULL, &tuple, packet, length, packet, 0);
    else if ((q = filter_find(nic->number, &tuple)))
        queue_receive(q, packet, length, packet, 0);
    else
        nic->unmatched++;
}

/* --- sending --------------------------------------------------------------------- */

static void complete(struct queue *q, uint32_t buffer, uint16_t error)
{
    if (room(q, EXO_RING_COMPLETE, q->completed))
        append(q, EXO_RING_COMPLETE, &q->completed, (struct exo_desc){buffer, 0, error});
}

/* Send one packet. False: it must wait, and the queue is among those who do. */
static bool send_one(struct queue *q, uint32_t number, struct exo_desc desc)
{
    struct nic *nic = nics[q->nic];
    uint8_t head[NIC_HEADER];

    if (!buffer_ok(q, desc.buffer) || desc.length < EXO_PACKET_MIN ||
        desc.length > EXO_PACKET_MAX || (uint32_t)desc.offset + desc.length > EXO_BUFFER_SIZE) {
        q->stats.tx_bad++;
        complete(q, desc.buffer, EXO_E_RANGE);
        return true;
    }
    uint32_t head_length = desc.length < NIC_HEADER ? desc.length : NIC_HEADER;
    uint32_t rest_length = desc.length - head_length;
    const uint8_t *packet = buffer_memory(q, desc.buffer) + desc.offset;
    __builtin_memcpy(head, packet, head_length);
    struct exo_tuple to;
    tuple_read(&to, head, head_length);
    struct exo_tuple from = to;
    tuple_turn(&from, mac_at(head + 6));
    if (filter_find(q->nic, &from) != q) {
        q->stats.tx_foreign++;
        complete(q, desc.buffer, EXO_E_FOREIGN);
        return true;
    }
    bool group = mac_is_group(to.mac);
    struct queue *near = filter_find(q->nic, &to); /* none if it is for a group */
    if (near) {
        q->stats.local++;
        if (near != q)
            queue_receive(near, head, head_length, packet + head_length, rest_length);
        complete(q, desc.buffer, 0);
    } else {
        bool full = !nic->send_ready(nic);
        if (full || (group && !group_start(nic, q, &to, head, head_length, packet + head_length,
                                           rest_length))) {
            set_add(full ? &nic->stalled : &nic->waiting, number);
            return false;
        }
        set_add(&q->flight, desc.buffer);
        q->flights++;
        nic->send(nic, head, head_length,
                  rest_length ? buffer_address(q, desc.buffer) + desc.offset + head_length : 0,
                  rest_length, number << 16 | desc.buffer);
    }
    q->stats.tx_packets++;
    q->stats.tx_bytes += desc.length;
    return true;
}

uint32_t queue_send(struct queue *q, uint32_t most)
{
    struct nic *nic = nics[q->nic];
    struct exo_ring *ring = ring_of(q, EXO_RING_TRANSMIT);
    uint32_t count = ready(q, EXO_RING_TRANSMIT, q->sent), done = 0;
    /* Every packet in flight has a place in COMPLETE kept for it. */
    while (done < count && done < most && q->flights < room(q, EXO_RING_COMPLETE, q->completed) &&
           send_one(q, (uint32_t)(q - queues), fetch_desc(&ring->desc[q->sent % EXO_RING_SIZE]))) {
        q->sent++;
        done++;
    }
    publish(&ring->consumer, q->sent);
    nic->flush(nic, __atomic_load_n(&ring_of(q, EXO_RING_COMPLETE)->armed, __ATOMIC_ACQUIRE));
    return done;
}

void nic_sent(struct nic *nic, uint32_t cookie)
{
    struct queue *q = &queues[cookie >> 16];
    uint32_t buffer = cookie & 0xffff;

    if (cookie >> 16 >= queue_count || buffer >= EXO_QUEUE_BUFFERS || !set_has(&q->flight, buffer))
        panic("%s: the driver reports packet 0x%x as sent, which is not in flight", nic->name,
              cookie);
    set_remove(&q->flight, buffer);
    q->flights--;
    if (!queue_ended(q))
        complete(q, buffer, 0);

    /* There is room again for those who met a full device. */
    uint32_t next;
    for (uint32_t i = 0; i < WAKE_MAX && (next = set_first(&nic->stalled)) != SET_NONE; i++) {
        set_remove(&nic->stalled, next);
        if (!queue_ended(&queues[next]))
            env_pend(&envs[queues[next].owner], EXO_UP_QUEUE);
    }
}

/* --- calls ----------------------------------------------------------------------- */

struct queue *queue_own(struct env *self, queue_t name, int64_t *error)
{
    *error = name.n < queue_count ? -EXO_E_OWNER : -EXO_E_RANGE;
    return name.n < queue_count && set_has(&self->queues, name.n) ? &queues[name.n] : NULL;
}

/* A frame of the caller's own, of a type, and not in use by the kernel already. */
static int64_t frame_usable(struct env *self, frame_t frame, enum exo_frame_type type)
{
    int64_t error = frame_check(self, frame.n, 1u << type);

    if (!error && frames[frame.n].pinned)
        return -EXO_E_BUSY;
    return error;
}

int64_t call_queue_bind(struct env *self, uint32_t nic, frame_t fill, frame_t receive,
                        frame_t transmit, frame_t complete_ring)
{
    const frame_t ring[EXO_RINGS] = {fill, receive, transmit, complete_ring};

    if (nic >= NICS)
        return -EXO_E_RANGE;
    if (nic >= nic_count)
        return -EXO_E_EMPTY;
    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        int64_t error = frame_usable(self, ring[i], EXO_RING);
        if (error)
            return error;
        for (uint32_t j = 0; j < i; j++)
            if (ring[j].n == ring[i].n)
                return -EXO_E_BUSY;
    }
    if (self->used[EXO_R_QUEUES] >= self->quota[EXO_R_QUEUES])
        return -EXO_E_QUOTA;
    uint32_t number = set_first(&queues_free);
    if (number == SET_NONE)
        return -EXO_E_MEMORY;
    struct queue *q = &queues[number];

    __builtin_memset(q, 0, sizeof(*q));
    q->owner = (uint16_t)EXO_ENV_SLOT(self->name.n);
    q->nic = (uint8_t)nic;
    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        q->ring[i] = ring[i];
        frame_pin(ring[i]);
        bool ours = i == EXO_RING_RECEIVE || i == EXO_RING_COMPLETE;
        struct exo_ring *shared = machine_frame(ring[i]);
        publish(ours ? &shared->producer : &shared->consumer, 0);
    }
    set_remove(&queues_free, number);
    set_add(&self->queues, number);
    self->used[EXO_R_QUEUES]++;
    return q - queues;
}

int64_t call_queue_unbind(struct env *self, struct queue *q)
{
    uint32_t number = (uint32_t)(q - queues);

    if (q->flights) {
        nics[q->nic]->flush(nics[q->nic], true); /* an owner that has ended cannot ask for it */
        return -EXO_E_BUSY;
    }

    filter_drop(q);
    set_remove(&nics[q->nic]->stalled, number);
    set_remove(&nics[q->nic]->waiting, number);
    dma_unmap(nics[q->nic], number); /* before a frame may be used again */
    for (uint32_t i = 0; i < EXO_RINGS; i++)
        frame_unpin(&q->ring[i]);
    for (uint32_t i = 0; i < EXO_QUEUE_BUFFERS / 2; i++)
        frame_unpin(&q->buffer[i]);
    self->used[EXO_R_QUEUES]--;
    set_remove(&self->queues, number);
    set_add(&queues_free, number);
    __builtin_memset(q, 0, sizeof(*q));
    return 0;
}

int64_t call_queue_buffer(struct env *self, struct queue *q, uint32_t index, frame_t frame)
{
    if (index >= EXO_QUEUE_BUFFERS / 2)
        return -EXO_E_RANGE;
    int64_t error = frame_usable(self, frame, EXO_DATA);
    if (error)
        return error;
    if (q->buffer[index].n)
        return -EXO_E_BUSY;

    q->buffer[index] = frame;
    frame_pin(frame);
    dma_map(nics[q->nic], (uint32_t)(q - queues), index, frame);
    return 0;
}

int64_t call_queue_kick(struct env *self, struct queue *q)
{
    return queue_send(q, KICK_MAX);
}
