/* SPDX-License-Identifier: MIT */
/*
 * dmar.c - the units of Intel VT-d that a DMAR lists, and memory that firmware reserved for devices.
 *
 * Intel Virtualization Technology for Directed I/O, chapter 8 "BIOS Considerations". No byte outside
 * the table is read, whatever lengths its structures claim; one that contradicts itself makes the
 * whole table worthless: a machine that is half described is not confined.
 *
 * Which device is under which unit need not be known: the kernel gives all units of segment 0 the
 * same tables. Whether it is under one at all must.
 */
#include "dmar.h"

enum {
    STRUCTURES = 48, /* 8.1: table header, address width, flags, reserved */
    UNIT = 0,        /* 8.3: DRHD */
    UNIT_SIZE = 16,
    UNIT_ALL = 1,
    RESERVED = 1, /* 8.4: RMRR */
    RESERVED_SIZE = 24,
    SCOPE_SIZE = 6, /* 8.3.1: without its path of (device, function) pairs */
    SCOPE_ENDPOINT = 1,
    SCOPE_BRIDGE = 2,
    SECONDARY_BUS = 0x19, /* PCI-to-PCI Bridge Architecture Specification 1.2, 3.2 */
    SUBORDINATE_BUS = 0x1a,
};

struct scope {
    uint8_t type;
    uint16_t id;
};

static uint64_t read_bytes(const uint8_t *at, unsigned count)
{
    uint64_t value = 0;

    while (count--)
        value = value << 8 | at[count];
    return value;
}

/*
 * 8.3.1: take the next device scope of a structure that ends at `end`, and follow its path through
 * the bridges. False if there is none or it makes no sense; then *next is not `end`.
 */
static bool scope_take(const uint8_t **next, const uint8_t *end, pci_byte pci, struct scope *scope)
{
    const uint8_t *at = *next;

    if (end - at < SCOPE_SIZE + 2 || at[1] < SCOPE_SIZE + 2 || at[1] % 2 || at[1] > end - at)
        return false;
    uint8_t bus = at[5];
    for (uint32_t i = SCOPE_SIZE; i < at[1]; i += 2) {
        if (i > SCOPE_SIZE)
            bus = pci(scope->id, SECONDARY_BUS);
        if (at[i] > 31 || at[i + 1] > 7)
            return false;
        scope->id = (uint16_t)(bus << 8 | at[i] << 3 | at[i + 1]);
    }
    scope->type = at[0];
    *next = at + at[1];
    return true;
}

static void covered_add(uint32_t first, uint32_t last, struct boot_dma *dma)
{
    if (dma->covered_count == EXO_BOOT_COVERED)
        dma->state = EXO_DMA_MANY;
    else if (first <= last)
        dma->covered[dma->covered_count++] = (struct boot_devices){(uint16_t)first, (uint16_t)last};
}

/* The devices that a unit of segment 0 names; a bridge stands for all that is behind it, too. */
static bool unit_devices(const uint8_t *next, const uint8_t *end, pci_byte pci,
                         struct boot_dma *dma)
{
    struct scope scope;

    while (scope_take(&next, end, pci, &scope)) {
        if (scope.type != SCOPE_ENDPOINT && scope.type != SCOPE_BRIDGE)
            continue;
        covered_add(scope.id, scope.id, dma);
        if (scope.type == SCOPE_BRIDGE)
            covered_add((uint32_t)pci(scope.id, SECONDARY_BUS) << 8,
                        (uint32_t)pci(scope.id, SUBORDINATE_BUS) << 8 | 0xff, dma);
    }
    return next == end;
}

static bool unit_add(const uint8_t *at, uint64_t length, pci_byte pci, struct boot_dma *dma)
{
    if (length < UNIT_SIZE)
        return false;
    uint64_t registers = read_bytes(at + 8, 8), segment = read_bytes(at + 6, 2);
    if (!registers || registers % EXO_PAGE_SIZE)
        return false;
    if (dma->unit_count == EXO_BOOT_UNITS) {
        dma->state = EXO_DMA_MANY;
        return true;
    }
    dma->units[dma->unit_count++] = (struct boot_unit){registers, segment};
    if (segment)
        return true;
    if (at[4] & UNIT_ALL)
        covered_add(0, UINT16_MAX, dma);
    return unit_devices(at + UNIT_SIZE, at + length, pci, dma);
}

static bool reserved_add(const uint8_t *at, uint64_t length, pci_byte pci, struct boot_dma *dma)
{
    const uint8_t *next = at + RESERVED_SIZE, *end = at + length;
    struct scope scope;

    if (length < RESERVED_SIZE)
        return false;
    uint64_t first = read_bytes(at + 8, 8), last = read_bytes(at + 16, 8);
    if (first % EXO_PAGE_SIZE || (last + 1) % EXO_PAGE_SIZE || last < first)
        return false;
    if (read_bytes(at + 6, 2))
        return true; /* other segments' devices are never driven */
    while (scope_take(&next, end, pci, &scope))
        if (dma->reserved_count == EXO_BOOT_RESERVED)
            dma->state = EXO_DMA_MANY;
        else
            dma->reserved[dma->reserved_count++] = (struct boot_reserved){first, last, scope.id};
    return next == end;
}

static uint32_t structures_read(const uint8_t *bytes, uint64_t size, pci_byte pci,
                                struct boot_dma *dma)
{
    dma->state = EXO_DMA_UNITS;
    for (uint64_t at = STRUCTURES; at < size;) {
        if (size - at < 4)
            return EXO_DMA_BROKEN;
        uint64_t type = read_bytes(bytes + at, 2), length = read_bytes(bytes + at + 2, 2);
        if (length < 4 || length > size - at)
            return EXO_DMA_BROKEN;
        if (type == UNIT && !unit_add(bytes + at, length, pci, dma))
            return EXO_DMA_BROKEN;
        if (type == RESERVED && !reserved_add(bytes + at, length, pci, dma))
            return EXO_DMA_BROKEN;
        at += length;
    }
    return dma->unit_count ? dma->state : EXO_DMA_BROKEN;
}

void dmar_read(const void *table, uint64_t size, pci_byte pci, struct boot_dma *dma)
{
    *dma = (struct boot_dma){.state = EXO_DMA_NONE};
    uint32_t state = structures_read(table, size, pci, dma);
    if (state != EXO_DMA_UNITS)
        *dma = (struct boot_dma){.state = state};
}
