/* SPDX-License-Identifier: MIT */
/*
 * nics.c - find the network cards, and come back to those that have more than one poll's work.
 *
 *   N1  no device but those that are driven, bridges and screens may reach memory: firmware
 *       leaves some of them running
 *   N2  a flood costs applications at most half of the CPU: a card that has more than one poll's work
 *       raises no interrupts until it has none, and is polled again when 50 us and as long as the last
 *       poll took have passed; what does not fit its ring meanwhile the card drops itself. Packets to
 *       groups, which may have any number of receivers, are carried on at the same times
 */
#include "dma.h"
#include "machine.h"
#include "nic.h"
#include "pci.h"
#include "vtd.h"
#include "x86_64.h"

struct nic *virtio_net_probe(const struct pci_device *device);
struct nic *e1000_probe(const struct pci_device *device);

static struct nic *(*const probes[])(const struct pci_device *) = {virtio_net_probe, e1000_probe};
static bool pending[NICS]; /* quiet, and polled from nic_poll_pending */
static uint64_t next_poll;

#define POLL_PERIOD (machine_tsc_hz / 20000)

static bool visit(const struct pci_device *device)
{
    struct nic *nic = NULL;

    for (uint32_t i = 0; !nic && nic_count < NICS && i < sizeof(probes) / sizeof(probes[0]); i++)
        nic = probes[i](device);
    if (nic) {
        klog("Network card %u: %s at %02x:%02x.%u, MAC "
             "%02x:%02x:%02x:%02x:%02x:%02x, link %s.",
             nic_count, nic->name, device->bus, device->slot, device->function,
             (unsigned)(nic->mac >> 40 & 255), (unsigned)(nic->mac >> 32 & 255),
             (unsigned)(nic->mac >> 24 & 255), (unsigned)(nic->mac >> 16 & 255),
             (unsigned)(nic->mac >> 8 & 255), (unsigned)(nic->mac & 255),
             nic->link ? "up" : "down");
        dma_bind(device, nic);
        nic->number = nic_count;
        nics[nic_count++] = nic;
    } else {
        pci_disable(device);
    }
    return true;
}

void nic_init(void)
{
    dma_init();
    pci_scan(visit);
}

void nic_interrupt(struct nic *nic)
{
    for (uint32_t i = 0; i < nic_count; i++)
        if (nics[i] == nic && !pending[i] && nic->poll(nic)) {
            pending[i] = nics_busy = true;
            nic->quiet(nic, true);
        }
}

/* Poll a card that was told to be quiet. False: it had no more, and interrupts again. */
static bool poll_again(struct nic *nic)
{
    if (nic->poll(nic))
        return true;
    nic->quiet(nic, false);
    if (!nic->poll(nic)) /* what came before it could interrupt again */
        return false;
    nic->quiet(nic, true);
    return true;
}

uint64_t nic_poll_pending(uint64_t now, bool idle)
{
    bool any = false, rests = faults_resume(now);

    for (uint32_t i = 0; i < nic_count; i++)
        any |= pending[i] | nics[i]->carrying;
    nics_busy = any | rests;
    if (!any)
        return UINT64_MAX;
    if (!idle && now < next_poll)
        return next_poll;
    any = false;
    for (uint32_t i = 0; i < nic_count; i++) {
        pending[i] = pending[i] && poll_again(nics[i]);
        any |= pending[i];
        any |= nics[i]->carrying && nic_carry(nics[i]);
    }
    nics_busy = any | rests;
    uint64_t end = machine_time();
    next_poll = end + POLL_PERIOD + (end - now);
    return any ? next_poll : UINT64_MAX;
}
