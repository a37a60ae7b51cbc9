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
 *   Q4  a packet in several buffers goes whole or not at all; no buffer is in it twice
 *   Q5  shared words are read once into a local, the kernel's indices are private, and a call
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

#define KICK_MAX   32u /* descriptors sent by one call, and those of a last packet more */
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

static void publish(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#define WE_FILL(name) ((name)&1u) /* EXO_RING_RECEIVE and EXO_RING_COMPLETE */

/* How many descriptors the application has ready, or how many free slots a ring has that we fill; 0 if
 * it claims the impossible. `ours` is our index of the ring. */
static uint32_t slots(struct queue *q, enum exo_ring_name name, uint32_t ours)
{
    struct exo_ring *ring = ring_of(q, name);
    const uint32_t *theirs = WE_FILL(name) ? &ring->consumer : &ring->producer;
    uint32_t count = __atomic_load_n(theirs, __ATOMIC_ACQUIRE) - ours;

    count += WE_FILL(name) ? EXO_RING_SIZE : 0;
    if (count <= EXO_RING_SIZE)
        return count;
    q->stats.index_bad++;
    return 0;
}

/* What stands in a ring that we fill up to `produced` is the application's. */
static void tell(struct queue *q, enum exo_ring_name name, uint32_t produced)
{
    struct exo_ring *ring = ring_of(q, name);

    publish(&ring->producer, produced);
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
    uint32_t count = slots(q, EXO_RING_FILL, q->filled);
    bool found = false;

    for (uint32_t tries = 0; !found && tries < FILL_TRIES && tries < count; tries++) {
        *buffer =
            __atomic_load_n(&ring->desc[q->filled++ % EXO_RING_SIZE].buffer, __ATOMIC_RELAXED);
        found = buffer_ok(q, *buffer);
        q->stats.fill_bad += !found;
    }
    return found;
}

void queue_receive(struct queue *q, const struct packet *p)
{
    struct exo_ring *ring = ring_of(q, EXO_RING_RECEIVE);
    uint32_t room = slots(q, EXO_RING_RECEIVE, q->received), filled = q->filled, n = 0, buffer;

    for (; n < p->count && p->count <= room && buffer_take(q, &buffer); n++) {
        uint32_t length = p->piece[n].length, head_length = n ? 0 : p->head_length;
        uint16_t more = n + 1u < p->count ? EXO_DESC_MORE : 0;
        uint8_t *to = buffer_memory(q, buffer);
        __builtin_memcpy(to, p->head, head_length);
        __builtin_memcpy(to + head_length, p->piece[n].memory + head_length, length - head_length);
        ring->desc[(q->received + n) % EXO_RING_SIZE] =
            (struct exo_desc){(uint16_t)buffer, 0, (uint16_t)length, p->flags | more};
    }
    if (n < p->count) {
        if (n) /* what there was goes back, in its place */
            q->filled = filled;
        q->stats.rx_dropped++;
    } else {
        q->stats.rx_packets++;
        q->stats.rx_bytes += p->length;
        tell(q, EXO_RING_RECEIVE, q->received += n);
    }
    publish(&ring_of(q, EXO_RING_FILL)->consumer, q->filled);
}

/* Is it as long as it may be? To a group goes what can be kept. */
static bool packet_ok(const struct packet *p)
{
    uint32_t most = p->flags & EXO_DESC_SEGMENT ? EXO_PACKET_LONG : EXO_PACKET_MAX;
    bool kept = p->count == 1 && p->length <= EXO_PACKET_MAX;

    return p->head_length >= EXO_PACKET_MIN && p->length <= most &&
           (kept || !mac_is_group(mac_at(p->head)));
}

void nic_received(struct nic *nic, const struct packet *p)
{
    struct exo_tuple tuple;

    if (!packet_ok(p))
        return;
    tuple_read(&tuple, p->head, p->head_length);
    struct queue *q;
    if (mac_is_group(tuple.mac))
        nic->crowded += !group_start(nic, NULL, &tuple, p);
    else if ((q = filter_find(nic->number, &tuple)))
        queue_receive(q, p);
    else
        nic->unmatched++;
}

/* --- sending --------------------------------------------------------------------- */

static void complete(struct queue *q, uint16_t buffer, uint16_t error)
{
    struct exo_ring *ring = ring_of(q, EXO_RING_COMPLETE);

    if (!slots(q, EXO_RING_COMPLETE, q->completed))
        return;
    ring->desc[q->completed % EXO_RING_SIZE] = (struct exo_desc){buffer, 0, error, 0};
    tell(q, EXO_RING_COMPLETE, ++q->completed);
}

/* The next packet, of at most `ready` descriptors; its good buffers are marked as with the device, so that
 * none is there twice. False: it makes no sense. */
static bool gather(struct queue *q, uint32_t ready, struct packet *p, struct piece *piece,
                   uint8_t *head)
{
    struct exo_ring *ring = ring_of(q, EXO_RING_TRANSMIT);
    struct nic *nic = nics[q->nic];
    uint32_t number = (uint32_t)(q - queues);
    bool good = true, more = true;

    for (; more && p->count < ready && p->count < EXO_PACKET_BUFFERS; p->count++) {
        struct exo_desc d;
        __atomic_load(&ring->desc[(q->sent + p->count) % EXO_RING_SIZE], &d, __ATOMIC_RELAXED);
        bool ok =
            d.length && (uint32_t)d.offset + d.length <= EXO_BUFFER_SIZE && buffer_ok(q, d.buffer);
        piece[p->count] = (struct piece){.length = d.length, .cookie = number << 16 | d.buffer};
        if (ok) {
            set_add(&q->flight, d.buffer);
            piece[p->count].memory = buffer_memory(q, d.buffer) + d.offset;
            piece[p->count].address = buffer_address(q, d.buffer) + d.offset;
        }
        good &= ok;
        more = d.flags & EXO_DESC_MORE;
        p->flags |= p->count ? 0 : d.flags & ~EXO_DESC_MORE;
        p->length += d.length;
    }
    if (!good || more)
        return false;
    p->head_length = piece->length < NIC_HEADER ? piece->length : NIC_HEADER;
    __builtin_memcpy(head, piece->memory, p->head_length);
    bool plain = p->count == 1 && !p->flags;
    return packet_ok(p) && (plain || (nic->offloads && nic->takes(nic, p)));
}

/* The packet does not go to the device. `done`: its buffers come back. */
static void scatter(struct queue *q, const struct packet *p, bool done, uint16_t error)
{
    for (uint32_t i = 0; i < p->count; i++) {
        uint16_t buffer = (uint16_t)p->piece[i].cookie;
        if (p->piece[i].memory)
            set_remove(&q->flight, buffer);
        if (done)
            complete(q, buffer, error);
    }
}

/* Send one packet of `ready` descriptors: how many it has. 0: it must wait, and the queue is among those
 * who do. */
static uint32_t send_one(struct queue *q, uint32_t ready)
{
    struct nic *nic = nics[q->nic];
    uint8_t head[NIC_HEADER];
    static struct piece piece[EXO_PACKET_BUFFERS]; /* under the lock, and much for a stack */
    struct packet p = {.head = head, .piece = piece};
    struct exo_tuple to, from;
    uint16_t error = EXO_E_RANGE;
    struct queue *near = NULL;

    if (gather(q, ready, &p, piece, head)) {
        tuple_read(&to, head, p.head_length);
        from = to;
        tuple_turn(&from, mac_at(head + 6));
        error = filter_find(q->nic, &from) == q ? 0 : EXO_E_FOREIGN;
        near = filter_find(q->nic, &to); /* none if it is for a group */
    }
    q->stats.tx_bad += error == EXO_E_RANGE;
    q->stats.tx_foreign += error == EXO_E_FOREIGN;
    q->stats.local += near && !error;
    if (near && near != q && !error)
        queue_receive(near, &p);
    if (near || error) {
        scatter(q, &p, true, error);
    } else {
        bool full = !nic->send_ready(nic, p.count);
        if (full || (mac_is_group(to.mac) && !group_start(nic, q, &to, &p))) {
            set_add(full ? &nic->stalled : &nic->waiting, (uint32_t)(q - queues));
            scatter(q, &p, false, 0);
            return 0;
        }
        q->flights += p.count;
        nic->send(nic, &p);
    }
    q->stats.tx_packets += !error;
    q->stats.tx_bytes += error ? 0 : p.length;
    return p.count;
}

uint32_t queue_send(struct queue *q, uint32_t most)
{
    struct nic *nic = nics[q->nic];
    uint32_t left = slots(q, EXO_RING_TRANSMIT, q->sent), done = 0, taken = 1;

    for (; taken && left && done < most; left -= taken, done += taken) {
        /* Every buffer in flight has a place in COMPLETE kept for it. */
        uint32_t room = slots(q, EXO_RING_COMPLETE, q->completed);
        room = room > q->flights ? room - q->flights : 0;
        taken = room ? send_one(q, left < room ? left : room) : 0;
        q->sent += taken;
    }
    publish(&ring_of(q, EXO_RING_TRANSMIT)->consumer, q->sent);
    nic->flush(nic, __atomic_load_n(&ring_of(q, EXO_RING_COMPLETE)->armed, __ATOMIC_ACQUIRE));
    return done;
}

void nic_sent(struct nic *nic, uint32_t cookie)
{
    struct queue *q = &queues[cookie >> 16];
    uint16_t buffer = (uint16_t)cookie;

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

    return error ? error : frames[frame.n].pinned ? -EXO_E_BUSY : 0;
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
        struct exo_ring *shared = machine_frame(ring[i]);
        publish(WE_FILL(i) ? &shared->producer : &shared->consumer, 0);
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
