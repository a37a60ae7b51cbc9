/* SPDX-License-Identifier: MIT */
/*
 * virtio_net.c - when the card interrupts, and when it is told: the driver with a device in memory.
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

void nic_received(struct nic *nic, const uint8_t *packet, uint32_t length)
{
    (void)nic, (void)packet, (void)length;
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
    static const uint8_t packet[60];

    for (; count; count--)
        nic->send(nic, packet, sizeof(packet), 0, 0, 7);
}

static bool rang(uint16_t queue)
{
    bool was = *doorbell() == queue;

    *doorbell() = 0xffff;
    return was;
}

static void start(bool with_event_index)
{
    static const struct pci_device device = {0, 3, 0, 0x1af4, 0x1041};
    uint32_t first = pages_used;

    memset(registers, 0, sizeof(registers));
    *(uint32_t *)(void *)(registers[1] + 4) =
        VERSION | MAC | (with_event_index ? (uint32_t)VIRTQUEUE_EVENT_IDX : 0);
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

    for (; nic->send_ready(nic) && room < 1000; room++)
        put(1);
    nic->flush(nic, false);
    tap_ok(room == VIRTQUEUE_SIZE / 2, "room for %u packets", room);
    sent = tx.interrupts = 0;
    goes(64);
    tap_ok(tx.interrupts, "who met a full device waits");
    tap_ok(nic->send_ready(nic) && sent == 64, "or looks itself and finds room");
    goes(64);
    handler(handler_of);
    tap_ok(sent == 128, "all comes back");
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

int main(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        start(i);
        test_sent();
        tx.used->avail_event = tx.avail->index;
        test_full();
        test_received();
        tx.used->avail_event = tx.avail->index;
        test_around();
    }
    return tap_done();
}
