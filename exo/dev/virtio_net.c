/* SPDX-License-Identifier: MIT */
/*
 * virtio_net.c - the virtio network device, modern PCI transport (OASIS virtio 1.2).
 *
 * Two split virtqueues. Receive buffers are kernel memory; what the device writes elsewhere is
 * nothing. A packet to send is a chain of descriptors: our copy of its head behind the virtio
 * header, and the rest where the application has it. One that comes may lie in several buffers.
 *
 * The device is trusted with DMA, not with numbers: indices and lengths that it writes are checked.
 */
#include "dma.h"
#include "io.h"
#include "machine.h"
#include "mmio.h"
#include "nic.h"
#include "offload.h"
#include "pci.h"
#include "virtqueue.h"

#define VENDOR 0x1af4u
#define MODERN 0x1041u /* 0x1040 + device id 1 (4.1.2.1) */
#define LEGACY 0x1000u /* transitional: has the modern interface too */

/* 4.1.4: capability types; 4.1.4.3: common configuration. */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4 };

struct common {
    uint32_t device_feature_select, device_feature;
    uint32_t driver_feature_select, driver_feature;
    uint16_t msix_config, queues;
    uint8_t status, generation;
    uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
    uint64_t queue_desc, queue_driver, queue_device;
} __attribute__((packed, aligned(4)));

/* 2.1: device status. */
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, FAILED = 128 };

/* 5.1.3. What is not marked "of the guest" is about packets that it sends. */
#define FEATURE_CSUM      (1ull << 0)
#define FEATURE_CSUM_IN   (1ull << 1) /* of the guest */
#define FEATURE_MAC       (1ull << 5)
#define FEATURE_TSO4_IN   (1ull << 7) /* of the guest */
#define FEATURE_TSO6_IN   (1ull << 8) /* of the guest */
#define FEATURE_TSO4      (1ull << 11)
#define FEATURE_TSO6      (1ull << 12)
#define FEATURE_MERGED    (1ull << 15) /* a packet that comes may take several buffers */
#define FEATURE_STATUS    (1ull << 16)
#define FEATURE_VERSION_1 (1ull << 32)
#define FEATURE_PLATFORM  (1ull << 33) /* 6: the device's addresses go through the IOMMU */
#define NO_VECTOR         0xffffu

/* 5.1.6: the header before each packet; `buffers` is there with VERSION_1. */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, checksum_start, checksum_offset, buffers;
};
enum { NEEDS_CHECKSUM = 1, DATA_VALID = 2 };
enum { GSO_NONE = 0, GSO_TCP4 = 1, GSO_TCP6 = 4 };

#define HEADER    sizeof(struct net_header)
#define RX_BUFFER 2048u
#define TX_SLOT   256u /* virtio header and NIC_HEADER bytes of the packet */
#define POLL_MAX  64u

_Static_assert(HEADER == 12, "5.1.6");
_Static_assert(HEADER + NIC_HEADER <= TX_SLOT, "a header fits its slot");
_Static_assert(HEADER + EXO_PACKET_MAX <= RX_BUFFER, "a packet fits its buffer");

#define NO_COOKIE UINT32_MAX
#define CHAIN_END UINT16_MAX

static struct virtio_net {
    struct nic nic;
    volatile struct common *common;
    volatile uint8_t *isr;
    bool msix;
    bool quiet;           /* received packets shall not interrupt */
    bool awaited;         /* somebody waits for what was sent */
    struct offload asked; /* by the packet that takes() saw last, which is sent next */
    struct virtqueue rx, tx;
    uint8_t *rx_memory, *tx_memory; /* RX_BUFFER and TX_SLOT bytes for each descriptor */
    uint64_t rx_address, tx_address;
    uint64_t features;
    struct rx_packet { /* what came so far of the packet that comes */
        struct piece piece[EXO_PACKET_BUFFERS];
        uint32_t missing, length;
        uint16_t count, flags;
        bool bad;
    } rx_packet;
    struct { /* by descriptor: ours, not read from where the device could write */
        uint32_t cookie;
        uint16_t next; /* in its packet */
        bool first;    /* of a packet that is with the device */
    } tx_chain[VIRTQUEUE_SIZE];
    uint16_t tx_free[VIRTQUEUE_SIZE];  /* a stack of descriptors */
    uint32_t tx_free_count, tx_flying; /* packets with the device */
} devices[NICS];
static uint32_t device_count;

