/* SPDX-License-Identifier: MIT */
/*
 * gate.h - be called by other applications, and call them: five words there, five words back.
 *
 * Who is called runs on the caller's time. What the words mean is between the two; memory is shared
 * by share.h. One call is served at a time, in the order they came.
 */
#ifndef LIBOS_GATE_H
#define LIBOS_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "types.h"

#define GATE_DOORS 16u /* gates that one application can have open here; its quota may be less */

/*
 * Answers a call from `caller`: *words is what it said and becomes the answer. Runs in the upcall,
 * whatever thread that interrupts: it has to be short and must not block, allocate memory or write
 * to files, and all that it touches must be in memory already. It may call through other gates.
 */
typedef void (*gate_handler)(void *argument, env_t caller, struct exo_words *words);

/*
 * Open a gate under a number that callers know. `handler` NULL: calls are for gate_take. Returns the
 * gate's number (gate_t), or the negated error of gate_create.
 */
int64_t gate_open(uint32_t mark, gate_handler handler, void *argument);

/* Let an application call, or no more. 0, or the negated error of gate_grant. */
int64_t gate_allow(gate_t gate, env_t peer, bool allow);

/* Callers that wait get EMPTY. */
int64_t gate_close(gate_t gate);

/* A call that a thread has to answer. */
struct gate_call {
    gate_t gate;
    env_t caller;
    struct exo_words words;
};

/* The next call through a gate without a handler; blocks this thread until there is one.
 * `timeout_ns` 0: no limit. False: it is over. */
bool gate_take(struct gate_call *call, uint64_t timeout_ns);

/* Answer the call that gate_take gave. 0; 1 if nobody waits for the answer any more; -EXO_E_EMPTY if
 * it was answered already. */
int64_t gate_answer(const struct exo_words *words);

/* The gate that `peer` opened under this mark for us. 0: there is none (yet). */
gate_t gate_find(env_t peer, uint32_t mark);

/*
 * Call: *words is what is said and becomes the answer. No thread of this application runs
 * meanwhile. `timeout_ns` 0: no limit. 0, or the negated error of gate_call: DIED, TIME, ...
 */
int64_t gate_call(gate_t gate, struct exo_words *words, uint64_t timeout_ns);

#endif
