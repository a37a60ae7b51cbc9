/* SPDX-License-Identifier: MIT */
/*
 * queue.c - network queues: each call with each of its errors, and shared memory that lies.
 *
 * The kernel meets the application's words at the moments when it asks for a frame's contents; a
 * hook that changes them there stands for a second CPU.
 */
#include "mock.h"

#include "packet_queue.h"
#include "ring.h"

#include <string.h>

#define ANY       EXO_FRAME_ANY

#define MAC_A     0x020000000005ull
#define MAC_B     0x020000000006ull
#define MAC_C     0x020000000007ull
#define BROADCAST 0xffffffffffffull
#define MULTICAST 0x01005e000001ull
#define ELSEWHERE 0x0200000000eeull

/* A queue with its rings and buffers as its application sees them. */
struct end {
    struct env *env;
    uint64_t queue, mac, filter, frame[EXO_RINGS], buffer[4];
    struct exo_ring *ring[EXO_RINGS];
};

static uint32_t stalled(const struct nic *nic)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < SET_MAX; i++)
        count += set_has(&nic->stalled, i);
    return count;
}

/* Does it wait to hear of room? */
static bool waits(const struct end *end)
{
    return set_has(&nics[queues[end->queue].nic]->stalled, (uint32_t)end->queue);
}

static uint64_t take(struct env *env, uint32_t type)
{
    return (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, ANY, type);
}

static uint8_t *memory(uint64_t frame)
{
    return machine_frame((frame_t){(uint32_t)frame});
}

/* `mac` 0: no filter. */
static struct end bind_on(struct env *env, uint64_t nic, uint64_t mac, uint32_t buffers)
{
    struct end e = {.env = env, .mac = mac};

    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        e.frame[i] = take(env, EXO_RING);
        e.ring[i] = (struct exo_ring *)(void *)memory(e.frame[i]);
    }
    e.queue = (uint64_t)CALL(env, QUEUE_BIND, nic, e.frame[0], e.frame[1], e.frame[2], e.frame[3]);
    for (uint32_t i = 0; i < buffers; i++) {
        e.buffer[i] = take(env, EXO_DATA);
        CALL(env, QUEUE_BUFFER, e.queue, i, e.buffer[i]);
    }
    if (mac)
        e.filter = (uint64_t)mock_filter(env, e.queue, mock_mac(mac));
    return e;
}

static struct end bind(struct env *env, uint64_t mac, uint32_t buffers)
{
    return bind_on(env, 0, mac, buffers);
}

static void mac_put(uint8_t *at, uint64_t mac)
{
    for (uint32_t i = 0; i < 6; i++)
        at[i] = (uint8_t)(mac >> (40 - 8 * i));
}

static uint8_t *packet_at(const struct end *e, uint32_t buffer)
{
    return memory(e->buffer[buffer / 2]) + buffer % 2 * EXO_BUFFER_SIZE;
}

/* A packet in a buffer: addresses, then bytes that tell where they were. */
static void packet_make(const struct end *e, uint32_t buffer, uint32_t offset, uint64_t to)
{
    uint8_t *packet = packet_at(e, buffer) + offset;

    for (uint32_t i = 12; offset + i < EXO_BUFFER_SIZE; i++)
        packet[i] = (uint8_t)(i * 7 + buffer);
    mac_put(packet, to);
    mac_put(packet + 6, e->mac);
}

static void post(const struct end *e, enum exo_ring_name name, struct exo_desc desc)
{
    struct exo_ring *ring = e->ring[name];

    ring->desc[ring->producer % EXO_RING_SIZE] = desc;
    ring->producer++;
}

static int64_t kick(const struct end *e)
{
    return CALL(e->env, QUEUE_KICK, e->queue);
}

static void poll_nic(void)
{
    nics[0]->poll(nics[0]);
}

/* The next entry of a ring that the kernel fills; {~0} if there is none. */
static struct exo_desc next(const struct end *e, enum exo_ring_name name)
{
    struct exo_ring *ring = e->ring[name];

    if (ring->consumer == ring->producer)
        return (struct exo_desc){.buffer = NO_BUFFER};
    return ring->desc[ring->consumer++ % EXO_RING_SIZE];
}

static struct exo_queue_stats *stats(const struct end *e)
{
    return &queues[e->queue].stats;
}

static bool holds(void)
{
    const char *wrong = inv_all();

    if (wrong)
        printf("# %s\n", wrong);
    return !wrong;
}

/* --- calls ------------------------------------------------------------------------- */

static void test_bind(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 20, 0, 1, true);
    uint64_t r[5], data = take(init, EXO_DATA), foreign = take(child, EXO_RING);

    for (uint32_t i = 0; i < 5; i++)
        r[i] = take(init, EXO_RING);
    REFUSED(RANGE, CALL(init, QUEUE_BIND, NICS, r[0], r[1], r[2], r[3]), "a NIC beyond the table");
    REFUSED(EMPTY, CALL(init, QUEUE_BIND, 1, r[0], r[1], r[2], r[3]), "a NIC that is not there");
    REFUSED(RANGE, CALL(init, QUEUE_BIND, 0, MOCK_FRAMES, r[1], r[2], r[3]), "no frame, fill");
    REFUSED(RANGE, CALL(init, QUEUE_BIND, 0, r[0], r[1], r[2], MOCK_FRAMES), "no frame, complete");
    REFUSED(OWNER, CALL(init, QUEUE_BIND, 0, r[0], foreign, r[2], r[3]), "another's ring");
    REFUSED(OWNER, CALL(init, QUEUE_BIND, 0, r[0], 1, r[2], r[3]), "the kernel's frame as ring");
    REFUSED(TYPE, CALL(init, QUEUE_BIND, 0, r[0], r[1], data, r[3]), "a DATA frame as ring");
    REFUSED(BUSY, CALL(init, QUEUE_BIND, 0, r[0], r[1], r[2], r[0]), "one frame for two rings");
    tap_ok(CALL(init, QUEUE_BIND, 0, r[0], r[1], r[2], r[3]) == 0, "bind");
    REFUSED(BUSY, CALL(init, QUEUE_BIND, 0, r[4], r[1], r[2], r[3]), "the rings of another queue");
    REFUSED(BUSY, CALL(init, PAGE_FREE, r[2]), "free a ring in use");
    bind(child, 0, 0);
    struct env *poor = mock_child_with(init, 20, 0, 0, true);
    for (uint32_t i = 0; i < 4; i++)
        r[i] = take(poor, EXO_RING);
    REFUSED(QUOTA, CALL(poor, QUEUE_BIND, 0, r[0], r[1], r[2], r[3]), "bind with no quota");
    poor->quota[EXO_R_QUEUES] = 1;
    queues_free = (struct set){0};
    REFUSED(MEMORY, CALL(poor, QUEUE_BIND, 0, r[0], r[1], r[2], r[3]), "all queues are taken");
}

