/* SPDX-License-Identifier: MIT */
/* gate.c - calls through gates: who may, what passes, whose time it is, and how each side's end ends it. */
#include "mock.h"

#include <string.h>

#define STALE            0x00010000u /* another generation of a gate */

#define ENTER(name, ...) mock_enter(EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})

/* Let `env` be ready to be called: asleep in `wait`, with upcalls off, as a server is. */
static void sleep_now(struct env *env)
{
    mock_control(env)->disabled = 1;
    env_unpend(env, ~0u);
    CALL(env, WAIT, 0);
    mock_next();
}

/* A child with `slices` positions from `first` on; its program takes upcalls at 0x401000. */
static struct env *member(struct env *init, uint32_t first, uint32_t slices)
{
    struct env *env = mock_child_with(init, 5, 0, 0, true);

    mock_control(env)->upcall_entry = 0x401000;
    mock_control(env)->upcall_stack = 0x501000;
    for (uint32_t i = 0; i < slices; i++)
        CALL(init, SLICE_SET, first + i, env->name.n);
    return env;
}

static uint64_t gate_for(struct env *owner, struct env *caller, uint64_t tag)
{
    uint64_t gate = (uint64_t)CALL(owner, GATE_CREATE, tag);

    CALL(owner, GATE_GRANT, gate, caller->name.n, 1);
    return gate;
}

/* Time goes on until `env` has the CPU. False: it does not get it. */
static bool until_runs(const struct env *env)
{
    for (uint32_t i = 0; i < 2 * MOCK_SLICES && current != env; i++) {
        if (!processors_stirred && mock_alarm == UINT64_MAX)
            return false;
        if (!processors_stirred)
            mock_now = mock_alarm;
        mock_next();
    }
    return current == env;
}

static bool sound(void)
{
    const char *wrong = inv_all();

    if (!wrong)
        wrong = inv_cpu_waiting(&processors[mock_cpu], mock_alarm);
    if (wrong)
        printf("# %s\n", wrong);
    return !wrong;
}

/* Two of equal right: a calls, b serves. Only a owns slices. */
static struct env *init, *a, *b;
static uint64_t gate;

static void pair(void)
{
    init = mock_boot();
    a = member(init, 0, 8);
    b = member(init, 0, 0);
    gate = gate_for(b, a, 0x7a9);
    /* b gets the CPU once, and sleeps. */
    CALL(init, SLICE_SET, 8, b->name.n);
    until_runs(b);
    sleep_now(b);
    CALL(init, SLICE_SET, 8, init->name.n);
    sleep_now(init);
    until_runs(a);
}

static void test_making(void)
{
    init = mock_boot();
    a = member(init, 0, 8);
    struct env *other = mock_child(init, 5, true), *embryo = mock_child(init, 5, false);

    init->quota[EXO_R_GATES] += a->quota[EXO_R_GATES] + other->quota[EXO_R_GATES] - 4;
    a->quota[EXO_R_GATES] = 4;
    other->quota[EXO_R_GATES] = 0;
    REFUSED(QUOTA, CALL(other, GATE_CREATE, 1), "a gate without a quota");
    int64_t gates_made[4];
    for (uint32_t i = 0; i < 4; i++)
        gates_made[i] = CALL(a, GATE_CREATE, i);
    tap_ok(gates_made[0] > 0 && gates_made[3] > 0 && gates_made[0] != gates_made[3] &&
               a->used[EXO_R_GATES] == 4 && sound(),
           "gates are made");
    REFUSED(QUOTA, CALL(a, GATE_CREATE, 5), "one gate too many");
    uint64_t g = (uint64_t)gates_made[0];
    REFUSED(OWNER, CALL(other, GATE_DELETE, g), "delete another's gate");
    REFUSED(OWNER, CALL(other, GATE_GRANT, g, other->name.n, 1), "allow oneself to call another");
    REFUSED(EMPTY, CALL(a, GATE_DELETE, g + STALE), "delete a stale gate");
    REFUSED(EMPTY, CALL(a, GATE_DELETE, 0), "delete gate 0");
    REFUSED(EMPTY, CALL(a, GATE_DELETE, EXO_GATES + 1), "delete a gate outside the table");
    REFUSED(EMPTY, CALL(a, GATE_DELETE, 0xffffffff), "delete the last number there is");
    REFUSED(RANGE, CALL(a, GATE_DELETE, g | 1ull << 32), "delete a gate by a number too wide");
    REFUSED(EMPTY, CALL(a, GATE_GRANT, g + STALE, other->name.n, 1), "allow for a stale gate");
    REFUSED(ENV, CALL(a, GATE_GRANT, g, 0xffff02, 1), "allow a stale name");
    REFUSED(RANGE, CALL(a, GATE_GRANT, g, other->name.n, 2), "neither allow nor forbid");
    tap_ok(!CALL(a, GATE_GRANT, g, embryo->name.n, 1), "an EMBRYO may be allowed");
    tap_ok(!CALL(a, GATE_GRANT, g, other->name.n, 0), "forbidding whom nobody allowed is no harm");
    tap_ok(!CALL(a, GATE_DELETE, g) && a->used[EXO_R_GATES] == 3 && sound(), "a gate is deleted");
    REFUSED(EMPTY, CALL(a, GATE_DELETE, g), "delete it again");
    int64_t again = CALL(a, GATE_CREATE, 9);
    tap_ok(again > 0 && (uint64_t)again != g && EXO_GATE_SLOT((uint64_t)again) == EXO_GATE_SLOT(g),
           "its place has another number");
    REFUSED(EMPTY, CALL(a, GATE_DELETE, g), "the old number names nothing");
    CALL(init, ENV_KILL, other->name.n, 0);
    REFUSED(ENV, CALL(a, GATE_GRANT, (uint64_t)again, other->name.n, 1), "allow a ZOMBIE");
}

