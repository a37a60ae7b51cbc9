/* SPDX-License-Identifier: MIT */
/*
 * group.c - packets to groups: to everybody who hears them, once, in pieces, and each sender in turn.
 *
 * Hearers post no buffers: what reaches them is counted as dropped, and the count tells all.
 */
#include "mock.h"

#include "packet_queue.h"
#include "ring.h"

#include <string.h>

#define HEARERS   22u /* for more there is no room here */
#define MAC(i)    (0x020000000100ull + (i))
#define BROADCAST 0xffffffffffffull
#define ELSEWHERE 0x0200000000eeull

static struct env *init;
static uint64_t hearer[HEARERS], filter[HEARERS];

static uint8_t *memory(frame_t frame)
{
    return machine_frame(frame);
}

static struct exo_ring *ring_of(uint64_t queue, enum exo_ring_name name)
{
    return (struct exo_ring *)(void *)memory(queues[queue].ring[name]);
}

static void hear(struct env *env, uint32_t i)
{
    uint64_t ring[EXO_RINGS];

    for (uint32_t r = 0; r < EXO_RINGS; r++)
        ring[r] = (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_RING);
    hearer[i] = (uint64_t)CALL(env, QUEUE_BIND, 0, ring[0], ring[1], ring[2], ring[3]);
    filter[i] = (uint64_t)mock_filter(env, hearer[i], mock_mac(MAC(i)));
}

static void boot(uint32_t hearers)
{
    init = mock_boot();
    for (uint32_t i = 0; i < hearers; i++)
        hear(init, i);
}

static uint64_t heard(uint32_t i)
{
    return queues[hearer[i]].stats.rx_packets + queues[hearer[i]].stats.rx_dropped;
}

static bool each_heard(uint32_t hearers, uint64_t times)
{
    bool all = true;

    for (uint32_t i = 0; i < hearers; i++)
        all &= heard(i) == times;
    return all;
}

static uint64_t heard_by(uint32_t hearers)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < hearers; i++)
        sum += heard(i);
    return sum;
}

static bool holds(void)
{
    const char *wrong = inv_all();

    if (wrong)
        printf("# %s\n", wrong);
    return !wrong;
}

static void mac_put(uint8_t *at, uint64_t mac)
{
    for (uint32_t i = 0; i < 6; i++)
        at[i] = (uint8_t)(mac >> (40 - 8 * i));
}

static void arrive(void)
{
    uint8_t packet[60] = {0};

    mac_put(packet, BROADCAST);
    packet_received(nics[0], packet, sizeof(packet));
}

/* --- in pieces ------------------------------------------------------------------------------- */

static void test_in_pieces(void)
{
    const uint32_t whole =
        GROUP_STEPS / HEARERS; /* packets that the steps of one visit suffice for */

    boot(HEARERS);
    for (uint32_t i = 0; i < whole; i++)
        arrive();
    tap_ok(each_heard(HEARERS, whole) && holds(), "packets from the wire reach all who hear them");
    arrive();
    tap_ok(heard_by(HEARERS) == GROUP_STEPS && holds(), "the next one no more than are allowed");
    arrive();
    tap_ok(heard_by(HEARERS) == GROUP_STEPS && nics[0]->crowded == 1,
           "one more is dropped and counted");
    tap_ok(CALL(init, INFO, EXO_INFO_NIC, 0, EXO_NIC_CROWDED) == 1, "which info tells");
    tap_ok(nics[0]->carrying, "the loop is to come by");
    tap_ok(!nic_carry(nics[0]) && !nics[0]->carrying && each_heard(HEARERS, whole + 1) && holds(),
           "and takes it to the rest");
    nic_carry(nics[0]);
    tap_ok(each_heard(HEARERS, whole + 1), "once");
    arrive();
    tap_ok(each_heard(HEARERS, whole + 2) && nics[0]->crowded == 1,
           "and the next finds room again");
    nics[0]->crowded = 0;
}

