/* SPDX-License-Identifier: MIT */
/*
 * e1000.c - Intel 8254x gigabit cards, legacy descriptors (Intel document 317453, "8254x Family of
 * Gigabit Ethernet Controllers Software Developer's Manual"; sections are its).
 *
 * Receive buffers are kernel memory. A packet to send is one or two descriptors: our copy of its
 * header, and the rest where the application has it.
 */
#include "dma.h"
#include "io.h"
#include "machine.h"
#include "mmio.h"
#include "nic.h"
#include "pci.h"

#define VENDOR 0x8086u

/* 13.4: registers. */
enum {
    CTRL = 0x0000,
    STATUS = 0x0008,
    EERD = 0x0014,
    ICR = 0x00c0,
    IMS = 0x00d0,
    IMC = 0x00d8,
    RCTL = 0x0100,
    TCTL = 0x0400,
    TIPG = 0x0410,
    RDBAL = 0x2800,
    RDBAH = 0x2804,
    RDLEN = 0x2808,
    RDH = 0x2810,
    RDT = 0x2818,
    TDBAL = 0x3800,
    TDBAH = 0x3804,
    TDLEN = 0x3808,
    TDH = 0x3810,
    TDT = 0x3818,
    MTA = 0x5200,
};

#define CTRL_LINK_UP     (1u << 6)
#define CTRL_RESET       (1u << 26)
#define STATUS_LINK      (1u << 1)

#define INT_TX_DONE      (1u << 0)
#define INT_LINK         (1u << 2)
#define INT_RX_LOW       (1u << 4)
#define INT_RX_OVERRUN   (1u << 6)
#define INT_RX_TIMER     (1u << 7)
#define INTERRUPTS       (INT_TX_DONE | INT_LINK | INT_RX_LOW | INT_RX_OVERRUN | INT_RX_TIMER)

#define RCTL_ENABLE      (1u << 1)
#define RCTL_ALL_UNICAST (1u << 3) /* the applications' MACs are not the card's */
#define RCTL_ALL_GROUP   (1u << 4)
#define RCTL_BROADCAST   (1u << 15) /* buffers of 2048 bytes: bits 17:16 are 0 */
#define RCTL_STRIP_CRC   (1u << 26)

#define TCTL_ENABLE      (1u << 1)
#define TCTL_PAD         (1u << 3)
#define TCTL_RETRIES     (0x0fu << 4)
#define TCTL_DISTANCE    (0x40u << 12)
#define TIPG_COPPER      (10u | 8u << 10 | 6u << 20) /* 13.4.34, as recommended */

#define EERD_START       (1u << 0)
#define EERD_DONE        (1u << 4)
#define EERD_TRIES       10000u

#define RX_DONE          (1u << 0)
#define RX_END           (1u << 1)
#define TX_END           (1u << 0)
#define TX_FCS           (1u << 1)
#define TX_REPORT        (1u << 3)
#define TX_DONE          (1u << 0)

#define RX_SIZE          128u
#define TX_SIZE          128u
#define RX_BUFFER        2048u
#define POLL_MAX         64u

struct rx_desc {
    uint64_t address;
    uint16_t length, checksum;
    uint8_t status, errors;
    uint16_t special;
};

struct tx_desc {
    uint64_t address;
    uint16_t length;
    uint8_t cso, command, status, css;
    uint16_t special;
};

_Static_assert(sizeof(struct rx_desc) == 16 && sizeof(struct tx_desc) == 16, "3.2.3, 3.3.3");

static struct e1000 {
    struct nic nic;
    volatile uint32_t *registers;
    volatile struct rx_desc *rx;
    volatile struct tx_desc *tx;
    uint8_t *rx_memory, *tx_memory; /* NIC_HEADER bytes a transmit slot */
    uint64_t tx_address;
    uint32_t rx_next, tx_next, tx_oldest, tx_told;
    uint32_t cookie[TX_SIZE];
    bool last[TX_SIZE]; /* the slot ends a packet */
} devices[NICS];
static uint32_t device_count;

static struct e1000 *of(struct nic *nic)
{
    return (struct e1000 *)nic;
}

static uint32_t reg_read(const struct e1000 *e, uint32_t reg)
{
    return e->registers[reg / 4];
}

static void reg_write(struct e1000 *e, uint32_t reg, uint32_t value)
{
    e->registers[reg / 4] = value;
}