static void test_info(void)
{
    init = mock_boot();
    a = member(init, 0, 8);
    b = member(init, 0, 0);
    uint64_t g = (uint64_t)CALL(b, GATE_CREATE, 5, 0x314);

    REFUSED(OWNER, CALL(a, INFO, EXO_INFO_GATE, EXO_GATE_SLOT(g), EXO_GATE_NAME),
            "look at another's gate");
    CALL(b, GATE_GRANT, g, a->name.n, 1);
    tap_ok(CALL(a, INFO, EXO_INFO_GATE, EXO_GATE_SLOT(g), EXO_GATE_NAME) == (int64_t)g &&
               CALL(a, INFO, EXO_INFO_GATE, EXO_GATE_SLOT(g), EXO_GATE_OWNER) == b->name.n &&
               CALL(a, INFO, EXO_INFO_GATE, EXO_GATE_SLOT(g), EXO_GATE_MARK) == 0x314,
           "who may call finds the gate");
    tap_ok(CALL(b, INFO, EXO_INFO_GATE, EXO_GATE_SLOT(g), EXO_GATE_MARK) == 0x314,
           "and so does its owner");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_GATE, EXO_GATE_SLOT(g), EXO_GATE_MARK + 1),
            "no such fact");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_GATE, 0, EXO_GATE_NAME), "place 0");
    REFUSED(RANGE, CALL(a, INFO, EXO_INFO_GATE, EXO_GATES + 1, EXO_GATE_NAME), "beyond the table");
    REFUSED(EMPTY, CALL(a, INFO, EXO_INFO_GATE, EXO_GATES, EXO_GATE_NAME),
            "a place without a gate");
}

static void test_table_full(void)
{
    init = mock_boot();
    uint32_t made = 0;

    init->quota[EXO_R_GATES]++; /* as no machine has it: to see the table's end, not the quota's */
    while (CALL(init, GATE_CREATE, made) > 0)
        made++;
    tap_ok(made == EXO_GATES, "as many gates as the table holds");
    REFUSED(MEMORY, CALL(init, GATE_CREATE, 1), "one more");
    init->quota[EXO_R_GATES]--;
    tap_ok(sound(), "a full table");
    /* Its last number ever: the next one in this place is of the first generation again. */
    CALL(init, GATE_DELETE, gates[7].name.n);
    gates[7].name.n = (EXO_GATE_GENERATIONS - 1) * EXO_GATE_SLOTS + 7;
    tap_ok(CALL(init, GATE_CREATE, 1) == 7 && sound(), "generations go round");
}