/* What comes in takes the steps that are left until the loop comes by, and no more. */
static void test_steps(void)
{
    bool right = true;

    boot(HEARERS);
    for (uint32_t left = 0; left <= GROUP_STEPS; left++) {
        while (nic_carry(nics[0]))
            ;
        uint64_t before = heard_by(HEARERS);
        groups[0].steps = left;
        for (uint32_t i = 0; i < 3; i++)
            arrive();
        right &= heard_by(HEARERS) - before == left && groups[0].steps == 0;
    }
    tap_ok(right && holds(), "what comes in takes the steps that are left, each of them");
    nics[0]->crowded = 0;
}

/* --- who comes and goes meanwhile ------------------------------------------------------------ */

enum way { FILTER_GOES, QUEUE_GOES, ENV_ENDS, WAYS };

static void go(uint32_t i, enum way way)
{
    if (way == FILTER_GOES)
        CALL(init, FILTER_DEL, filter[i]);
    else if (way == QUEUE_GOES)
        CALL(init, QUEUE_UNBIND, hearer[i]);
    else
        CALL(init, ENV_KILL, envs[queues[hearer[i]].owner].name.n, 0);
}

/* One of five goes when the packet has got so far. The list has the last that was bound first. */
static bool all_but(uint32_t gone, uint32_t after, enum way way)
{
    bool right = true;

    init = mock_boot();
    for (uint32_t i = 0; i < 5; i++) {
        struct env *env = init;
        if (way == ENV_ENDS && i == gone) {
            env = mock_child_with(init, 10, 0, 1, true);
            mock_confine(env, MAC(i));
        }
        hear(env, i);
    }
    groups[0].steps = after;
    arrive();
    uint64_t before = heard(gone);
    go(gone, way);
    right &= holds();
    while (nic_carry(nics[0]))
        ;
    for (uint32_t i = 0; i < 5; i++)
        right &= i == gone ? way == QUEUE_GOES || heard(i) == before : heard(i) == 1;
    return right && before == (4 - gone < after) && holds();
}

static void test_leaving(void)
{
    static const char *const what[WAYS] = {"a filter is removed", "a queue is unbound",
                                           "an environment ends"};

    for (uint32_t way = 0; way < WAYS; way++) {
        bool right = true;
        for (uint32_t gone = 0; gone < 5; gone++)
            for (uint32_t after = 0; after <= 5; after++)
                right &= all_but(gone, after, (enum way)way);
        tap_ok(right, "%s under way, wherever: all others hear it once", what[way]);
    }
}

static void test_joining(void)
{
    boot(5);
    groups[0].steps = 2;
    arrive();
    hear(init, 5);
    CALL(init, FILTER_DEL, filter[1]);
    filter[1] = (uint64_t)mock_filter(init, hearer[1], mock_mac(MAC(1)));
    nic_carry(nics[0]);
    tap_ok(heard(5) == 0 && heard(1) == 0 && heard(0) == 1 && heard(2) == 1 && holds(),
           "who comes meanwhile does not hear it");
    CALL(init, FILTER_DEL, filter[4]);
    filter[4] = (uint64_t)mock_filter(init, hearer[4], mock_mac(MAC(4)));
    tap_ok(heard(4) == 1, "nor, who comes again, twice");
    for (uint32_t i = 0; i < 6; i++) {
        groups[0].steps = 0;
        arrive();
        CALL(init, FILTER_DEL, filter[i]);
    }
    tap_ok(!groups[0].next && !nic_carry(nics[0]) && holds(),
           "when nobody hears any more it is over");
    arrive();
    tap_ok(!nic_carry(nics[0]) && holds(), "as it is when nobody does from the start");
    nics[0]->crowded = 0;
}

/* --- sending --------------------------------------------------------------------------------- */

