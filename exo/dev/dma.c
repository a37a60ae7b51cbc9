/* SPDX-License-Identifier: MIT */
/*
 * dma.c - which memory each device reaches, where the machine has Intel VT-d.
 *
 *   D1  a device without a driver reaches nothing; a screen, what the firmware reserved for it
 *   D2  a network card reaches what its driver allocated for it (the rings, the headers to send, the
 *       buffers to receive into, which are the kernel's) and, to read alone, the buffer frames of
 *       the queues that are bound to it
 *   D3  when dma_unmap returns, no unit remembers these frames, and no request for them is under way
 *   D4  after boot nothing is allocated and nothing can fail: each queue has its own table of
 *       EXO_QUEUE_FRAMES entries in each card's tree from the start
 *
 * Addresses that a card uses are not physical ones: the driver's memory lies in the first 2 MiB, the
 * buffer frame with index i of queue q at DMA_WINDOW + (q * EXO_QUEUE_FRAMES + i) pages. So the
 * tables are as large as there can be queues, whatever memory the machine has.
 *
 * Intel Virtualization Technology for Directed I/O, architecture specification 4.1, chapter 9
 * "Translation structure formats"; sections are its.
 */
#include "dma.h"

#include "machine.h"
#include "packet_queue.h"
#include "mmio.h"
#include "vtd.h"
#include "x86_64.h"

#define PRIVATE_END (1ull << 21)
#define DMA_WINDOW  PRIVATE_END
#define INTERRUPTS  0xfee00000ull /* writes from here on are interrupts, not memory (3.14) */
#define SCREENS     4u
#define DOMAINS     (NICS + SCREENS)

#define ENTRIES     512u
#define PRESENT     1u /* 9.1, 9.3 */
#define ADDRESS     0x000ffffffffff000ull
#define WIDTH(n)    ((uint64_t)(n)-2) /* 9.3: AW for so many levels */
#define DOMAIN(id)  ((uint64_t)(id) << 8)

_Static_assert(DMA_READ == 1 && DMA_WRITE == 2, "9.8: R and W of an entry");
_Static_assert(EXO_QUEUE_FRAMES == ENTRIES && 2 * EXO_QUEUE_FRAMES == EXO_QUEUE_BUFFERS,
               "a queue's frames have one table");
_Static_assert(DMA_WINDOW + (uint64_t)EXO_QUEUES * EXO_QUEUE_FRAMES * EXO_PAGE_SIZE <= INTERRUPTS,
               "no buffer lies where devices write interrupts");

/* What one device reaches: a tree of tables of its own. */
static struct domain {
    uint16_t device;
    const struct nic *nic; /* NULL: a screen, or its driver has not finished */
    uint64_t root;         /* physical address of the highest table */
    uint64_t next;         /* free address of its driver's memory */
    uint64_t **window;     /* by queue: its table of frames */
} domains[DOMAINS];
static uint32_t domain_count;
static uint32_t levels;       /* of tables; 0: nothing is confined */
static uint64_t *root, empty; /* by bus: context tables; a root without any */

static uint16_t id_of(const struct pci_device *device)
{
    return (uint16_t)(device->bus << 8 | device->slot << 3 | device->function);
}

static struct domain *domain_of(uint16_t device)
{
    for (uint32_t i = 0; i < domain_count; i++)
        if (domains[i].device == device)
            return &domains[i];
    return NULL;
}

static uint16_t number(const struct domain *d)
{
    return (uint16_t)(d - domains + 1); /* 0 is VTD_ALL, and means more under caching mode (6.1) */
}

bool dma_confined(void)
{
    return levels;
}

static void *table_at(uint64_t entry)
{
    return machine_frame((frame_t){(uint32_t)((entry & ADDRESS) >> EXO_PAGE_SHIFT)});
}

static void set(uint64_t *entry, uint64_t value)
{
    *entry = value;
    vtd_stored(entry, sizeof(*entry));
}

static uint64_t table_new(void)
{
    uint64_t physical;
    void *table = boot_alloc(1, &physical);

    vtd_stored(table, EXO_PAGE_SIZE);
    return physical;
}

/* The lowest table on the way to `address`, made where missing. */
static uint64_t *leaves(const struct domain *d, uint64_t address)
{
    uint64_t *table = table_at(d->root);

    for (uint32_t level = levels; level > 1; level--) {
        uint64_t *entry = &table[address >> (3 + 9 * level) & (ENTRIES - 1)];
        if (!*entry)
            set(entry, table_new() | DMA_READ | DMA_WRITE);
        table = table_at(*entry);
    }
    return table;
}

static void map(const struct domain *d, uint64_t address, uint64_t physical, uint64_t pages,
                uint32_t access)
{
    for (; pages--; address += EXO_PAGE_SIZE, physical += EXO_PAGE_SIZE)
        set(&leaves(d, address)[address >> EXO_PAGE_SHIFT & (ENTRIES - 1)], physical | access);
    vtd_added(number(d));
}

/* The device has a tree of its own from now on, empty still. */
static struct domain *domain_new(uint16_t device)
{
    if (domain_count == DOMAINS)
        return NULL;
    struct domain *d = &domains[domain_count++];
    *d = (struct domain){.device = device, .root = table_new(), .next = EXO_PAGE_SIZE};
    uint64_t *of_bus = &root[2 * (device >> 8)];
    if (!*of_bus)
        set(of_bus, table_new() | PRESENT);
    uint64_t *context = (uint64_t *)table_at(*of_bus) + 2 * (device & 255);
    set(&context[1], WIDTH(levels) | DOMAIN(number(d)));
    set(&context[0], d->root | PRESENT); /* requests that are not translated, by these tables */
    vtd_added(VTD_ALL);
    return d;
}

