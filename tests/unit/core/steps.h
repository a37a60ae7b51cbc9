/* SPDX-License-Identifier: MIT */
/*
 * steps.h - random steps of a machine: calls, faults, waits, packets and time, after each of which
 * the TLB knows nothing stale, what was allocated is zero, nothing foreign was sent, and a refused
 * call has changed nothing in the kernel's tables.
 *
 * What is random is whatever steps_dice says: a generator (random.c) or a fuzzer's bytes.
 */
#ifndef TESTS_CORE_STEPS_H
#define TESTS_CORE_STEPS_H

#include "exo_calls.h"

#include <stdbool.h>
#include <stdint.h>

/* Set by the program: a number below `sides`. */
extern uint32_t (*steps_dice)(uint32_t sides);

extern struct steps {
    const char *failed; /* the first thing that was wrong, or the last of those found since */
    uint64_t done[EXO_CALLS], refused[EXO_CALLS], upcalls, faults, packets, delivered;
    uint64_t foreign, operations; /* foreign calls; operations of batches that were carried out */
    uint64_t taken;               /* pages taken by force */
    uint64_t short_calls, short_replies, short_hands, short_sleeps;
    uint64_t vcpus; /* vCPUs made */
} steps;

/* One step of the machine that mock_boot made. `full`: after a refused call, queues and RAM are
 * compared, too. Invariants are the caller's to check. */
void steps_one(bool full);

/* Can anything happen without a packet from outside? */
bool steps_anybody_runs(void);

/* steps_revoke.c: the calls of revocation. */
struct env;
void steps_revoke_arguments(const struct env *self, uint32_t number, uint64_t a[6]);
void steps_revoke_build(struct env *self); /* a child of which listed pages are wanted */
void steps_revoke_check(const struct env *self, const uint64_t a[6], int64_t result);

/* What the device was given lies in frames of the sender's, and bears a source that it may use. */
void steps_check_sent(void);

#endif
