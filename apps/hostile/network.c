/* SPDX-License-Identifier: MIT */
/* network.c - queues of others, packets in another's name, and rings that lie. */
#include "hostile.h"

#include "ring.h"

#include <string.h>

#define NO_QUEUE UINT32_MAX
#define ROUNDS   64u

static struct exo_ring *ring[EXO_RINGS];
static frame_t ring_frame[EXO_RINGS], buffer_frame;
static struct exo_filter *filter_page; /* where it writes filters for the kernel to read */
static frame_t filter_frame;
static filter_t own_filter;

#define PATIENCE_NS 5000000000ull
static uint8_t *buffer;
static queue_t queue = {NO_QUEUE};
static uint64_t mac;

static int64_t counter(size_t offset)
{
    return exo_info(EXO_INFO_QUEUE, queue.n, (uint32_t)(offset / 8));
}
#define COUNTER(field) counter(offsetof(struct exo_queue_stats, field))

static int64_t add(queue_t to, struct exo_filter filter)
{
    if (!filter_page) {
        filter_page = vm_alloc(1, EXO_DATA);
        filter_frame = vm_frame((uint64_t)filter_page);
    }
    if (!filter_page)
        return NOT_TRIED;
    *filter_page = filter;
    return exo_filter_add(to, filter_frame, 0);
}

static struct exo_filter for_mac(uint64_t which)
{
    return (struct exo_filter){.value = {.mac = which}, .mask = {.mac = EXO_MAC_ALL}};
}

/* What its parent allowed it, all of it or the first part. */
static struct exo_filter own(void)
{
    return libos_start_info->allow[0];
}

static bool add_own(void)
{
    int64_t n = add(queue, own());

    own_filter.n = n > 0 ? (uint32_t)n : 0;
    return n > 0;
}

/* A queue of its own with one buffer frame, made at the first use. False: it has no network. */
static bool queue_make(void)
{
    if (queue.n != NO_QUEUE)
        return true;
    mac = libos_start_info->mac;
    if (!mac || exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_NICS) < 1)
        return false;
    for (uint32_t i = 0; i < EXO_RINGS; i++) {
        ring[i] = vm_alloc(1, EXO_RING);
        if (!ring[i])
            return false;
        ring_frame[i] = vm_frame((uint64_t)ring[i]);
    }
    buffer = vm_alloc(1, EXO_DATA);
    int64_t n =
        buffer ? exo_queue_bind(0, ring_frame[0], ring_frame[1], ring_frame[2], ring_frame[3]) : -1;
    if (n < 0)
        return false;
    queue.n = (uint32_t)n;
    buffer_frame = vm_frame((uint64_t)buffer);
    return !exo_queue_buffer(queue, 0, buffer_frame) && add_own();
}

/* One call on every queue number but its own. */
static int64_t each_queue(int64_t (*attempt)(queue_t other))
{
    uint32_t queues = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_QUEUES);
    int64_t worst = 0;

    for (uint32_t n = 0; n < queues + 4; n++)
        if (n != queue.n && let_through(attempt((queue_t){n}), &worst))
            break;
    return worst;
}

static int64_t buffer_one(queue_t other)
{
    return exo_queue_buffer(other, 5, buffer_frame);
}

static int64_t filter_one(queue_t other)
{
    return add(other, libos_start_info->mac ? own() : for_mac(0x020000000001));
}

static int64_t look_at_queue(queue_t other)
{
    return exo_info(EXO_INFO_QUEUE, other.n, 0);
}

static int64_t kick_others(void)
{
    queue_make();
    return each_queue(exo_queue_kick);
}

static int64_t unbind_others(void)
{
    return each_queue(exo_queue_unbind);
}

static int64_t buffer_others(void)
{
    return each_queue(buffer_one);
}

static int64_t filter_others(void)
{
    return each_queue(filter_one);
}

