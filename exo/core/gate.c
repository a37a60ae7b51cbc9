/* SPDX-License-Identifier: MIT */
/*
 * gate.c - protected control transfer: a call with five words, one reply, and the caller's time.
 *
 *   G1  a gate has one owner, is in its set, and    counts against its quota  inv_gate_table
 *   G2  a caller waits in its callee's list or is the one that it serves; a callee serves one call
 *       at a time, and has EXO_UP_CALL pending exactly while callers wait and it serves none, so no
 *       call is lost and none comes within another                             inv_gate_calls
 *   G3  waiting goes in no circle and nests at most EXO_GATE_DEPTH deep         inv_gate_depth
 *   G4  what passes is five words each way, the gate's tag and the caller's name
 *   G5  a reply right works once: for the call that was delivered last
 *   G6  a way leads from a caller to a callee that sleeps with nothing pending, through a gate that is the
 *       callee's and that the caller may use: a call there has one outcome, the callee gets it at once, on
 *       the caller's time. An answer with which its callee goes to sleep opens one; whatever changes what
 *       it rests on closes it. A caller has one, and a callee is at the end of one   inv_gate_ways
 *   G7  along it the machine loads the callee's registers and is done (exo/x86_64/gate.S): until the core is
 *       entered for anything else it knows nothing of the call. Who enters has it booked first, as
 *       if it had been made by call_gate_call; if the answer comes before, and the callee sleeps again
 *       until the same deadline, nothing is to be booked but the time that each had
 *
 * `height` is how many calls hang one on another at most above an environment; `waiters` counts
 * those that wait for it by their own height, so that it stays exact when one of many leaves.
 *
 * Nothing here goes through all callers: one whose callee has ended is told when the CPU comes to it,
 * and in any case before the dead one's slot is free; one whose gate is gone while it still waits,
 * when it would have been served.
 */
#include "gate.h"

#include "exo_handlers.h"
#include "machine.h"
#include "processor.h"
#include "slice.h"

struct gate gates[GATE_TABLE];
struct set gates_free;

_Static_assert(GATE_TABLE <= SET_MAX, "a set holds all gates");

#define SWEEP 8u /* calls for gates that are gone, passed over by one delivery */

static uint16_t slot_of(const struct env *env)
{
    return (uint16_t)EXO_ENV_SLOT(env->name.n);
}

/* --- the table -------------------------------------------------------------------- */

void gate_init(void)
{
    gates_free = (struct set){0};
    for (uint32_t i = 1; i < GATE_TABLE; i++) {
        gates[i] = (struct gate){.name = {i}};
        set_add(&gates_free, i);
    }
}

static struct gate *gate_find(gate_t name)
{
    uint32_t i = EXO_GATE_SLOT(name.n);

    return i <= EXO_GATES && gates[i].owner && gates[i].name.n == name.n ? &gates[i] : NULL;
}

struct gate *gate_own(struct env *self, gate_t name, int64_t *error)
{
    struct gate *gate = gate_find(name);

    *error = gate ? -EXO_E_OWNER : -EXO_E_EMPTY;
    return gate && gate->owner == slot_of(self) ? gate : NULL;
}

int64_t call_gate_create(struct env *self, uint64_t tag, uint32_t mark)
{
    uint32_t i = set_first(&gates_free);

    if (self->used[EXO_R_GATES] >= self->quota[EXO_R_GATES])
        return -EXO_E_QUOTA;
    if (i == SET_NONE)
        return -EXO_E_MEMORY;

    struct gate *gate = &gates[i];
    uint32_t name = gate->name.n + EXO_GATE_SLOTS; /* of the next generation */
    *gate = (struct gate){.name = {name}, .owner = slot_of(self), .tag = tag, .mark = mark};
    set_remove(&gates_free, i);
    set_add(&self->gate.own, i);
    self->used[EXO_R_GATES]++;
    return name;
}

int64_t call_gate_delete(struct env *self, struct gate *gate)
{
    uint32_t i = EXO_GATE_SLOT(gate->name.n);

    way_close(self);
    *gate = (struct gate){.name = gate->name};
    set_remove(&self->gate.own, i);
    set_add(&gates_free, i);
    self->used[EXO_R_GATES]--;
    return 0;
}

