/* SPDX-License-Identifier: MIT */
/*
 * way.c - the short way through a gate: when it is open, what closes it, and that whoever looks finds
 * everything as if the call had gone the long way.
 */
#include "mock.h"

#include <string.h>

static struct env *init, *a, *b;
static uint64_t gate;

#define ENTER(name, ...)       mock_enter(EXO_CALL_##name, (const uint64_t[6]){__VA_ARGS__})
#define SHORT_CALL(g, ...)     mock_short_call((const uint64_t[6]){(g), __VA_ARGS__})
#define SHORT_REPLY(w0, until) mock_short_reply((const uint64_t[6]){(w0), 22, 23, 24, 25, (until)})

static bool sound(void)
{
    const char *wrong = inv_all();

    for (uint32_t cpu = 0; !wrong && cpu < processor_count; cpu++)
        if (!calls_unbooked && !(processors_stirred >> cpu & 1))
            wrong = inv_cpu_waiting(&processors[cpu], mock_alarms[cpu]);
    if (wrong)
        printf("# %s\n", wrong);
    return !wrong;
}

static struct env *member(void)
{
    struct env *env = mock_child_with(init, 5, 0, 0, true);

    mock_control(env)->upcall_entry = 0x401000;
    mock_control(env)->upcall_stack = 0x501000;
    return env;
}

static void put_to_sleep(struct env *env)
{
    mock_control(env)->disabled = 1;
    env_unpend(env, ~0u);
    CALL(env, WAIT, 0);
    mock_next();
}

/* The long way there and back, after which `callee` sleeps: a way is open. False: it is not. */
static bool round_trip(void)
{
    ENTER(GATE_CALL, gate, 1);
    ENTER(GATE_REPLY, 2, 0, 0, 0, 0, UINT64_MAX);
    return current == a && a->gate.way.callee == b && sound();
}

/* What the two have, and who looks on. */
enum variant {
    PLAIN,
    CALLEE_HAS_SLICES,
    SEVERAL_CPUS,
    OTHERS_WAIT,
    WATCHED,
    PENDING,
    CALLED,
    VARIANTS
};
static const char *const variant_name[VARIANTS] = {"plain",
                                                   "the callee has slices",
                                                   "the caller has slices of two CPUs",
                                                   "others want the CPU",
                                                   "the parent watches",
                                                   "a reason pends at the caller",
                                                   "somebody waits for the caller"};

/* a runs and can call b, which sleeps; a way is open. */
static bool pair(enum variant variant)
{
    mock_forget_names();
    mock_cpus = variant == SEVERAL_CPUS ? 2 : 1;
    init = mock_boot();
    mock_cpus = 1;
    a = member();
    b = member();
    struct env *c = member();
    for (uint32_t i = 0; i < 8; i++)
        CALL(init, SLICE_SET, i, a->name.n);
    if (variant == SEVERAL_CPUS)
        CALL(init, SLICE_SET, slice_each + 3, a->name.n);
    CALL(init, SLICE_SET, 8, b->name.n);
    CALL(init, SLICE_SET, 9, c->name.n);
    gate = (uint64_t)CALL(b, GATE_CREATE, 0x7a9);
    CALL(b, GATE_GRANT, gate, a->name.n, 1);
    mock_control(init)->watch = variant == WATCHED;
    mock_control(a)->disabled = mock_control(b)->disabled = mock_control(c)->disabled = 1;
    env_unpend(init, ~0u);
    CALL(init, WAIT, 0);
    if (variant != OTHERS_WAIT)
        put_to_sleep(c);
    for (uint32_t i = 0; i < 100 && current != b; i++) {
        mock_now += 2000000;
        mock_next();
    }
    put_to_sleep(b);
    if (variant != CALLEE_HAS_SLICES)
        CALL(init, SLICE_SET, 8, init->name.n);
    for (uint32_t i = 0; i < 100 && current != a; i++) {
        mock_now += 2000000;
        mock_next();
    }
    if (variant == CALLED) {
        int64_t own = CALL(a, GATE_CREATE, 1);
        CALL(a, GATE_GRANT, own, c->name.n, 1);
        c->waiting = false;
        cpu_consider(c);
        CALL(c, GATE_CALL, own, 1);
        mock_next();
    }
    env_unpend(a, EXO_UP_SLICE_BEGIN);
    if (variant == PENDING)
        env_pend(a, EXO_UP_NOTIFY);
    mock_next();
    return round_trip();
}