static int64_t unfilter_others(void)
{
    int64_t worst = 0;

    queue_make();
    for (uint32_t n = 0; n < EXO_FILTERS + 4; n++)
        if (n != own_filter.n && let_through(exo_filter_del((filter_t){n}), &worst))
            break;
    return worst;
}

static int64_t look_at_queues(void)
{
    return each_queue(look_at_queue);
}

/* --- with a queue of its own ------------------------------------------------------- */

static int64_t foreign_filter(void)
{
    int64_t worst = 0;

    if (!queue_make())
        return NOT_TRIED;
    exo_filter_del(own_filter);
    for (uint64_t i = 1; i < 512; i++)
        if (let_through(add(queue, for_mac(mac ^ i)), &worst))
            break;
    if (worst < 0 && !let_through(add(queue, for_mac(0xffffffffffff)), &worst))
        add_own();
    return worst;
}

static int64_t second_filter(void)
{
    return queue_make() ? add(queue, own()) : NOT_TRIED;
}

/* Filters that differ from its allowance by one bit of the mask each, as `change` makes them. */
static int64_t changed_filters(void (*change)(struct exo_filter *f, uint32_t byte, uint8_t bit))
{
    int64_t worst = 0;

    if (!queue_make())
        return NOT_TRIED;
    exo_filter_del(own_filter);
    for (uint32_t i = 0; i < 8 * sizeof(struct exo_tuple) && worst <= 0; i++) {
        struct exo_filter f = own();
        if (!(((uint8_t *)&f.mask)[i / 8] >> i % 8 & 1))
            continue;
        change(&f, i / 8, (uint8_t)(1u << i % 8));
        let_through(add(queue, f), &worst);
    }
    if (worst < 0)
        add_own();
    return worst;
}

static void take_mask_bit(struct exo_filter *f, uint32_t byte, uint8_t bit)
{
    ((uint8_t *)&f->mask)[byte] &= (uint8_t)~bit;
    ((uint8_t *)&f->value)[byte] &= ((uint8_t *)&f->mask)[byte];
}

static void turn_value_bit(struct exo_filter *f, uint32_t byte, uint8_t bit)
{
    ((uint8_t *)&f->value)[byte] ^= bit;
}

/* More than it may. */
static int64_t wider_filter(void)
{
    return changed_filters(take_mask_bit);
}

/* A neighbour's MAC, address or port. */
static int64_t other_filter(void)
{
    return changed_filters(turn_value_bit);
}

/* A filter in every frame that is not its own, and in one of its own that is no memory of its. */
static int64_t filter_in_foreign_frame(void)
{
    int64_t worst = 0;

    if (!queue_make())
        return NOT_TRIED;
    for (uint32_t n = 0; n < frame_total(); n += 3)
        if (!own_frame(n) && let_through(exo_filter_add(queue, (frame_t){n}, 0), &worst))
            break;
    if (worst <= 0)
        let_through(exo_filter_add(queue, ring_frame[0], 1024), &worst);
    return worst;
}

static int64_t foreign_frames(void)
{
    int64_t worst = 0;

    if (!queue_make())
        return NOT_TRIED;
    for (uint32_t n = 0; n < frame_total(); n += 3)
        if (!own_frame(n) && (let_through(exo_queue_buffer(queue, 1, (frame_t){n}), &worst) ||
                              let_through(exo_queue_bind(0, (frame_t){n}, ring_frame[1],
                                                         ring_frame[2], ring_frame[3]),
                                          &worst)))
            break;
    return worst;
}

static int64_t free_ring(void)
{
    return queue_make() ? exo_page_free(ring_frame[EXO_RING_TRANSMIT]) : NOT_TRIED;
}