static void test_calls(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 20, 0, 1, true);
    struct end mine = bind(init, 0, 1), other;
    uint64_t data = take(init, EXO_DATA), n = mine.queue;

    mock_confine(child, MAC_B);
    other = bind(child, 0, 0);
    for (uint64_t q = 0; q < 5; q++) {
        static const uint64_t strange[] = {MOCK_QUEUES, 0xffffffff, 1ull << 40, 0, 31};
        uint64_t name = q == 3 ? other.queue : strange[q];
        int64_t error = q < 3 ? -EXO_E_RANGE : -EXO_E_OWNER;
        mock_snapshot(true);
        tap_ok(CALL(init, QUEUE_KICK, name) == error && CALL(init, QUEUE_UNBIND, name) == error &&
                   CALL(init, QUEUE_BUFFER, name, 1, data) == error &&
                   mock_filter(init, name, mock_mac(MAC_A)) == error && mock_unchanged(true),
               "no call on queue 0x%llx, which is not one's own", (unsigned long long)name);
    }
    REFUSED(RANGE, CALL(init, QUEUE_BUFFER, n, EXO_QUEUE_BUFFERS / 2, data), "entry 512");
    REFUSED(RANGE, CALL(init, QUEUE_BUFFER, n, 1, MOCK_FRAMES), "no frame as buffer");
    REFUSED(OWNER, CALL(init, QUEUE_BUFFER, n, 1, child->root.n), "another's frame as buffer");
    REFUSED(OWNER, CALL(init, QUEUE_BUFFER, n, 1, 1), "the kernel's frame as buffer");
    REFUSED(TYPE, CALL(init, QUEUE_BUFFER, n, 1, init->root.n), "a table as buffer");
    REFUSED(BUSY, CALL(init, QUEUE_BUFFER, n, 1, mine.buffer[0]), "a buffer frame once more");
    REFUSED(BUSY, CALL(init, QUEUE_BUFFER, n, 0, data), "a filled entry");
    DONE(CALL(init, QUEUE_BUFFER, n, EXO_QUEUE_BUFFERS / 2 - 1, data), "the last entry");
    REFUSED(BUSY, CALL(init, PAGE_FREE, data), "free a buffer in use");

    tap_ok(holds(), "queues: the invariants hold");
    REFUSED(RANGE, CALL(init, INFO, EXO_INFO_QUEUE, MOCK_QUEUES, 0), "about a queue beyond");
    REFUSED(RANGE, CALL(init, INFO, EXO_INFO_QUEUE, n, 10), "a fact of a queue that is not");
    REFUSED(OWNER, CALL(child, INFO, EXO_INFO_QUEUE, n, 0), "about the parent's queue");
    REFUSED(OWNER, CALL(init, INFO, EXO_INFO_QUEUE, 30, 0), "about a free queue");
    tap_ok(CALL(init, INFO, EXO_INFO_QUEUE, other.queue, 0) == 0, "about a child's queue");
    DONE(CALL(init, QUEUE_UNBIND, n), "unbind");
    DONE(CALL(init, PAGE_FREE, data), "its buffer is free again");
    DONE(CALL(init, PAGE_FREE, mine.frame[0]), "its ring too");
    tap_ok(init->used[EXO_R_QUEUES] == 0 && holds(), "after it the invariants hold");
}

/* --- descriptors ---------------------------------------------------------------------- */

static void test_shapes(void)
{
    static const struct {
        uint16_t buffer, offset, length;
        bool good;
    } shape[] = {{0, 0, 14, true},        {0, 0, 1514, true},     {1, 534, 1514, true},
                 {0, 2034, 14, true},     {0, 0, 0, false},       {0, 0, 13, false},
                 {0, 0, 1515, false},     {0, 0, 65535, false},   {0, 535, 1514, false},
                 {0, 2035, 14, false},    {0, 65535, 14, false},  {0, 65535, 1514, false},
                 {0, 64022, 1514, false}, {2, 0, 60, false},      {1023, 0, 60, false},
                 {1024, 0, 60, false},    {0xffff, 0, 60, false}, {0x8000, 0, 60, false}};
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 1);

    for (uint32_t i = 0; i < sizeof(shape) / sizeof(*shape); i++) {
        if (shape[i].good)
            packet_make(&e, shape[i].buffer, shape[i].offset, ELSEWHERE);
        uint64_t bad = stats(&e)->tx_bad;
        post(&e, EXO_RING_TRANSMIT,
             (struct exo_desc){shape[i].buffer, shape[i].offset, shape[i].length, 0});
        tap_ok(kick(&e) == 1, "buffer %u, offset %u, length %u is consumed", shape[i].buffer,
               shape[i].offset, shape[i].length);
        if (shape[i].good) {
            uint32_t total = mock_sent[0].header_length + mock_sent[0].length;
            bool bytes = mock_sent_count == 1 && total == shape[i].length;
            const uint8_t *packet = packet_at(&e, shape[i].buffer) + shape[i].offset;
            bytes &= !memcmp(mock_sent[0].header, packet, mock_sent[0].header_length);
            if (mock_sent[0].length)
                bytes &= mock_sent[0].payload == (e.buffer[0] << EXO_PAGE_SHIFT) +
                                                     shape[i].buffer * EXO_BUFFER_SIZE +
                                                     shape[i].offset + NIC_HEADER;
            else
                bytes &= !mock_sent[0].payload;
            tap_ok(bytes && stats(&e)->tx_bad == bad, "and sent as it is");
            poll_nic();
            struct exo_desc done = next(&e, EXO_RING_COMPLETE);
            tap_ok(done.buffer == shape[i].buffer && !done.length, "and comes back");
        } else {
            struct exo_desc done = next(&e, EXO_RING_COMPLETE);
            tap_ok(!mock_sent_count && stats(&e)->tx_bad == bad + 1 &&
                       done.buffer == shape[i].buffer && done.length == EXO_E_RANGE,
                   "and refused");
        }
    }
    tap_ok(holds(), "descriptors: the invariants hold");
}

static void test_foreign(void)
{
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 1);

    for (uint32_t byte = 0; byte < 6; byte++) {
        packet_make(&e, 0, 0, byte % 2 ? ELSEWHERE : BROADCAST);
        packet_at(&e, 0)[6 + byte] ^= 0x10;
        post(&e, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
        kick(&e);
        tap_ok(!mock_sent_count && stats(&e)->tx_foreign == byte + 1 &&
                   next(&e, EXO_RING_COMPLETE).length == EXO_E_FOREIGN,
               "byte %u of the source is foreign: refused and counted", byte);
    }
    CALL(init, FILTER_DEL, e.filter);
    packet_make(&e, 0, 0, ELSEWHERE);
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    kick(&e);
    tap_ok(!mock_sent_count && stats(&e)->tx_foreign == 7, "without a filter nothing is sent");
    memset(packet_at(&e, 0) + 6, 0, 6);
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    kick(&e);
    tap_ok(!mock_sent_count && stats(&e)->tx_foreign == 8, "nor with source 0");
}

/* --- words that change ------------------------------------------------------------------ */

static struct end victim;

static uint32_t asked;

/* The kick asks for each packet after it was checked. */
static void change_header(void)
{
    asked++;
    mac_put(packet_at(&victim, 0) + 6, MAC_B);
    mac_put(packet_at(&victim, 0), MAC_C);
}

static void test_header_copy(void)
{
    struct env *init = mock_boot();

    victim = bind(init, MAC_A, 1);
    packet_make(&victim, 0, 0, ELSEWHERE);
    mock_ready_hook = change_header;
    post(&victim, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 1000, 0});
    tap_ok(kick(&victim) == 1 && mock_sent_count == 1 && asked == 1,
           "a header that changes after the check");
    uint8_t expected[12];
    mac_put(expected, ELSEWHERE);
    mac_put(expected + 6, MAC_A);
    tap_ok(!memcmp(mock_sent[0].header, expected, 12) && mock_sent[0].header_length == NIC_HEADER,
           "is sent as it was checked");
}

static uint32_t flips;

/* Every word that the application may write changes whenever the kernel looks. */
static void flip_everything(uint32_t frame)
{
    static const struct exo_desc evil[] = {{0, 0, 60, 0},
                                           {1, 0, 1514, 0},
                                           {0, 65535, 65535, 0},
                                           {0xffff, 0, 60, 0},
                                           {2, 600, 1514, 0},
                                           {3, 0, 9, 0},
                                           {0, 2040, 60, 0},
                                           {1024, 4, 100, 0},
                                           {0, 0, 60, EXO_DESC_MORE},
                                           {2, 0, 2048, EXO_DESC_MORE | EXO_DESC_CHECKSUM | 1460},
                                           {1, 0, 2048, EXO_DESC_MORE | EXO_DESC_CHECKSUM | 300},
                                           {3, 100, 1, EXO_DESC_MORE},
                                           {2, 4, 200, EXO_DESC_CHECKSUM},
                                           {1, 0, 0, EXO_DESC_MORE},
                                           {0, 0, 400, 0xffff},
                                           {3, 0, 400, 0x2000}};
    (void)frame;
    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        struct exo_ring *ring = victim.ring[i];
        uint32_t roll = (uint32_t)tap_random();
        ring->armed = roll >> 9 & 1;
        if (i == EXO_RING_FILL || i == EXO_RING_TRANSMIT) {
            for (uint32_t slot = 0; slot < EXO_RING_SIZE; slot += 1 + roll % 64)
                ring->desc[slot] = evil[tap_random() % 16];
            ring->producer = roll >> 10 & 3 ? ring->consumer + roll % 300 : roll;
        } else {
            ring->consumer = roll >> 10 & 3 ? ring->producer - roll % 300 : roll;
        }
    }
    mac_put(packet_at(&victim, 0), tap_random() % 2 ? BROADCAST : MAC_B);
    mac_put(packet_at(&victim, 0) + 6, tap_random() % 3 ? MAC_A : MAC_B);
    mac_put(packet_at(&victim, 2) + 6, tap_random() % 3 ? MAC_A : MAC_B);
    flips++;
}

