/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - who has each CPU, until when, and how it is told what happened meanwhile.
 *
 *   C1  a CPU's time is given by walking its part of the slice vector; positions of environments that
 *       cannot run, or run on another CPU, are skipped, so nobody spins for an absent owner; the time
 *       of one that is in a call through a gate goes to whom it waits for      inv_slice_ready
 *   C2  an environment in `wait` runs again as soon as a reason is pending: the check and the sleep
 *       are one step, so no wake-up is lost                         inv_cpu_waiting
 *   C3  never an upcall while `disabled` is set: reasons collect in `pending`
 *   C4  a call number outside the table is the caller's own affair: an upcall with all of its
 *       registers, or an error while `disabled` is set
 *   C5  who is to be told of the time first is at the root of a tree in which each environment is a
 *       leaf: to find or change one takes a step a level, of which there are 10 for 1,000
 *       environments. Each CPU has one, and an environment is in that of its home, where it runs or
 *       ran last                                                    inv_cpu_expiry
 *   C6  what the control page says is read once and checked; at worst its own environment ends
 *   C7  an environment runs on one CPU at a time                    inv_cpu_current
 *   C8  a CPU that nobody else wants has no alarm at its slice's end, but perhaps one of before, once; it
 *       is stirred as soon as somebody does                         inv_cpu_quiet
 *   C9  who asked to be told of the end of its slices gets EXO_GRACE_NS more to give the CPU up by
 *       itself; who does not loses its next slice: it never has more than it owns and was given
 *   C10 who hands the CPU on and sleeps by the short way (exo/x86_64/hand.S) is `sleeper` until somebody looks:
 *       it passes for one that can run, as it mostly soon can again                inv_cpu_sleeper
 */
#include "account.h"
#include "exo_handlers.h"
#include "gate.h"
#include "machine.h"
#include "processor.h"
#include "slice.h"
#include "start.h"
#include "trace.h"

struct processor *processors;
uint32_t processor_count;
uint64_t processors_quiet;
uint64_t processors_stirred;

#define EXPIRE_MAX 8u /* environments told of the time by one cpu_next; the rest by the next */
#define ENDED_MAX  8u /* environments without a usable upcall ended by one cpu_next */

#define FORFEITS   8u /* positions passed over, as their owners had had more, by one cpu_next */

static uint64_t slice_ticks; /* of a whole slice */