static struct virtio_net *of(struct nic *nic)
{
    return (struct virtio_net *)nic;
}

static bool takes(struct nic *nic, const struct packet *p)
{
    return offload_read(p, nic->offloads, &of(nic)->asked);
}

/* 5.1.6.2. Every field is written: others were there before. */
static void header_write(struct net_header *h, uint16_t flags, const struct offload *o)
{
    uint16_t segment = flags & EXO_DESC_SEGMENT;

    *h = (struct net_header){0};
    if (!(flags & EXO_DESC_CHECKSUM))
        return;
    h->flags = NEEDS_CHECKSUM;
    h->checksum_start = (uint16_t)o->transport;
    h->checksum_offset = (uint16_t)o->checksum;
    if (!segment)
        return;
    h->gso_type = o->ip6 ? GSO_TCP6 : GSO_TCP4;
    h->gso_size = segment;
    h->header_length = (uint16_t)o->header;
}

/* Put a descriptor behind `last`, or begin with it if that is CHAIN_END. */
static uint16_t chain_add(struct virtio_net *v, uint16_t last, uint64_t address, uint32_t length,
                          uint32_t cookie)
{
    uint16_t n = v->tx_free[--v->tx_free_count];

    v->tx.desc[n] = (struct virtq_desc){address, length, 0, 0};
    v->tx_chain[n].cookie = cookie;
    v->tx_chain[n].next = CHAIN_END;
    v->tx_chain[n].first = last == CHAIN_END;
    if (last != CHAIN_END) {
        v->tx.desc[last].flags = DESC_NEXT;
        v->tx.desc[last].next = n;
        v->tx_chain[last].next = n;
    }
    return n;
}

static void send(struct nic *nic, const struct packet *p)
{
    struct virtio_net *v = of(nic);
    uint16_t slot = v->tx_free[v->tx_free_count - 1], last;
    uint8_t *memory = v->tx_memory + slot * TX_SLOT;

    header_write((struct net_header *)(void *)memory, p->flags, &v->asked);
    __builtin_memcpy(memory + HEADER, p->head, p->head_length);
    last = chain_add(v, CHAIN_END, v->tx_address + slot * TX_SLOT, HEADER + p->head_length,
                     p->piece->cookie);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct piece *piece = &p->piece[i];
        uint32_t sent = i ? 0 : p->head_length;
        if (piece->length > sent)
            last = chain_add(v, last, piece->address + sent, piece->length - sent,
                             i ? piece->cookie : NO_COOKIE);
    }
    v->tx_flying++;
    virtqueue_put(&v->tx, slot);
}

/* The next used entry's id and length. False if there is none. */
static bool take_used(struct virtio_net *v, struct virtqueue *q, uint32_t *id, uint32_t *length)
{
    bool taken = virtqueue_take(q, id, length);

    if (taken && *id >= VIRTQUEUE_SIZE)
        panic("%s: the device returns descriptor %u of %u.", v->nic.name, *id, VIRTQUEUE_SIZE);
    return taken;
}

/* The device has sent the packet that begins with descriptor `id`. */
static void chain_sent(struct virtio_net *v, uint16_t id)
{
    if (!v->tx_chain[id].first)
        panic("%s: the device returns descriptor %u, with which no packet begins.", v->nic.name,
              id);
    v->tx_chain[id].first = false;
    v->tx_flying--;
    for (uint16_t n = id; n != CHAIN_END; n = v->tx_chain[n].next) {
        if (v->tx_chain[n].cookie != NO_COOKIE)
            nic_sent(&v->nic, v->tx_chain[n].cookie);
        v->tx_free[v->tx_free_count++] = n;
    }
}

/*
 * Take back what the device has sent. As a rule that raises no interrupt; while somebody waits for
 * it, one comes when half of what is under way is sent, and so on until all is.
 */