int64_t call_gate_grant(struct env *self, struct gate *gate, struct env *env, uint32_t allow)
{
    if (env->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;

    way_close(self);
    return names_put(gate->holder, EXO_GATE_HOLDERS, env->name, allow) ? 0 : -EXO_E_BUSY;
}

int64_t gate_info(const struct env *self, uint32_t which, uint32_t index)
{
    if (!which || which > EXO_GATES)
        return -EXO_E_RANGE;
    const struct gate *gate = &gates[which];
    if (!gate->owner)
        return -EXO_E_EMPTY;
    if (gate->owner != slot_of(self) && !names_have(gate->holder, EXO_GATE_HOLDERS, self->name))
        return -EXO_E_OWNER;
    switch (index) {
        CASE(EXO_GATE_NAME, gate->name.n);
        CASE(EXO_GATE_OWNER, envs[gate->owner].name.n);
        CASE(EXO_GATE_MARK, gate->mark);
    }
    return -EXO_E_RANGE;
}

/* --- who waits for whom ------------------------------------------------------------ */

/*
 * Of those that wait for `env`, one had `was` calls above it, itself included, and now has `is`;
 * 0: it did not or does not wait. Goes down the chain as far as that matters.
 */
static void waiter_changed(struct env *env, uint32_t was, uint32_t is)
{
    for (;;) {
        struct env_gate *g = &env->gate;
        if (was)
            g->waiters[was - 1]--;
        if (is)
            g->waiters[is - 1]++;
        uint32_t before = g->height, now = is > before ? is : before;
        while (now && !g->waiters[now - 1])
            now--;
        g->height = (uint8_t)now;
        if (now == EXO_GATE_DEPTH)
            way_close(env); /* what it calls may refuse now */
        if (now == before || !g->callee)
            return;
        was = before + 1;
        is = now + 1;
        env = &envs[g->callee];
    }
}

/* G2, after callers or `serves` changed. */
static void callee_tell(struct env *env)
{
    bool due = env->gate.waiting.first && !env->gate.serves;

    if (due == !!(env->pending & EXO_UP_CALL))
        return;
    if (due)
        env_pend(env, EXO_UP_CALL);
    else
        env_unpend(env, EXO_UP_CALL);
}

LINK_AT(waiter_link, envs[n].gate.link)

void gate_call_end(struct env *env, int64_t result)
{
    struct env *callee = &envs[env->gate.callee];

    if (env->gate.served)
        callee->gate.caller = 0;
    else
        list_remove(waiter_link, &callee->gate.waiting, slot_of(env));
    waiter_changed(callee, env->gate.height + 1u, 0);
    slice_lend(env, false);
    env->gate.callee = 0;
    env->gate.served = false;
    env->deadline = 0;
    env->context.rax = (uint64_t)result;
    cpu_consider(env);
    callee_tell(callee);
}

struct env *gate_runner(struct env *env)
{
    while (env->gate.callee) {
        struct env *callee = &envs[env->gate.callee];
        if (callee->state != EXO_ENV_LIVE) {
            gate_call_end(env, -EXO_E_DIED);
            break;
        }
        env = callee;
    }
    return env;
}

bool gate_reclaim(struct env *env)
{
    uint32_t i;

    if (env->gate.caller)
        gate_call_end(&envs[env->gate.caller], -EXO_E_DIED);
    env->gate.serves = false;
    for (i = 0; i < RECLAIM && env->gate.waiting.first; i++)
        gate_call_end(&envs[env->gate.waiting.first], -EXO_E_DIED);
    for (; i < RECLAIM && env->used[EXO_R_GATES]; i++)
        call_gate_delete(env, &gates[set_first(&env->gate.own)]);
    return i;
}

/* --- the short way ----------------------------------------------------------------- */

void way_close(struct env *env)
{
    struct env *to = &envs[env->gate.way_to], *from = &envs[env->gate.way_from]; /* or nobody */

    to->gate.way_from = from->gate.way_to = 0;
    from->gate.way = env->gate.way = (struct gate_way){0};
    env->gate.way_to = env->gate.way_from = 0;
}

/* `callee` has answered `caller` and sleeps: if nothing is to be decided at its next call, a way opens. */
static void way_open(struct env *caller, struct env *callee)
{
    const struct gate *gate = gate_find(caller->gate.name);
    env_t name = env_application(caller)->name;
    void *to = machine_frame(callee->control), *own = machine_frame(caller->control);

    /* The gate, or the right to call, may have gone while it was called. */
    if (!gate || &envs[gate->owner] != callee ||
        !names_have(gate->holder, EXO_GATE_HOLDERS, name) || callee->ready || callee->pending ||
        caller->home != callee->home || caller->gate.height == EXO_GATE_DEPTH)
        return;
    way_close(caller);
    way_close(callee);
    caller->gate.way_to = slot_of(callee);
    callee->gate.way_from = slot_of(caller);
    caller->gate.way = (struct gate_way){gate->name.n, gate->tag, name.n, callee, to, own};
}

void calls_book(void)
{
    for (struct processor *p = processors; calls_unbooked && p < processors + processor_count;
         p++) {
        struct env *caller = p->current, *callee = p->unbooked;
        if (!callee)
            continue;
        /* G7: as call_gate_call, and the end of the callee's sleep, would have it. */
        p->unbooked = NULL;
        calls_unbooked--;
        caller->calls++;
        caller->gate.name.n = (uint32_t)caller->gate.way.gate;
        caller->gate.callee = slot_of(callee);
        caller->gate.served = callee->gate.serves = true;
        callee->gate.caller = slot_of(caller);
        callee->waiting = false;
        callee->deadline = 0;
        waiter_changed(callee, 0, caller->gate.height + 1u);
        slice_lend(caller, true);
        cpu_handed_on(p, callee, p->called);
    }
}

/* --- call and reply ---------------------------------------------------------------- */

int64_t call_gate_call(struct env *self, gate_t name, uint64_t a, uint64_t b, uint64_t c,
                       uint64_t d, uint64_t e)
{
    const struct gate *gate = gate_find(name);
    if (!gate)
        return -EXO_E_EMPTY;
    if (!names_have(gate->holder, EXO_GATE_HOLDERS, env_application(self)->name))
        return -EXO_E_OWNER;
    struct env *callee = &envs[gate->owner], *end = callee;
    if (callee->state != EXO_ENV_LIVE)
        return -EXO_E_DIED;
    uint32_t depth = self->gate.height + 1u;
    for (; end->gate.callee; depth++)
        end = &envs[end->gate.callee];
    if (end == self || depth > EXO_GATE_DEPTH)
        return -EXO_E_STATE;

    struct env_gate *g = &self->gate;
    g->name = name;
    g->callee = slot_of(callee);
    g->words = (struct exo_words){{a, b, c, d, e}};
    self->deadline = ((volatile struct exo_control *)machine_frame(self->control))->call_deadline;
    list_append(waiter_link, &callee->gate.waiting, slot_of(self));
    waiter_changed(callee, 0, g->height + 1u);
    cpu_consider(self);
    slice_lend(self, true);
    callee_tell(callee);
    return 0;
}

bool gate_deliver(struct env *env)
{
    for (uint32_t i = 0; i < SWEEP && env->gate.waiting.first; i++) {
        struct env *caller = &envs[env->gate.waiting.first];
        const struct gate *gate = gate_find(caller->gate.name);
        if (!gate) {
            gate_call_end(caller, -EXO_E_EMPTY);
            continue;
        }
        ((struct exo_control *)machine_frame(env->control))->call =
            (struct exo_incoming){gate->tag, env_application(caller)->name.n, caller->gate.words};
        list_remove(waiter_link, &env->gate.waiting, slot_of(caller));
        caller->gate.served = true;
        env->gate.caller = slot_of(caller);
        env->gate.serves = true;
        callee_tell(env);
        return true;
    }
    return false;
}

int64_t call_gate_reply(struct env *self, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                        uint64_t e, uint64_t sleep)
{
    struct env *app = env_application(self);
    if (!app->gate.serves)
        return -EXO_E_EMPTY;

    struct env *caller = app->gate.caller ? &envs[app->gate.caller] : NULL;
    app->gate.serves = false;
    if (caller) {
        gate_call_end(caller, 0);
        const struct exo_words words = {{a, b, c, d, e}};
        __builtin_memcpy(&caller->context, &words,
                         sizeof(words)); /* the answer's registers come first */
    } else {
        callee_tell(app);
    }
    if (sleep)
        call_wait(self, sleep, (env_t){EXO_ENV_SELF});
    if (sleep && caller && app == self)
        way_open(caller, self);
    return !caller;
}
