/* SPDX-License-Identifier: MIT */
/*
 * rings.c - the kernel's network queues when every shared word is the enemy's.
 *
 * Two environments with a queue each on one NIC. The bytes write to rings and buffers, between
 * calls and in the middle of them (whenever the core looks at a frame or asks the NIC for room),
 * kick, receive packets, report packets as sent. Nothing outside of rings, buffers and control
 * pages may change, all invariants hold, and no queue sends by another's MAC.
 */
#include "target.h"

#include "mock.h"
#include "nic.h"
#include "packet_queue.h"
#include "ring.h"
#include "steps.h"

#include <string.h>

#define STEPS_MAX 300u
#define PEOPLE    2u
#define GRAIN     64u /* bytes between two places for a packet */
#define MAC(i)    (2ull << 40 | (i))

static struct input input;
static struct env *people[PEOPLE];
static uint32_t queue[PEOPLE], racing; /* how many writes in the middle of calls are left */

/* Any descriptor where the kernel will look next, or soon; announced if `tell`. */
static void post(const struct queue *q, uint32_t name, bool tell)
{
    const uint32_t next[EXO_RINGS] = {q->filled, q->received, q->sent, q->completed};
    struct exo_ring *ring = machine_frame(q->ring[name]);
    uint32_t at = next[name] + take(&input, 1) % 4, buffer = take(&input, 1);
    uint32_t flags = take(&input, 1);

    ring->desc[at % EXO_RING_SIZE] = (struct exo_desc){
        .buffer = (uint16_t)(buffer < 200 ? buffer % 8 : buffer << 8 | 511),
        .offset = (uint16_t)(take(&input, 1) * GRAIN),
        .length = (uint16_t)take_below(&input, EXO_BUFFER_SIZE + 4),
        .flags = flags < 128 ? (uint16_t)(flags % 2 * EXO_DESC_MORE + flags / 2 * 257) : 0,
    };
    if (tell)
        ring->producer = at + 1;
}

/* Write to one of the queue's shared pages, as its owner, or a second CPU of its owner's, could. */
static void scribble(void)
{
    const struct queue *q = &queues[queue[take_below(&input, PEOPLE)]];
    uint32_t what = take(&input, 1);
    struct exo_ring *ring = machine_frame(q->ring[what % EXO_RINGS]);

    if (!q->owner)
        return;
    switch (what / 4 % 8) {
    case 0:
        ring->producer = take(&input, 4);
        break;
    case 1:
        ring->producer += take(&input, 1);
        break;
    case 2:
        ring->consumer = take(&input, 4);
        break;
    case 3:
        ring->consumer += take(&input, 1);
        break;
    case 4:
        ring->armed = take(&input, 1);
        break;
    case 5:
    case 6:
        post(q, what % EXO_RINGS, what & 128);
        break;
    default: { /* a header where a descriptor may point to */
        frame_t frame = q->buffer[take_below(&input, 3)];
        uint32_t at = take(&input, 1) % 63 * GRAIN, who = take(&input, 1);
        if (frame.n)
            memcpy((uint8_t *)machine_frame(frame) + at,
                   (uint8_t[14]){2, 0, 0, 0, 0, (uint8_t)(who & 3), 2, 0, 0, 0, 0,
                                 (uint8_t)(who >> 2 & 3)},
                   14);
        break;
    }
    }
}

static void race_frame(uint32_t frame)
{
    (void)frame;
    if (racing) {
        racing--;
        scribble();
    }
}

static void race_ready(void)
{
    mock_frame_hook = NULL; /* what is written here is no look of the core's */
    race_frame(0);
    mock_frame_hook = race_frame;
}

static void receive(void)
{
    uint8_t packet[EXO_PACKET_MAX + 20] = {2, 0, 0, 0, 0, (uint8_t)take(&input, 1)};

    if (packet[5] & 128)
        memset(packet, 0xff, 6);
    packet[5] &= 3;
    uint32_t count = take(&input, 1) % EXO_PACKET_BUFFERS;
    if (!count) {
        packet_received(nics[0], packet, take_below(&input, sizeof(packet)));
        return;
    }
    struct piece piece[EXO_PACKET_BUFFERS];
    struct packet p = {packet, 0, 0, (uint16_t)count, (uint16_t)(take(&input, 2) & 0x7fff), piece};
    for (uint32_t i = 0; i < count; i++) {
        piece[i] =
            (struct piece){.memory = packet, .length = 1 + take_below(&input, EXO_PACKET_MAX)};
        p.length += piece[i].length;
    }
    p.head_length = piece[0].length < NIC_HEADER ? piece[0].length : NIC_HEADER;
    nic_received(nics[0], &p);
}

