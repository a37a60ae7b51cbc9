/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - who has the CPU, until when, and how it is told what happened meanwhile.
 *
 *   C1  time is given by walking the slice vector; positions of environments that cannot run are
 *       skipped, so nobody spins for an absent owner; the time of one that is in a call through a
 *       gate goes to whom it waits for                               inv_slice_ready
 *   C2  an environment in `wait` runs again as soon as a reason is pending: the check and the sleep
 *       are one step, so no wake-up is lost                         inv_cpu_waiting
 *   C3  never an upcall while `disabled` is set: reasons collect in `pending`
 *   C4  a call number outside the table is the caller's own affair: an upcall with all of its
 *       registers, or an error while `disabled` is set
 *   C5  who is to be told of the time first is at the root of a tree in which each environment is a
 *       leaf: to find or change one takes a step a level, of which there are 10 for 1,000
 *       environments                                                 inv_cpu_expiry
 *   C6  what the control page says is read once and checked; at worst its own environment ends
 */
#include "account.h"
#include "exo_handlers.h"
#include "gate.h"
#include "machine.h"
#include "slice.h"
#include "start.h"

struct env *current;

static uint32_t position;  /* in the slice vector */
static struct env *payer;  /* its owner: `current`, or one that waits for `current` */
static uint64_t slice_end; /* time stamp */
static uint64_t since;     /* `current` has the CPU since then */
static bool yielded;       /* `current` gave up the rest of its slice */
uint64_t cpu_idle_ticks;

/* Node i holds the earlier of nodes 2i and 2i + 1, node env_count + slot when that environment's timer
 * or deadline passes, UINT64_MAX: never. */
uint64_t *cpu_expiry;

#define EXPIRE_MAX 8u /* environments told of the time by one cpu_next; the rest by the next */
#define ENDED_MAX  8u /* environments without a usable upcall ended by one cpu_next */

void cpu_init(uint64_t *expiry)
{
    cpu_expiry = expiry;
    current = payer = NULL;
    position = 0;
    slice_end = since = cpu_idle_ticks = 0;
    yielded = false;
    for (uint32_t i = 0; i < 2 * env_count; i++)
        cpu_expiry[i] = UINT64_MAX;
}

static uint64_t slice_ticks(void)
{
    return machine_tsc_hz / (1000000000u / EXO_SLICE_NS);
}

static bool env_can_run(const struct env *env)
{
    return env->state == EXO_ENV_LIVE && !env->gate.callee &&
           (!env->waiting || (env->pending & ~(uint32_t)EXO_UP_SLICE_BEGIN));
}

/* The first stamp at which `env` wants to be told of the time. */
static uint64_t env_expiry(const struct env *env)
{
    uint64_t timer = env->timer ? env->timer : UINT64_MAX;
    uint64_t deadline = env->deadline ? env->deadline : UINT64_MAX;

    if (env->state != EXO_ENV_LIVE)
        return UINT64_MAX;
    return timer < deadline ? timer : deadline;
}

static void expiry_set(uint32_t node, uint64_t first)
{
    while (cpu_expiry[node] != first) {
        cpu_expiry[node] = first;
        if (node == 1)
            return;
        if (cpu_expiry[node ^ 1] < first)
            first = cpu_expiry[node ^ 1];
        node /= 2;
    }
}

void cpu_consider(struct env *env)
{
    bool ready = env_can_run(env);

    if (env->ready != ready)
        slice_ready_set(env, ready);
    expiry_set(env_count + (uint32_t)(env - envs), env_expiry(env));
}

/* Raise what is due, at most EXPIRE_MAX of it. */
static void timers_expire(uint64_t now)
{
    for (uint32_t i = 0; i < EXPIRE_MAX && cpu_expiry[1] <= now; i++) {
        uint32_t node = 1;
        while (node < env_count)
            node = 2 * node + (cpu_expiry[2 * node] > now);
        struct env *env = &envs[node - env_count];
        if (env->timer && env->timer <= now) {
            env->timer = 0;
            env_pend(env, EXO_UP_TIMER);
        }
        if (env->deadline && env->deadline <= now) { /* of a call or, else, of its waiting */
            env->deadline = 0;
            if (env->gate.callee)
                gate_call_end(env, -EXO_E_TIME);
            else
                env_pend(env, EXO_UP_DEADLINE);
        }
        cpu_consider(env);
    }
}

static void account(uint64_t now)
{
    if (current)
        current->ticks += now - since;
    else if (since) /* before the first decision it was the firmware's time */
        cpu_idle_ticks += now - since;
    since = now;
}

uint64_t cpu_ticks(const struct env *env)
{
    return env->ticks + (env == current ? machine_time() - since : 0);
}