/* Does what the device was given lie in the sender's buffers, with its own source? */
static bool packet_is_fair(const struct mock_packet *packet)
{
    uint32_t most = packet->flags & EXO_DESC_SEGMENT ? EXO_PACKET_LONG : EXO_PACKET_MAX, sum = 0;
    bool fair = packet->header_length >= EXO_PACKET_MIN && packet->whole <= most;
    uint8_t source[6];

    mac_put(source, MAC_A);
    fair &= !memcmp(packet->header + 6, source, 6);
    for (uint32_t i = 0; i < packet->count; i++) {
        const struct piece *piece = &packet->piece[i];
        uint64_t first = piece->address >> EXO_PAGE_SHIFT;
        uint64_t last = (piece->address + piece->length - 1) >> EXO_PAGE_SHIFT;
        fair &= piece->length && first == last &&
                (first == victim.buffer[0] || first == victim.buffer[1]);
        for (uint32_t j = 0; j < i; j++)
            fair &= piece->cookie != packet->piece[j].cookie;
        sum += piece->length;
    }
    return fair && sum == packet->whole;
}

static void test_everything_changes(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 20, 0, 1, true);
    bool fair = true, others = true, invariants = true;
    uint64_t sent = 0, received = 0, chains = 0;

    mock_confine(child, MAC_B);
    nics[0]->offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4;
    struct end other = bind(child, MAC_B, 2);
    victim = bind(init, MAC_A, 2);
    uint8_t packet[EXO_PACKET_MAX] = {0};
    mac_put(packet, MAC_A);
    for (uint32_t i = 0; i < 4; i++)
        packet_make(&victim, i, 0, MAC_B);
    for (uint32_t round = 0; round < 20000; round++) {
        struct exo_ring *fill = other.ring[EXO_RING_FILL];
        while (fill->producer - fill->consumer < 4)
            post(&other, EXO_RING_FILL, (struct exo_desc){fill->producer % 4, 0, 0, 0});
        mock_frame_hook = flip_everything;
        int64_t done = kick(&victim);
        packet_received(nics[0], packet, 14 + round % 1500);
        nic_carry(nics[0]);
        mock_frame_hook = NULL;
        fair &= done >= 0 && done < 32 + (int64_t)EXO_PACKET_BUFFERS;
        for (uint32_t i = 0; i < mock_sent_count; i++)
            fair &= packet_is_fair(&mock_sent[i]);
        sent += mock_sent_count;
        if (round % 3 == 0) {
            mock_frame_hook = flip_everything;
            poll_nic();
            mock_frame_hook = NULL;
        }
        bool first = true;
        for (struct exo_desc d; (d = next(&other, EXO_RING_RECEIVE)).buffer != NO_BUFFER;) {
            uint8_t source[6];
            mac_put(source, MAC_A);
            others &= d.buffer < 4 && d.length && d.length <= EXO_BUFFER_SIZE;
            others &= !first || (d.length >= EXO_PACKET_MIN &&
                                 !memcmp(packet_at(&other, d.buffer) + 6, source, 6));
            first = !(d.flags & EXO_DESC_MORE);
            chains += !first;
            received++;
        }
        others &= first;
        if (round % 64 == 0)
            invariants &= holds();
    }
    tap_ok(fair, "whatever changes meanwhile, the device gets only fair packets (%u of them)",
           (unsigned)sent);
    tap_ok(others && received > 100 && chains > 50,
           "the other queue gets only what was checked (%u)", (unsigned)received);
    tap_ok(invariants && sent > 100 && flips > 100000 && stats(&victim)->index_bad &&
               stats(&victim)->tx_bad && stats(&victim)->tx_foreign && stats(&victim)->fill_bad,
           "and every kind of lie was met, and counted");
}

/* --- indices ----------------------------------------------------------------------------- */

static void test_producer_jumps(void)
{
    static const uint32_t jump[] = {257, 300, 1u << 16, 1u << 31, 0xffffffff, 0xfffffff0};
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 1);
    uint8_t packet[60] = {0};

    mac_put(packet, MAC_A);
    packet_make(&e, 0, 0, ELSEWHERE);
    for (uint32_t i = 0; i < EXO_RING_SIZE; i++)
        e.ring[EXO_RING_TRANSMIT]->desc[i] = (struct exo_desc){0, 0, 60, 0};
    for (uint32_t i = 0; i < sizeof(jump) / sizeof(*jump); i++) {
        uint64_t bad = stats(&e)->index_bad, dropped = stats(&e)->rx_dropped;
        e.ring[EXO_RING_TRANSMIT]->producer = jump[i];
        e.ring[EXO_RING_FILL]->producer = jump[i];
        tap_ok(kick(&e) == 0 && !mock_sent_count && stats(&e)->index_bad == bad + 1,
               "TRANSMIT that claims %u slots stalls, and is counted", jump[i]);
        packet_received(nics[0], packet, 60);
        tap_ok(stats(&e)->rx_dropped == dropped + 1 && stats(&e)->index_bad == bad + 2,
               "FILL likewise: the packet is dropped");
    }
    e.ring[EXO_RING_TRANSMIT]->producer = 1;
    tap_ok(kick(&e) == 1 && mock_sent_count == 1, "with an honest index it goes on");
    e.ring[EXO_RING_TRANSMIT]->producer = 0;
    tap_ok(kick(&e) == 0 && mock_sent_count == 1, "an index that goes back sends nothing twice");
}

static void test_consumer_lies(void)
{
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 2);
    uint8_t packet[60] = {0};

    mac_put(packet, MAC_A);
    packet_make(&e, 0, 0, ELSEWHERE);
    post(&e, EXO_RING_FILL, (struct exo_desc){2, 0, 0, 0});
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    e.ring[EXO_RING_COMPLETE]->consumer = 1; /* more than was ever produced */
    tap_ok(kick(&e) == 0 && !mock_sent_count && stats(&e)->index_bad == 1,
           "with a COMPLETE that claims the impossible nothing is sent");
    e.ring[EXO_RING_COMPLETE]->consumer = (uint32_t) - (int)EXO_RING_SIZE;
    tap_ok(kick(&e) == 0 && !mock_sent_count && stats(&e)->index_bad == 1,
           "nor while COMPLETE is full, which is no lie");
    e.ring[EXO_RING_RECEIVE]->consumer = 1;
    packet_received(nics[0], packet, 60);
    tap_ok(stats(&e)->rx_dropped == 1 && stats(&e)->index_bad == 2 &&
               e.ring[EXO_RING_FILL]->consumer == 0,
           "with such a RECEIVE the packet is dropped and no buffer taken");
    e.ring[EXO_RING_RECEIVE]->consumer = (uint32_t) - (int)EXO_RING_SIZE;
    packet_received(nics[0], packet, 60);
    tap_ok(stats(&e)->rx_dropped == 2 && stats(&e)->index_bad == 2, "as while RECEIVE is full");
    e.ring[EXO_RING_RECEIVE]->consumer = 0;
    packet_received(nics[0], packet, 60);
    tap_ok(stats(&e)->rx_packets == 1 && next(&e, EXO_RING_RECEIVE).buffer == 2, "else received");

    /* Three places in COMPLETE: three packets fly, however many are posted. */
    packet_make(&e, 1, 0, ELSEWHERE);
    packet_make(&e, 3, 0, ELSEWHERE);
    e.ring[EXO_RING_COMPLETE]->consumer = (uint32_t) - (int)EXO_RING_SIZE + 2;
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){1, 0, 60, 0});
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){3, 0, 60, 0});
    tap_ok(kick(&e) == 2 && mock_sent_count == 2, "two places for completions: two packets fly");
    poll_nic();
    tap_ok(e.ring[EXO_RING_COMPLETE]->producer == 2 && kick(&e) == 0, "and both come back");
    e.ring[EXO_RING_COMPLETE]->consumer = 2;
    kick(&e);
    e.ring[EXO_RING_COMPLETE]->consumer = (uint32_t) - (int)EXO_RING_SIZE + 2;
    poll_nic();
    tap_ok(e.ring[EXO_RING_COMPLETE]->producer == 2, "unless its place was taken away meanwhile");
}

