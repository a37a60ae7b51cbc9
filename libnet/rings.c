/* SPDX-License-Identifier: MIT */
/*
 * rings.c - the application's side of its network queue (exo/abi/ring.h).
 *
 *   R1  a receive buffer is in FILL, in RECEIVE or with the stack; a send buffer is free, or from
 *       rings_send() to its COMPLETE entry in flight: never two of these
 *   R2  a ring of 256 slots never overflows: there are at most 256 buffers of a kind
 *   R3  `sent` runs ahead of `kicked` only inside net_lock; net_leave() kicks
 */
#include "rings.h"

#include <string.h>

#include "libos.h"

struct rings_stats rings_stats;

static struct {
    queue_t queue;
    struct exo_ring *fill, *receive, *transmit, *complete;
    uint8_t *buffers;
    uint32_t offloads;
    uint32_t rx_buffers, tx_buffers;            /* receive buffers come first */
    uint32_t filled, received, sent, completed; /* our indices */
    uint32_t kicked;                            /* `sent` at the last kick */
    bool stalled; /* the kernel left some: it will say when to try again */
    bool wanted;  /* no send buffer was free */
    uint32_t free_count;
    uint16_t free[EXO_RING_SIZE]; /* send buffers, a stack */
} rings;

static uint32_t fetch(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void publish(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static uint8_t *memory_of(uint32_t buffer)
{
    return rings.buffers + (size_t)buffer * EXO_BUFFER_SIZE;
}

/* --- start ---------------------------------------------------------------------------------- */

static void *pages(uint32_t count, uint32_t type)
{
    critical_enter();
    void *memory = vm_alloc(count, type);
    critical_exit();
    return memory;
}

static frame_t frame_of(const void *page)
{
    critical_enter();
    frame_t frame = vm_frame((uint64_t)page);
    critical_exit();
    return frame;
}

/* All that we may receive and send. The kernel reads it where our parent wrote it. */
static bool filters_add(void)
{
    frame_t frame = frame_of(libos_start_info);
    bool added = frame.n;

    for (uint64_t i = 0; i < libos_start_info->allowances && added; i++)
        added = exo_filter_add(rings.queue, frame,
                               (uint32_t)(offsetof(struct exo_start, allow) +
                                          i * sizeof(struct exo_filter))) >= 0;
    return added;
}

const char *rings_open(uint32_t rx_buffers, uint32_t tx_buffers)
{
    uint32_t frames = (rx_buffers + tx_buffers) / 2;
    struct exo_ring *ring[EXO_RINGS];
    bool enough = true;

    /* Each ring by itself, so that an index that runs away meets a guard and not the next ring. */
    for (uint32_t i = 0; i < EXO_RINGS; i++)
        enough &= (ring[i] = pages(1, EXO_RING)) != NULL;
    rings.buffers = pages(frames, EXO_DATA);
    if (!enough || !rings.buffers)
        return "its quota of memory is too small for the rings and buffers: raise `memory` in the "
               "machine description, or lower FREEHOLD_NET_BUFFERS";
    frame_t frame[EXO_RINGS];
    for (uint32_t i = 0; i < EXO_RINGS; i++)
        frame[i] = frame_of(ring[i]);
    int64_t queue = exo_queue_bind(0, frame[0], frame[1], frame[2], frame[3]);
    if (queue == -EXO_E_EMPTY)
        return "this machine has no network card that is driven";
    if (queue < 0)
        return "the kernel gives it no queue";
    rings.queue.n = (uint32_t)queue;
    rings.offloads = (uint32_t)exo_info(EXO_INFO_NIC, 0, EXO_NIC_OFFLOADS);
    for (uint32_t i = 0; i < frames; i++)
        if (exo_queue_buffer(rings.queue, i, frame_of(rings.buffers + i * EXO_PAGE_SIZE)) < 0)
            return "the kernel refuses its buffers";
    if (!filters_add())
        return "its address or MAC is in use already";

    rings.fill = ring[EXO_RING_FILL];
    rings.receive = ring[EXO_RING_RECEIVE];
    rings.transmit = ring[EXO_RING_TRANSMIT];
    rings.complete = ring[EXO_RING_COMPLETE];
    rings.rx_buffers = rx_buffers;
    rings.tx_buffers = tx_buffers;
    for (uint32_t i = 0; i < rx_buffers; i++)
        rings_give(i);
    for (uint32_t i = 0; i < tx_buffers; i++)
        rings.free[rings.free_count++] = (uint16_t)(rx_buffers + i);
    return NULL;
}

void rings_count(uint32_t *rx_buffers, uint32_t *tx_buffers)
{
    *rx_buffers = rings.rx_buffers;
    *tx_buffers = rings.tx_buffers;
}

uint32_t rings_offloads(void)
{
    return rings.offloads;
}

/* --- receiving ------------------------------------------------------------------------------- */

bool rings_take(struct packet *packet)
{
    if (!rings.receive || fetch(&rings.receive->producer) == rings.received)
        return false;
    struct exo_desc desc = rings.receive->desc[rings.received % EXO_RING_SIZE];
    publish(&rings.receive->consumer, ++rings.received);
    *packet = (struct packet){desc.buffer, desc.length, desc.flags, memory_of(desc.buffer)};
    rings_stats.rx_packets += !(desc.flags & EXO_DESC_MORE);
    rings_stats.rx_bytes += desc.length;
    return true;
}

void rings_give(uint32_t buffer)
{
    rings.fill->desc[rings.filled % EXO_RING_SIZE] = (struct exo_desc){.buffer = buffer};
    publish(&rings.fill->producer, ++rings.filled);
}

uint32_t rings_posted(void)
{
    return rings.filled - rings.received;
}

/* --- sending --------------------------------------------------------------------------------- */

static void reap(void)
{
    uint32_t produced = fetch(&rings.complete->producer);

    while (rings.completed != produced) {
        struct exo_desc desc = rings.complete->desc[rings.completed++ % EXO_RING_SIZE];
        rings.free[rings.free_count++] = (uint16_t)desc.buffer;
        rings_stats.tx_refused += desc.length != 0;
    }
    publish(&rings.complete->consumer, rings.completed);
}

/* Even if there is nothing new: the kernel looks what the device has sent meanwhile. */
static void kick(void)
{
    int64_t taken;

    rings.kicked = rings.sent;
    publish(&rings.transmit->producer, rings.sent);
    do {
        rings_stats.kicks++;
        taken = exo_queue_kick(rings.queue);
    } while (taken > 0 && fetch(&rings.transmit->consumer) != rings.sent);
    rings.stalled = fetch(&rings.transmit->consumer) != rings.sent;
}

static void kick_and_reap(void)
{
    kick();
    reap();
}

uint8_t *rings_send_buffer(void)
{
    if (!rings.free_count)
        reap();
    /* What goes straight to another application is sent at once. */
    if (!rings.free_count && !rings.wanted)
        kick_and_reap();
    if (!rings.free_count && !rings.wanted) {
        rings.wanted = true;
        publish(&rings.complete->armed, 1);
        kick_and_reap(); /* only this call tells the kernel that we wait */
    }
    if (!rings.free_count) {
        rings_stats.tx_full++;
        return NULL;
    }
    return memory_of(rings.free[rings.free_count - 1]);
}

/* The kernel is told of it by kick(), not before: what goes on is then there whole. */
static struct exo_desc *put(uint32_t length, uint32_t flags)
{
    struct exo_desc *desc = &rings.transmit->desc[rings.sent++ % EXO_RING_SIZE];

    *desc = (struct exo_desc){rings.free[--rings.free_count], 0, (uint16_t)length, (uint16_t)flags};
    rings_stats.tx_bytes += length;
    return desc;
}

struct exo_desc *rings_send(uint32_t length, uint32_t flags)
{
    rings_stats.tx_packets++;
    return put(length, flags);
}

struct exo_desc *rings_send_more(uint32_t length)
{
    struct exo_desc *last = &rings.transmit->desc[(rings.sent - 1) % EXO_RING_SIZE];

    last->flags |= EXO_DESC_MORE;
    return put(length, 0);
}

bool rings_have(uint32_t count)
{
    if (rings.free_count < count)
        reap();
    return rings.free_count >= count;
}

uint32_t rings_flying(void)
{
    if (rings.complete)
        kick_and_reap();
    return rings.tx_buffers - rings.free_count;
}

void rings_kick(void)
{
    if (rings.sent != rings.kicked || rings.stalled)
        kick();
}

bool rings_reap(void)
{
    if (!rings.wanted)
        return false;
    reap();
    if (!rings.free_count)
        return false;
    rings.wanted = false;
    publish(&rings.complete->armed, 0);
    return true;
}

bool rings_wanted(void)
{
    return rings.wanted;
}

/* --- waking ---------------------------------------------------------------------------------- */

void rings_arm(void)
{
    publish(&rings.receive->armed, 1);
    /* `armed` is stored before the rings are looked at: the kernel does it the other way round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void rings_disarm(void)
{
    publish(&rings.receive->armed, 0);
}

bool rings_news(void)
{
    return fetch(&rings.receive->producer) != rings.received ||
           (rings.wanted && fetch(&rings.complete->producer) != rings.completed);
}

uint64_t rings_kernel_counter(size_t offset)
{
    int64_t value =
        rings.receive ? exo_info(EXO_INFO_QUEUE, rings.queue.n, (uint32_t)(offset / 8)) : 0;

    return value < 0 ? 0 : (uint64_t)value;
}