/* What differs by the way that was taken and is of no matter: registers that a call loses, words that have
 * arrived, when the call was, and up to when time is counted. And where a machine's tables lie. It can do nothing after that. */
static void forget_what_may_differ(void)
{
    for (uint32_t i = 1; i < env_count; i++) {
        memset(&envs[i].context, 0, sizeof(envs[i].context));
        memset(&envs[i].gate.words, 0, sizeof(envs[i].gate.words));
        memset(&envs[i].gate.way, 0, sizeof(envs[i].gate.way)); /* inv_gate_ways has looked at it */
    }
    for (uint32_t i = 0; i < processor_count; i++) {
        struct processor *p = &processors[i];
        if (on_cpu(i))
            on_cpu(i)->ticks = cpu_ticks(on_cpu(i));
        *p = (struct processor){.number = (uint32_t)(on_cpu(i) - envs),
                                .payer = (struct env *)(p->payer - envs),
                                .position = p->position,
                                .slice_end = p->slice_end,
                                .idle_ticks = p->idle_ticks,
                                .yielded = p->yielded,
                                .ending = p->ending};
    }
}

/* The state after a call, and, if `answered`, its answer: by the short way the same as by the long one. */
static void test_same_outcome(enum variant variant, bool answered)
{
    struct set ready;
    uint64_t quiet;
    bool taken = pair(variant) || printf("# no way is open\n") < 0;

    ENTER(TIMER, 0); /* both begin with a decision */
    mock_now += 100;
    ENTER(GATE_CALL, gate, 11, 12, 13, 14, 15);
    mock_now += 70;
    if (answered)
        ENTER(GATE_REPLY, 21, 22, 23, 24, 25, UINT64_MAX);
    uint64_t ticks = cpu_ticks(a), others = cpu_ticks(b);
    forget_what_may_differ();
    ready = slice_ready;
    quiet = processors_quiet;
    struct exo_control told = *mock_control(b), parent = *mock_control(init);
    mock_snapshot(true);

    taken &= pair(variant);
    ENTER(TIMER, 0);
    mock_now += 100;
    bool quick = SHORT_CALL(gate, 11, 12, 13, 14, 15) && sound();
    mock_now += 70;
    /* With a reason to be told of, the answer goes the long way. */
    if (answered && variant >= PENDING)
        ENTER(GATE_REPLY, 21, 22, 23, 24, 25, UINT64_MAX);
    else if (answered)
        quick &= SHORT_REPLY(21, UINT64_MAX);
    bool answer = !answered || (a->context.rdi == 21 && a->context.r8 == 25 && !a->context.rax);
    if (!answered)
        calls_book();
    tap_ok(taken && quick && sound(), "%s: a %s goes the short way", variant_name[variant],
           answered ? "call with its answer" : "call");
    bool words = !memcmp(&told, mock_control(b), sizeof(told));
    bool times = cpu_ticks(a) == ticks && cpu_ticks(b) == others;
    /* Of what is over before anybody looks the parent hears nothing. */
    bool parents =
        (variant == WATCHED && answered) || !memcmp(&parent, mock_control(init), sizeof(parent));
    forget_what_may_differ();
    if (variant == WATCHED && answered)
        tap_ok(!(init->pending & EXO_UP_READY) || parent.pending, "a parent hears of it or not");
    else
        tap_ok(mock_unchanged(true), "and everything is as by the long one");
    tap_ok(words && answer && times && parents && processors_quiet == quiet &&
               !memcmp(&ready, &slice_ready, sizeof(ready)),
           "the words, the time of each, and whose positions are of use");
}

