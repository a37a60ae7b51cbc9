/* SPDX-License-Identifier: MIT */
/*
 * cpus.c - which CPUs the machine has, and the memory by which the kernel starts them.
 *
 * The ACPI MADT says it; where there is none, the firmware's EFI_MP_SERVICES_PROTOCOL; where there
 * is neither, the CPU that runs this is the only one known. It comes first in the list in any case.
 */
#include "acpi.h"
#include "loader.h"

/* UEFI Platform Initialization specification, volume 2, 13.4 "MP Services Protocol". */
struct mp_information {
    uint64_t id; /* of the local APIC */
    uint32_t status;
    uint32_t package, core, thread;
    uint32_t extended[6]; /* later versions fill these in */
};

#define MP_BOOT_CPU (1u << 0)
#define MP_ENABLED  (1u << 1)
#define MP_HEALTHY  (1u << 2)

struct mp_services {
    EFI_STATUS(EFIAPI *count)(struct mp_services *self, UINTN *all, UINTN *enabled);
    EFI_STATUS(EFIAPI *information)(struct mp_services *self, UINTN cpu, struct mp_information *to);
    /* Further members are not used here. */
};

static uint32_t cpus_by_firmware(uint32_t *ids, uint32_t limit)
{
    static EFI_GUID guid = {
        0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
    const uint32_t good = MP_ENABLED | MP_HEALTHY;
    struct mp_services *services;
    UINTN all, enabled;
    struct cpu_list list = {ids, limit, 0};

    if (firmware->BootServices->LocateProtocol(&guid, NULL, (void **)&services) != EFI_SUCCESS ||
        services->count(services, &all, &enabled) != EFI_SUCCESS)
        return 0;
    for (UINTN cpu = 0; cpu < all; cpu++) {
        struct mp_information information;
        if (services->information(services, cpu, &information) == EFI_SUCCESS &&
            (information.status & good) == good && information.id < UINT32_MAX)
            cpu_list_add(&list, (uint32_t)information.id);
    }
    return list.count;
}

static uint32_t own_id(void)
{
    /* Intel SDM volume 2: leaf 0BH has the whole x2APIC id, leaf 1 its low 8 bits. */
    if (cpuid(0, 0).eax >= 0xb && cpuid(0xb, 0).ebx)
        return cpuid(0xb, 0).edx;
    return cpuid(1, 0).ebx >> 24;
}

/* Put the boot CPU in front, whether or not the list has it. */
static void boot_cpu_first(struct boot_info *info)
{
    uint32_t self = own_id(), place = 0;

    while (place < info->cpu_count && info->cpus[place] != self)
        place++;
    if (place == info->cpu_count) {
        if (place < EXO_BOOT_CPUS)
            info->cpu_count++;
        else
            place--;
    }
    for (; place > 0; place--)
        info->cpus[place] = info->cpus[place - 1];
    info->cpus[0] = self;
}

void cpus_find(struct boot_info *info)
{
    uint64_t size;
    const void *madt = acpi_find(info->rsdp, "APIC", &size);
    uint32_t count = 0;

    if (madt)
        count = madt_cpus(madt, size, info->cpus, EXO_BOOT_CPUS);
    if (count == 0)
        count = cpus_by_firmware(info->cpus, EXO_BOOT_CPUS);
    if (count > EXO_BOOT_CPUS)
        say("This machine has %u CPUs; Freehold knows the first %u.", count, EXO_BOOT_CPUS);
    info->cpu_count = count < EXO_BOOT_CPUS ? count : EXO_BOOT_CPUS;
    boot_cpu_first(info);
    if (info->cpu_count > 1)
        info->low_first = (uint64_t)pages_alloc_low(EXO_BOOT_LOW) / EXO_PAGE_SIZE;
}
