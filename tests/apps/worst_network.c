/* SPDX-License-Identifier: MIT */
/* worst_network.c - the calls of the network, between two queues of one application. */
#include "filter.h"
#include "ring.h"
#include "worst.h"

#define PACKETS 32u /* as many as one kick sends */
#define CROWD   3u  /* queues: with the sender's own a place has 64 filters, as many as it may */
#define KICKS   4u  /* the card may report what was sent in the middle of one: the least counts */

struct card {
    struct exo_ring *ring; /* EXO_RINGS pages */
    queue_t queue;
};
struct crowd {
    queue_t queue[CROWD];
    frame_t ring[CROWD][EXO_RINGS];
};
#define IDLE       5000000u /* ticks, which are instructions: thousands for each hearer */
#define BROADCASTS "first-of-32-broadcasts"

static struct card sender, neighbour, hearer[HEARERS];
static uint8_t *packets, *heard;

static frame_t frame_of(const void *page)
{
    return vm_frame((uint64_t)(uintptr_t)page);
}

/* Rings lie a page apart. */
static struct exo_ring *ring_of(const struct card *card, uint32_t name)
{
    return (struct exo_ring *)((char *)card->ring + name * EXO_PAGE_SIZE);
}

void network_init(void)
{
    packets = vm_alloc(PACKETS, EXO_DATA);
    sender.ring = vm_alloc(EXO_RINGS, EXO_RING);
    neighbour.ring = vm_alloc(EXO_RINGS, EXO_RING);
    heard = vm_alloc(HEARERS, EXO_DATA);
    for (uint32_t i = 0; i < HEARERS; i++)
        hearer[i].ring = vm_alloc(EXO_RINGS, EXO_RING);
}

static void bind(struct card *card)
{
    frame_t f[EXO_RINGS];

    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        memset(ring_of(card, i), 0, EXO_PAGE_SIZE);
        f[i] = frame_of(ring_of(card, i));
    }
    card->queue.n = (uint32_t)COST("queue_bind", "any", exo_queue_bind(0, f[0], f[1], f[2], f[3]));
}

int64_t filter_make(queue_t queue, uint64_t mac, uint16_t port, const char *with)
{
    struct exo_filter *f = (struct exo_filter *)scratch;

    memset(f, 0, sizeof(*f));
    f->value.mac = mac;
    f->mask.mac = EXO_MAC_ALL;
    if (port) {
        f->value.family = 4;
        f->mask.family = 0xff;
        f->value.protocol = EXO_PROTOCOL_UDP;
        f->mask.protocol = 0xff;
        f->value.ports = f->mask.ports = 1;
        f->value.local_port = port;
        f->mask.local_port = 0xffff;
    }
    return with ? COST("filter_add", with, exo_filter_add(queue, scratch_frame, 0))
                : exo_filter_add(queue, scratch_frame, 0);
}

/*
 * Does the kernel look for this MAC, on card 0, where it looks for MAC? What hash it uses is its own
 * affair: were it another, CROWD filters would only lie elsewhere, and the figures be less.
 */
bool shares_place(uint64_t mac)
{
    const uint64_t factor = 0x9e3779b97f4a7c15ull; /* as place_of in exo/core/filter.c */

    return (mac * factor >> 40) % EXO_FILTERS == (MAC * factor >> 40) % EXO_FILTERS;
}

/* Queues with so many filters that a place in the hash is full but for one. */
static void crowd_add(struct crowd *crowd)
{
    uint64_t mac = MAC + 0x100000;

    for (uint32_t i = 0; i < CROWD; i++) {
        for (uint32_t r = 0; r < EXO_RINGS; r++)
            crowd->ring[i][r] = take(SELF, EXO_RING);
        frame_t *f = crowd->ring[i];
        crowd->queue[i].n = (uint32_t)exo_queue_bind(0, f[0], f[1], f[2], f[3]);
        while (!shares_place(++mac))
            ;
        for (uint16_t port = 1; port <= EXO_FILTERS_QUEUE; port++)
            filter_make(crowd->queue[i], mac, port, NULL);
    }
}

static void crowd_remove(struct crowd *crowd)
{
    for (uint32_t i = 0; i < CROWD; i++) {
        exo_queue_unbind(crowd->queue[i]);
        for (uint32_t r = 0; r < EXO_RINGS; r++)
            exo_page_free(crowd->ring[i][r]);
    }
}

static void mac_put(uint8_t *at, uint64_t mac)
{
    for (uint32_t i = 0; i < 6; i++)
        at[i] = (uint8_t)(mac >> (40 - 8 * i));
}

/* Longest packets in the buffers: from `from`, UDP over IPv4. */
static void packets_write(uint64_t to, uint64_t from)
{
    for (uint32_t i = 0; i < PACKETS; i++) {
        uint8_t *p = packets + i * EXO_BUFFER_SIZE;
        mac_put(p, to);
        mac_put(p + 6, from);
        p[12] = 8;
        p[13] = 0;
        p[14] = 0x45;
        p[16] = (EXO_PACKET_MAX - 14) >> 8;
        p[17] = (EXO_PACKET_MAX - 14) & 0xff;
        p[23] = EXO_PROTOCOL_UDP;
        p[35] = 1;                   /* source port: that of the filter that is found last */
        p[37] = EXO_FILTERS_MAC + 1; /* destination port: of none of the filters */
    }
}