/* From the call on until it is booked the core knows nothing; then it knows all. */
static void test_booking(void)
{
    bool open = pair(PLAIN);
    uint64_t calls = a->calls;
    mock_snapshot(false);
    tap_ok(open && SHORT_CALL(gate, 11, 12, 13, 14, 15) && current == a && b->waiting &&
               calls_unbooked == 1,
           "a call is under way, and who made it is still the one that runs");
    const struct exo_incoming expected = {0x7a9, a->name.n, {{11, 12, 13, 14, 15}}};
    tap_ok(!memcmp(&mock_control(b)->call, &expected, sizeof(expected)) && sound(),
           "the callee has the tag, the name and the five words");
    processors_stirred = 0;
    mock_now += 500;
    uint64_t ticks = b->ticks;
    calls_book();
    tap_ok(current == b && a->gate.callee && a->gate.served && b->gate.serves && !b->waiting &&
               a->calls == calls + 1 && !calls_unbooked && sound(),
           "whoever looks has it booked: the callee runs and serves");
    tap_ok(!processors_stirred && cpu_ticks(b) == ticks + 500, "since when it was called");
    tap_ok(!a->gate.way.callee && !b->gate.way_from, "the way is closed, as the callee is awake");
    ENTER(GATE_REPLY, 21, 22, 23, 24, 25, UINT64_MAX);
    tap_ok(current == a && a->context.rdi == 21 && a->gate.way.callee && sound(),
           "its answer opens the way again");
    /* An interrupt in the middle, at which the slice is over. */
    SHORT_CALL(gate, 1);
    mock_now = mock_alarms[0] == UINT64_MAX ? mock_now + 1 : mock_alarms[0];
    mock_next();
    tap_ok(a->gate.callee && sound(), "and so does the timer");
}

/* What goes the long way. */
static void test_not_taken(void)
{
    const uint32_t some = 1;

    bool open = pair(PLAIN);
    tap_ok(open && !SHORT_CALL(gate + 1, 1) && !SHORT_CALL(0) && !SHORT_CALL(gate | 1ull << 32),
           "another gate is not the one of the way");
    mock_control(a)->call_deadline = mock_now + 5;
    tap_ok(!SHORT_CALL(gate, 1), "nor is a call with a deadline for it");
    mock_control(a)->call_deadline = 0;
    processors[0].readers = &some;
    tap_ok(!SHORT_CALL(gate, 1), "nor one that somebody traces");
    static const uint32_t nobody;
    processors[0].readers = &nobody;
    tap_ok(!SHORT_REPLY(1, UINT64_MAX), "there is no answer to no call");
    tap_ok(SHORT_CALL(gate, 1) && !SHORT_CALL(gate, 1), "one call at a time");
    tap_ok(!SHORT_REPLY(1, 0) && !SHORT_REPLY(1, mock_now + 1),
           "an answer without sleep, or with another deadline, is for the long way");
    a->pending = EXO_UP_NOTIFY;
    tap_ok(!SHORT_REPLY(1, UINT64_MAX), "and one to a caller with a reason to be told of");
    a->pending = 0;
    tap_ok(SHORT_REPLY(1, UINT64_MAX) && sound(), "but what has none of that is taken");
    tap_ok(!SHORT_REPLY(1, UINT64_MAX), "once");
    ENTER(GATE_CALL, gate, 1);
    ENTER(GATE_REPLY, 2, 0, 0, 0, 0, 0);
    tap_ok(!a->gate.way.callee && sound(), "a callee that does not sleep is at the end of no way");
}

static void closes(bool open, const char *what)
{
    tap_ok(open && !a->gate.way.callee && !a->gate.way_to && !b->gate.way_from && sound(), "%s",
           what);
}