static void test_wrap(void)
{
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 2);
    struct queue *q = &queues[e.queue];
    const uint32_t start = 0xffffff00;
    bool good = true;
    uint8_t packet[100] = {0};

    q->filled = q->received = q->sent = q->completed = start;
    for (uint32_t i = 0; i < EXO_RINGS; i++)
        e.ring[i]->producer = e.ring[i]->consumer = start;
    mac_put(packet, MAC_A);
    for (uint32_t i = 0; i < 2 * EXO_RING_SIZE; i++) {
        packet_make(&e, i % 2, 0, ELSEWHERE);
        post(&e, EXO_RING_TRANSMIT, (struct exo_desc){i % 2, 0, 60, 0});
        good &= kick(&e) == 1 && mock_sent_count == 1;
        poll_nic();
        good &= next(&e, EXO_RING_COMPLETE).buffer == i % 2;
        post(&e, EXO_RING_FILL, (struct exo_desc){2 + i % 2, 0, 0, 0});
        packet[99] = (uint8_t)i;
        packet_received(nics[0], packet, 100);
        struct exo_desc got = next(&e, EXO_RING_RECEIVE);
        good &= got.buffer == 2 + i % 2 && got.length == 100 &&
                packet_at(&e, got.buffer)[99] == (uint8_t)i;
    }
    tap_ok(good && q->sent == start + 2 * EXO_RING_SIZE && !stats(&e)->index_bad,
           "512 packets each way over the wrap of all indices at 2^32");
}

/* --- whose a buffer is ---------------------------------------------------------------------- */

static void test_buffer_twice(void)
{
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 1);
    uint8_t packet[60] = {0};

    mac_put(packet, MAC_A);
    packet_make(&e, 0, 0, ELSEWHERE);
    packet_make(&e, 1, 0, ELSEWHERE);
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    tap_ok(kick(&e) == 2 && mock_sent_count == 1 && stats(&e)->tx_bad == 1 &&
               next(&e, EXO_RING_COMPLETE).length == EXO_E_RANGE,
           "one buffer posted twice in TRANSMIT flies once");
    post(&e, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    tap_ok(kick(&e) == 1 && mock_sent_count == 1 && stats(&e)->tx_bad == 2,
           "a buffer in flight cannot be sent again");
    post(&e, EXO_RING_FILL, (struct exo_desc){0, 0, 0, 0});
    packet_received(nics[0], packet, 60);
    tap_ok(stats(&e)->fill_bad == 1 && stats(&e)->rx_dropped == 1 &&
               next(&e, EXO_RING_RECEIVE).buffer == NO_BUFFER,
           "nor be received into");
    poll_nic();
    post(&e, EXO_RING_FILL, (struct exo_desc){0, 0, 0, 0});
    packet_received(nics[0], packet, 60);
    tap_ok(next(&e, EXO_RING_RECEIVE).buffer == 0 && holds(), "after it is back it can");

    for (uint32_t i = 0; i < 8; i++)
        post(&e, EXO_RING_FILL, (struct exo_desc){i % 2 ? 2 : 5000, 0, 0, 0});
    post(&e, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});
    packet_received(nics[0], packet, 60);
    tap_ok(stats(&e)->fill_bad == 9 && stats(&e)->rx_dropped == 2,
           "eight bad buffers are passed over for a packet, not more");
    packet_received(nics[0], packet, 60);
    tap_ok(next(&e, EXO_RING_RECEIVE).buffer == 1, "the next packet gets the good one");
}

static void test_lengths_received(void)
{
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 2);
    static const struct {
        uint32_t length;
        bool good;
    } packets[] = {{0, false}, {13, false}, {14, true}, {1514, true}, {1515, false}, {2048, false}};
    static uint8_t packet[2048];

    mac_put(packet, MAC_A);
    for (uint32_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
        post(&e, EXO_RING_FILL, (struct exo_desc){0, 0, 0, 0});
        packet_received(nics[0], packet, packets[i].length);
        struct exo_desc got = next(&e, EXO_RING_RECEIVE);
        tap_ok(packets[i].good ? got.buffer == 0 && got.length == packets[i].length
                               : got.buffer == NO_BUFFER,
               "a packet of %u bytes from the wire is %s", packets[i].length,
               packets[i].good ? "received" : "dropped");
    }
    mac_put(packet, ELSEWHERE);
    packet_received(nics[0], packet, 60);
    mac_put(packet, MULTICAST);
    packet_received(nics[0], packet, 60);
    tap_ok(nics[0]->unmatched == 1, "a packet for nobody is counted, a group's is not");
    nics[0]->unmatched = 0;
}

/* --- across, and to all --------------------------------------------------------------------- */

static bool got(const struct end *e, const struct end *from, uint32_t buffer, uint32_t length)
{
    struct exo_desc d = next(e, EXO_RING_RECEIVE);

    return d.buffer != NO_BUFFER && d.length == length && d.offset == 0 &&
           !memcmp(packet_at(e, d.buffer), packet_at(from, buffer), length);
}

static void test_local(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 30, 0, 1, true);
    const struct nic *second = mock_second_nic();

    mock_confine(child, MAC_B);
    struct end a = bind(init, MAC_A, 1), b = bind(child, MAC_B, 1), c = bind(init, MAC_C, 1);
    struct end far = bind_on(init, 1, 0x020000000099, 1);
    struct end *const all[] = {&a, &b, &c, &far};
    for (uint32_t i = 0; i < 4; i++)
        post(all[i], EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});

    packet_make(&a, 0, 0, MAC_B);
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 700, 0});
    tap_ok(kick(&a) == 1 && !mock_sent_count && got(&b, &a, 0, 700) && stats(&a)->local == 1,
           "to another on the machine it goes straight across");
    tap_ok(next(&a, EXO_RING_COMPLETE).buffer == 0 && queues[a.queue].flights == 0,
           "and is complete at once");
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 700, 0});
    kick(&a);
    tap_ok(stats(&b)->rx_dropped == 1 && next(&a, EXO_RING_COMPLETE).length == 0,
           "if that one has no buffer it is dropped there and counted there");
    post(&b, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});

    packet_make(&a, 0, 0, MAC_A);
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    tap_ok(kick(&a) == 1 && !mock_sent_count && next(&a, EXO_RING_RECEIVE).buffer == NO_BUFFER &&
               next(&a, EXO_RING_COMPLETE).buffer == 0,
           "to oneself it goes nowhere");
    packet_make(&a, 0, 0, far.mac);
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    tap_ok(kick(&a) == 1 && mock_sent_count == 1 && mock_sent[0].nic == nics[0] &&
               next(&far, EXO_RING_RECEIVE).buffer == NO_BUFFER,
           "to one on another NIC it goes out on the wire");
    poll_nic();
    next(&a, EXO_RING_COMPLETE);

    for (uint32_t i = 0; i < 2; i++) {
        packet_make(&a, 0, 0, i ? MULTICAST : BROADCAST);
        post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 1514, 0});
        tap_ok(kick(&a) == 1 && mock_sent_count == 1 && mock_sent[0].length == 1514 - NIC_HEADER,
               "a group's packet goes out");
        tap_ok(next(&b, EXO_RING_RECEIVE).buffer == NO_BUFFER, "the call delivers it to nobody");
        nic_carry(nics[0]);
        tap_ok(got(&b, &a, 0, 1514) && got(&c, &a, 0, 1514) &&
                   next(&a, EXO_RING_RECEIVE).buffer == NO_BUFFER &&
                   next(&far, EXO_RING_RECEIVE).buffer == NO_BUFFER,
               "the loop to everybody else of this NIC");
        poll_nic();
        next(&a, EXO_RING_COMPLETE);
        post(&b, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});
        post(&c, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});
    }
    uint8_t packet[60] = {0};
    mac_put(packet, BROADCAST);
    packet_received(nics[1], packet, 60);
    tap_ok(next(&far, EXO_RING_RECEIVE).buffer == 1 &&
               next(&b, EXO_RING_RECEIVE).buffer == NO_BUFFER,
           "a broadcast from the wire reaches this NIC's queues alone");
    mac_put(packet, MAC_A);
    packet_received(nics[1], packet, 60);
    tap_ok(next(&a, EXO_RING_RECEIVE).buffer == NO_BUFFER && second->unmatched == 1,
           "as does a packet for one MAC");
    CALL(init, FILTER_DEL, c.filter);
    mac_put(packet, BROADCAST);
    packet_received(nics[0], packet, 60);
    tap_ok(next(&c, EXO_RING_RECEIVE).buffer == NO_BUFFER && next(&b, EXO_RING_RECEIVE).buffer == 1,
           "without a filter a queue receives no broadcast either");
    tap_ok(holds(), "across: the invariants hold");
}

