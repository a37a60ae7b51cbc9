/* SPDX-License-Identifier: MIT */
/*
 * virtio_net.c - when the card interrupts, and when it is told; packets in several buffers; a card that
 * lies: the driver with a device in memory.
 *
 * The device's registers are plain memory, so both halves of its features read the same: what stands
 * in bits 0 and 1 counts as bits 32 and 33, too.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "dma.h"
#include "machine.h"
#include "mmio.h"
#include "nic.h"
#include "pci.h"
#include "virtqueue.h"

#define BAR     0x1000000u
#define VERSION 1u /* bit 32 of the features */
#define MAC     (1u << 5)
#define CSUM    1u /* the same bit as VERSION */
#define CSUM_IN 2u
#define TSO_IN  (1u << 7)
#define TSO     (1u << 11)
#define MERGED  (1u << 15)
#define HEADER  12u

struct nic *virtio_net_probe(const struct pci_device *device);

/* --- the machine ------------------------------------------------------------------------------ */

static uint8_t registers[5][EXO_PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t memory[512][EXO_PAGE_SIZE] __attribute__((aligned(4096)));
static uint32_t pages_used, received, sent;
static irq_handler handler;
static void *handler_of;
static bool more;

volatile void *mmio_map(uint64_t address, uint64_t size)
{
    (void)size;
    return registers[0] + (address - BAR);
}

/* One page of registers for each kind of capability, 1 to 4. */
uint32_t pci_capability(const struct pci_device *device, uint32_t id, uint32_t after)
{
    (void)device;
    return id == PCI_CAP_VENDOR && after < 0x80 ? (after ? after + 0x10 : 0x50) : 0;
}

uint8_t pci_read8(const struct pci_device *device, uint32_t offset)
{
    (void)device;
    return offset % 0x10 == 3 ? (uint8_t)(offset / 0x10 - 4) : 0;
}

uint32_t pci_read(const struct pci_device *device, uint32_t offset)
{
    uint32_t kind = offset / 0x10 - 4;

    (void)device;
    return offset % 0x10 == 8 ? kind * EXO_PAGE_SIZE : offset % 0x10 == 12 ? EXO_PAGE_SIZE : 0;
}

uint64_t pci_bar(const struct pci_device *device, uint32_t bar, uint64_t *size)
{
    (void)device, (void)bar;
    *size = sizeof(registers);
    return BAR;
}

void pci_enable(const struct pci_device *device)
{
    (void)device;
}

bool pci_interrupt(const struct pci_device *device, irq_handler to, void *argument, bool *msix)
{
    (void)device;
    handler = to;
    handler_of = argument;
    return *msix = true;
}

bool dma_confined(void)
{
    return false;
}

bool dma_attach(const struct pci_device *device)
{
    (void)device;
    return true;
}

void *dma_alloc(const struct pci_device *device, uint64_t count, uint32_t access, uint64_t *address)
{
    void *at = memory[pages_used];

    (void)device, (void)access;
    *address = (uint64_t)at;
    pages_used += (uint32_t)count;
    return at;
}

void klog(const char *format, ...)
{
    (void)format;
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    exit(1);
}

static void (*on_receive)(void);

static struct packet last;
static struct piece last_piece[EXO_PACKET_BUFFERS];

void nic_received(struct nic *nic, const struct packet *packet)
{
    uint32_t sum = 0;

    (void)nic;
    if (!packet->count || packet->count > EXO_PACKET_BUFFERS)
        panic("a packet of %u pieces", packet->count);
    for (uint32_t i = 0; i < packet->count; i++) {
        last_piece[i] = packet->piece[i];
        sum += last_piece[i].length;
        if (last_piece[i].length > EXO_BUFFER_SIZE)
            panic("a piece of %u bytes", last_piece[i].length);
    }
    if (sum != packet->length || packet->head != last_piece->memory ||
        packet->head_length > last_piece->length || packet->head_length > NIC_HEADER)
        panic("a packet of %u bytes with a head of %u", packet->length, packet->head_length);
    last = *packet;
    received++;
    if (on_receive)
        on_receive();
}

void nic_sent(struct nic *nic, uint32_t cookie)
{
    (void)nic, (void)cookie;
    sent++;
}

void nic_interrupt(struct nic *nic)
{
    more = nic->poll(nic);
}

/* --- the device ------------------------------------------------------------------------------- */

struct side {
    struct virtq_avail *avail;
    struct virtq_used *used;
    uint16_t done;
    uint32_t interrupts;
};
static struct side rx, tx;
static struct nic *nic;
static bool event_index;

static volatile uint16_t *doorbell(void)
{
    return (volatile uint16_t *)(void *)registers[2];
}

/* 2.7.7.2: by index, or by flag. */
static bool use(struct side *s, uint32_t count, uint32_t length)
{
    bool interrupts = count && !event_index && !(s->avail->flags & 1);

    for (; count; count--) {
        if (s->done == s->avail->index)
            return false;
        uint32_t slot = s->done % VIRTQUEUE_SIZE;
        s->used->ring[slot].id = s->avail->ring[slot];
        s->used->ring[slot].length = length;
        interrupts |= event_index && s->done == s->avail->used_event;
        s->used->index = ++s->done;
    }
    s->interrupts += interrupts;
    return true;
}

static bool comes(uint32_t count)
{
    return use(&rx, count, HEADER + 60);
}

static void one_comes(void)
{
    on_receive = NULL;
    comes(1);
}

static bool goes(uint32_t count)
{
    return use(&tx, count, 0);
}

static void put(uint32_t count)
{
    static const uint8_t bytes[60];
    static const struct piece piece = {.memory = bytes, .length = sizeof(bytes), .cookie = 7};
    static const struct packet packet = {bytes, sizeof(bytes), sizeof(bytes), 1, 0, &piece};

    for (; count; count--)
        nic->send(nic, &packet);
}

static bool rang(uint16_t queue)
{
    bool was = *doorbell() == queue;

    *doorbell() = 0xffff;
    return was;
}

static void start(bool with_event_index, uint32_t features)
{
    static const struct pci_device device = {0, 3, 0, 0x1af4, 0x1041};
    uint32_t first = pages_used;

    memset(registers, 0, sizeof(registers));
    *(uint32_t *)(void *)(registers[1] + 4) =
        VERSION | MAC | features | (with_event_index ? (uint32_t)VIRTQUEUE_EVENT_IDX : 0);
    *(uint16_t *)(void *)(registers[1] + 24) = VIRTQUEUE_SIZE;
    *doorbell() = 0xffff;
    event_index = with_event_index;
    nic = virtio_net_probe(&device);
    rx = (struct side){(void *)memory[first + 1], (void *)memory[first + 2], 0, 0};
    tx = (struct side){(void *)memory[first + 4], (void *)memory[first + 5], 0, 0};
    received = sent = 0;
    tap_ok(nic && rx.avail->index == 256 && rang(0), "%s: the device hears of the empty buffers",
           event_index ? "with EVENT_IDX" : "by flags");
}

/* --- */

static void test_sent(void)
{
    put(10);
    nic->flush(nic, false);
    tap_ok(rang(1), "a batch is told once");
    goes(10);
    tap_ok(!tx.interrupts, "what is sent raises no interrupt while nobody waits");
    nic->flush(nic, false);
    tap_ok(sent == 10 && !rang(1), "who sends next finds it, and tells the device of nothing");
    put(8);
    nic->flush(nic, true);
    goes(event_index ? 3 : 0);
    tap_ok(!tx.interrupts, "somebody waits");
    goes(1);
    tap_ok(tx.interrupts == 1, "half of it interrupts");
    handler(handler_of);
    tap_ok(sent == (event_index ? 14 : 11), "and is collected");
    goes(event_index ? 4 : 7);
    tap_ok(tx.interrupts > 1, "the rest as well");
    handler(handler_of);
    tx.interrupts = 0;
    put(5);
    nic->flush(nic, false);
    goes(5);
    tap_ok(sent == 18 && !tx.interrupts, "then nobody waits any more");
    nic->poll(nic);
    tap_ok(sent == 23, "whoever polls finds what was sent");
}

static void test_full(void)
{
    uint32_t room = 0;

    for (; nic->send_ready(nic, 1) && room < 1000; room++)
        put(1);
    nic->flush(nic, false);
    tap_ok(room == VIRTQUEUE_SIZE - 1, "room for %u packets", room);
    sent = tx.interrupts = 0;
    goes(128);
    tap_ok(tx.interrupts, "who met a full device waits");
    tap_ok(nic->send_ready(nic, 1) && sent == 128, "or looks itself and finds room");
    goes(127);
    handler(handler_of);
    tap_ok(sent == 255, "all comes back");
    tx.interrupts = 0;
}

static void test_received(void)
{
    comes(1);
    tap_ok(rx.interrupts == 1, "the first packet interrupts");
    comes(5);
    tap_ok(rx.interrupts == (event_index ? 1 : 2), "%s",
           event_index ? "those behind it do not" : "as do those behind it");
    on_receive = one_comes;
    uint32_t before = rx.interrupts;
    handler(handler_of);
    tap_ok(received == 7 && !more && rx.interrupts == before,
           "nor does what comes while they are taken out, and it is taken, too");
    comes(1);
    tap_ok(rx.interrupts == before + 1, "the next interrupts again");
    comes(99);
    handler(handler_of);
    tap_ok(received == 7 + 64 && more, "64 at a time");
    nic->quiet(nic, true);
    before = rx.interrupts;
    tap_ok(!nic->poll(nic) && received == 107, "more by polling");
    comes(3);
    tap_ok(rx.interrupts == before, "while it is quiet nothing interrupts");
    nic->quiet(nic, false);
    tap_ok(!nic->poll(nic) && received == 110, "after it, what came meanwhile is found");
    comes(1);
    tap_ok(rx.interrupts == before + 1, "and interrupts are back");
    handler(handler_of);
    tap_ok(rx.avail->index == (uint16_t)(256 + received), "every buffer is offered again");
}

static void test_around(void)
{
    bool good = true;

    received = sent = 0;
    for (uint32_t i = 0; i < 70000; i++) {
        rx.interrupts = 0;
        good &= comes(1) && rx.interrupts == 1;
        handler(handler_of);
        put(1);
        nic->flush(nic, false);
        good &= rang(1);
        good &= goes(1);
        tx.used->avail_event = tx.avail->index; /* it sleeps again */
    }
    tap_ok(good && received == 70000 && sent >= 69999,
           "70,000 requests and answers: one interrupt and one doorbell each");
    tap_ok(tx.interrupts <= 2, "and of what was sent next to none");
}

/* --- packets in several buffers --------------------------------------------------------------- */

struct net_header { /* 5.1.6 */
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, checksum_start, checksum_offset, buffers;
};

static void test_offers(void)
{
    tap_ok(nic->offloads == (EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4), "what it takes is told");
}

/* A packet of TCP over IPv4: `count` pieces of `length` bytes. */
static struct packet tcp(struct piece *piece, uint32_t count, uint32_t length, uint16_t flags)
{
    static uint8_t bytes[EXO_BUFFER_SIZE] = {[12] = 8, [14] = 0x45, [23] = 6, [46] = 0x50};

    for (uint32_t i = 0; i < count; i++)
        piece[i] = (struct piece){bytes, 0x100000u + i * EXO_BUFFER_SIZE, length, i};
    return (struct packet){bytes, NIC_HEADER, count * length, (uint16_t)count, flags, piece};
}

static void test_pieces_sent(void)
{
    struct piece piece[EXO_PACKET_BUFFERS];
    struct packet p = tcp(piece, 3, 2000, EXO_DESC_CHECKSUM | 1460);
    const struct virtq_desc *desc = (void *)memory[pages_used - 256 * (2048 + 256) / 4096 - 3];
    uint16_t at = tx.avail->ring[tx.avail->index % VIRTQUEUE_SIZE];
    bool good = true;

    tap_ok(nic->takes(nic, &p), "a packet to cut");
    nic->send(nic, &p);
    at = tx.avail->ring[(uint16_t)(tx.avail->index - 1) % VIRTQUEUE_SIZE];
    const struct virtq_desc *d = &desc[at];
    const struct net_header *h = (const void *)d->address;
    tap_ok(h->flags == 1 && h->gso_type == 1 && h->header_length == 54 && h->gso_size == 1460 &&
               h->checksum_start == 34 && h->checksum_offset == 16 &&
               d->length == HEADER + NIC_HEADER && !memcmp(h + 1, p.head, NIC_HEADER),
           "its header says where things are");
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t before = i ? 0 : NIC_HEADER;
        good &= d->flags == DESC_NEXT;
        d = &desc[d->next];
        good &= d->address == piece[i].address + before && d->length == 2000 - before;
    }
    tap_ok(good && !d->flags, "its pieces lie one behind the other");
    nic->flush(nic, false);
    sent = 0;
    goes(1);
    nic->poll(nic);
    tap_ok(sent == 3, "each of them is reported");
    p.flags = 0;
    nic->send(nic, &p);
    h = (const void *)desc[tx.avail->ring[(uint16_t)(tx.avail->index - 1) % VIRTQUEUE_SIZE]]
            .address;
    tap_ok(!h->flags && !h->gso_type && !h->gso_size, "nothing of it is said of the next");
    nic->flush(nic, false);
    goes(1);
    nic->poll(nic);
    p = tcp(piece, EXO_PACKET_BUFFERS, 1900, EXO_DESC_CHECKSUM | 1460);
    uint32_t room = 0;
    for (; nic->send_ready(nic, p.count); room++)
        nic->send(nic, &p);
    nic->flush(nic, false);
    tap_ok(room == VIRTQUEUE_SIZE / (EXO_PACKET_BUFFERS + 1), "room for %u of the longest", room);
    sent = 0;
    goes(room);
    nic->poll(nic);
    tap_ok(sent == room * EXO_PACKET_BUFFERS && nic->send_ready(nic, 255), "all of it comes back");
}

