/* SPDX-License-Identifier: MIT */
/*
 * acpi.c - the CPUs that a MADT lists.
 *
 * ACPI specification 6.5, 5.2.12 "Multiple APIC Description Table". No byte outside the table is
 * read, whatever lengths its entries claim; an entry that contradicts itself ends the list.
 */
#include "acpi.h"

enum {
    MADT_ENTRIES = 44, /* table header, local APIC address, flags */
    LOCAL_APIC = 0,
    LOCAL_APIC_SIZE = 8,
    LOCAL_X2APIC = 9,
    LOCAL_X2APIC_SIZE = 16,
    ENABLED = 1,
};

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

uint32_t madt_cpus(const void *madt, uint64_t size, uint32_t *ids, uint32_t limit)
{
    const uint8_t *bytes = madt;
    uint32_t count = 0;

    for (uint64_t at = MADT_ENTRIES; at < size && size - at >= 2; at += bytes[at + 1]) {
        uint8_t type = bytes[at], length = bytes[at + 1];
        uint32_t id, flags;
        if (length < 2 || length > size - at)
            break;
        if (type == LOCAL_APIC && length >= LOCAL_APIC_SIZE) {
            id = bytes[at + 3];
            flags = read32(bytes + at + 4);
        } else if (type == LOCAL_X2APIC && length >= LOCAL_X2APIC_SIZE) {
            id = read32(bytes + at + 4);
            flags = read32(bytes + at + 8);
        } else {
            continue;
        }
        if (!(flags & ENABLED))
            continue;
        if (count < limit)
            ids[count] = id;
        count++;
    }
    return count;
}
