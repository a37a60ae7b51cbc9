/* SPDX-License-Identifier: MIT */
/*
 * vtd_faults.c - what a remapping unit refused a device, told in the log.
 *
 *   U1  a fault is told with device, address, direction and reason, and its record is cleared
 *   U2  after eight, the unit raises no interrupt for ten seconds: a device that goes wild costs
 *       applications a bounded part of the CPU, and the log a bounded part of its lines
 */
#include "dma.h"
#include "io.h"
#include "irq.h"
#include "machine.h"
#include "nic.h"
#include "vtd.h"
#include "vtd_unit.h"

#define RECORDS_AT(c) (((c) >> 24 & 0x3ff) * 16) /* 11.4.2 */
#define RECORDS(c)    (((c) >> 40 & 0xff) + 1)
#define RECORD        16u
#define FULL          (1u << 31) /* 11.4.14: F of the last word; writing 1 clears it */
#define IS_READ       (1u << 30)
#define OVERFLOW      (1u << 0)  /* 11.4.9 */
#define MASKED        (1u << 31) /* 11.4.10 */

#define TOLD_MAX      8u
#define REST          (10 * machine_tsc_hz)

static struct vtd_unit *resting[EXO_BOOT_UNITS]; /* they raise no interrupts until `until` */
static uint32_t resting_count;
static uint64_t until;
static uint32_t told;

/* Appendix A "Fault conditions", of tables in legacy mode. */
static const char *reason_of(uint32_t reason)
{
    static const char *const reasons[] = {
        [1] = "no driver here serves a device of its bus",
        [2] = "no driver here serves it",
        [3] = "its context is not valid",
        [4] = "the address is beyond all that can be mapped",
        [5] = "the page is not mapped to be written",
        [6] = "the page is not mapped to be read",
        [7] = "a page table cannot be read",
        [8] = "the root table cannot be read",
        [9] = "the context table cannot be read",
        [10] = "the root table has a reserved bit set",
        [11] = "the context table has a reserved bit set",
        [12] = "a page table has a reserved bit set",
        [13] = "it may not translate addresses itself",
    };
    return reason < sizeof(reasons) / sizeof(reasons[0]) && reasons[reason] ? reasons[reason]
                                                                            : "see the manual";
}

static void tell(uint16_t id, uint64_t address, bool read, uint32_t reason)
{
    uint64_t now = rdtsc();

    if (now >= until) {
        told = 0;
        until = now + REST;
    }
    if (told == TOLD_MAX)
        return;
    told++;
    klog("DMA fault: %s at %02x:%02x.%u was kept from %s 0x%lx: %s (reason %u).", dma_name(id),
         id >> 8, id >> 3 & 31u, id & 7u, read ? "reading" : "writing", address, reason_of(reason),
         reason);
    if (told == TOLD_MAX)
        klog("DMA fault: what more there is in these %lu seconds is not told.",
             REST / machine_tsc_hz);
}

static void interrupt(void *device)
{
    struct vtd_unit *u = device;
    uint32_t at = (uint32_t)RECORDS_AT(u->capability);

    for (uint32_t i = 0; i < RECORDS(u->capability); i++, at += RECORD) {
        uint32_t last = mmio_read32(u->registers, at + 12);
        if (!(last & FULL))
            continue;
        uint64_t address = mmio_read64(u->registers, at) & ~0xfffull;
        uint16_t id = (uint16_t)mmio_read32(u->registers, at + 8);
        mmio_write32(u->registers, at + 12, FULL);
        tell(id, address, last & IS_READ, last & 0xff);
    }
    mmio_write32(u->registers, FAULT_STATUS, OVERFLOW);
    if (told == TOLD_MAX && resting_count < EXO_BOOT_UNITS) {
        mmio_write32(u->registers, FAULT_CONTROL, MASKED);
        resting[resting_count++] = u;
        nics_busy = true;
    }
}

bool faults_resume(uint64_t now)
{
    if (!resting_count || now < until)
        return resting_count;
    /* What came meanwhile is pending: it interrupts as soon as the mask is off (11.4.10). */
    while (resting_count)
        mmio_write32(resting[--resting_count]->registers, FAULT_CONTROL, 0);
    return false;
}

void faults_start(struct vtd_unit *u)
{
    struct irq_message message;

    if (!irq_message(interrupt, u, &message)) {
        klog("The IOMMU at 0x%lx has no interrupt: its faults are not told.", u->physical);
        return;
    }
    interrupt(u); /* what was recorded before */
    mmio_write32(u->registers, FAULT_DATA, message.data);
    mmio_write32(u->registers, FAULT_ADDRESS, (uint32_t)message.address);
    mmio_write32(u->registers, FAULT_ADDRESS_HIGH, (uint32_t)(message.address >> 32));
    mmio_write32(u->registers, FAULT_CONTROL, 0);
}