/* --- boot ------------------------------------------------------------------------- */

static bool in_use(const struct boot_reserved *r)
{
    for (uint32_t i = 0; i < boot.region_count; i++) {
        uint64_t first = boot.regions[i].first << EXO_PAGE_SHIFT;
        if (r->first < first + (boot.regions[i].count << EXO_PAGE_SHIFT) && r->last >= first)
            return true;
    }
    return false;
}

/* D1: what a screen shows may lie in memory that the firmware took from the machine's. */
static void reserved_map(const struct boot_reserved *r)
{
    struct pci_device device = {(uint8_t)(r->id >> 8), r->id >> 3 & 31, r->id & 7, 0, 0};
    uint16_t id = (uint16_t)r->id;
    uint64_t width = 1ull << (12 + 9 * levels);

    if (!pci_is_display(&device))
        return;
    struct domain *d = domain_of(id);
    if (in_use(r) || r->last >= width || (!d && !(d = domain_new(id)))) {
        klog("The screen at %02x:%02x.%u does not get the memory from 0x%lx to 0x%lx that the "
             "firmware reserved for it.",
             device.bus, device.slot, device.function, r->first, r->last);
        return;
    }
    map(d, r->first, r->first, (r->last - r->first + 1) >> EXO_PAGE_SHIFT, DMA_READ | DMA_WRITE);
}

static const char *units_find(void)
{
    switch (boot.dma.state) {
    case EXO_DMA_UNITS:
        return vtd_find(&levels);
    case EXO_DMA_BROKEN:
        return "its firmware's DMAR table is broken";
    case EXO_DMA_MANY:
        return "its firmware's DMAR table is longer than this kernel can use";
    default:
        return "it has no Intel VT-d";
    }
}

void dma_init(void)
{
    uint64_t physical;
    const char *wrong = units_find();

    domain_count = 0;
    if (wrong) {
        levels = 0;
        klog("DMA is not confined on this machine: %s. Its network cards can reach all memory.",
             wrong);
        return;
    }
    root = boot_alloc(1, &physical);
    vtd_stored(root, EXO_PAGE_SIZE);
    empty = table_new();
    for (uint32_t i = 0; i < boot.dma.reserved_count; i++)
        reserved_map(&boot.dma.reserved[i]);
    vtd_start(physical, empty);
    klog("DMA is confined by %u IOMMU%s, with tables of %u levels.", boot.dma.unit_count,
         boot.dma.unit_count == 1 ? "" : "s", levels);
}

/* Why the device cannot be confined to what its driver gives it; NULL if it can. */
static const char *unfit(uint16_t id)
{
    bool covered = false;

    for (uint32_t i = 0; i < boot.dma.covered_count; i++)
        covered |= id >= boot.dma.covered[i].first && id <= boot.dma.covered[i].last;
    if (!covered)
        return "it is behind no IOMMU";
    for (uint32_t i = 0; i < boot.dma.reserved_count; i++)
        if (boot.dma.reserved[i].id == id)
            return "the firmware reserved memory for it";
    return NULL;
}

bool dma_attach(const struct pci_device *device)
{
    uint16_t id = id_of(device);

    if (!levels)
        return true;
    const char *wrong = unfit(id);
    if (wrong) {
        klog("The device at %02x:%02x.%u is not driven: %s.", device->bus, device->slot,
             device->function, wrong);
        return false;
    }
    struct domain *d = domain_new(id);
    uint64_t physical;
    if (d)
        d->window = boot_alloc(
            (queue_count * sizeof(*d->window) + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, &physical);
    for (uint32_t i = 0; d && i < queue_count; i++)
        d->window[i] = leaves(d, DMA_WINDOW + (uint64_t)i * EXO_QUEUE_FRAMES * EXO_PAGE_SIZE);
    return d;
}

void *dma_alloc(const struct pci_device *device, uint64_t count, uint32_t access, uint64_t *address)
{
    struct domain *d = domain_of(id_of(device));
    void *memory = boot_alloc(count, address);

    if (!levels)
        return memory;
    if (d->next + count * EXO_PAGE_SIZE > PRIVATE_END)
        panic("A driver wants more than %lu KiB for its device.", (uint64_t)PRIVATE_END / 1024);
    map(d, d->next, *address, count, access);
    *address = d->next;
    d->next += count * EXO_PAGE_SIZE;
    return memory;
}

void dma_bind(const struct pci_device *device, struct nic *nic)
{
    if (!levels)
        return;
    domain_of(id_of(device))->nic = nic;
    nic->window = DMA_WINDOW;
}

const char *dma_name(uint16_t id)
{
    const struct domain *d = domain_of(id);

    return d && d->nic ? d->nic->name : "the device";
}

/* --- queues ----------------------------------------------------------------------- */

static const struct domain *domain_of_nic(const struct nic *nic)
{
    for (uint32_t i = 0; i < domain_count; i++)
        if (domains[i].nic == nic)
            return &domains[i];
    panic("%s has no tables of its own.", nic->name);
}

void dma_map(const struct nic *nic, uint32_t queue, uint32_t index, frame_t frame)
{
    if (!levels)
        return;
    const struct domain *d = domain_of_nic(nic);
    set(&d->window[queue][index], (uint64_t)frame.n << EXO_PAGE_SHIFT | DMA_READ);
    vtd_added(number(d));
}

void dma_unmap(const struct nic *nic, uint32_t queue)
{
    if (!levels)
        return;
    const struct domain *d = domain_of_nic(nic);
    __builtin_memset(d->window[queue], 0, EXO_PAGE_SIZE);
    vtd_stored(d->window[queue], EXO_PAGE_SIZE);
    vtd_forget(number(d));
}