/* Filters in one chain of the hash: the middle one goes, the last is still found. */
static void test_chains(void)
{
    struct env *init = mock_boot();
    struct end e[12];
    bool found = true;
    uint8_t packet[60] = {0};

    for (uint32_t i = 0; i < 12; i++) {
        e[i] = bind(init, 0x020000000100 + i, 1);
        e[i].ring[EXO_RING_FILL]->desc[0] = (struct exo_desc){0, 0, 0, 0};
    }
    for (uint32_t gone = 0; gone < 12; gone++) {
        for (uint32_t i = 0; i < 12; i++) {
            mac_put(packet, e[i].mac);
            e[i].ring[EXO_RING_FILL]->producer = e[i].ring[EXO_RING_FILL]->consumer + 1;
            packet_received(nics[0], packet, 60);
            found &= (next(&e[i], EXO_RING_RECEIVE).buffer != NO_BUFFER) == (i >= gone);
        }
        CALL(init, FILTER_DEL, e[gone].filter);
    }
    struct nic *second = mock_second_nic();
    /* Random addresses, so that a chain of the one NIC is met by looking for the other's, too. */
    for (uint32_t round = 0; round < 100; round++) {
        uint64_t macs[12];
        for (uint32_t i = 0; i < 12; i++) {
            macs[i] = 0x020000000000 | (tap_random() & 0xffffffff);
            e[i].filter = (uint64_t)mock_filter(init, e[i].queue, mock_mac(macs[i]));
            e[i].ring[EXO_RING_FILL]->producer = e[i].ring[EXO_RING_FILL]->consumer + 1;
        }
        for (uint32_t i = 0; i < 12; i++) {
            mac_put(packet, macs[i]);
            packet_received(second, packet, 60);
        }
        for (uint32_t i = 0; i < 12; i++) {
            found &= next(&e[i], EXO_RING_RECEIVE).buffer == NO_BUFFER;
            CALL(init, FILTER_DEL, e[i].filter);
        }
    }
    tap_ok(found && second->unmatched == 1200, "none by packets that came in by another NIC");
    tap_ok(found, "each of twelve filters is found, whichever others went");
}

/* --- packets in several buffers --------------------------------------------------------------- */

#define CUT (EXO_DESC_CHECKSUM | 1460u)

static bool comes_back(const struct end *e, uint32_t buffer, uint32_t error)
{
    struct exo_desc d = next(e, EXO_RING_COMPLETE);

    return d.buffer == buffer && d.length == error;
}

static void test_pieces_sent(void)
{
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 2);
    const struct exo_desc whole[] = {{0, 100, 1900, EXO_DESC_MORE | CUT},
                                     {3, 0, 2048, EXO_DESC_MORE},
                                     {1, 5, 700, EXO_DESC_SEGMENT}};

    packet_make(&a, 0, 100, ELSEWHERE);
    nics[0]->offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4;
    tap_ok(CALL(init, INFO, EXO_INFO_NIC, 0, EXO_NIC_OFFLOADS) == 3,
           "info tells what a card takes");
    for (uint32_t i = 0; i < 3; i++)
        post(&a, EXO_RING_TRANSMIT, whole[i]);
    tap_ok(kick(&a) == 3 && mock_sent_count == 1, "three descriptors are one packet");
    const struct mock_packet *p = &mock_sent[0];
    bool places =
        p->count == 3 && p->whole == 4648 && p->flags == CUT && p->header_length == NIC_HEADER;
    for (uint32_t i = 0; i < 3; i++)
        places &= p->piece[i].length == whole[i].length &&
                  p->piece[i].cookie == (a.queue << 16 | whole[i].buffer) &&
                  p->piece[i].address == (a.buffer[whole[i].buffer / 2] << EXO_PAGE_SHIFT) +
                                             whole[i].buffer % 2 * EXO_BUFFER_SIZE +
                                             whole[i].offset;
    tap_ok(places, "with the flags of the first and each buffer's address");
    tap_ok(stats(&a)->tx_packets == 1 && stats(&a)->tx_bytes == 4648 && holds(), "counted once");
    REFUSED(BUSY, CALL(init, QUEUE_UNBIND, a.queue), "unbind while it flies");
    for (uint32_t i = 0; i < 3; i++) {
        post(&a, EXO_RING_TRANSMIT, (struct exo_desc){whole[i].buffer, 0, 60, 0});
        kick(&a);
        tap_ok(comes_back(&a, whole[i].buffer, EXO_E_RANGE),
               "none of its buffers can be sent again");
    }
    poll_nic();
    tap_ok(comes_back(&a, 0, 0) && comes_back(&a, 3, 0) && comes_back(&a, 1, 0) && holds(),
           "each buffer comes back");
}