static void test_holders(void)
{
    init = mock_boot();
    b = member(init, 0, 8);
    uint64_t g = (uint64_t)CALL(b, GATE_CREATE, 1);
    struct env *holder[EXO_GATE_HOLDERS + 1];

    for (uint32_t i = 0; i <= EXO_GATE_HOLDERS; i++) {
        holder[i] = mock_child(init, 5, true);
        if (i < EXO_GATE_HOLDERS)
            tap_ok(!CALL(b, GATE_GRANT, g, holder[i]->name.n, 1) &&
                       !CALL(b, GATE_GRANT, g, holder[i]->name.n, 1),
                   "holder %u is allowed, twice", i);
    }
    uint64_t last = holder[EXO_GATE_HOLDERS]->name.n;
    REFUSED(BUSY, CALL(b, GATE_GRANT, g, last, 1), "one holder too many");
    tap_ok(!CALL(b, GATE_GRANT, g, last, 0), "forbidding it needs no place");
    REFUSED(OWNER, CALL(holder[EXO_GATE_HOLDERS], GATE_CALL, g), "call as who was not allowed");
    tap_ok(!CALL(b, GATE_GRANT, g, holder[0]->name.n, 0) && !CALL(b, GATE_GRANT, g, last, 1),
           "one goes, one comes");
    REFUSED(OWNER, CALL(holder[0], GATE_CALL, g), "call as who is allowed no more");
    env_t gone = holder[1]->name;
    CALL(init, ENV_KILL, gone.n, 0);
    tap_ok(mock_reclaim(init, gone) > 0, "a holder is gone");
    struct env *heir = mock_child_in(init, EXO_ENV_SLOT(gone.n), 5);
    tap_ok(heir == holder[1], "another has its slot");
    REFUSED(OWNER, CALL(heir, GATE_CALL, g), "call by the right of the dead");
    tap_ok(!CALL(b, GATE_GRANT, g, heir->name.n, 1), "the place of the dead can be taken");
    REFUSED(BUSY, CALL(b, GATE_GRANT, g, holder[0]->name.n, 1), "and then it is taken");
}

static void test_refused_calls(void)
{
    pair();
    REFUSED(EMPTY, CALL(a, GATE_CALL, gate + STALE), "call a stale gate");
    REFUSED(EMPTY, CALL(a, GATE_CALL, 0), "call gate 0");
    REFUSED(EMPTY, CALL(a, GATE_CALL, EXO_GATES + 1), "call a gate outside the table");
    REFUSED(RANGE, CALL(a, GATE_CALL, gate | 1ull << 40), "call by a number too wide");
    REFUSED(OWNER, CALL(init, GATE_CALL, gate), "call as who was not allowed");
    REFUSED(OWNER, CALL(b, GATE_CALL, gate), "an owner calls itself unasked");
    CALL(b, GATE_GRANT, gate, EXO_ENV_SELF, 1);
    REFUSED(STATE, CALL(b, GATE_CALL, gate), "an owner calls itself");
    REFUSED(EMPTY, CALL(b, GATE_REPLY), "a reply without a call");
    REFUSED(EMPTY, CALL(a, GATE_REPLY), "a reply by one who serves nobody");
    CALL(init, ENV_KILL, b->name.n, 0);
    REFUSED(DIED, CALL(a, GATE_CALL, gate), "call a ZOMBIE");
    tap_ok(sound(), "after refused calls");
}

/* The words and nothing else, at once, on the caller's time. */
static void test_call_and_reply(void)
{
    pair();
    struct exo_control *control = mock_control(b);
    uint64_t ticks_a = a->ticks, ticks_b = b->ticks, begun = b->slices_run, start = mock_now;

    a->context.rbx = 0xbbb;
    ENTER(GATE_CALL, gate, 11, 12, 13, 14, 15);
    tap_ok(current == b && b->context.rax == EXO_UP_CALL && !b->waiting && sound(),
           "the callee's wait returns at once with the reason");
    const struct exo_incoming expected = {0x7a9, a->name.n, {{11, 12, 13, 14, 15}}};
    tap_ok(!memcmp(&control->call, &expected, sizeof(expected)),
           "it has the tag, the name and the five words");
    tap_ok(b->context.rbx == 0 && !control->pending, "and nothing of the caller's registers");
    mock_now += 1234;
    struct exo_context before = a->context;
    ENTER(GATE_REPLY, 21, 22, 23, 24, 25);
    tap_ok(current == a && sound(), "the reply gives the CPU back at once");
    before.rax = 0;
    before.rdi = 21;
    before.rsi = 22;
    before.rdx = 23;
    before.r10 = 24;
    before.r8 = 25;
    tap_ok(!memcmp(&a->context, &before, sizeof(before)), "five registers and rax are changed");
    tap_ok(b->ticks == ticks_b + 1234 && a->ticks - ticks_a <= mock_now - start - 1234 &&
               b->slices == 0 && b->slices_run == begun,
           "the callee ran without a slice of its own, and it is its time");
    REFUSED(EMPTY, CALL(b, GATE_REPLY), "a second reply");
    tap_ok(!b->waiting && b->context.rax == 0, "the callee knows that its reply arrived");
    /* It is not asleep now: the next call lets it go on, and it finds the call when it waits. */
    ENTER(GATE_CALL, gate, 1);
    tap_ok(current == b && (b->pending & EXO_UP_CALL), "called before it sleeps again, it runs");
    ENTER(WAIT, 0);
    tap_ok(current == b && b->context.rax == EXO_UP_CALL && control->call.words.word[0] == 1,
           "and its wait returns");
}

