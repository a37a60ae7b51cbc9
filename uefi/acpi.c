/* SPDX-License-Identifier: MIT */
/*
 * acpi.c - the way to a table, and the CPUs that a MADT lists.
 *
 * ACPI specification 6.5, 5.2.5 to 5.2.8 and 5.2.12 "Multiple APIC Description Table". No byte
 * outside the table is read, whatever lengths its entries claim; an entry that contradicts itself ends the list.
 * Some firmware lists a CPU twice, once as local APIC and once as x2APIC, or names the address that
 * stands for all CPUs: neither becomes a CPU of its own.
 */
#include "acpi.h"

enum {
    MADT_ENTRIES = 44, /* table header, local APIC address, flags */
    LOCAL_APIC = 0,
    LOCAL_APIC_SIZE = 8,
    LOCAL_X2APIC = 9,
    LOCAL_X2APIC_SIZE = 16,
    ENABLED = 1, /* bit 1, "online capable", means a socket that is empty or off: no CPU today */
};

/* Messages to these ids go to every CPU (Intel SDM vol. 3, 10.6.2.1 and 10.12.9). */
#define ALL_APICS   0xffu
#define ALL_X2APICS UINT32_MAX

static uint32_t read32(const uint8_t *at)
{
    uint32_t value;
    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}

bool acpi_sum_is_zero(const void *table, uint64_t size)
{
    const uint8_t *bytes = table;
    uint8_t sum = 0;

    for (uint64_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

/* Reads of ACPI structures may be unaligned: an XSDT's entries lie at multiples of 4. */
struct __attribute__((packed)) acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t rest[28];
};

struct __attribute__((packed)) acpi_rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
};

static const struct acpi_header *table_check(uint64_t address, const char *signature)
{
    const struct acpi_header *table = (const struct acpi_header *)address;

    if (!table || __builtin_memcmp(table->signature, signature, 4) != 0 ||
        table->length < sizeof(*table) || !acpi_sum_is_zero(table, table->length))
        return NULL;
    return table;
}

const void *acpi_find(uint64_t rsdp_address, const char *signature, uint64_t *size)
{
    const struct acpi_rsdp *rsdp = (const struct acpi_rsdp *)rsdp_address;
    const struct acpi_header *root = NULL;
    uint64_t width = 8;

    if (!rsdp)
        return NULL;
    if (rsdp->revision >= 2)
        root = table_check(rsdp->xsdt, "XSDT");
    if (!root) {
        root = table_check(rsdp->rsdt, "RSDT");
        width = 4;
    }
    if (!root)
        return NULL;
    const uint8_t *entries = (const uint8_t *)(root + 1);
    for (uint64_t at = 0; at + width <= root->length - sizeof(*root); at += width) {
        uint64_t address = 0;
        __builtin_memcpy(&address, entries + at, width);
        const struct acpi_header *table = table_check(address, signature);
        if (table) {
            *size = table->length;
            return table;
        }
    }
    return NULL;
}

bool cpu_list_add(struct cpu_list *list, uint32_t id)
{
    for (uint32_t i = 0; i < list->count && i < list->limit; i++)
        if (list->ids[i] == id)
            return false;
    if (list->count < list->limit)
        list->ids[list->count] = id;
    list->count++;
    return true;
}

uint32_t madt_cpus(const void *madt, uint64_t size, uint32_t *ids, uint32_t limit)
{
    const uint8_t *bytes = madt;
    struct cpu_list list = {ids, limit, 0};

    for (uint64_t at = MADT_ENTRIES; at < size && size - at >= 2; at += bytes[at + 1]) {
        uint8_t type = bytes[at], length = bytes[at + 1];
        uint32_t id, flags, all;
        if (length < 2 || length > size - at)
            break;
        if (type == LOCAL_APIC && length >= LOCAL_APIC_SIZE) {
            id = bytes[at + 3];
            all = ALL_APICS;
            flags = read32(bytes + at + 4);
        } else if (type == LOCAL_X2APIC && length >= LOCAL_X2APIC_SIZE) {
            id = read32(bytes + at + 4);
            all = ALL_X2APICS;
            flags = read32(bytes + at + 8);
        } else {
            continue;
        }
        if (flags & ENABLED && id != all)
            cpu_list_add(&list, id);
    }
    return list.count;
}