/* What is refused comes back whole, and what is behind it is sent. */
static void refuse(const struct end *a, uint32_t count, const struct exo_desc *d, const char *what)
{
    uint64_t bad = stats(a)->tx_bad, sent = stats(a)->tx_packets, bytes = stats(a)->tx_bytes;
    bool back = true;

    packet_make(a, 0, 0, ELSEWHERE);
    for (uint32_t i = 0; i < count; i++)
        post(a, EXO_RING_TRANSMIT, d[i]);
    kick(a);
    for (uint32_t i = 0; i < count; i++)
        back &= comes_back(a, d[i].buffer, EXO_E_RANGE);
    tap_ok(back && stats(a)->tx_bad == bad + 1 && stats(a)->tx_packets == sent &&
               stats(a)->tx_bytes == bytes && holds(),
           "%s", what);
    post(a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    kick(a);
    poll_nic();
    tap_ok(stats(a)->tx_packets == sent + 1 && comes_back(a, 0, 0), "the next one is sent");
}

static void test_pieces_refused(void)
{
    static const struct exo_desc plain[] = {{0, 0, 700, EXO_DESC_MORE}, {1, 0, 700, 0}},
                                 flagged[] = {{0, 0, 700, EXO_DESC_CHECKSUM}},
                                 strange[] = {{0, 0, 700, 0x2000}},
                                 twice[] = {{0, 0, 700, EXO_DESC_MORE | CUT},
                                            {1, 0, 700, EXO_DESC_MORE},
                                            {0, 700, 700, 0}},
                                 open[] = {{0, 0, 700, EXO_DESC_MORE}, {1, 0, 700, EXO_DESC_MORE}},
                                 nothing[] = {{0, 0, 700, EXO_DESC_MORE}, {1, 0, 0, 0}},
                                 beyond[] = {{0, 0, 700, EXO_DESC_MORE | CUT}, {1, 1, 2048, 0}},
                                 absent[] = {{0, 0, 700, EXO_DESC_MORE | CUT}, {9, 0, 700, 0}},
                                 shallow[] = {{0, 0, 13, EXO_DESC_MORE}, {1, 0, 700, 0}},
                                 large[] = {{0, 0, 1514, EXO_DESC_MORE}, {1, 0, 1, 0}};
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 1);

    refuse(&a, 2, plain, "a card that takes no pieces is given none");
    refuse(&a, 1, flagged, "nor flags");
    nics[0]->offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4;
    refuse(&a, 1, strange, "a flag that the card does not take");
    refuse(&a, 3, twice, "a buffer twice in a packet");
    refuse(&a, 2, open, "a packet whose end is not there");
    refuse(&a, 2, nothing, "a piece of no length");
    refuse(&a, 2, beyond, "a piece beyond its buffer");
    refuse(&a, 2, absent, "a buffer that is not there");
    refuse(&a, 2, shallow, "a first piece shorter than a header");
    refuse(&a, 2, large, "a packet that is too long to be sent uncut");
    packet_make(&a, 0, 0, BROADCAST);
    post(&a, EXO_RING_TRANSMIT, plain[0]);
    post(&a, EXO_RING_TRANSMIT, plain[1]);
    kick(&a);
    tap_ok(comes_back(&a, 0, EXO_E_RANGE) && comes_back(&a, 1, EXO_E_RANGE), "one to a group");
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, EXO_PACKET_MAX + 1, CUT});
    kick(&a);
    tap_ok(comes_back(&a, 0, EXO_E_RANGE), "or one that is long, in one buffer");
    packet_make(&a, 0, 0, ELSEWHERE);
    packet_at(&a, 0)[6] ^= 0x10;
    post(&a, EXO_RING_TRANSMIT, plain[0]);
    post(&a, EXO_RING_TRANSMIT, plain[1]);
    kick(&a);
    tap_ok(comes_back(&a, 0, EXO_E_FOREIGN) && comes_back(&a, 1, EXO_E_FOREIGN) &&
               stats(&a)->tx_foreign == 1 && !mock_sent_count && holds(),
           "one with a foreign source");
}

/* Of the longest packet that there may be, and of one buffer more. */
static void test_pieces_most(void)
{
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 4);
    bool back = true;

    nics[0]->offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4;
    for (uint32_t i = 4; i < 20; i++)
        CALL(init, QUEUE_BUFFER, a.queue, i, take(init, EXO_DATA));
    packet_make(&a, 0, 0, ELSEWHERE);
    for (uint32_t i = 0; i < EXO_PACKET_BUFFERS; i++)
        post(&a, EXO_RING_TRANSMIT,
             (struct exo_desc){(uint16_t)i, 0, i ? 2000 : 1549,
                               i + 1 < EXO_PACKET_BUFFERS ? EXO_DESC_MORE | CUT : 0});
    tap_ok(kick(&a) == EXO_PACKET_BUFFERS && mock_sent[0].whole == EXO_PACKET_LONG &&
               mock_sent[0].count == EXO_PACKET_BUFFERS,
           "the longest packet in as many buffers as there may be");
    poll_nic();
    for (uint32_t i = 0; i < EXO_PACKET_BUFFERS; i++)
        back &= comes_back(&a, i, 0);
    for (uint32_t i = 0; i < EXO_PACKET_BUFFERS; i++)
        post(&a, EXO_RING_TRANSMIT,
             (struct exo_desc){(uint16_t)i, 0, i ? 2000 : 1550,
                               i + 1 < EXO_PACKET_BUFFERS ? EXO_DESC_MORE | CUT : 0});
    kick(&a);
    for (uint32_t i = 0; i < EXO_PACKET_BUFFERS; i++)
        back &= comes_back(&a, i, EXO_E_RANGE);
    tap_ok(back && !mock_sent_count, "a byte more is refused");
    for (uint32_t i = 0; i <= EXO_PACKET_BUFFERS; i++)
        post(&a, EXO_RING_TRANSMIT,
             (struct exo_desc){(uint16_t)i, 0, 100,
                               i < EXO_PACKET_BUFFERS ? EXO_DESC_MORE | CUT : 0});
    tap_ok(kick(&a) == EXO_PACKET_BUFFERS && kick(&a) == 1 && stats(&a)->tx_bad == 2 && holds(),
           "a buffer more is, too, and what is left is a packet of its own");
}

/* From neighbour to neighbour: the same pieces, all or none. */
static void test_pieces_across(void)
{
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 2), b = bind(init, MAC_B, 2);
    bool same = true;

    nics[0]->offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4;
    const struct exo_desc whole[] = {
        {0, 0, 1900, EXO_DESC_MORE | CUT}, {3, 0, 2048, EXO_DESC_MORE}, {1, 5, 700, 0}};
    const uint16_t given[] = {2, 0, 3};
    packet_make(&a, 0, 0, MAC_B);
    packet_make(&a, 3, 0, MAC_C);
    packet_make(&a, 1, 5, MAC_C);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 3; i++)
            post(&a, EXO_RING_TRANSMIT, whole[i]);
        if (round)
            post(&b, EXO_RING_FILL, (struct exo_desc){3, 0, 0, 0});
        else
            for (uint32_t i = 0; i < 2; i++)
                post(&b, EXO_RING_FILL, (struct exo_desc){given[i], 0, 0, 0});
        tap_ok(kick(&a) == 3 && comes_back(&a, 0, 0) && comes_back(&a, 3, 0) &&
                   comes_back(&a, 1, 0),
               "what goes across comes back at once");
        if (!round)
            tap_ok(next(&b, EXO_RING_RECEIVE).buffer == NO_BUFFER && stats(&b)->rx_dropped == 1 &&
                       b.ring[EXO_RING_FILL]->consumer == 0 && holds(),
                   "with too few buffers none is used");
    }
    for (uint32_t i = 0; i < 3; i++) {
        struct exo_desc d = next(&b, EXO_RING_RECEIVE);
        same &= d.buffer == given[i] && !d.offset && d.length == whole[i].length &&
                d.flags == (CUT | (i < 2 ? EXO_DESC_MORE : 0)) &&
                !memcmp(packet_at(&b, d.buffer), packet_at(&a, whole[i].buffer) + whole[i].offset,
                        d.length);
    }
    tap_ok(same && stats(&b)->rx_packets == 1 && stats(&b)->rx_bytes == 4648 && holds(),
           "with enough the same pieces come, and what was said of the checksum");
    b.ring[EXO_RING_RECEIVE]->consumer -= EXO_RING_SIZE - 2;
    for (uint32_t i = 0; i < 3; i++) {
        post(&b, EXO_RING_FILL, (struct exo_desc){given[i], 0, 0, 0});
        post(&a, EXO_RING_TRANSMIT, whole[i]);
    }
    kick(&a);
    tap_ok(stats(&b)->rx_dropped == 2 && b.ring[EXO_RING_FILL]->consumer == 3,
           "nor does any come if RECEIVE lacks room for all");
}