/* Answer and sleep in one step: with another caller there is no sleep, and no deadline is forgotten. */
static void test_reply_and_sleep(void)
{
    pair();
    ENTER(GATE_CALL, gate, 1);
    REFUSED(EMPTY, CALL(a, GATE_REPLY), "who serves nobody does not sleep either");
    ENTER(GATE_REPLY, 2, 0, 0, 0, 0, mock_now + 3000000);
    tap_ok(current == a && a->context.rdi == 2 && b->waiting && sound(), "it answers and sleeps");
    ENTER(GATE_CALL, gate, 3);
    tap_ok(current == b && b->context.rax == EXO_UP_CALL && !b->waiting,
           "its call returns with the next one");
    CALL(b, GATE_GRANT, gate, init->name.n, 1);
    init->waiting = false;
    cpu_consider(init);
    CALL(init, GATE_CALL, gate, 4);
    ENTER(GATE_REPLY, 5, 0, 0, 0, 0, UINT64_MAX);
    tap_ok(a->context.rdi == 5 && b->waiting && (b->pending & EXO_UP_CALL) && b->ready && sound(),
           "with a caller that waits it does not sleep");
    tap_ok(until_runs(b) && b->context.rax & EXO_UP_CALL &&
               mock_control(b)->call.words.word[0] == 4,
           "but gets that one's call");
    uint64_t until = mock_now + 5000000;
    ENTER(GATE_REPLY, 6, 0, 0, 0, 0, until);
    sleep_now(a);
    sleep_now(init);
    tap_ok(!current && mock_alarm == until, "its deadline is an alarm");
    CALL(init, SLICE_SET, 8, b->name.n);
    mock_now = until;
    mock_next();
    tap_ok(current == b && b->context.rax & EXO_UP_DEADLINE && sound(), "and ends its sleep");
}

/* One that serves a call and is woken by something else does not get the next call with it. */
static void test_one_at_a_time(void)
{
    pair();
    ENTER(GATE_CALL, gate, 1);
    CALL(b, GATE_GRANT, gate, init->name.n, 1);
    init->waiting = false;
    cpu_consider(init);
    CALL(init, GATE_CALL, gate, 4);
    ENTER(WAIT, 0);
    env_pend(b, EXO_UP_QUEUE);
    mock_next();
    tap_ok(current == b && (b->context.rax & (EXO_UP_QUEUE | EXO_UP_CALL)) == EXO_UP_QUEUE &&
               sound(),
           "news alone wakes it");
    tap_ok(!init->gate.served && mock_control(b)->call.words.word[0] == 1,
           "the other call waits for its reply");
    ENTER(GATE_REPLY, 2);
    tap_ok(a->context.rdi == 2, "which goes to whom it served");
}

/* With upcalls on a call is an upcall, after others if there are any; never within one. */
static void test_upcall(void)
{
    pair();
    struct exo_control *control = mock_control(b);

    ENTER(GATE_CALL, gate, 1);
    ENTER(GATE_REPLY, 2);
    control->disabled = 0;
    b->context.rip = 0x402000;
    ENTER(GATE_CALL, gate, 3);
    tap_ok(current == b && b->context.rip == 0x401000 && b->context.rdi == EXO_UP_CALL &&
               control->saved.rip == 0x402000 && control->disabled &&
               control->call.words.word[0] == 3,
           "a call is an upcall");
    ENTER(GATE_REPLY, 4);
    tap_ok(current == a && a->context.rdi == 4, "and is answered from it");
    uint64_t upcalls = b->upcalls;
    ENTER(GATE_CALL, gate, 5);
    tap_ok(current == b && b->upcalls == upcalls && control->pending == EXO_UP_CALL,
           "with upcalls off the callee goes on");
    control->disabled = 0;
    ENTER(INFO, 0, 0, EXO_MACHINE_ABI);
    tap_ok(current == b && b->upcalls == upcalls + 1 && control->call.words.word[0] == 5,
           "and has the upcall when they are on again");
    /* While it serves, no other. */
    control->disabled = 0;
    CALL(b, GATE_GRANT, gate, init->name.n, 1);
    init->waiting = false;
    cpu_consider(init);
    CALL(init, GATE_CALL, gate, 6);
    mock_next();
    tap_ok(current == b && b->upcalls == upcalls + 1 && !control->pending,
           "while it serves one there is no upcall for another");
    control->upcall_entry = 1ull << 63;
    ENTER(GATE_REPLY, 7);
    tap_ok(a->context.rax == 0 && current == a && sound(), "then it can take no upcall");
    tap_ok(until_runs(init) && b->state == EXO_ENV_ZOMBIE &&
               (int64_t)init->context.rax == -EXO_E_DIED && sound(),
           "it ends by the next call, and that caller learns it");
}