static void put(struct e1000 *e, uint64_t address, uint32_t length, bool end, uint32_t cookie)
{
    uint32_t slot = e->tx_next++ % TX_SIZE;

    e->cookie[slot] = cookie;
    e->last[slot] = end;
    e->tx[slot].address = address;
    e->tx[slot].length = (uint16_t)length;
    e->tx[slot].cso = 0;
    e->tx[slot].status = 0;
    e->tx[slot].command = (uint8_t)(TX_FCS | TX_REPORT | (end ? TX_END : 0));
}

static void send(struct nic *nic, const struct packet *p)
{
    struct e1000 *e = of(nic);
    uint32_t slot = e->tx_next % TX_SIZE, rest = p->length - p->head_length;

    __builtin_memcpy(e->tx_memory + slot * NIC_HEADER, p->head, p->head_length);
    put(e, e->tx_address + slot * NIC_HEADER, p->head_length, !rest, p->piece->cookie);
    if (rest)
        put(e, p->piece->address + p->head_length, rest, true, p->piece->cookie);
}

/* All that is sent interrupts, so `await` changes nothing. */
static void flush(struct nic *nic, bool await)
{
    struct e1000 *e = of(nic);

    (void)await;
    if (e->tx_told == e->tx_next)
        return;
    e->tx_told = e->tx_next;
    /* The descriptors are stored before the tail that hands them over; both are uncombined stores.
     */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    reg_write(e, TDT, e->tx_next % TX_SIZE);
}

static void collect_sent(struct e1000 *e)
{
    while (e->tx_oldest != e->tx_told && (e->tx[e->tx_oldest % TX_SIZE].status & TX_DONE)) {
        uint32_t slot = e->tx_oldest++ % TX_SIZE;
        if (e->last[slot])
            nic_sent(&e->nic, e->cookie[slot]);
    }
}

static void receive(struct e1000 *e, uint32_t slot, uint32_t length)
{
    const struct piece piece = {.memory = e->rx_memory + slot * RX_BUFFER, .length = length};
    const struct packet packet = {.head = piece.memory,
                                  .head_length = length < NIC_HEADER ? length : NIC_HEADER,
                                  .length = length,
                                  .count = 1,
                                  .piece = &piece};

    nic_received(&e->nic, &packet);
}

/* One slot stays empty: head equal to tail means an empty ring (3.4). */
static bool has_room(const struct e1000 *e)
{
    return e->tx_next - e->tx_oldest + 2 < TX_SIZE;
}

/* No packet here has more than one piece: there are no `offloads`. */
static bool send_ready(struct nic *nic, uint32_t pieces)
{
    struct e1000 *e = of(nic);

    (void)pieces;
    if (!has_room(e))
        collect_sent(e);
    return has_room(e);
}

static bool poll(struct nic *nic)
{
    struct e1000 *e = of(nic);
    uint32_t done = 0;

    collect_sent(e);
    while (done < POLL_MAX) {
        uint32_t slot = e->rx_next % RX_SIZE;
        volatile struct rx_desc *d = &e->rx[slot];
        if (!(d->status & RX_DONE))
            break;
        /* The status is loaded before the packet that it announces. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        uint32_t length = d->length; /* the card can write here at any time: read once */
        if ((d->status & RX_END) && !d->errors && length <= RX_BUFFER)
            receive(e, slot, length);
        d->status = 0;
        e->rx_next++;
        done++;
    }
    if (done) {
        __atomic_thread_fence(__ATOMIC_RELEASE);
        reg_write(e, RDT, (e->rx_next - 1) % RX_SIZE);
    }
    return done == POLL_MAX;
}

static void quiet(struct nic *nic, bool on)
{
    reg_write(of(nic), on ? IMC : IMS, INTERRUPTS);
}

static void interrupt(void *device)
{
    struct e1000 *e = device;
    uint32_t cause = reg_read(e, ICR); /* reading clears (13.4.17) */

    if (!cause)
        return;
    e->nic.interrupts++;
    if (cause & INT_LINK)
        e->nic.link = reg_read(e, STATUS) & STATUS_LINK;
    nic_interrupt(&e->nic);
}

/* --- start ------------------------------------------------------------------------- */

static void reset(struct e1000 *e)
{
    reg_write(e, IMC, UINT32_MAX);
    reg_write(e, CTRL, reg_read(e, CTRL) | CTRL_RESET);
    /* 13.4.1: the bit clears itself; no register may be touched for 1 us. */
    uint64_t end = rdtsc() + machine_tsc_hz / 1000;
    while (rdtsc() < end || (reg_read(e, CTRL) & CTRL_RESET))
        pause();
    reg_write(e, IMC, UINT32_MAX);
    (void)reg_read(e, ICR);
    reg_write(e, CTRL, reg_read(e, CTRL) | CTRL_LINK_UP);
    for (uint32_t i = 0; i < 128; i++)
        reg_write(e, MTA + 4 * i, 0);
}