static void collect_sent(struct virtio_net *v)
{
    uint32_t id, length;

    do {
        while (take_used(v, &v->tx, &id, &length))
            chain_sent(v, (uint16_t)id);
        v->awaited &= v->tx_flying > 0;
    } while (v->awaited && !virtqueue_interrupt_after(&v->tx, (uint16_t)((v->tx_flying + 1) / 2)));
    if (!v->awaited)
        virtqueue_interrupt_off(&v->tx);
}

static bool send_ready(struct nic *nic, uint32_t pieces)
{
    struct virtio_net *v = of(nic);

    if (v->tx_free_count <= pieces)
        collect_sent(v);
    if (v->tx_free_count <= pieces) {
        v->awaited = true;
        collect_sent(v);
    }
    return v->tx_free_count > pieces;
}

static void flush(struct nic *nic, bool await)
{
    struct virtio_net *v = of(nic);

    virtqueue_notify(&v->tx);
    v->awaited |= await;
    collect_sent(v);
}

/* What comes next begins a packet: what its header says of it. The device may write there at any time:
 * each field is read once. */
static void rx_begin(struct virtio_net *v, const volatile struct net_header *h)
{
    struct rx_packet *rx = &v->rx_packet;
    uint16_t buffers = v->features & FEATURE_MERGED ? h->buffers : 1;
    uint8_t gso = h->gso_type & (GSO_TCP4 | GSO_TCP6);
    uint16_t segment = gso ? h->gso_size : 0;
    bool checked = v->features & FEATURE_CSUM_IN && h->flags & (NEEDS_CHECKSUM | DATA_VALID);

    rx->bad = !buffers || buffers > EXO_PACKET_BUFFERS || segment > EXO_PACKET_MAX;
    rx->missing = buffers ? buffers : 1;
    rx->flags = (uint16_t)((checked ? EXO_DESC_CHECKSUM : 0) | (rx->bad ? 0 : segment));
    rx->length = rx->count = 0;
}

static void rx_end(struct virtio_net *v)
{
    struct rx_packet *rx = &v->rx_packet;
    const struct piece *first = rx->piece;

    if (!rx->bad)
        nic_received(
            &v->nic,
            &(struct packet){.head = first->memory,
                             .head_length = first->length < NIC_HEADER ? first->length : NIC_HEADER,
                             .length = rx->length,
                             .count = rx->count,
                             .flags = rx->flags,
                             .piece = first});
    for (uint32_t i = 0; i < rx->count; i++)
        virtqueue_put(&v->rx, (uint16_t)rx->piece[i].cookie);
}

/* A buffer with (a part of) a packet. Those of one come one behind the other (5.1.6.4). */
static void receive(struct virtio_net *v, uint32_t id, uint32_t length)
{
    struct rx_packet *rx = &v->rx_packet;
    uint8_t *memory = v->rx_memory + id * RX_BUFFER;
    uint32_t skip = rx->missing ? 0 : HEADER;

    if (!rx->missing)
        rx_begin(v, (const volatile struct net_header *)(const volatile void *)memory);
    if (length <= skip || length > RX_BUFFER)
        rx->bad = true;
    if (rx->count < EXO_PACKET_BUFFERS) {
        rx->piece[rx->count++] =
            (struct piece){.memory = memory + skip, .length = length - skip, .cookie = id};
        rx->length += length - skip;
    } else {
        virtqueue_put(&v->rx, (uint16_t)id);
    }
    if (!--rx->missing)
        rx_end(v);
}

/* While packets are taken out none interrupts: that is asked for when none is left, and then looked
 * once more. */
static bool poll(struct nic *nic)
{
    struct virtio_net *v = of(nic);
    uint32_t id, length, done = 0;

    virtqueue_interrupt_off(&v->rx);
    collect_sent(v);
    do {
        while (done < POLL_MAX && take_used(v, &v->rx, &id, &length)) {
            receive(v, id, length);
            done++;
        }
    } while (done < POLL_MAX && !v->quiet && !virtqueue_interrupt_after(&v->rx, 1));
    virtqueue_notify(&v->rx);
    return done == POLL_MAX;
}