static void address_packet(uint64_t to, uint64_t from)
{
    for (int i = 0; i < 6; i++) {
        buffer[i] = (uint8_t)(to >> (40 - 8 * i));
        buffer[6 + i] = (uint8_t)(from >> (40 - 8 * i));
    }
    /* An ARP reply (RFC 826) from its own address, so that the MAC alone can be wrong. */
    memcpy(buffer + 12, "\x08\x06\0\1\x08\0\6\4\0\2", 10);
    memcpy(buffer + 22, buffer + 6, 6);
    memcpy(buffer + 28, own().value.local, 4);
    memset(buffer + 32, 0, 28);
}

/* Post one descriptor, kick, and take what COMPLETE says; -1: nothing came back. */
/* Until the card is done with what was sent, however busy its host is. False: it never is. */
static bool completed(uint32_t seen)
{
    struct exo_ring *complete = ring[EXO_RING_COMPLETE];
    uint64_t deadline = time_deadline(PATIENCE_NS);

    while (__atomic_load_n(&complete->producer, __ATOMIC_ACQUIRE) == seen) {
        if (time_tsc() > deadline)
            return false;
        exo_yield((env_t){EXO_ENV_SELF});
        exo_queue_kick(queue); /* has the kernel look what is sent */
    }
    return true;
}

static int64_t send_one(struct exo_desc desc)
{
    struct exo_ring *transmit = ring[EXO_RING_TRANSMIT], *complete = ring[EXO_RING_COMPLETE];

    complete->consumer = complete->producer;
    transmit->desc[transmit->producer % EXO_RING_SIZE] = desc;
    __atomic_store_n(&transmit->producer, transmit->producer + 1, __ATOMIC_RELEASE);
    exo_queue_kick(queue);
    return completed(complete->consumer)
               ? complete->desc[complete->consumer++ % EXO_RING_SIZE].length
               : -1;
}

static int64_t foreign_source(void)
{
    if (!queue_make())
        return NOT_TRIED;
    int64_t sent = COUNTER(tx_packets), foreign = COUNTER(tx_foreign);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        address_packet(0xffffffffffff, i ? mac ^ 1ull << (i % 48) : 0);
        int64_t result = send_one((struct exo_desc){0, 0, 60, 0});
        if (result != EXO_E_FOREIGN)
            return 0;
    }
    return COUNTER(tx_packets) == sent && COUNTER(tx_foreign) == foreign + ROUNDS ? BY_COUNTING : 0;
}

/* A neighbour's address in its own frames: IPv4 and ARP, if its own address is fixed. */
static int64_t foreign_address(void)
{
    if (!queue_make() || own().mask.family != 0xff || !own().mask.local[3])
        return NOT_TRIED;
    int64_t sent = COUNTER(tx_packets), foreign = COUNTER(tx_foreign);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint8_t *source = buffer + 28;
        address_packet(0xffffffffffff, mac);
        if (i % 2) { /* UDP over IPv4 (RFC 791) */
            source = buffer + 26;
            memcpy(buffer + 12, "\x08\0\x45\0\0\x2e\0\0\0\0\x40\x11", 12);
            memcpy(source, own().value.local, 4);
        }
        source[3 - i / 2 % 4] ^= (uint8_t)(1u << i / 8);
        if (send_one((struct exo_desc){0, 0, 60, 0}) != EXO_E_FOREIGN)
            return 0;
    }
    return COUNTER(tx_packets) == sent && COUNTER(tx_foreign) == foreign + ROUNDS ? BY_COUNTING : 0;
}

static int64_t bad_descriptors(void)
{
    static const struct exo_desc bad[] = {
        {0, 0, 0, 0},
        {0, 0, 13, 0},
        {0, 0, 1515, 0},
        {0, 0, 65535, 0},
        {0, 2040, 60, 0},
        {0, 65535, 60, 0},
        {0, 65535, 65535, 0},
        {2, 0, 60, 0},
        {1023, 0, 60, 0},
        {1024, 0, 60, 0},
        {0x8000, 0, 60, 0},
        {0xffff, 0, 60, 0},
        {0, 0, 60, EXO_DESC_MORE},
        {0, 0, 60, 0x2000},
        {0, 0, 60, EXO_DESC_CHECKSUM | 1460},
    };

    if (!queue_make())
        return NOT_TRIED;
    address_packet(0xffffffffffff, mac);
    int64_t sent = COUNTER(tx_packets), before = COUNTER(tx_bad);
    uint32_t count = sizeof(bad) / sizeof(*bad);
    for (uint32_t i = 0; i < count; i++)
        if (send_one(bad[i]) != EXO_E_RANGE)
            return i;
    return COUNTER(tx_packets) == sent && COUNTER(tx_bad) == before + count ? BY_COUNTING : 0;
}