/* Reasons of the caller's wait for the end of its call; then they are one upcall. */
static void test_caller_pending(void)
{
    pair();
    struct exo_control *control = mock_control(a);

    control->disabled = 0;
    env_unpend(a, ~0u);
    ENTER(GATE_CALL, gate, 1);
    env_pend(a, EXO_UP_QUEUE);
    mock_next();
    tap_ok(current == b && a->pending == EXO_UP_QUEUE && !control->disabled,
           "a reason comes while the caller is in its call");
    ENTER(GATE_REPLY, 9);
    tap_ok(current == a && a->context.rip == 0x401000 && a->context.rdi == EXO_UP_QUEUE &&
               control->saved.rax == 0 && control->saved.rdi == 9 && sound(),
           "it is delivered after the answer, which is in the saved registers");
}

/* Three callers wait in the order they came, and one in the middle may leave. */
static void test_order(uint32_t leaves)
{
    init = mock_boot();
    b = member(init, 0, 8);
    struct env *caller[3];
    uint64_t gates_of_b[2] = {gate_for(b, init, 1), 0};

    gates_of_b[1] = (uint64_t)CALL(b, GATE_CREATE, 2);
    for (uint32_t i = 0; i < 3; i++) {
        caller[i] = member(init, 8 + 8 * i, 8);
        CALL(b, GATE_GRANT, gates_of_b[1], caller[i]->name.n, 1);
        mock_control(caller[i])->call_deadline = i == leaves ? mock_now + 100 : 0;
        int64_t result = CALL(caller[i], GATE_CALL, gates_of_b[1], i);
        mock_next();
        tap_ok(!result && sound(), "caller %u waits", i);
    }
    mock_control(b)->disabled = 1;
    mock_now += 200;
    mock_next();
    if (leaves < 3)
        tap_ok((int64_t)caller[leaves]->context.rax == -EXO_E_TIME && sound() &&
                   !caller[leaves]->gate.callee,
               "caller %u has given up", leaves);
    for (uint32_t i = 0; i < 3; i++) {
        if (i == leaves)
            continue;
        until_runs(b);
        ENTER(WAIT, 0);
        tap_ok(mock_control(b)->call.words.word[0] == i && mock_control(b)->call.tag == 2 &&
                   mock_control(b)->call.caller == caller[i]->name.n && sound(),
               "caller %u is served in its turn", i);
        tap_ok(!CALL(b, GATE_REPLY, 40 + i) && caller[i]->context.rdi == 40 + i && sound(),
               "and answered");
    }
    tap_ok(!(b->pending & EXO_UP_CALL) && !b->gate.waiting.first, "nobody is left");
}

/* One that sleeps and whose only caller leaves is not woken by it. */
static void test_last_leaves(void)
{
    pair();
    CALL(a, GATE_CALL, gate, 1);
    tap_ok(b->waiting && b->pending == EXO_UP_CALL && mock_control(b)->pending == EXO_UP_CALL,
           "a call pends");
    CALL(init, ENV_KILL, a->name.n, 0);
    tap_ok(b->waiting && !b->pending && !mock_control(b)->pending && sound(),
           "its caller is killed, and it pends no more");
}

/* Every way in which the caller ends a call that is served: the reply is told, and used up. */
static void test_caller_leaves(bool killed)
{
    pair();
    mock_control(a)->call_deadline = mock_now + 5000;
    ENTER(GATE_CALL, gate, 1);
    if (killed) {
        CALL(init, ENV_KILL, a->name.n, 0);
    } else {
        tap_ok(mock_alarm <= mock_now + 5000, "the alarm is not later than the deadline");
        mock_now += 5000;
    }
    mock_next();
    tap_ok(sound() && b->gate.serves, "the caller is %s", killed ? "killed" : "out of patience");
    if (!killed)
        tap_ok(current == a && (int64_t)a->context.rax == -EXO_E_TIME && a->context.rdi == gate &&
                   a->context.r9 == 0,
               "it goes on at once, with TIME and its registers as they were");
    int64_t late = CALL(b, GATE_REPLY, 77);
    tap_ok(late == 1 && a->context.rdi != 77 && sound(), "the reply reaches nobody");
    REFUSED(EMPTY, CALL(b, GATE_REPLY, 78), "a second reply");
}

