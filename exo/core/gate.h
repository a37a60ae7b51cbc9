/* SPDX-License-Identifier: MIT */
/* gate.h - gates, and what else the core asks of gate.c. */
#ifndef EXO_CORE_GATE_H
#define EXO_CORE_GATE_H

#include "env.h"

struct gate {
    gate_t name;    /* slot and generation; kept while free */
    uint16_t owner; /* slot in envs[]; ENV_KERNEL: the gate is free */
    uint64_t tag;
    uint32_t mark;
    env_t holder[EXO_GATE_HOLDERS]; /* who may call, by full names: a stale one names nobody */
};

#define GATE_TABLE (EXO_GATES + 1u) /* entry 0 is no gate */
extern struct gate gates[GATE_TABLE];
extern struct set gates_free;

/* Boot: every gate is free. */
void gate_init(void);

/*
 * Whom the CPU goes to when `env` has it: `env`, or the end of the chain of those that it waits for.
 * Who waits there for one that has ended is told so, and has it.
 */
struct env *gate_runner(struct env *env);

/*
 * Checked by the caller: `env` has EXO_UP_CALL pending. Moves the first call into its control page.
 * False: those that came first were for gates that are gone, and there is none to deliver now.
 */
bool gate_deliver(struct env *env);

int64_t gate_info(const struct env *self, uint32_t which, uint32_t index);

/* Close what ways lead from and to `env`: something has changed of what they rest on. */
void way_close(struct env *env);

/* `env` is in its call no more: it goes on with this result. */
void gate_call_end(struct env *env, int64_t result);

/* Take back a bounded piece of what a ZOMBIE has of gates and callers. False: there is none left. */
bool gate_reclaim(struct env *env);

#endif