static void quiet(struct nic *nic, bool on)
{
    struct virtio_net *v = of(nic);

    v->quiet = on;
    if (on)
        virtqueue_interrupt_off(&v->rx);
}

static void interrupt(void *device)
{
    struct virtio_net *v = device;

    if (!v->msix && !(*v->isr & 1)) /* reading acknowledges (4.1.4.5) */
        return;
    v->nic.interrupts++;
    nic_interrupt(&v->nic);
}

/* --- start ------------------------------------------------------------------------- */

/* Map the structure that a vendor capability points to. */
static volatile void *structure(const struct pci_device *p, uint32_t type, uint32_t *cap_at)
{
    for (uint32_t cap = pci_capability(p, PCI_CAP_VENDOR, 0); cap;
         cap = pci_capability(p, PCI_CAP_VENDOR, cap)) {
        uint64_t size, bar, offset = pci_read(p, cap + 8), length = pci_read(p, cap + 12);
        if (pci_read8(p, cap + 3) != type)
            continue;
        bar = pci_bar(p, pci_read8(p, cap + 4), &size);
        if (!bar || offset + length > size)
            continue;
        *cap_at = cap;
        return mmio_map(bar + offset, length);
    }
    return NULL;
}

static bool negotiate(struct virtio_net *v)
{
    volatile struct common *c = v->common;
    uint64_t wanted = FEATURE_VERSION_1 | FEATURE_MAC, offered;

    c->status = 0; /* reset */
    while (c->status)
        pause();
    c->status = ACKNOWLEDGE;
    c->status = ACKNOWLEDGE | DRIVER;
    c->device_feature_select = 0;
    offered = c->device_feature;
    c->device_feature_select = 1;
    offered |= (uint64_t)c->device_feature << 32;
    wanted |= offered & (VIRTQUEUE_EVENT_IDX | FEATURE_PLATFORM); /* which a device may insist on */
    wanted |= offered & (FEATURE_MERGED | FEATURE_CSUM | FEATURE_CSUM_IN);
    /* 5.1.3.1: what these need. Without buffers that can be merged each would have to hold 64 KiB. */
    if (wanted & FEATURE_CSUM)
        wanted |= offered & (FEATURE_TSO4 | FEATURE_TSO6);
    if (wanted & FEATURE_CSUM_IN && wanted & FEATURE_MERGED)
        wanted |= offered & (FEATURE_TSO4_IN | FEATURE_TSO6_IN);
    if (dma_confined())
        wanted |= FEATURE_PLATFORM;
    if ((offered & wanted) != wanted)
        return false;
    c->driver_feature_select = 0;
    c->driver_feature = (uint32_t)wanted;
    c->driver_feature_select = 1;
    c->driver_feature = (uint32_t)(wanted >> 32);
    v->features = wanted;
    v->rx.event_index = v->tx.event_index = wanted & VIRTQUEUE_EVENT_IDX;
    c->status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    return c->status & FEATURES_OK;
}

/* QEMU translates: it says so where hypervisors tell their names (its docs/specs, as KVM's cpuid.rst). */
static bool is_translated(void)
{
    struct cpuid name = {0};

    if (cpuid(1).ecx >> 31)
        name = cpuid(0x40000000);
    return name.ebx == 0x54474354 && name.ecx == 0x43544743 &&
           name.edx == 0x47435447; /* TCGTCGTCGTCG */
}

/* One virtqueue: descriptors, available and used ring on pages of their own. */
static bool queue_start(struct virtio_net *v, const struct pci_device *p, struct virtqueue *q,
                        uint16_t index, volatile uint8_t *notify_base, uint32_t multiplier)
{
    uint64_t address;
    uint8_t *memory;
    volatile struct common *c = v->common;

    c->queue_select = index;
    if (c->queue_size < VIRTQUEUE_SIZE)
        return false;
    c->queue_size = VIRTQUEUE_SIZE;
    memory = dma_alloc(p, 3, DMA_READ | DMA_WRITE, &address);
    q->desc = (struct virtq_desc *)memory;
    q->avail = (volatile struct virtq_avail *)(memory + EXO_PAGE_SIZE);
    q->used = (volatile struct virtq_used *)(memory + 2 * EXO_PAGE_SIZE);
    q->number = index;
    q->translated = is_translated();
    q->doorbell = (volatile uint16_t *)(notify_base + (uint32_t)c->queue_notify_off * multiplier);
    c->queue_desc = address;
    c->queue_driver = address + EXO_PAGE_SIZE;
    c->queue_device = address + 2 * EXO_PAGE_SIZE;
    c->queue_vector = v->msix ? 0 : NO_VECTOR;
    if (v->msix && c->queue_vector != 0)
        return false;
    c->queue_enable = 1;
    return true;
}