/* Whatever a way rests on closes it when it goes. */
static void test_closing(void)
{
    bool open = pair(PLAIN);
    env_pend(b, EXO_UP_NOTIFY);
    closes(open, "a callee that wakes closes the way");
    open = pair(PLAIN);
    CALL(b, GATE_DELETE, gate);
    closes(open, "so does the end of the gate");
    open = pair(PLAIN);
    CALL(b, GATE_GRANT, gate, a->name.n, 0);
    closes(open, "and of the right to call");
    open = pair(PLAIN);
    CALL(init, ENV_KILL, b->name.n, 0);
    closes(open, "and of the callee");
    open = pair(PLAIN);
    CALL(init, ENV_KILL, a->name.n, 0);
    closes(open, "and of the caller");
    open = pair(PLAIN);
    CALL(b, GATE_GRANT, gate, init->name.n, 1);
    open &= round_trip();
    init->waiting = false;
    cpu_consider(init);
    CALL(init, GATE_CALL, gate, 1);
    closes(open, "and a call of another");
    /* The gate, or the right, goes while it is called: there is no way to be opened by the answer. */
    for (uint32_t i = 0; i < 2; i++) {
        open = pair(PLAIN);
        ENTER(GATE_CALL, gate, 1);
        if (i)
            CALL(b, GATE_DELETE, gate);
        else
            CALL(b, GATE_GRANT, gate, a->name.n, 0);
        ENTER(GATE_REPLY, 2, 0, 0, 0, 0, UINT64_MAX);
        closes(open && current == a,
               i ? "none is opened if the gate is gone" : "nor if the right is");
    }
}

/* Who ends, or is ended, in the middle of a call that is not booked. */
static void test_ends(void)
{
    bool open = pair(PLAIN) && SHORT_CALL(gate, 1);
    CALL(init, ENV_KILL, b->name.n, 0);
    mock_next();
    tap_ok(open && current == a && (int64_t)a->context.rax == -EXO_E_DIED && sound(),
           "a callee that is ended in a call that nobody knew of leaves its caller DIED");
    open = pair(PLAIN) && SHORT_CALL(gate, 1);
    CALL(init, ENV_KILL, a->name.n, 0);
    tap_ok(open && b->gate.serves && !b->gate.caller && sound(), "and a caller its callee alone");
    put_to_sleep(init);
    mock_next();
    tap_ok(CALL(b, GATE_REPLY, 1) == 1 && sound(), "whose answer reaches nobody");
}

/* Who moves to another CPU has to find the way anew; calls on two CPUs are booked together. */
static void test_cpus(void)
{
    bool open = pair(SEVERAL_CPUS);
    ENTER(GATE_CALL, gate, 1);
    tap_ok(open && a->gate.callee, "a call from one of two CPUs");
    ENTER(GATE_REPLY, 2, 0, 0, 0, 0, UINT64_MAX);
    tap_ok(a->gate.way.callee && a->home == 0, "opens a way on that one");
    for (uint32_t i = 0; i < 8; i++)
        CALL(init, SLICE_SET, i, init->name.n);
    mock_next();
    mock_cpu = 1;
    mock_next();
    tap_ok(current == a && a->home == 1 && !a->gate.way.callee && sound(),
           "who moves to the other has none");
    ENTER(GATE_CALL, gate, 3);
    ENTER(GATE_REPLY, 4, 0, 0, 0, 0, UINT64_MAX);
    tap_ok(current == a && b->home == 1 && a->gate.way.callee && SHORT_CALL(gate, 1) && sound(),
           "until both have been there");
    mock_cpu = 0;
    mock_next();
    tap_ok(!calls_unbooked && on_cpu(1) == b && !(processors_stirred >> 1 & 1) && sound(),
           "the first CPU books the call of the second, which need not be told");
    mock_cpu = 0;
}

int main(void)
{
    for (enum variant v = 0; v < VARIANTS; v++) {
        test_same_outcome(v, false);
        test_same_outcome(v, true);
    }
    test_booking();
    test_not_taken();
    test_closing();
    test_ends();
    test_cpus();
    return tap_done();
}