static void post(struct card *card, uint32_t name)
{
    struct exo_ring *ring = ring_of(card, name);

    for (uint32_t i = 0; i < PACKETS; i++)
        ring->desc[(ring->producer + i) % EXO_RING_SIZE] =
            (struct exo_desc){i, 0, EXO_PACKET_MAX, 0};
    ring->producer += PACKETS;
}

/* `most`: how many of the packets one call sends. */
static void kick(uint64_t to, uint32_t most, const char *with)
{
    packets_write(to, MAC);
    post(&sender, EXO_RING_TRANSMIT);
    int64_t sent = COST("queue_kick", with, exo_queue_kick(sender.queue));
    if (sent != most)
        note("queue_kick", with, UINT64_MAX, -EXO_E_STATE);
    struct exo_ring *done = ring_of(&sender, EXO_RING_COMPLETE);
    while (*(volatile uint32_t *)&done->producer != ring_of(&sender, EXO_RING_TRANSMIT)->producer) {
        exo_queue_kick(sender.queue);
        exo_wait(time_tsc() + 100000, (env_t){EXO_ENV_SELF});
    }
    done->consumer = done->producer;
    withhold();
}

/* Queues that hear broadcasts by the last of as many filters as a queue may have. */
static void hearers_add(void)
{
    for (uint32_t i = 0; i < HEARERS; i++) {
        uint64_t mac = MAC + 0x200000 + i;
        bind(&hearer[i]);
        exo_queue_buffer(hearer[i].queue, 0, frame_of(heard + i * EXO_PAGE_SIZE));
        int64_t made = filter_make(hearer[i].queue, mac, EXO_FILTERS_MAC + 1, NULL);
        for (uint16_t port = 1; port < EXO_FILTERS_QUEUE && made > 0; port++)
            made = filter_make(hearer[i].queue, mac, port, NULL);
        if (made < 0)
            note("queue_kick", BROADCASTS, UINT64_MAX, made);
    }
}

static void hearers_remove(void)
{
    for (uint32_t i = 0; i < HEARERS; i++)
        exo_queue_unbind(hearer[i].queue);
}

/* The call sends one; on the way back from it, as many hearers get that as do at a time. */
static void broadcast(void)
{
    for (uint32_t i = 0; i < HEARERS; i++) {
        ring_of(&hearer[i], EXO_RING_FILL)->producer++; /* buffer 0, again and again */
        ring_of(&hearer[i], EXO_RING_RECEIVE)->consumer =
            ring_of(&hearer[i], EXO_RING_RECEIVE)->producer;
    }
    kick(EXO_MAC_ALL, 1, BROADCASTS);
    /* Until all have heard the last one: else that would go on while other calls are measured. */
    for (uint64_t until = time_tsc() + IDLE; time_tsc() < until;)
        exo_wait(until, (env_t){EXO_ENV_SELF});
    withhold();
}

void measure_network(void)
{
    static frame_t buffers[EXO_QUEUE_FRAMES];
    static struct crowd crowd;

    bind(&sender);
    bind(&neighbour);
    filter_make(neighbour.queue, MAC + 1, 0, NULL);
    for (uint16_t i = 1; i < EXO_FILTERS_MAC; i++)
        filter_make(sender.queue, MAC, i, NULL);
    crowd_add(&crowd);
    int64_t last = filter_make(sender.queue, MAC, EXO_FILTERS_MAC, "64th-of-a-place");
    COST("filter_del", "64th-of-a-place", exo_filter_del((filter_t){(uint32_t)last}));
    filter_make(sender.queue, MAC, EXO_FILTERS_MAC, NULL);
    for (uint32_t i = 0; i < EXO_QUEUE_FRAMES; i++) {
        bool shown = i < PACKETS / 2;
        buffers[i] = shown ? frame_of(packets + i * EXO_PAGE_SIZE) : take(SELF, EXO_DATA);
        COST("queue_buffer", "any", exo_queue_buffer(sender.queue, i, buffers[i]));
    }
    for (uint32_t i = 0; i < PACKETS / 2; i++)
        exo_queue_buffer(neighbour.queue, i, frame_of(packets + (PACKETS / 2 + i) * EXO_PAGE_SIZE));
    post(&neighbour, EXO_RING_FILL);
    kick(MAC + 1, PACKETS, "32-packets-to-a-neighbour");
    hearers_add();
    for (uint32_t i = 0; i < KICKS; i++) {
        kick(MAC, PACKETS, "32-packets-to-the-wire");
        broadcast();
    }
    hearers_remove();
    COST("queue_unbind", "full", exo_queue_unbind(sender.queue));
    exo_queue_unbind(neighbour.queue);
    crowd_remove(&crowd);
    for (uint32_t i = PACKETS / 2; i < EXO_QUEUE_FRAMES; i++)
        exo_page_free(buffers[i]);
}