static void step(void)
{
    uint32_t op = take(&input, 1), who = op / 16 % PEOPLE;
    struct env *self = people[who];

    racing = op / 32;
    switch (op % 16) {
    case 0:
    case 1:
    case 2: {
        int64_t done = CALL(self, QUEUE_KICK, queue[who]);
        MUST(done >= 0 && done < 32 + (int64_t)EXO_PACKET_BUFFERS, "a kick gave %lld",
             (long long)done);
        break;
    }
    case 3:
    case 4:
        receive();
        break;
    case 5:
        nics[0]->poll(nics[0]);
        break;
    case 6:
        mock_capacity = take_below(&input, MOCK_SENT + 1);
        break;
    case 7:
        CALL(self, QUEUE_BUFFER, queue[take_below(&input, PEOPLE)], take_below(&input, 4),
             take_below(&input, MOCK_FRAMES));
        break;
    case 8:
        mock_filter(self, queue[who], mock_mac(MAC(take(&input, 1) & 3)));
        break;
    case 9:
        CALL(self, QUEUE_KICK, queue[1 - who]);
        break;
    case 10:
        nic_carry(nics[0]);
        break;
    case 12:
        nics[0]->offloads = (uint8_t)take(&input, 1);
        break;
    case 11: /* others came before: so many steps are left */
        groups[0].steps = take_below(&input, 3);
        break;
    default:
        scribble();
        break;
    }
    racing = 0;
}

/* Filters stay here, so what the device was given matches one of its queue's. */
static void check_sources(void)
{
    for (uint32_t i = 0; i < mock_sent_count; i++) {
        const struct mock_packet *p = &mock_sent[i];
        struct exo_tuple tuple;
        tuple_read(&tuple, p->header, p->header_length);
        tuple_turn(&tuple, mac_at(p->header + 6));
        MUST(filter_find(0, &tuple) == &queues[p->cookie >> 16],
             "queue %u sent by a MAC that is not its own", p->cookie >> 16);
    }
}

/* Pages that nobody but their owner may write, and the owner does not. */
static bool is_private(uint32_t n)
{
    bool shared = frames[n].type == EXO_RING || frames[n].type == EXO_CONTROL;

    for (uint32_t i = 0; i < PEOPLE; i++)
        for (uint32_t j = 0; j < EXO_QUEUE_BUFFERS / 2; j++)
            shared |= queues[queue[i]].buffer[j].n == n;
    return frames[n].type != EXO_KERNEL && !shared;
}

static uint8_t ram[MOCK_FRAMES][EXO_PAGE_SIZE];

static void remember(void)
{
    for (uint32_t n = 0; n < MOCK_FRAMES; n++)
        if (frames[n].type != EXO_KERNEL)
            memcpy(ram[n], machine_frame((frame_t){n}), EXO_PAGE_SIZE);
}

static void check_ram(void)
{
    for (uint32_t n = 0; n < MOCK_FRAMES; n++)
        if (is_private(n))
            MUST(!memcmp(ram[n], machine_frame((frame_t){n}), EXO_PAGE_SIZE),
                 "frame %u, which is no queue's, has changed", n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input = (struct input){bytes, size};
    steps.failed = NULL;
    mock_forget_names();
    people[0] = mock_boot();
    people[1] = mock_child_with(people[0], 20, 0, 1, false);
    CALL(people[0], ENV_SET, people[1]->name.n, EXO_ENV_SET_MAC, MAC(1));
    CALL(people[0], ENV_RUN, people[1]->name.n, 0x400000, 0x500000);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        CALL(people[i], PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA); /* nobody's buffer */
        int64_t bound = mock_queue(people[i], MAC(i));
        MUST(bound >= 0, "no queue");
        queue[i] = (uint32_t)bound;
    }
    remember();
    mock_frame_hook = race_frame;
    mock_ready_hook = race_ready;
    for (uint32_t i = 0; i < STEPS_MAX && input.left; i++) {
        step();
        steps_check_sent();
        check_sources();
        const char *wrong = steps.failed ? steps.failed : inv_all();
        MUST(!wrong, "step %u: %s", i, wrong);
    }
    mock_frame_hook = NULL;
    mock_ready_hook = NULL;
    check_ram();
    return 0;
}