/* Every way in which the callee ends: the caller learns it, whether it was served or waited. */
static void test_callee_ends(bool reclaim_first)
{
    pair();
    CALL(b, GATE_GRANT, gate, init->name.n, 1);
    ENTER(GATE_CALL, gate, 1);
    CALL(init, SLICE_SET, 40, b->name.n);
    struct env *killer = init;
    struct env *c = member(init, 41, 8);
    CALL(b, GATE_GRANT, gate, c->name.n, 1);
    tap_ok(!CALL(c, GATE_CALL, gate, 2) && b->gate.caller && b->gate.waiting.first && sound(),
           "one is served, one waits");
    env_t name = b->name;
    CALL(killer, ENV_KILL, name.n, 0);
    tap_ok(sound(), "the callee is killed");
    if (reclaim_first)
        tap_ok(mock_reclaim(killer, name) > 0 && sound(), "and reclaimed");
    tap_ok(until_runs(a) && (int64_t)a->context.rax == -EXO_E_DIED && a->context.rdi == gate,
           "who was served goes on with DIED");
    sleep_now(a);
    tap_ok(until_runs(c) && (int64_t)c->context.rax == -EXO_E_DIED && sound(),
           "who waited goes on with DIED");
    if (!reclaim_first)
        tap_ok(mock_reclaim(killer, name) > 0 && sound() && !a->gate.callee,
               "its gates are taken back");
}

/* A gate that goes: who waits for it gets EMPTY, who is served gets the answer. */
static void test_gate_goes(void)
{
    pair();
    struct env *c = member(init, 41, 8);
    CALL(b, GATE_GRANT, gate, c->name.n, 1);
    ENTER(GATE_CALL, gate, 1);
    CALL(c, GATE_CALL, gate, 2);
    tap_ok(!CALL(b, GATE_DELETE, gate) && sound(), "deleted while one is served and one waits");
    ENTER(GATE_REPLY, 5);
    tap_ok(a->context.rax == 0 && a->context.rdi == 5 && (b->pending & EXO_UP_CALL) && sound(),
           "who is served gets the answer");
    sleep_now(a);
    tap_ok(until_runs(b) && c->gate.callee, "who waits lends its time until its turn comes");
    struct env nobody = envs[0];
    ENTER(WAIT, 0);
    tap_ok(!memcmp(&nobody, &envs[0], sizeof(nobody)), "nobody's caller is nobody");
    tap_ok(!(b->context.rax & EXO_UP_CALL) && !b->gate.serves &&
               (int64_t)c->context.rax == -EXO_E_EMPTY && sound() && until_runs(c),
           "and then gets EMPTY");
}

/* A call for a gate that is gone is no reason for an upcall. */
static void test_no_reason(void)
{
    pair();
    struct exo_control *control = mock_control(b);

    CALL(init, SLICE_SET, 9, b->name.n);
    control->disabled = 1;
    b->waiting = false;
    cpu_consider(b);
    ENTER(GATE_CALL, gate, 1);
    env_unpend(b, ~(uint32_t)EXO_UP_CALL);
    CALL(b, GATE_DELETE, gate);
    uint64_t upcalls = b->upcalls;
    control->disabled = 0;
    mock_next();
    tap_ok(b->upcalls == upcalls && !b->pending && sound(),
           "a call for a gate that is gone makes no upcall");
    tap_ok((int64_t)a->context.rax == -EXO_E_EMPTY, "and its caller is told");
}

/* Who waits for one that serves and sleeps has no use for its time. */
static void test_lent_in_vain(void)
{
    pair();
    struct env *c = member(init, 41, 8);

    CALL(b, GATE_GRANT, gate, c->name.n, 1);
    ENTER(GATE_CALL, gate, 1);
    tap_ok(current == b, "(one is served)");
    env_unpend(b, ~0u);
    ENTER(WAIT, 0);
    tap_ok(until_runs(c), "another has its own time");
    ENTER(GATE_CALL, gate, 2);
    tap_ok(!set_has(&slice_ready, 41) && sound(), "until it waits for who sleeps");
}

/* More gates than one call takes back. */
static void test_reclaim_gates(void)
{
    init = mock_boot();
    b = member(init, 0, 0);
    env_t name = b->name;
    uint32_t made = 0;

    init->quota[EXO_R_GATES] += b->quota[EXO_R_GATES];
    init->quota[EXO_R_GATES] -= 70;
    b->quota[EXO_R_GATES] = 70;
    while (CALL(b, GATE_CREATE, made) > 0)
        made++;
    CALL(init, ENV_KILL, name.n, 0);
    tap_ok(made == 70 && CALL(init, ENV_RECLAIM, name.n) == 1 && b->used[EXO_R_GATES] &&
               b->used[EXO_R_GATES] < 70 && sound(),
           "gates are taken back in pieces");
    tap_ok(mock_reclaim(init, name) > 0 && sound(), "to the end");
}

