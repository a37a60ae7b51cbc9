/* SPDX-License-Identifier: MIT */
/*
 * entry.h - in C, for worlds without a CPU, what the machine does in assembler at a call: entry.S and, by the
 * short way through a gate, gate.S.
 */
#ifndef TESTS_INVARIANTS_ENTRY_H
#define TESTS_INVARIANTS_ENTRY_H

#include "machine.h"
#include "processor.h"

/*
 * Carry out the call in the context of `self`, which a CPU runs, and leave its result there. True: call
 * cpu_next after; false: nothing that it decided on has changed, and `self` can go on.
 */
static inline bool cpu_call(struct env *self)
{
    const struct exo_control *control = machine_frame(self->control);

    if (self->state != EXO_ENV_LIVE)
        return true; /* another CPU ended it on its way here */
    self->context.rax = (uint64_t)cpu_act(self, self->context.rax);
    return processors_stirred || (self->pending && !control->disabled);
}

/* A call with these arguments by whom `p` runs. False: it has to go the long way. */
static inline bool gate_call_short(struct processor *p, const uint64_t a[6])
{
    const struct env *self = p->current;
    const struct gate_way *way = &self->gate.way;
    const struct exo_control *control = machine_frame(self->control);

    if (!way->callee || way->gate != a[0] || control->call_deadline || p->unbooked || *p->readers)
        return false;
    p->unbooked = way->callee;
    calls_unbooked++;
    way->control->call =
        (struct exo_incoming){way->tag, way->caller, {{a[1], a[2], a[3], a[4], a[5]}}};
    p->called = machine_time();
    p->unbooked->context.rax = EXO_UP_CALL;
    return true;
}

/* Its answer, likewise. */
static inline bool gate_reply_short(struct processor *p, const uint64_t a[6])
{
    struct env *callee = p->unbooked, *caller = p->current;

    if (!callee || callee->deadline != a[5] || caller->pending)
        return false;
    p->unbooked = NULL;
    calls_unbooked--;
    callee->calls++;
    caller->calls++;
    uint64_t had = machine_time() - p->called;
    callee->ticks += had;
    p->since += had;
    struct exo_context *to = &caller->context;
    to->rax = 0;
    to->rdi = a[0];
    to->rsi = a[1];
    to->rdx = a[2];
    to->r10 = a[3];
    to->r8 = a[4];
    return true;
}

#endif
