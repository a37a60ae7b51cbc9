/* SPDX-License-Identifier: MIT */
/*
 * test_contract.c - each policy under many drawn mixtures of work, on 1 to 8 CPUs: no thread is lost
 * or run twice, no CPU left idle while one is ready, nothing waits for a lock without its holder
 * knowing, and the same again gives the same.
 */
#include "example.h"

#include <string.h>

#define SEEDS 40u

static struct sim_result result, again;

static void with_policy(const struct sched *policy)
{
    unsigned broken = 0, blamed = 0, differ = 0, same = 0;
    const char *what = "";
    uint64_t last = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_workload w = example_mixture(seed, 1 + seed % 8);
        w.quantum_ns = seed % 3 ? 0 : 20 * US;
        if (seed % 5 == 0 && w.cpus > 1) {
            w.lost_ns = 50 * MS;
            w.back_ns = 120 * MS;
        }
        if (seed % 7 == 0) {
            w.on_ns = 2 * MS;
            w.off_ns = 3 * MS;
        }
        sim_run(&w, policy, NULL, &result);
        sim_run(&w, policy, NULL, &again);
        broken += result.broken != NULL;
        what = result.broken ? result.broken : what;
        blamed += result.watch.verdict != WATCH_GOOD;
        differ += result.digest != again.digest || result.switches != again.switches;
        same += result.digest == last;
        last = result.digest;
        sim_free(&result);
        sim_free(&again);
    }
    tap_ok(!broken, "%s keeps the contract in %u mixtures%s%s", policy->name, SEEDS,
           *what ? ": " : "", what);
    tap_ok(!blamed, "%s is not blamed by the watch", policy->name);
    tap_ok(!differ && !same, "%s: the same seed gives the same, another another", policy->name);
}

#define YIELDERS 5u
#define YIELDS   200u

/* The ids in the order in which the policy lets them run who all yield at each turn, and one of whom is
 * taken out in between and comes back. */
static void yield_in_turn(const struct sched *policy, bool one_step, int *order)
{
    struct thread threads[YIELDERS] = {0};
    struct thread *running;

    policy->init();
    for (unsigned i = 0; i < YIELDERS; i++) {
        threads[i].id = (int)i + 1;
        threads[i].state = THREAD_READY;
        threads[i].params = SCHED_PARAMS;
        policy->enqueue(&threads[i], ENQUEUE_NEW);
    }
    running = policy->pick_next(0);
    for (unsigned i = 0; i < YIELDS; i++) {
        struct thread *other = &threads[i % YIELDERS];
        if (one_step) {
            running = policy->yield_next(running);
        } else {
            policy->yield(running);
            running = policy->pick_next(0);
        }
        order[i] = running->id;
        if (i % 3 == 0 && other != running) {
            policy->dequeue(other);
            policy->enqueue(other, ENQUEUE_WOKEN);
        }
    }
    while (policy->pick_next(0)) /* but the running one, alone, yields to itself */
        ;
    order[YIELDS] = (one_step ? policy->yield_next(running) : running)->id;
}

static void in_one_step(const struct sched *policy)
{
    int two[YIELDS + 1], one[YIELDS + 1];

    yield_in_turn(policy, false, two);
    yield_in_turn(policy, true, one);
    tap_ok(!memcmp(one, two, sizeof(one)), "%s: yield_next does what yield and pick_next do",
           policy->name);
}

int main(void)
{
    for (unsigned i = 0; i < sched_policy_count; i++) {
        with_policy(sched_policies[i]);
        if (sched_policies[i]->yield_next)
            in_one_step(sched_policies[i]);
    }
    return tap_done();
}