/* 13.4.4 and 5.6: words 0 to 2 of the EEPROM hold the MAC. */
static uint64_t eeprom_mac(struct e1000 *e)
{
    uint64_t mac = 0;

    for (uint32_t word = 0; word < 3; word++) {
        uint32_t value = 0;
        reg_write(e, EERD, EERD_START | word << 8);
        for (uint32_t i = 0; i < EERD_TRIES && !(value & EERD_DONE); i++)
            value = reg_read(e, EERD);
        if (!(value & EERD_DONE))
            return 0;
        mac = mac << 16 | (value >> 16 & 0xff) << 8 | value >> 24;
    }
    return mac;
}

static void start_receive(struct e1000 *e, const struct pci_device *p)
{
    uint64_t address, buffers;

    e->rx = dma_alloc(p, 1, DMA_READ | DMA_WRITE, &address);
    e->rx_memory = dma_alloc(p, RX_SIZE * RX_BUFFER / EXO_PAGE_SIZE, DMA_WRITE, &buffers);
    for (uint32_t i = 0; i < RX_SIZE; i++)
        e->rx[i].address = buffers + (uint64_t)i * RX_BUFFER;
    reg_write(e, RDBAL, (uint32_t)address);
    reg_write(e, RDBAH, (uint32_t)(address >> 32));
    reg_write(e, RDLEN, RX_SIZE * sizeof(struct rx_desc));
    reg_write(e, RDH, 0);
    reg_write(e, RDT, RX_SIZE - 1);
    reg_write(e, RCTL,
              RCTL_ENABLE | RCTL_ALL_UNICAST | RCTL_ALL_GROUP | RCTL_BROADCAST | RCTL_STRIP_CRC);
}

static void start_send(struct e1000 *e, const struct pci_device *p)
{
    uint64_t address;

    e->tx = dma_alloc(p, 1, DMA_READ | DMA_WRITE, &address);
    e->tx_memory = dma_alloc(p, TX_SIZE * NIC_HEADER / EXO_PAGE_SIZE, DMA_READ, &e->tx_address);
    reg_write(e, TDBAL, (uint32_t)address);
    reg_write(e, TDBAH, (uint32_t)(address >> 32));
    reg_write(e, TDLEN, TX_SIZE * sizeof(struct tx_desc));
    reg_write(e, TDH, 0);
    reg_write(e, TDT, 0);
    reg_write(e, TIPG, TIPG_COPPER);
    reg_write(e, TCTL, TCTL_ENABLE | TCTL_PAD | TCTL_RETRIES | TCTL_DISTANCE);
}

struct nic *e1000_probe(const struct pci_device *p)
{
    static const uint16_t known[] = {0x100e /* 82540EM */, 0x100f /* 82545EM */,
                                     0x1004 /* 82543GC */, 0x1026 /* 82545GM */};
    bool match = false, msix;
    uint64_t size;

    for (uint32_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        match |= p->vendor == VENDOR && p->device == known[i];
    if (!match || device_count == NICS || !dma_attach(p))
        return NULL;
    struct e1000 *e = &devices[device_count];
    pci_enable(p);
    uint64_t bar = pci_bar(p, 0, &size);
    if (!bar || size < 0x20000 || !(e->registers = mmio_map(bar, 0x20000))) {
        klog("The e1000 card at %02x:%02x.%u has no registers that can be mapped.", p->bus, p->slot,
             p->function);
        return NULL;
    }
    reset(e);
    e->nic.mac = eeprom_mac(e);
    e->nic.name = "e1000";
    e->nic.send_ready = send_ready;
    e->nic.send = send;
    e->nic.flush = flush;
    e->nic.poll = poll;
    e->nic.quiet = quiet;
    if (!pci_interrupt(p, interrupt, e, &msix)) {
        klog("The e1000 card at %02x:%02x.%u has no interrupt.", p->bus, p->slot, p->function);
        return NULL;
    }
    start_receive(e, p);
    start_send(e, p);
    e->nic.link = reg_read(e, STATUS) & STATUS_LINK;
    reg_write(e, IMS, INTERRUPTS);
    device_count++;
    return &e->nic;
}
