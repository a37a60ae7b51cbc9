/* SPDX-License-Identifier: MIT */
/*
 * test_bimodal.c - 99.5 % short requests and 0.5 % that are 100 times longer: what the short ones wait
 * for under central, fifo and round_robin.
 *
 * Of all requests together p99.9 is one of the long ones under any policy, since these are more than
 * one in a thousand; so the short ones are looked at, and the slowdown (latency by length) of all.
 */
#include "example.h"

static struct sim_result result;

static struct sim_workload bimodal(unsigned cpus)
{
    struct sim_workload w = {.cpus = cpus, .seed = 11, .switch_ns = 500, .duration_ns = 10 * S};
    struct sim_group *web = example_group(&w, "web", SIM_POISSON, 2000);

    web->service_ns = 10 * US;
    web->long_ns = 1000 * US;
    web->long_share = 5000;
    web->interval_ns = 14950 * 100 / 75 / cpus; /* 75 % of the CPUs, without switches */
    return w;
}

static void compare(unsigned cpus)
{
    struct sim_workload w = bimodal(cpus);
    const struct sched *const policies[] = {&sched_central, &sched_fifo, &sched_round_robin};
    uint64_t p999[3], slow[3];

    for (unsigned i = 0; i < 3; i++) {
        sim_run(&w, policies[i], NULL, &result);
        p999[i] = sim_quantile(&result.group[0].latency[0], 999000);
        slow[i] = sim_quantile(&result.group[0].slowdown, 999000);
        tap_ok(!result.broken && result.group[0].jobs > 400000,
               "%s, %u CPU: %lu requests, p99.9 of short ones %lu us, slowdown %lu",
               policies[i]->name, cpus, result.group[0].jobs, p999[i] / US, slow[i] / 100);
        sim_free(&result);
    }
    tap_ok(p999[0] * 10 <= p999[1],
           "%u CPU: central's p99.9 is at least 10 times better than fifo's", cpus);
    tap_ok(slow[0] * 10 <= slow[1], "%u CPU: and so is the slowdown of all requests", cpus);
    tap_ok(p999[0] * 2 <= p999[2], "%u CPU: and better than round_robin's", cpus);
}

int main(void)
{
    compare(1);
    return tap_done();
}
