/* SPDX-License-Identifier: MIT */
/*
 * entry.h - in C, for worlds without a CPU, what the machine does in assembler at a call: entry.S and, by the
 * short ways, gate.S (through a gate) and hand.S (`yield` and `wait` with a name).
 */
#ifndef TESTS_INVARIANTS_ENTRY_H
#define TESTS_INVARIANTS_ENTRY_H

#include "exo_calls.h"
#include "machine.h"
#include "processor.h"
#include "start.h"

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

/* Does `to` get the CPU from `self` as it is, or as one that wakes by what pends? */
static inline bool hand_takes(const struct processor *p, const struct env *self,
                              const struct env *to)
{
    uint32_t reasons = to->pending & ~(uint32_t)EXO_UP_SLICE_BEGIN;

    if (to->state != EXO_ENV_LIVE || to->acts_as || !to->ready || to->on || to->home != p->number)
        return false;
    const struct exo_control *control = machine_frame(to->control);
    if (to->waiting ? !reasons || reasons & (EXO_UP_CALL | EXO_UP_READY) || to->deadline
                    : to->pending && !control->disabled)
        return false;
    return !((self->cpus | to->cpus) & ~processor_bit(p->number)) && to->context.rip < EXO_USER_END;
}

/* Can who runs on `p` sleep without anybody else who has to hear of it? */
static inline bool hand_sleeps(const struct processor *p, const struct env *self)
{
    const struct env *parent = &envs[EXO_ENV_SLOT(self->parent.n)];

    return !(self->pending & ~(uint32_t)EXO_UP_SLICE_BEGIN) && !self->gate.lent.some &&
           !p->sleeper && parent->control.n &&
           !((const struct exo_control *)machine_frame(parent->control))->watch;
}

/* YIELD or WAIT, with these arguments, by whom `p` runs, which acts for itself. False: it has to go the long way. */
static inline bool hand_short(struct processor *p, enum exo_call call, const uint64_t a[6])
{
    bool wait = call == EXO_CALL_WAIT;
    uint64_t name = a[wait], now = machine_time();
    struct env *self = p->current,
               *to = name >> 32 ? NULL : env_find(NULL, (env_t){(uint32_t)name});

    if (!name || !to || self->acts_as || (wait && a[0]) || !hand_takes(p, self, to) ||
        processors_stirred || *p->readers || processors_quiet & processor_bit(p->number) ||
        p->ending || now >= p->alarm || (wait && !hand_sleeps(p, self)))
        return false;
    self->calls++;
    self->context.rax = 0;
    if (wait) {
        self->waiting = true;
        p->sleeper = self;
    }
    self->ticks += now - p->since;
    p->since = now;
    p->current = p->payer = to;
    self->on = 0;
    to->on = (uint8_t)(p->number + 1);
    if (to->waiting) {
        to->context.rax = to->pending;
        to->pending = 0;
        to->waiting = false;
        ((struct exo_control *)machine_frame(to->control))->pending = 0;
    }
    return true;
}

#endif