static void test_pieces_received(void)
{
    static uint8_t bytes[3][EXO_BUFFER_SIZE];
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 2);
    const struct piece piece[] = {{.memory = bytes[0], .length = 2036},
                                  {.memory = bytes[1], .length = 2048},
                                  {.memory = bytes[2], .length = 10}};
    struct packet p = {bytes[0], NIC_HEADER, 4094, 3, CUT, piece};
    bool same = true;

    mac_put(bytes[0], MAC_A);
    for (uint16_t i = 0; i < 4; i++)
        post(&a, EXO_RING_FILL, (struct exo_desc){i, 0, 0, 0});
    nic_received(nics[0], &p);
    for (uint32_t i = 0; i < 3; i++) {
        struct exo_desc d = next(&a, EXO_RING_RECEIVE);
        same &= d.buffer == i && d.length == piece[i].length &&
                d.flags == (CUT | (i < 2 ? EXO_DESC_MORE : 0)) &&
                !memcmp(packet_at(&a, i), bytes[i], d.length);
    }
    tap_ok(same && holds(), "a packet from the wire in three pieces");
    p.flags = EXO_DESC_CHECKSUM;
    nic_received(nics[0], &p);
    tap_ok(next(&a, EXO_RING_RECEIVE).buffer == NO_BUFFER,
           "one that is too long for its kind is not");
    p.flags = CUT;
    mac_put(bytes[0], BROADCAST);
    nic_received(nics[0], &p);
    tap_ok(next(&a, EXO_RING_RECEIVE).buffer == NO_BUFFER && !nics[0]->carrying && holds(),
           "nor one to a group");
    p = (struct packet){bytes[0], 60, 60, 1, EXO_DESC_CHECKSUM, piece};
    nic_received(nics[0], &p);
    tap_ok(next(&a, EXO_RING_RECEIVE).flags == EXO_DESC_CHECKSUM,
           "of one to a group it is known that its checksum is good");
}

/* --- full devices, ends, wake-ups ------------------------------------------------------------- */

static void test_stall(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 30, 0, 1, true);
    mock_confine(child, MAC_B);
    struct end a = bind(init, MAC_A, 2), b = bind(child, MAC_B, 1);

    post(&b, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});
    mock_capacity = 1;
    packet_make(&a, 0, 0, ELSEWHERE);
    packet_make(&a, 1, 0, BROADCAST);
    packet_make(&b, 0, 0, ELSEWHERE);
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){1, 0, 60, 0});
    init->pending = child->pending = 0;
    tap_ok(kick(&a) == 1 && waits(&a) && stalled(nics[0]) == 1,
           "a full device: one goes, the next waits");
    tap_ok(next(&b, EXO_RING_RECEIVE).buffer == NO_BUFFER,
           "a broadcast that waits has not been delivered across");
    mock_capacity = 0;
    poll_nic();
    uint32_t before = mock_polls;
    tap_ok((init->pending & EXO_UP_QUEUE) && !waits(&a) && !stalled(nics[0]),
           "when the device has room, who waited hears of it");
    tap_ok(next(&a, EXO_RING_COMPLETE).buffer == 0, "and has the first buffer back");
    post(&b, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    tap_ok(kick(&a) == 0 && kick(&b) == 0 && stalled(nics[0]) == 2 && mock_polls == before,
           "who sends to a full device makes no packets come in; two wait");
    kick(&a);
    tap_ok(stalled(nics[0]) == 2, "who kicks again while waiting counts once");
    mock_capacity = 1;
    tap_ok(kick(&a) == 1 && mock_sent_count == 1, "the broadcast goes out");
    nic_carry(nics[0]);
    nic_carry(nics[0]);
    tap_ok(next(&b, EXO_RING_RECEIVE).buffer == 1 && next(&b, EXO_RING_RECEIVE).buffer == NO_BUFFER,
           "and across, once");
    init->pending = child->pending = 0;
    CALL(init, ENV_KILL, child->name.n, 0);
    poll_nic();
    tap_ok((init->pending & EXO_UP_QUEUE) && !(child->pending & EXO_UP_QUEUE) && !stalled(nics[0]),
           "the dead are not woken, and not waited for");
    mock_capacity = 0;
    packet_make(&a, 0, 0, ELSEWHERE);
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    kick(&a);
    tap_ok(stalled(nics[0]) == 1 && CALL(init, QUEUE_UNBIND, a.queue) == 0 && !stalled(nics[0]),
           "nor is a queue that was unbound while it waited");
}

/* Room wakes those who wait for this device, whoever has a lower number and does not. */
static void test_stall_apart(void)
{
    struct env *init = mock_boot();
    const struct nic *second = mock_second_nic();
    struct end far = bind_on(init, 1, MAC_C, 1);
    struct end a = bind(init, MAC_A, 1), b = bind(init, MAC_B, 1);

    packet_make(&a, 0, 0, ELSEWHERE);
    packet_make(&b, 0, 0, ELSEWHERE);
    packet_make(&far, 0, 0, ELSEWHERE);
    mock_capacity = 1;
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    kick(&a);
    mock_capacity = 0;
    set_add(&nics[queues[far.queue].nic]->stalled,
            (uint32_t)far.queue); /* as a kick would leave it, were its device full */
    set_add(&nics[queues[b.queue].nic]->stalled, (uint32_t)b.queue);
    poll_nic();
    tap_ok(!waits(&b) && !stalled(nics[0]), "who waits is woken, behind who does not");
    tap_ok(waits(&far) && stalled(second) == 1, "who waits for another NIC is not");
}

static void test_behind_an_iommu(void)
{
    struct env *init = mock_boot();
    nics[0]->window = 0x40000000;
    struct end a = bind(init, MAC_A, 1), b = bind(init, MAC_B, 1);
    uint32_t last = EXO_QUEUE_FRAMES - 1;
    uint64_t frame = take(init, EXO_DATA);

    tap_ok(mock_dma_clean(), "the device reaches the buffers of two queues");
    DONE(CALL(init, QUEUE_BUFFER, b.queue, last, frame), "a frame at the last place of a queue");
    tap_ok(mock_dma_clean(), "is reached, too");
    uint8_t *packet = memory(frame) + EXO_BUFFER_SIZE;
    mac_put(packet, ELSEWHERE);
    mac_put(packet + 6, MAC_B);
    post(&b, EXO_RING_TRANSMIT, (struct exo_desc){2 * last + 1, 0, 600, 0});
    kick(&b);
    uint64_t page = b.queue * EXO_QUEUE_FRAMES + last;
    tap_ok(mock_sent[0].payload ==
               nics[0]->window + page * EXO_PAGE_SIZE + EXO_BUFFER_SIZE + NIC_HEADER,
           "a buffer is where its queue and its place say, whichever frame it is");
    REFUSED(BUSY, CALL(init, QUEUE_UNBIND, b.queue), "while the device reads it");
    tap_ok(mock_dma_clean(), "and it stays mapped");
    poll_nic();
    DONE(CALL(init, QUEUE_UNBIND, b.queue), "then it goes");
    tap_ok(mock_dma_clean(), "and the device reaches the other queue's alone");
    DONE(CALL(init, PAGE_FREE, frame), "its frame can be used again");
    DONE(CALL(init, QUEUE_UNBIND, a.queue), "the other goes");
    tap_ok(mock_dma_clean(), "and the device reaches nothing");
}

static void test_bind_again_and_again(void)
{
    struct env *init = mock_boot();
    struct end e = bind(init, MAC_A, 0);
    int64_t n = (int64_t)e.queue;

    for (uint64_t i = 0; i < 200; i++) {
        CALL(init, QUEUE_UNBIND, (uint64_t)n);
        n = CALL(init, QUEUE_BIND, 0, e.frame[0], e.frame[1], e.frame[2], e.frame[3]);
        if (n < 0 || mock_filter(init, (uint64_t)n, mock_mac(MAC_A + i)) < 0)
            break;
    }
    tap_ok(n == 0 && filters[queues[0].filters.first].match.value.mac == MAC_A + 199 &&
               filters_touched < 3 && holds(),
           "200 filters come and go with their queues");
}

/* Of two queues the dead one's is taken back. */
static void test_reclaim_the_right_one(void)
{
    struct env *init = mock_boot();
    struct end mine = bind(init, MAC_A, 1);
    struct env *child = mock_child_with(init, 30, 0, 1, true);
    env_t name = child->name;

    mock_confine(child, MAC_B);
    bind(child, MAC_B, 1);
    CALL(init, ENV_KILL, name.n, 0);
    tap_ok(mock_reclaim(init, name) > 0 && queues[mine.queue].owner &&
               queues[mine.queue].filter_count == 1 && init->used[EXO_R_QUEUES] == 1 && holds(),
           "a queue of the living stays when one of the dead is taken back");
}

