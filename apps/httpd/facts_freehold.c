/* SPDX-License-Identifier: MIT */
/*
 * facts_freehold.c - facts from the kernel (exo_info), from libos and from the settings.
 *
 * What cannot change while the application runs is asked once.
 */
#include "facts.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "libos.h"
#include "ring.h"

static uint64_t machine(uint32_t what)
{
    return (uint64_t)exo_info(EXO_INFO_MACHINE, 0, what);
}

static uint64_t self(uint32_t what)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, what);
}

static const char *setting(const char *name)
{
    const char *value = libos_setting(name);

    return value ? value : "none";
}

/* Our queue: the one whose counters we may read. -1: there is none (yet). */
static int find_queue(void)
{
    static int queue = -1;

    for (int q = 0; queue < 0 && q < (int)EXO_QUEUES; q++)
        if (exo_info(EXO_INFO_QUEUE, (uint64_t)q, 0) >= 0)
            queue = q;
    return queue;
}

static void queue_facts(struct facts *facts)
{
    uint64_t words[sizeof(struct exo_queue_stats) / 8] = {0};
    struct exo_queue_stats stats;
    int queue = find_queue();

    for (uint32_t i = 0; queue >= 0 && i < sizeof(words) / 8; i++)
        words[i] = (uint64_t)exo_info(EXO_INFO_QUEUE, (uint64_t)queue, i);
    memcpy(&stats, words, sizeof(stats));
    facts->rx_packets = stats.rx_packets;
    facts->rx_bytes = stats.rx_bytes;
    facts->rx_dropped = stats.rx_dropped;
    facts->tx_packets = stats.tx_packets;
    facts->tx_bytes = stats.tx_bytes;
    facts->tx_refused = stats.tx_bad + stats.tx_foreign;
    facts->local = stats.local;
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
    facts->pages_max = self(EXO_ENV_PAGES_MAX);
    facts->slices_max = EXO_SLICES;
    facts->policy = thread_policy->name;
    facts->mac = m ? mac : "none";
    facts->nic = driver >= 0 ? nic : "none";
    facts->address = setting("FREEHOLD_ADDRESS");
    facts->gateway = setting("FREEHOLD_GATEWAY");
    facts->machine_pages = machine(EXO_MACHINE_FRAMES);
}

void facts_get(struct facts *facts)
{
    if (!facts->application)
        fixed_facts(facts);
    facts->pages = self(EXO_ENV_PAGES);
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
    queue_facts(facts);
}