/* Go to the next position that is of use: its owner runs, or whom that one waits for. That which had
 * the CPU comes last. */
static void slice_switch(uint64_t now)
{
    uint32_t next = set_after(&slice_ready, position);
    struct env *before = current, *env = NULL;

    payer = NULL;
    if (next != SET_NONE) {
        position = next;
        payer = &envs[slice_owner[next]];
        env = gate_runner(payer);
    }
    account(now);
    if (before && before->ready && !yielded)
        before->preempts++;
    yielded = false;
    current = env;
    if (!env)
        return;
    slice_end = now + slice_ticks();
    env->slices_run++;
    if (env != before) {
        struct exo_control *control = machine_frame(env->control);
        env_pend(env, EXO_UP_SLICE_BEGIN);
        control->slices = env->slices_run;
        control->preempts = env->preempts;
    }
}

static bool upcalls_off(const struct env *env)
{
    const struct exo_control *control = machine_frame(env->control);

    return *(const volatile uint64_t *)&control->disabled;
}

/* What is pending, and pends no more. A call among it is in the control page. */
static uint32_t reasons_take(struct env *env)
{
    uint32_t reasons = env->pending;

    if (reasons & EXO_UP_CALL && !gate_deliver(env))
        reasons &= ~EXO_UP_CALL;
    env_unpend(env, reasons & ~EXO_UP_CALL);
    return reasons;
}

/* Reasons become the result of `wait` or an upcall. False: the environment ended over it. */
static bool deliver(struct env *env)
{
    if (!env->pending)
        return true;
    struct exo_control *control = machine_frame(env->control);
    if (env->waiting) {
        env->waiting = false;
        env->deadline = 0;
        env->context.rax = reasons_take(env);
        cpu_consider(env);
        return true;
    }
    if (upcalls_off(env))
        return true;
    uint64_t entry = *(volatile uint64_t *)&control->upcall_entry;
    uint64_t stack = *(volatile uint64_t *)&control->upcall_stack;
    if (!entry || entry >= EXO_USER_END || !stack || stack > EXO_USER_END) {
        env_end(env, EXO_END_UPCALL, 0, entry);
        return false;
    }
    uint32_t reasons = reasons_take(env);
    if (!reasons)
        return true;
    control->saved = env->context;
    control->disabled = 1;
    env->context = (struct exo_context){.rip = entry,
                                        .rsp = stack,
                                        .rdi = reasons,
                                        .rflags = FLAGS_USER,
                                        .fs_base = env->context.fs_base,
                                        .gs_base = env->context.gs_base};
    env->upcalls++;
    return true;
}

struct env *cpu_next(uint64_t now, uint64_t *alarm)
{
    uint32_t ended = 0;

    timers_expire(now);
    do {
        struct env *env = payer && !yielded && now < slice_end ? gate_runner(payer) : NULL;
        if (ended++ == ENDED_MAX) {
            current = payer = NULL; /* the alarm, which is now, finds the others */
        } else if (!env || !env->ready) {
            slice_switch(now);
        } else if (env != current) {
            account(now);
            current = env;
        }
    } while (current && !deliver(current));
    account_refresh(now, slice_ticks());
    *alarm = ended > ENDED_MAX ? now : cpu_expiry[1];
    if (current && slice_end < *alarm)
        *alarm = slice_end;
    return current;
}

void cpu_fault(uint64_t vector, uint64_t error, uint64_t address)
{
    struct exo_control *control = machine_frame(current->control);

    if (upcalls_off(current)) {
        env_end(current, EXO_END_FAULT, (uint32_t)vector, address);
        return;
    }
    control->fault = (struct exo_fault){vector, error, address};
    env_pend(current, EXO_UP_FAULT);
}

void cpu_call(void)
{
    struct env *self = current;
    struct exo_context *c = &self->context;
    const uint64_t arguments[6] = {c->rdi, c->rsi, c->rdx, c->r10, c->r8, c->r9};

    self->calls++;
    int64_t result = call_dispatch(self, c->rax, arguments);
    if (result == -EXO_E_CALL && !upcalls_off(self))
        env_pend(self, EXO_UP_FOREIGN); /* rax goes on holding the number, for `saved` */
    else
        c->rax = (uint64_t)result;
}

int64_t call_yield(struct env *self)
{
    yielded = true;
    return 0;
}

int64_t call_wait(struct env *self, uint64_t deadline)
{
    self->waiting = true;
    self->deadline = deadline;
    cpu_consider(self);
    return 0;
}

int64_t call_timer(struct env *self, uint64_t deadline)
{
    self->timer = deadline;
    cpu_consider(self);
    return 0;
}