/* Words of a ring that the kernel writes begin at 0, those of the application stay. */
static void test_bind_dirty(void)
{
    struct env *init = mock_boot();
    uint64_t frame[EXO_RINGS];
    struct exo_ring *ring[EXO_RINGS];
    bool good = true;

    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        frame[i] = take(init, EXO_RING);
        ring[i] = (struct exo_ring *)(void *)memory(frame[i]);
        ring[i]->producer = ring[i]->consumer = 77;
    }
    CALL(init, QUEUE_BIND, 0, frame[0], frame[1], frame[2], frame[3]);
    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        bool ours = i == EXO_RING_RECEIVE || i == EXO_RING_COMPLETE;
        good &= ring[i]->producer == (ours ? 0 : 77) && ring[i]->consumer == (ours ? 77 : 0);
    }
    tap_ok(good, "a ring that was used before begins anew");
}

static void test_one_buffer_a_packet(void)
{
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 1);
    uint8_t packet[60] = {0};

    mac_put(packet, MAC_A);
    post(&a, EXO_RING_FILL, (struct exo_desc){0, 0, 0, 0});
    post(&a, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});
    packet_received(nics[0], packet, 60);
    tap_ok(a.ring[EXO_RING_FILL]->consumer == 1 && next(&a, EXO_RING_RECEIVE).buffer == 0,
           "a packet takes one buffer");
    tap_ok(CALL(init, INFO, EXO_INFO_QUEUE, a.queue, 0) >= 0, "one's own queue may be asked about");
}

/* A packet that is sent tells some of those that wait, not all. */
static void test_wakes_are_bounded(void)
{
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 1);

    packet_make(&a, 0, 0, ELSEWHERE);
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    kick(&a);
    for (uint32_t i = 0; i < 12; i++)
        set_add(&nics[0]->stalled, (uint32_t)bind(init, 0, 0).queue);
    poll_nic();
    tap_ok(stalled(nics[0]) == 4, "of twelve that wait one packet's end tells eight");
}

/* The loop comes again as long as a group's packet is under way or somebody waits for the place. */
static void test_group_turns(bool dead)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 30, 0, 1, true);
    mock_confine(child, MAC_B);
    struct end a = bind(init, MAC_A, 1), b = bind(child, MAC_B, 1), c = bind(init, MAC_C, 1);
    struct end *const all[] = {&a, &b, &c};

    for (uint32_t i = 0; i < 3; i++) {
        packet_make(all[i], 0, 0, BROADCAST);
        post(all[i], EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 60, 0});
    }
    tap_ok(kick(&a) == 1 && kick(&b) == 0 && kick(&c) == 0, "one has the place, two wait");
    if (dead)
        CALL(init, ENV_KILL, child->name.n, 0);
    tap_ok(nic_carry(nics[0]) && stats(&b)->tx_packets == !dead && !stats(&c)->tx_packets,
           "the next one's turn, though it may have ended");
    tap_ok(nic_carry(nics[0]) && stats(&c)->tx_packets == 1, "the last one's");
    tap_ok(!nic_carry(nics[0]) && holds(), "then there is nothing to do");
}

static void test_kick_is_bounded(void)
{
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 1);

    for (uint32_t i = 0; i < 40; i++)
        post(&a, EXO_RING_TRANSMIT, (struct exo_desc){9999, 0, 60, 0});
    tap_ok(kick(&a) == 32 && a.ring[EXO_RING_TRANSMIT]->consumer == 32, "a call sends at most 32");
    tap_ok(kick(&a) == 8, "the next one goes on");
}

static void test_ends_in_flight(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 30, 0, 1, true);
    mock_confine(child, MAC_B);
    struct end a = bind(init, MAC_A, 1), b = bind(child, MAC_B, 1);
    uint8_t packet[60] = {0}, before[EXO_PAGE_SIZE];

    packet_make(&a, 0, 0, ELSEWHERE);
    packet_make(&b, 0, 0, ELSEWHERE);
    post(&a, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 600, 0});
    post(&b, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 600, 0});
    kick(&a);
    kick(&b);
    REFUSED(BUSY, CALL(init, QUEUE_UNBIND, a.queue), "unbind while a packet flies");
    env_t name = child->name;
    CALL(init, ENV_KILL, name.n, 0);
    memcpy(before, b.ring[EXO_RING_COMPLETE], EXO_PAGE_SIZE);
    post(&b, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});
    mac_put(packet, MAC_B);
    packet_received(nics[0], packet, 60);
    mac_put(packet, BROADCAST);
    packet_received(nics[0], packet, 60);
    tap_ok(next(&b, EXO_RING_RECEIVE).buffer == NO_BUFFER && !stats(&b)->rx_dropped,
           "the dead receive nothing");
    tap_ok(CALL(init, ENV_RECLAIM, name.n) == -EXO_E_BUSY && holds(),
           "a queue of the dead is not taken back while a packet flies");
    tap_ok(mock_awaited == 2, "whoever tries has the device asked to tell when it is sent");
    poll_nic();
    tap_ok(!memcmp(before, b.ring[EXO_RING_COMPLETE], EXO_PAGE_SIZE), "nor told of anything");
    DONE(CALL(init, QUEUE_UNBIND, a.queue), "unbind after it");
    tap_ok(mock_reclaim(init, name) > 0 && holds(), "and all is taken back");
    struct env *next_child = mock_child_with(init, 30, 0, 1, true);
    mock_confine(next_child, MAC_B);
    struct end n = bind(next_child, MAC_B, 1);
    post(&n, EXO_RING_FILL, (struct exo_desc){0, 0, 0, 0});
    mac_put(packet, MAC_B);
    packet_received(nics[0], packet, 60);
    tap_ok(next(&n, EXO_RING_RECEIVE).buffer == 0 && n.queue < 2, "its MAC and slot serve again");
}

static void test_armed(void)
{
    struct env *init = mock_boot();
    struct end a = bind(init, MAC_A, 1);
    uint8_t packet[60] = {0};

    mac_put(packet, MAC_A);
    for (uint32_t armed = 0; armed < 2; armed++) {
        init->pending = 0;
        a.ring[EXO_RING_RECEIVE]->armed = armed;
        post(&a, EXO_RING_FILL, (struct exo_desc){0, 0, 0, 0});
        packet_received(nics[0], packet, 60);
        tap_ok(!!(init->pending & EXO_UP_QUEUE) == armed, "RECEIVE wakes %s",
               armed ? "who asked for it" : "nobody who did not ask");
        init->pending = 0;
        a.ring[EXO_RING_RECEIVE]->armed = 0;
        a.ring[EXO_RING_COMPLETE]->armed = armed;
        post(&a, EXO_RING_TRANSMIT, (struct exo_desc){9999, 0, 60, 0});
        mock_awaited = 0;
        kick(&a);
        tap_ok(!!(init->pending & EXO_UP_QUEUE) == armed, "COMPLETE likewise");
        tap_ok(mock_awaited == armed, "the device is asked to tell what it sends only then");
    }
}

int main(void)
{
    test_bind();
    test_calls();
    test_shapes();
    test_foreign();
    test_header_copy();
    test_everything_changes();
    test_producer_jumps();
    test_consumer_lies();
    test_wrap();
    test_buffer_twice();
    test_lengths_received();
    test_local();
    test_chains();
    test_pieces_sent();
    test_pieces_refused();
    test_pieces_most();
    test_pieces_across();
    test_pieces_received();
    test_stall();
    test_stall_apart();
    test_behind_an_iommu();
    test_bind_again_and_again();
    test_reclaim_the_right_one();
    test_bind_dirty();
    test_one_buffer_a_packet();
    test_wakes_are_bounded();
    test_group_turns(false);
    test_group_turns(true);
    test_kick_is_bounded();
    test_ends_in_flight();
    test_armed();
    return tap_done();
}