static void fill(struct virtio_net *v, const struct pci_device *p)
{
    v->rx_memory =
        dma_alloc(p, VIRTQUEUE_SIZE * RX_BUFFER / EXO_PAGE_SIZE, DMA_WRITE, &v->rx_address);
    v->tx_memory = dma_alloc(p, VIRTQUEUE_SIZE * TX_SLOT / EXO_PAGE_SIZE, DMA_READ, &v->tx_address);
    for (uint16_t i = 0; i < VIRTQUEUE_SIZE; i++) {
        v->rx.desc[i] =
            (struct virtq_desc){v->rx_address + (uint64_t)i * RX_BUFFER, RX_BUFFER, DESC_WRITE, 0};
        virtqueue_put(&v->rx, i);
    }
    for (uint16_t i = 0; i < VIRTQUEUE_SIZE; i++)
        v->tx_free[v->tx_free_count++] = i;
}

static bool start(struct virtio_net *v, const struct pci_device *p)
{
    uint32_t cap, notify_cap;

    pci_enable(p);
    v->common = structure(p, CAP_COMMON, &cap);
    v->isr = structure(p, CAP_ISR, &cap);
    volatile uint8_t *mac = structure(p, CAP_DEVICE, &cap);
    volatile uint8_t *notify_base = structure(p, CAP_NOTIFY, &notify_cap);
    if (!v->common || !v->isr || !mac || !notify_base || !negotiate(v))
        return false;
    for (int i = 0; i < 6; i++)
        v->nic.mac = v->nic.mac << 8 | mac[i];
    v->nic.name = "virtio";
    v->nic.link = true;
    v->nic.offloads = (uint8_t)((v->features & FEATURE_CSUM ? EXO_OFFLOAD_CHECKSUM : 0) |
                                (v->features & FEATURE_TSO4 ? EXO_OFFLOAD_SEGMENT4 : 0) |
                                (v->features & FEATURE_TSO6 ? EXO_OFFLOAD_SEGMENT6 : 0));
    v->nic.takes = takes;
    v->nic.send_ready = send_ready;
    v->nic.send = send;
    v->nic.flush = flush;
    v->nic.poll = poll;
    v->nic.quiet = quiet;
    if (!pci_interrupt(p, interrupt, v, &v->msix))
        return false;
    v->common->msix_config = NO_VECTOR;
    uint32_t multiplier = pci_read(p, notify_cap + 16);
    if (!queue_start(v, p, &v->rx, 0, notify_base, multiplier) ||
        !queue_start(v, p, &v->tx, 1, notify_base, multiplier))
        return false;
    fill(v, p);
    virtqueue_interrupt_off(&v->tx);
    v->common->status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    virtqueue_notify(&v->rx);
    return true;
}

struct nic *virtio_net_probe(const struct pci_device *p)
{
    if (p->vendor != VENDOR || (p->device != MODERN && p->device != LEGACY) ||
        device_count == NICS || !dma_attach(p))
        return NULL;
    struct virtio_net *v = &devices[device_count];
    if (!start(v, p)) {
        if (v->common)
            v->common->status = FAILED;
        klog("The virtio network card at %02x:%02x.%u cannot be driven: it lacks the modern "
             "interface (disable-legacy=on), a MAC, an interrupt, or the way through the IOMMU "
             "(iommu_platform=on).",
             p->bus, p->slot, p->function);
        return NULL;
    }
    device_count++;
    return &v->nic;
}
