/* SPDX-License-Identifier: MIT */
/* facts_mock.c - facts of an environment that does not exist, for the server on the host. */
#include "facts.h"

#include <unistd.h>

void facts_get(struct facts *facts)
{
    *facts = (struct facts){
        .application = "mock <&\">",
        .version = "0.0 \"\\\x01",
        .environment = 3,
        .pages = 137,
        .pages_max = 512,
        .slices = 8,
        .slices_max = 64,
        .slices_run = facts->slices_run + 1,
        .cpu_ms = 61007,
        .uptime_s = 2 * 86400 + 3 * 3600 + 4 * 60 + 5,
        .faults = 42,
        .upcalls = 1234567,
        .calls = 999,
        .policy = "round_robin",
        .threads = 1,
        .address = "10.0.2.15/24",
        .gateway = "10.0.2.2",
        .mac = "52:54:00:00:00:01",
        .nic = "mock",
        .link = "up",
        .rx_packets = 10239,
        .rx_bytes = 10239,
        .tx_packets = 10240,
        .tx_bytes = 10240,
        .local = UINT64_MAX,
        .machine_pages = 32768,
        .machine_free = 20000,
        .requests = facts->requests,
        .connections = facts->connections,
        .connections_max = facts->connections_max,
        .accepted = facts->accepted,
        .refused = facts->refused,
        .evicted = facts->evicted,
    };
}