void cpu_init(struct processor *table, uint32_t count, uint64_t *expiry)
{
    static const uint32_t nobody;

    processors = table;
    processor_count = count;
    processors_quiet = processors_stirred = 0;
    slice_ticks = machine_tsc_hz / (1000000000u / EXO_SLICE_NS);
    for (uint32_t i = 0; i < count; i++, expiry += 2 * env_count) {
        processors[i] = (struct processor){.number = i, .expiry = expiry, .readers = &nobody};
        for (uint32_t node = 0; node < 2 * env_count; node++)
            expiry[node] = UINT64_MAX;
    }
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

static void expiry_set(struct env *env, uint64_t first)
{
    uint64_t *expiry = processors[env->home].expiry;
    uint32_t node = env_count + EXO_ENV_SLOT(env->name.n);

    while (expiry[node] != first) {
        expiry[node] = first;
        if (node == 1)
            return;
        if (expiry[node ^ 1] < first)
            first = expiry[node ^ 1];
        node /= 2;
    }
}

/* True: whether it can run has changed. */
static bool consider(struct env *env)
{
    bool before = env->ready;

    env->ready = env_can_run(env);
    if (env->ready != before) {
        if (env->gate.way_from)
            way_close(env);
        slice_refresh(env);
    }
    expiry_set(env, env_expiry(env));
    return env->ready != before;
}

static void reckon(struct env *env)
{
    while (consider(env) &&
           (env = env_tell_parent(env))) /* EXO_ENV_DEPTH times at most: each is told of a child */
        env_stir(env);
}

void cpu_consider(struct env *env)
{
    struct processor *p = &processors[env->home];

    if (p->sleeper == env) {
        p->sleeper = NULL;
        if (env_can_run(env)) { /* as the core has it */
            expiry_set(env, env_expiry(env));
            return;
        }
    }
    env_stir(env);
    reckon(env);
}

/* Raise what is due, at most EXPIRE_MAX of it. */
static void timers_expire(const struct processor *p, uint64_t now)
{
    for (uint32_t i = 0; i < EXPIRE_MAX && p->expiry[1] <= now; i++) {
        uint32_t node = 1;
        while (node < env_count)
            node = 2 * node + (p->expiry[2 * node] > now);
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

uint64_t cpu_ticks(const struct env *env)
{
    return env->ticks + (env->on ? machine_time() - processors[env->on - 1].since : 0);
}

uint64_t cpu_idle_ticks(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < processor_count; i++)
        sum += processors[i].idle_ticks;
    return sum;
}

/* `env`, which may be nobody, has the CPU from now on. */
static void cpu_give(struct processor *p, struct env *env, uint64_t now)
{
    struct env *before = p->current;
    uint64_t others = ~processor_bit(p->number);

    if (before)
        before->ticks += now - p->since;
    else if (p->since) /* before the first decision it was the firmware's time */
        p->idle_ticks += now - p->since;
    p->since = now;
    if (env == before)
        return;
    p->current = env;
    if (before) {
        before->on = 0;
        if (before->cpus & others)
            slice_refresh(before);
    }
    if (!env)
        return;
    if (env->home != p->number) {
        way_close(env);
        expiry_set(env, UINT64_MAX);
        env->home = (uint8_t)p->number;
        expiry_set(env, env_expiry(env));
    }
    env->on = (uint8_t)(p->number + 1);
    if (env->cpus & others)
        slice_refresh(env);
}

void cpu_handed_on(struct processor *p, struct env *env, uint64_t when)
{
    struct env *before = p->current;

    cpu_give(p, env, when);
    reckon(before);
    reckon(env);
}

/* The position whose turn it is, or SET_NONE. */
static uint32_t turn_of(const struct processor *p)
{
    uint32_t at = p->position, next;

    for (uint32_t i = 0; (next = slice_next(p->number, at)) != SET_NONE && i < FORFEITS; i++) {
        struct env *owner = &envs[slice_owner[next]];
        if (is_sleeper(owner)) /* of another CPU, and was given this position since */
            cpu_consider(owner);
        else if (!owner->forfeits)
            break;
        owner->forfeits = 0;
        at = next;
    }
    return next;
}

/* Go to the next position that is of use: its owner runs, or whom that one waits for. That which had
 * the CPU comes last. NULL: there is none. */
static struct env *slice_switch(struct processor *p, uint64_t now)
{
    struct env *before = p->current;

    if (before && before->ready && !p->yielded) {
        before->preempts++;
        before->forfeits |= p->ending;
    }
    p->yielded = p->ending = false;
    p->payer = NULL;
    if (before && slice_is_hidden(before))
        cpu_give(p, NULL, now); /* its own positions count again */
    uint32_t next = turn_of(p);
    if (next == SET_NONE)
        return NULL;
    p->position = next;
    p->payer = &envs[slice_owner[next]];
    p->slice_end = now + slice_ticks;
    struct env *env = gate_runner(p->payer);
    env->slices_run++;
    if (env != before) {
        struct exo_control *control = machine_frame(env->control);
        env->pending |= EXO_UP_SLICE_BEGIN; /* which wakes nobody from `wait` */
        control->pending = env->pending;
        control->slices = env->slices_run;
        control->preempts = env->preempts;
    }
    return env;
}

/* The slice is over and somebody else waits: may `env` go on for its grace? It is told once. */
static bool is_in_grace(struct processor *p, struct env *env, uint64_t now)
{
    const struct exo_control *control = machine_frame(env->control);

    if (p->ending || !*(const volatile uint64_t *)&control->wants_end ||
        !slice_wanted(p->number, env))
        return false;
    p->ending = true;
    p->slice_end = now + slice_ticks / (EXO_SLICE_NS / EXO_GRACE_NS);
    env_pend(env, EXO_UP_SLICE_END);
    return true;
}

/* Who goes on with the slice that is under way; NULL: nobody, it is over. */
static struct env *slice_heir(struct processor *p, uint64_t now)
{
    struct env *env = p->payer && !p->yielded ? gate_runner(p->payer) : NULL;

    if (!env || !env->ready || (env->on && &processors[env->on - 1] != p))
        return NULL;
    return now < p->slice_end || (env == p->current && is_in_grace(p, env, now)) ? env : NULL;
}

void cpu_forget(const struct env *env)
{
    for (uint32_t i = 0; i < processor_count; i++)
        if (processors[i].payer == env) {
            processors[i].payer = NULL;
            processor_stir(i);
        }
}

/* What is pending, and pends no more. A call among it is in the control page. */
static uint32_t reasons_take(struct env *env)
{
    uint32_t reasons = env->pending;

    if (reasons & EXO_UP_CALL && !gate_deliver(env))
        reasons &= ~EXO_UP_CALL;
    if (reasons & EXO_UP_READY) {
        struct exo_control *control = machine_frame(env->control);
        __builtin_memcpy(control->ready, env->ready_children.word, sizeof(control->ready));
    }
    env_unpend(env, reasons & ~EXO_UP_CALL);
    return reasons;
}

/* What pends becomes the result of `wait` or an upcall. False: the environment ended over it. */
static bool deliver(struct env *env)
{
    struct exo_control *control = machine_frame(env->control);

    if (env->waiting) {
        env->waiting = false;
        env->deadline = 0;
        env->context.rax = reasons_take(env);
        cpu_consider(env);
        return true;
    }
    if (*(const volatile uint64_t *)&control->disabled)
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

/*
 * Until when nothing but an interrupt changes what was decided. An alarm that comes before the slice's
 * end stays, although nobody may want the CPU then: to tell that, and set another, at each change costs more
 * than that it comes once in vain.
 */
static uint64_t alarm_of(struct processor *p, uint64_t now)
{
    uint64_t bit = processor_bit(p->number), first = p->expiry[1];
    uint64_t end = p->slice_end < first ? p->slice_end : first;

    processors_quiet &= ~bit;
    if (p->current && now < p->alarm && p->alarm <= end)
        return p->alarm;
    if (slice_wanted(p->number, p->current))
        return end;
    processors_quiet |= bit;
    return first;
}

struct env *cpu_next(struct processor *p, uint64_t now, uint64_t *alarm)
{
    uint32_t ended = 0;

    if (p->sleeper)
        cpu_consider(p->sleeper);
    if (now >= p->expiry[1])
        timers_expire(p, now);
    do {
        struct env *env = slice_heir(p, now);
        if (ended++ == ENDED_MAX) {
            env = NULL; /* the alarm, which is now, finds the others */
            p->payer = NULL;
        } else if (!env) {
            env = slice_switch(p, now);
        }
        if (env != p->current || !env)
            cpu_give(p, env, now);
    } while (p->current && p->current->pending && !deliver(p->current));
    if (account_due <= now)
        account_refresh(now, slice_ticks);
    *alarm = p->alarm = ended > ENDED_MAX ? now : alarm_of(p, now);
    processors_stirred &= ~processor_bit(p->number);
    trace_decided(p, now);
    return p->current;
}

void cpu_fault(struct env *self, uint64_t vector, uint64_t error, uint64_t address)
{
    if (self->state != EXO_ENV_LIVE)
        return; /* another CPU ended it on its way here */
    struct exo_control *control = machine_frame(self->control);
    if (*(const volatile uint64_t *)&control->disabled) {
        env_end(self, EXO_END_FAULT, (uint32_t)vector, address);
        return;
    }
    control->fault = (struct exo_fault){vector, error, address};
    env_pend(self, EXO_UP_FAULT);
}

int64_t call_foreign(struct env *self, uint64_t number)
{
    const struct exo_control *control = machine_frame(self->control);

    if (*(const volatile uint64_t *)&control->disabled)
        return -EXO_E_CALL;
    env_pend(self, EXO_UP_FOREIGN);
    return (int64_t)number; /* rax goes on holding it, for `saved` */
}

int64_t cpu_act(struct env *self, uint64_t number)
{
    self->calls++;
    if (number >= EXO_CALLS)
        return call_foreign(self, number);
    struct env *as = call_is_own(number) ? self : env_application(self);
    return call_dispatch(as, number, (const uint64_t *)&self->context); /* arguments come first */
}

/* What is left of the slice goes to `to`, or to whoever is next. */
int64_t call_yield(struct env *self, struct env *to)
{
    struct processor *p = &processors[self->home];

    if (to != self && (!to->ready || to->on || is_sleeper(to)))
        return -EXO_E_BUSY;
    if (to == self)
        p->yielded = true;
    else
        p->payer = to;
    processor_stir(p->number);
    return 0;
}

/* The rest of the slice goes to `to` if that can run here; if not, or if `to` is the caller, to nobody. */
int64_t call_wait(struct env *self, uint64_t deadline, env_t to)
{
    struct env *heir = env_find(self, to);

    self->waiting = true;
    self->deadline = deadline;
    cpu_consider(self);
    if (heir && heir != self && !self->ready)
        call_yield(self, heir);
    return 0;
}

int64_t call_poll(struct env *self)
{
    return 0;
}

int64_t call_timer(struct env *self, uint64_t deadline)
{
    self->timer = deadline;
    cpu_consider(self);
    return 0;
}