static int64_t bad_indices(void)
{
    static const uint32_t jumps[] = {257, 1000, 1u << 16, 1u << 31, 0xffffffff};

    if (!queue_make())
        return NOT_TRIED;
    struct exo_ring *transmit = ring[EXO_RING_TRANSMIT];
    uint32_t honest = transmit->producer;
    int64_t sent = COUNTER(tx_packets), before = COUNTER(index_bad), worst = 0;
    uint32_t count = sizeof(jumps) / sizeof(*jumps);
    for (uint32_t i = 0; i < count; i++) {
        transmit->producer = honest + jumps[i];
        worst |= exo_queue_kick(queue);
    }
    transmit->producer = honest;
    return !worst && COUNTER(tx_packets) == sent && COUNTER(index_bad) == before + count
               ? BY_COUNTING
               : 0;
}

static int64_t complete_that_lies(void)
{
    if (!queue_make())
        return NOT_TRIED;
    struct exo_ring *complete = ring[EXO_RING_COMPLETE];
    uint32_t honest = complete->consumer;
    int64_t before = COUNTER(index_bad), sent = COUNTER(tx_packets);
    address_packet(0xffffffffffff, mac);
    ring[EXO_RING_TRANSMIT]->desc[ring[EXO_RING_TRANSMIT]->producer % EXO_RING_SIZE] =
        (struct exo_desc){0, 0, 60, 0};
    ring[EXO_RING_TRANSMIT]->producer++;
    complete->consumer = honest + 5000;
    int64_t result = exo_queue_kick(queue);
    complete->consumer = honest;
    bool refused = !result && COUNTER(tx_packets) == sent && COUNTER(index_bad) > before;
    exo_queue_kick(queue); /* now it is sent: wait until its buffer is back */
    return completed(honest) && refused ? BY_COUNTING : 0;
}

static int64_t send_unfiltered(void)
{
    if (!queue_make())
        return NOT_TRIED;
    exo_filter_del(own_filter);
    address_packet(0xffffffffffff, mac);
    int64_t result = send_one((struct exo_desc){0, 0, 60, 0});
    add_own();
    return result == EXO_E_FOREIGN ? BY_COUNTING : 0;
}

const struct attack network_attacks[] = {
    {"kick every other queue", kick_others},
    {"unbind every other queue", unbind_others},
    {"put its buffers into every other queue", buffer_others},
    {"set the filter of every other queue", filter_others},
    {"remove every other filter", unfilter_others},
    {"look at every other queue", look_at_queues},
    {"receive what is for another MAC", foreign_filter},
    {"give its queue a filter twice", second_filter},
    {"receive and send more than it was allowed", wider_filter},
    {"receive and send in place of a neighbour", other_filter},
    {"have a filter read from a frame that is not its memory", filter_in_foreign_frame},
    {"use frames that are not its own as rings and buffers", foreign_frames},
    {"free a ring that is in use", free_ring},
    {"send with a foreign MAC", foreign_source},
    {"claim a neighbour's address by IPv4 and by ARP", foreign_address},
    {"send by descriptors that make no sense", bad_descriptors},
    {"send by producer indices that jump", bad_indices},
    {"have completions written where there is no room", complete_that_lies},
    {"send without a filter", send_unfiltered},
    {NULL, NULL},
};