/* More calls for gates that are gone than one delivery passes over. */
static void test_many_gates_go(void)
{
    init = mock_boot();
    b = member(init, 0, 8);
    uint64_t g[2];
    struct env *caller[12];

    for (uint32_t i = 0; i < 2; i++)
        g[i] = (uint64_t)CALL(b, GATE_CREATE, i);
    for (uint32_t i = 0; i < 12; i++) {
        caller[i] = mock_child(init, 3, true); /* no slices: the CPU never comes to it */
        if (i == 8)
            CALL(b, GATE_DELETE, g[0]);
        if (i == 8)
            g[0] = (uint64_t)CALL(b, GATE_CREATE, 5);
        CALL(b, GATE_GRANT, g[0], caller[i]->name.n, 1);
        CALL(caller[i], GATE_CALL, g[0], i);
    }
    CALL(b, GATE_DELETE, g[0]);
    CALL(b, GATE_GRANT, g[1], init->name.n, 1);
    mock_control(b)->disabled = 1;
    CALL(init, GATE_CALL, g[1], 99);
    mock_next();
    tap_ok(current == b && (b->pending & EXO_UP_CALL), "one waits behind twelve that are void");
    env_unpend(b, ~EXO_UP_CALL);
    ENTER(WAIT, 0);
    tap_ok(current == b && b->context.rax == 0 && (b->pending & EXO_UP_CALL) && sound(),
           "a delivery passes over a bounded number: `wait` returns without a reason");
    ENTER(WAIT, 0);
    tap_ok(current == b && b->context.rax == EXO_UP_CALL &&
               mock_control(b)->call.words.word[0] == 99 && sound(),
           "and then with the call");
    for (uint32_t i = 0; i < 12; i++)
        if (caller[i]->gate.callee || (int64_t)caller[i]->context.rax != -EXO_E_EMPTY)
            tap_ok(false, "caller %u was not told", i);
}

/* A row of environments, each with a gate for the one before it. Only the first owns slices. */
#define ROW (EXO_GATE_DEPTH + 2)
static struct env *row[ROW];
static uint64_t row_gate[ROW];

static void row_make(bool asleep)
{
    init = mock_boot();
    for (uint32_t i = 0; i < ROW; i++) {
        row[i] = member(init, 0, i ? 0 : 8);
        row_gate[i] = i ? gate_for(row[i], row[i - 1], i) : 0;
        mock_control(row[i])->disabled = 1;
        env_unpend(row[i], ~0u);
        if (i && asleep)
            CALL(row[i], WAIT, 0);
    }
    sleep_now(init);
    until_runs(row[0]);
}

static void test_nested(void)
{
    row_make(true);
    for (uint32_t i = 1; i <= EXO_GATE_DEPTH; i++) {
        ENTER(GATE_CALL, row_gate[i], i);
        tap_ok(current == row[i] && row[i]->gate.height == i && sound(), "call %u is served", i);
    }
    REFUSED(STATE, CALL(current, GATE_CALL, row_gate[ROW - 1]), "one call too deep");
    for (uint32_t i = 0; i < EXO_GATE_DEPTH; i++) {
        uint64_t back = gate_for(row[i], current, 0);
        REFUSED(STATE, CALL(current, GATE_CALL, back), "a circle");
    }
    mock_now = mock_alarm; /* the end of the slice */
    mock_next();
    tap_ok(current == row[EXO_GATE_DEPTH] && sound(), "the last runs on the first one's slices");
    for (uint32_t i = EXO_GATE_DEPTH; i; i--) {
        ENTER(GATE_REPLY, 100 + i);
        tap_ok(current == row[i - 1] && current->context.rdi == 100 + i && sound(),
               "call %u is answered", i);
    }
    /* From the other end: who waits in a row may not get too long a row below it. */
    row_make(false);
    for (uint32_t i = EXO_GATE_DEPTH; i; i--)
        tap_ok(!CALL(row[i], GATE_CALL, row_gate[i + 1], i) && sound(), "%u waits for the next", i);
    REFUSED(STATE, CALL(row[0], GATE_CALL, row_gate[1], 0), "one more above them");
}

/* In the middle of a row somebody ends. */
static void test_nested_death(uint32_t who)
{
    row_make(true);
    for (uint32_t i = 1; i <= 3; i++)
        ENTER(GATE_CALL, row_gate[i], i);
    env_t name = row[who]->name;
    CALL(init, ENV_KILL, name.n, 0);
    mock_next();
    tap_ok(sound(), "of a row of four, number %u is killed", who);
    if (who == 0) {
        tap_ok(current != row[1] && row[1]->gate.serves && !row[1]->gate.caller,
               "nobody's time is left, and the others wait on");
    } else {
        tap_ok(current == row[who - 1] && (int64_t)current->context.rax == -EXO_E_DIED,
               "the one before it goes on");
        for (uint32_t i = who - 1; i; i--)
            ENTER(GATE_REPLY, i);
        tap_ok(current == row[0] && sound(), "and so does the first");
    }
    tap_ok(mock_reclaim(init, name) > 0 && sound(), "it is reclaimed");
}

