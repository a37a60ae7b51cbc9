/* SPDX-License-Identifier: MIT */
/*
 * acpi.h - ACPI's tables, and the CPUs that its MADT lists, without trusting them.
 *
 * No firmware and no hardware in here: tests/unit builds the same file for the host.
 */
#ifndef UEFI_ACPI_H
#define UEFI_ACPI_H

#include "types.h"

/* True when `size` bytes add up to 0 modulo 256, as every ACPI table's do. */
bool acpi_sum_is_zero(const void *table, uint64_t size);

/*
 * The first table of that signature that the RSDP (0: there is none) leads to, its header and its
 * sum checked; NULL if there is none. *size becomes its length.
 */
const void *acpi_find(uint64_t rsdp, const char *signature, uint64_t *size);

/* APIC ids of CPUs, each once; `count` may be more than there is room for. */
struct cpu_list {
    uint32_t *ids;
    uint32_t limit, count;
};

/* False: it is in the list. Of what found no room, nobody knows whether it was there twice. */
bool cpu_list_add(struct cpu_list *list, uint32_t id);

/*
 * The APIC ids of the CPUs that a MADT of `size` bytes calls enabled, in its order and each
 * once, at most `limit` of them. Returns how many there are, which may be more than `limit`.
 */
uint32_t madt_cpus(const void *madt, uint64_t size, uint32_t *ids, uint32_t limit);

#endif