/* The device uses a buffer for so much; if it begins a packet, with this header. */
static void piece_comes(const struct net_header *h, uint32_t length)
{
    uint8_t *at = memory[pages_used - 256 * (2048 + 256) / 4096];
    uint32_t id = rx.avail->ring[rx.done % VIRTQUEUE_SIZE];

    if (h)
        memcpy(at + id * 2048, h, sizeof(*h));
    use(&rx, 1, length);
}

static void test_pieces_received(void)
{
    const struct net_header three = {1, 1, 54, 1460, 34, 16, 3}, one = {2, 0, 0, 0, 0, 0, 1};

    handler(handler_of);
    received = 0;
    piece_comes(&three, 2048);
    piece_comes(NULL, 2048);
    nic->poll(nic);
    tap_ok(!received, "a packet is waited for until it is whole");
    piece_comes(NULL, 100);
    piece_comes(&one, HEADER + 60);
    nic->poll(nic);
    tap_ok(received == 2 && last.count == 1 && last.length == 60 && last.flags == EXO_DESC_CHECKSUM,
           "then it comes, and the next one");
    piece_comes(&three, 2048);
    piece_comes(NULL, 2048);
    piece_comes(NULL, 100);
    nic->poll(nic);
    tap_ok(received == 3 && last.count == 3 && last.length == 2036 + 2048 + 100 &&
               last.flags == (EXO_DESC_CHECKSUM | 1460),
           "with what is known of it");
    tap_ok(rx.avail->index == (uint16_t)(256 + rx.done), "every buffer is offered again");
}