/* Those who wait for one who waits: heights stay exact when one of several leaves. */
static void test_heights(void)
{
    row_make(false);
    struct env *extra = member(init, 0, 0);
    CALL(row[2], GATE_GRANT, row_gate[2], extra->name.n, 1);
    CALL(extra, GATE_CALL, row_gate[2], 0);
    CALL(row[0], GATE_CALL, row_gate[1], 0);
    CALL(row[1], GATE_CALL, row_gate[2], 0);
    CALL(row[2], GATE_CALL, row_gate[3], 0);
    mock_next();
    tap_ok(row[2]->gate.height == 2 && row[3]->gate.height == 3 && sound(), "two branches");
    CALL(init, ENV_KILL, row[0]->name.n, 0);
    tap_ok(row[2]->gate.height == 1 && row[3]->gate.height == 2 && sound(), "one leaf goes");
    CALL(init, ENV_KILL, extra->name.n, 0);
    tap_ok(row[2]->gate.height == 1 && sound(), "the other branch goes");
    CALL(init, ENV_KILL, row[1]->name.n, 0);
    tap_ok(row[2]->gate.height == 0 && row[3]->gate.height == 1 && sound(), "all above are gone");
}

/* A slice that ends in the middle: others run, and the call goes on at the caller's next one. */
static void test_slices(void)
{
    pair();
    struct env *c = member(init, 40, 8);
    mock_control(c)->disabled = 1;
    ENTER(GATE_CALL, gate, 1);
    uint64_t begun = b->slices_run;
    bool other = false, again = false;

    for (uint32_t i = 0; i < MOCK_SLICES; i++) {
        mock_now = mock_alarm;
        struct env *env = mock_next();
        other |= env == c;
        again |= other && env == b;
        if (env == a || !sound())
            tap_ok(false, "the caller runs in its call");
    }
    tap_ok(other && again && b->slices_run > begun && a->gate.callee,
           "others have their turns between, and the callee has the caller's");
    ENTER(YIELD, 0);
    tap_ok(sound(), "the turn can be given away");
    /* The callee sleeps in the middle of it: the caller's time is for others. */
    until_runs(b);
    ENTER(WAIT, 0);
    tap_ok(current == c && sound(), "a callee that sleeps leaves the time to others");
    env_pend(b, EXO_UP_QUEUE);
    sleep_now(c);
    tap_ok(until_runs(b) && b->context.rax & EXO_UP_QUEUE && sound(), "until it has a reason");
    ENTER(GATE_REPLY, 3);
    tap_ok(until_runs(a) && a->context.rdi == 3, "and in the end it answers");
}

static void test_deadline(void)
{
    pair();
    mock_control(a)->call_deadline = 1; /* long past */
    ENTER(GATE_CALL, gate, 1);
    tap_ok(current == a && (int64_t)a->context.rax == -EXO_E_TIME && sound() &&
               !(b->pending & EXO_UP_CALL),
           "a deadline that has passed ends the call before it is delivered");
    mock_control(a)->call_deadline = mock_now + 10;
    CALL(a, TIMER, mock_now + 5);
    ENTER(GATE_CALL, gate, 1);
    mock_now += 5;
    mock_next();
    tap_ok(current == b && a->pending & EXO_UP_TIMER, "the caller's timer does not end its call");
    ENTER(GATE_REPLY, 1);
    mock_now += 10;
    mock_next();
    tap_ok(current == a && a->context.rax == 0 && !(a->pending & EXO_UP_DEADLINE) && sound(),
           "after the answer the deadline means nothing");
}

int main(void)
{
    test_making();
    test_info();
    test_table_full();
    test_holders();
    test_refused_calls();
    test_call_and_reply();
    test_reply_and_sleep();
    test_one_at_a_time();
    test_upcall();
    test_caller_pending();
    for (uint32_t leaves = 0; leaves <= 3; leaves++)
        test_order(leaves);
    test_last_leaves();
    test_caller_leaves(true);
    test_caller_leaves(false);
    test_callee_ends(false);
    test_callee_ends(true);
    test_gate_goes();
    test_no_reason();
    test_lent_in_vain();
    test_reclaim_gates();
    test_many_gates_go();
    test_nested();
    for (uint32_t who = 0; who <= 3; who++)
        test_nested_death(who);
    test_heights();
    test_slices();
    test_deadline();
    return tap_done();
}