/* Two buffers of one frame; the packets fill them, with bytes that tell where they were. */
static void can_send(struct env *env, uint32_t i)
{
    uint64_t frame = (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA);

    CALL(env, QUEUE_BUFFER, hearer[i], 0, frame);
    for (uint32_t b = 0; b < 2; b++) {
        uint8_t *packet = memory((frame_t){(uint32_t)frame}) + b * EXO_BUFFER_SIZE;
        for (uint32_t at = 0; at < EXO_BUFFER_SIZE; at++)
            packet[at] = (uint8_t)(at * 7 + b + i);
        mac_put(packet, BROADCAST);
        mac_put(packet + 6, MAC(i));
    }
}

static void post(uint32_t i, enum exo_ring_name name, struct exo_desc desc)
{
    struct exo_ring *ring = ring_of(hearer[i], name);

    ring->desc[ring->producer++ % EXO_RING_SIZE] = desc;
}

/* Put another packet to all into TRANSMIT and kick: how many went. */
static int64_t send(uint32_t i)
{
    post(i, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 600, 0});
    return CALL(&envs[queues[hearer[i]].owner], QUEUE_KICK, hearer[i]);
}

static bool waits(uint32_t i)
{
    return set_has(&nics[0]->waiting, (uint32_t)hearer[i]);
}

static void sent(void)
{
    nics[0]->poll(nics[0]);
    for (uint32_t i = 0; i < 4; i++)
        if (queues[hearer[i]].owner)
            ring_of(hearer[i], EXO_RING_COMPLETE)->consumer =
                ring_of(hearer[i], EXO_RING_COMPLETE)->producer;
}

static void test_waiting(void)
{
    boot(HEARERS);
    can_send(init, 0);
    can_send(init, 1);
    tap_ok(send(0) == 1 && mock_sent_count == 1 && heard_by(HEARERS) == 0,
           "what is sent goes to the wire, and by the call to nobody");
    sent();
    init->pending = 0;
    tap_ok(send(0) == 0 && waits(0) && mock_sent_count == 0 && holds(),
           "the next waits, and is not sent to the wire either");
    tap_ok(ring_of(hearer[0], EXO_RING_TRANSMIT)->consumer == 1, "it stays in its ring");
    tap_ok(send(1) == 0 && waits(1) && !(init->pending & EXO_UP_QUEUE), "as does another's");
    arrive();
    tap_ok(each_heard(HEARERS, 1), "what comes by the wire meanwhile is not kept out");
    nic_carry(nics[0]);
    tap_ok(heard(0) == 1 && heard(1) == 2 && heard(2) == 2 && !waits(1) && waits(0) && holds(),
           "the loop delivers it to all but its sender, and has the next one sent");
    tap_ok(init->pending & EXO_UP_QUEUE, "who is told, since there may be more");
    tap_ok(ring_of(hearer[1], EXO_RING_TRANSMIT)->consumer == 1, "one packet of his");
    nic_carry(nics[0]);
    tap_ok(!waits(0) && ring_of(hearer[0], EXO_RING_TRANSMIT)->consumer == 2, "then the first");
    while (nic_carry(nics[0]))
        ;
    tap_ok(heard(0) == 2 && heard(1) == 3 && heard(2) == 4 && holds(), "all hear all, once");
}

/* Somebody sends as often as he may: all others get their turn, and he his. */
static void test_turns(void)
{
    uint64_t went[4] = {0};
    bool right = true;

    boot(4);
    for (uint32_t i = 0; i < 4; i++)
        can_send(init, i);
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < 10; i++)
            send(2);
        for (uint32_t i = 0; i < 4; i++)
            if (i != 2 && !waits(i))
                send(i);
        for (uint32_t i = 0; i < 10; i++)
            send(2);
        nic_carry(nics[0]);
        sent();
        right &= holds();
        ring_of(hearer[2], EXO_RING_TRANSMIT)->producer =
            ring_of(hearer[2], EXO_RING_TRANSMIT)->consumer;
    }
    for (uint32_t i = 0; i < 4; i++) {
        went[i] = queues[hearer[i]].stats.tx_packets;
        right &= went[i] >= 9 && went[i] <= 12;
    }
    printf("# turns: %llu %llu %llu %llu\n", (unsigned long long)went[0],
           (unsigned long long)went[1], (unsigned long long)went[2], (unsigned long long)went[3]);
    tap_ok(right, "of four, one of whom sends all the time, each gets its turn");
}

