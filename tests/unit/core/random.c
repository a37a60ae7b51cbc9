/* SPDX-License-Identifier: MIT */
/*
 * random.c - a million random steps: calls, faults, waits and time, on machines that boot anew.
 *
 * After each step the TLB knows nothing stale, what was allocated is zero and a refused call has
 * changed nothing in the kernel's tables; every few steps all invariants are checked, and queues
 * and RAM compared too. usage: test_core_random [SEED [STEPS]]
 */
#include "mock.h"
#include "steps.h"

#include <stdlib.h>

static uint64_t state;

static uint32_t generator(uint32_t sides)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1d) >> 33) % sides;
}

static uint64_t boots;

/* False at the first thing that is wrong. */
static bool run(uint64_t seed, uint64_t count, uint32_t every)
{
    state = seed;
    steps.failed = NULL;
    for (uint64_t i = 0; i < count && !steps.failed; i++) {
        if (!(i % 20000) || !steps_anybody_runs() || envs[1].state != EXO_ENV_LIVE) {
            mock_cpus = 1 + (uint32_t)(boots % MOCK_CPUS);
            mock_boot();
            boots++;
        }
        bool full = !(i % every);
        steps_one(full);
        if (full && !steps.failed)
            steps.failed = inv_all();
        if (steps.failed)
            printf("# step %llu of seed %llu: %s\n", (unsigned long long)i,
                   (unsigned long long)seed, steps.failed);
    }
    return !steps.failed;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240611;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000000;

    steps_dice = generator;
    printf("# seed %llu\n", (unsigned long long)seed);
    tap_ok(run(seed, 20000, 1), "20000 random steps with everything checked after each");
    tap_ok(run(seed + 1, count, 64), "%llu random steps", (unsigned long long)count);
    for (uint32_t i = 0; i < EXO_CALLS; i++)
        if (exo_call_name(i))
            printf("# %-13s %8llu done %8llu refused\n", exo_call_name(i),
                   (unsigned long long)steps.done[i], (unsigned long long)steps.refused[i]);
    printf("# %llu operations in batches\n", (unsigned long long)steps.operations);
    printf("# %llu upcalls, %llu faults, %llu foreign calls, %llu packets, %llu deliveries, "
           "%llu boots\n",
           (unsigned long long)steps.upcalls, (unsigned long long)steps.faults,
           (unsigned long long)steps.foreign, (unsigned long long)steps.packets,
           (unsigned long long)steps.delivered, (unsigned long long)boots);
    printf("# %llu pages taken by force\n", (unsigned long long)steps.taken);
    printf("# %llu calls by the short way through a gate, %llu answers\n",
           (unsigned long long)steps.short_calls, (unsigned long long)steps.short_replies);
    printf("# %llu times the CPU handed on by the short way, %llu by who fell asleep\n",
           (unsigned long long)steps.short_hands, (unsigned long long)steps.short_sleeps);
    bool all = steps.upcalls && steps.faults && steps.foreign && steps.operations && steps.taken &&
               steps.vcpus && steps.delivered > 100 && steps.short_replies > 10 &&
               steps.short_calls > steps.short_replies && steps.short_sleeps > 10 &&
               steps.short_hands > steps.short_sleeps;
    for (uint32_t i = 0; i < EXO_CALLS; i++)
        all &= steps.done[i] > 0 || !exo_call_name(i);
    tap_ok(all, "every call was carried out at least once");
    return tap_done();
}