static void test_lies(void)
{
    static const struct net_header lies[] = {{1, 1, 54, 1460, 34, 16, 0},
                                             {1, 1, 54, 60000, 34, 16, 1},
                                             {0, 0, 0, 0, 0, 0, 34},
                                             {0, 0, 0, 0, 0, 0, 60},
                                             {1, 1, 54, 2047, 0, 0, 1}};
    const struct net_header one = {0, 0, 0, 0, 0, 0, 1}, two = {0, 0, 0, 0, 0, 0, 2};

    received = 0;
    for (uint32_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        uint32_t count = lies[i].buffers ? lies[i].buffers : 1;
        for (uint32_t j = 0; j < count; j++)
            piece_comes(j ? NULL : &lies[i], 2048);
        nic->poll(nic);
    }
    tap_ok(!received, "a header that makes no sense: its packet is dropped");
    for (uint32_t i = 0; i < 4; i++) {
        static const uint32_t length[] = {0, HEADER, 2049, UINT32_MAX};
        piece_comes(&one, length[i]);
        piece_comes(&two, 2048);
        piece_comes(NULL, i == 1 ? 0 : length[i] ^ HEADER ? length[i] : 4000);
        nic->poll(nic);
    }
    tap_ok(!received, "lengths that cannot be, in any piece");
    piece_comes(&one, HEADER + 60);
    nic->poll(nic);
    tap_ok(received == 1 && last.length == 60 && !last.flags, "the next one is received");
    tap_ok(rx.avail->index == (uint16_t)(256 + rx.done), "every buffer is offered again");
}

int main(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        start(i, 0);
        test_sent();
        tx.used->avail_event = tx.avail->index;
        test_full();
        test_received();
        tx.used->avail_event = tx.avail->index;
        test_around();
    }
    start(true, CSUM_IN | TSO_IN | TSO | MERGED);
    test_offers();
    test_pieces_sent();
    test_pieces_received();
    test_lies();
    return tap_done();
}