static void test_waiting_and_gone(void)
{
    boot(3);
    struct env *child = mock_child_with(init, 20, 0, 1, true);
    mock_confine(child, MAC(3));
    hear(child, 3);
    can_send(init, 0);
    can_send(init, 1);
    can_send(child, 3);
    send(0);
    tap_ok(send(1) == 0 && send(3) == 0 && waits(1) && waits(3), "two wait");
    CALL(init, QUEUE_UNBIND, hearer[1]);
    tap_ok(!waits(1) && waits(3), "one's queue goes, and waits no more");
    CALL(init, ENV_KILL, child->name.n, 0);
    sent();
    while (nic_carry(nics[0]))
        ;
    tap_ok(!waits(3) && mock_sent_count == 0 && heard(2) == 1 && holds(), "the dead get no turn");
    tap_ok(send(0) == 1, "nor do they keep others from theirs");
}

static void test_full_card(void)
{
    boot(3);
    can_send(init, 0);
    can_send(init, 1);
    send(0);
    send(1);
    mock_capacity = 0;
    nic_carry(nics[0]);
    tap_ok(!waits(1) && set_has(&nics[0]->stalled, (uint32_t)hearer[1]) && heard(2) == 1,
           "whose turn comes when the card is full waits for the card");
    mock_capacity = MOCK_SENT;
    mock_sent_count = 0;
    init->pending = 0;
    tap_ok(CALL(init, QUEUE_KICK, hearer[1]) == 1, "and goes on when it has room");
}

static void test_copy(void)
{
    uint8_t before[1514];

    boot(3);
    can_send(init, 0);
    can_send(init, 1);
    uint8_t *packet = memory(queues[hearer[0]].buffer[0]);
    memcpy(before, packet, sizeof(before));
    post(0, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 1514, 0});
    post(1, EXO_RING_FILL, (struct exo_desc){1, 0, 0, 0});
    CALL(init, QUEUE_KICK, hearer[0]);
    memset(packet, 0x5a, EXO_BUFFER_SIZE);
    nic_carry(nics[0]);
    struct exo_desc got = ring_of(hearer[1], EXO_RING_RECEIVE)->desc[0];
    tap_ok(got.length == 1514 && got.buffer == 1 &&
               !memcmp(memory(queues[hearer[1]].buffer[0]) + EXO_BUFFER_SIZE, before, 1514),
           "what is delivered is what was sent, whatever its sender writes then");
    post(0, EXO_RING_TRANSMIT, (struct exo_desc){1, 0, 60, 0});
    mac_put(packet + EXO_BUFFER_SIZE, ELSEWHERE);
    tap_ok(CALL(init, QUEUE_KICK, hearer[0]) == 1 && !nics[0]->carrying,
           "to one station nothing waits");
}

/* Whether the kernel looks what else there is to do, after a kick by who runs. */
static bool kick_leads_to_loop(void)
{
    init->context.rax = EXO_CALL_QUEUE_KICK;
    init->context.rdi = (uint64_t)hearer[0];
    return cpu_call(init);
}

static void test_loop(void)
{
    boot(3);
    can_send(init, 0);
    mock_control(init)->disabled = 1;
    mock_next();
    tap_ok(!kick_leads_to_loop(), "a kick that sends nothing goes straight back");
    post(0, EXO_RING_TRANSMIT, (struct exo_desc){0, 0, 600, 0});
    tap_ok(kick_leads_to_loop() && heard(1) == 0, "one that sends to a group goes by the loop");
    nic_carry(nics[0]);
    tap_ok(heard(1) == 1 && heard(2) == 1 && holds(), "which carries it");
}

int main(void)
{
    test_in_pieces();
    test_steps();
    test_leaving();
    test_joining();
    test_waiting();
    test_turns();
    test_waiting_and_gone();
    test_full_card();
    test_copy();
    test_loop();
    return tap_done();
}
