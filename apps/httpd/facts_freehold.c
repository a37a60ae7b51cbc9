/* SPDX-License-Identifier: MIT */
/*
 * facts_freehold.c - facts from the kernel (exo_info), from libos and from libnet.
 *
 * What cannot change while the application runs is asked once.
 */
#include "facts.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "libnet.h"
#include "libos.h"

void (*facts_network)(struct net_stats *stats) = net_stats;

static uint64_t machine(uint32_t what)
{
    return (uint64_t)exo_info(EXO_INFO_MACHINE, 0, what);
}

static uint64_t self(uint32_t what)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, what);
}

static void network(struct facts *facts)
{
    static struct net_stats net;

    facts_network(&net);
    facts->address = net.up ? net.address : "none";
    facts->gateway = strcmp(net.gateway, "0.0.0.0") ? net.gateway : "none";
    facts->rx_packets = net.rx_packets;
    facts->rx_bytes = net.rx_bytes;
    facts->rx_dropped = net.rx_dropped;
    facts->tx_packets = net.tx_packets;
    facts->tx_bytes = net.tx_bytes;
    facts->tx_refused = net.tx_refused;
    facts->local = net.local;
    facts->kicks = net.kicks;
}

static void fixed_facts(struct facts *facts)
{
    static char mac[18], nic[9];
    static struct utsname system;
    int64_t driver = exo_info(EXO_INFO_NIC, 0, EXO_NIC_DRIVER);
    uint64_t m = libos_start_info->mac;

    for (int i = 0; i < 6; i++)
        snprintf(mac + 3 * i, sizeof(mac) - 3 * (size_t)i, i < 5 ? "%02x:" : "%02x",
                 (unsigned)(m >> (40 - 8 * i) & 0xff));
    if (driver >= 0)
        memcpy(nic, &driver, 8);
    facts->application = libos_name();
    uname(&system);
    facts->version = system.release;
    facts->environment = EXO_ENV_SLOT(self(EXO_ENV_SELF_NAME));
    facts->pages_max = self(EXO_ENV_QUOTA + EXO_R_PAGES);
    facts->slices_max = machine(EXO_MACHINE_SLICES);
    facts->policy = thread_policy->name;
    facts->mac = m ? mac : "none";
    facts->nic = driver >= 0 ? nic : "none";
    facts->machine_pages = machine(EXO_MACHINE_FRAMES);
}

void facts_get(struct facts *facts)
{
    if (!facts->application)
        fixed_facts(facts);
    facts->pages = self(EXO_ENV_USED + EXO_R_PAGES);
    facts->slices = self(EXO_ENV_SLICES);
    facts->slices_run = self(EXO_ENV_SLICES_RUN);
    facts->cpu_ms = time_ns_of(self(EXO_ENV_TICKS)) / 1000000;
    facts->uptime_s = time_ns() / 1000000000;
    facts->faults = vm_faults;
    facts->upcalls = self(EXO_ENV_UPCALLS);
    facts->calls = self(EXO_ENV_CALLS);
    facts->threads = thread_count();
    facts->link = exo_info(EXO_INFO_NIC, 0, EXO_NIC_LINK) > 0 ? "up" : "down";
    facts->machine_free = machine(EXO_MACHINE_FREE);
    facts->idle_ms = time_ns_of(machine(EXO_MACHINE_IDLE_TICKS)) / 1000000;
    network(facts);
}
