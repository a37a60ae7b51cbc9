/* SPDX-License-Identifier: MIT */
/*
 * hand.c - the short way of `yield` and `wait` with a name: when it is taken, that it ends where the long one
 * does, and that who sleeps by it is never taken for one that can run.
 */
#include "mock.h"

#include <string.h>

static struct env *init, *a, *b, *c;

#define ARGUMENTS(...)   ((const uint64_t[6]){__VA_ARGS__})
#define SHORT(name, ...) mock_short_hand(EXO_CALL_##name, ARGUMENTS(__VA_ARGS__))

static bool sound(void)
{
    const char *wrong = inv_all();

    if (wrong)
        printf("# %s\n", wrong);
    return !wrong;
}

static struct env *member(uint32_t first, uint32_t count)
{
    struct env *env = mock_child_with(init, 5, 0, 0, true);

    mock_control(env)->upcall_entry = 0x401000;
    mock_control(env)->upcall_stack = 0x501000;
    mock_control(env)->disabled = 1;
    for (uint32_t i = first; i < first + count; i++)
        CALL(init, SLICE_SET, i, env->name.n);
    return env;
}

/* a runs; b and c can, c somewhere else in the vector, init sleeps. All three may notify each other. */
static void three(uint32_t cpus)
{
    mock_forget_names();
    mock_cpus = cpus;
    init = mock_boot();
    mock_cpus = 1;
    a = member(0, 8);
    b = member(8, 8);
    c = member(16, 8);
    struct env *all[3] = {a, b, c};
    for (uint32_t i = 0; i < 9; i++)
        CALL(all[i / 3], NOTIFY_ALLOW, all[i % 3]->name.n, 1);
    mock_control(init)->disabled = 1;
    env_unpend(init, ~0u);
    CALL(init, WAIT, 0);
    mock_next();
    for (uint32_t i = 0; i < 100 && current != a; i++)
        mock_enter(EXO_CALL_YIELD, ARGUMENTS(0, 0));
    for (uint32_t i = 0; i < 3; i++)
        env_unpend(all[i], ~0u);
    mock_next();
}

/* The same, but b sleeps. */
static void b_asleep(uint32_t cpus)
{
    three(cpus);
    CALL(b, WAIT, 0);
    mock_next();
}

/* What differs by the way that was taken and is of no matter, and what only a machine knows. */
static void forget_what_may_differ(void)
{
    for (uint32_t i = 1; i < env_count; i++)
        memset(&envs[i].context, 0, sizeof(envs[i].context));
    for (uint32_t i = 0; i < processor_count; i++) {
        const struct processor *p = &processors[i];
        processors[i] = (struct processor){.number = (uint32_t)(on_cpu(i) - envs),
                                           .payer = (struct env *)(p->payer - envs),
                                           .position = p->position,
                                           .slice_end = p->slice_end,
                                           .idle_ticks = p->idle_ticks,
                                           .yielded = p->yielded,
                                           .ending = p->ending};
    }
}

static void hand(bool quick, bool *taken, enum exo_call call, uint64_t first, uint64_t second)
{
    if (quick)
        *taken &= mock_short_hand(call, ARGUMENTS(first, second));
    else
        mock_enter(call, ARGUMENTS(first, second));
}

/* b wakes and answers, as often as one likes. The result of a's last `wait`. */
static uint64_t ping(bool quick, bool *taken, uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        mock_now += 100;
        CALL(current, NOTIFY, b->name.n, 1);
        hand(quick, taken, EXO_CALL_WAIT, 0, b->name.n);
        *taken &= current == b && b->context.rax == EXO_UP_NOTIFY;
        mock_now += 70;
        CALL(current, NOTIFY, a->name.n, 2);
        hand(quick, taken, EXO_CALL_WAIT, 0, a->name.n);
        *taken &= current == a;
    }
    return a->context.rax;
}

static uint64_t yields(bool quick, bool *taken, uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        mock_now += 100;
        hand(quick, taken, EXO_CALL_YIELD, b->name.n, 0);
        mock_now += 70;
        *taken &= current == b;
        hand(quick, taken, EXO_CALL_YIELD, a->name.n, 0);
    }
    *taken &= current == a;
    return a->context.rax;
}

typedef uint64_t scene(bool quick, bool *taken, uint32_t rounds);

static void test_same_outcome(scene *play, bool asleep, const char *what)
{
    bool taken = true;

    for (uint32_t rounds = 1; rounds < 5; rounds++) {
        (asleep ? b_asleep : three)(1);
        uint64_t result = play(false, &taken, rounds);
        mock_next();
        uint64_t ticks = cpu_ticks(a), others = cpu_ticks(b);
        struct set ready = slice_ready;
        taken &= sound();
        forget_what_may_differ();
        mock_snapshot(true);

        (asleep ? b_asleep : three)(1);
        taken &= play(true, &taken, rounds) == result && sound();
        mock_next(); /* the next decision finds out who sleeps */
        taken &= sound() && cpu_ticks(a) == ticks && cpu_ticks(b) == others;
        taken &= !memcmp(&ready, &slice_ready, sizeof(ready));
        forget_what_may_differ();
        taken &= mock_unchanged(true);
    }
    tap_ok(taken, "%s: the short way is taken, and everything is as by the long one", what);
}

/* a has gone to sleep by the short way and b runs. */
static bool a_sleeps(uint32_t cpus)
{
    b_asleep(cpus);
    CALL(a, NOTIFY, b->name.n, 1);
    return SHORT(WAIT, 0, b->name.n) && current == b && processors[0].sleeper == a && sound();
}

static void test_sleeper(void)
{
    bool done = a_sleeps(1);
    tap_ok(done && a->waiting && a->ready, "who sleeps passes for one that can run");
    tap_ok(!SHORT(YIELD, a->name.n) && !SHORT(WAIT, 0, a->name.n), "but gets the CPU from nobody");
    tap_ok(CALL(b, YIELD, a->name.n) == -EXO_E_BUSY && processors[0].sleeper == a && sound(),
           "nor by the long way");
    done = a_sleeps(1);
    mock_now = mock_alarms[0];
    mock_next();
    tap_ok(done && current != a && !processors[0].sleeper && !a->ready && sound(),
           "the next decision finds out that it sleeps");
    for (uint32_t i = 0; i < 50; i++) {
        mock_now = mock_alarms[0];
        done &= mock_next() != a;
    }
    tap_ok(done, "and it has no slice until it wakes");
    CALL(b, NOTIFY, a->name.n, 4);
    for (uint32_t i = 0; i < 50 && current != a; i++) {
        mock_now = mock_alarms[0];
        mock_next();
    }
    tap_ok(current == a && a->context.rax & EXO_UP_NOTIFY && mock_control(a)->notified == 4,
           "with what woke it");

    done = a_sleeps(1);
    CALL(c, NOTIFY, a->name.n, 4);
    tap_ok(done && a->ready && !processors[0].sleeper && sound(), "a notification wakes it");
    done = a_sleeps(1);
    CALL(init, ENV_KILL, a->name.n, 0);
    tap_ok(done && !a->ready && !processors[0].sleeper && sound(), "its end is known at once");
    done = a_sleeps(1);
    CALL(init, SLICE_SET, 3, b->name.n);
    tap_ok(done && sound(), "a slice can be taken from it");
    CALL(init, SLICE_SET, 30, a->name.n);
    tap_ok(processors[0].sleeper == a && sound(), "and one given to it");
    done = a_sleeps(1) && SHORT(YIELD, c->name.n) && !SHORT(WAIT, 0, b->name.n);
    tap_ok(done && sound(), "one sleeps so at a time");
}

/* A second CPU must not take for its own who sleeps on the first. */
static void test_cpus(void)
{
    bool done = a_sleeps(2);
    CALL(init, SLICE_SET, slice_each + 1, a->name.n);
    mock_cpu = 1;
    mock_next();
    tap_ok(done && !current && sound(), "a slice of another CPU wakes nobody there");
    mock_cpu = 0;
    three(2);
    CALL(init, SLICE_SET, slice_each + 1, b->name.n);
    tap_ok(!SHORT(YIELD, b->name.n), "who has slices of two CPUs gets the CPU by the long way");
    three(2);
    CALL(init, SLICE_SET, slice_each + 1, a->name.n);
    tap_ok(!SHORT(YIELD, b->name.n) && sound(), "and gives it by the long way");
}

/* What goes the long way. */
static void test_not_taken(void)
{
    static const uint32_t some = 1, nobody;
    struct processor *p;

    three(1);
    tap_ok(!SHORT(YIELD, 0) && !SHORT(YIELD, a->name.n) && !SHORT(YIELD, b->name.n | 1ull << 32) &&
               !SHORT(YIELD, b->name.n + (1u << EXO_ENV_SLOT_BITS)) && !SHORT(YIELD, 999),
           "who is nobody, or who has it already, gets it by no short way");
    tap_ok(!SHORT(YIELD, init->name.n), "nor one that sleeps");
    mock_control(b)->disabled = 0;
    env_pend(b, EXO_UP_TIMER);
    tap_ok(!SHORT(YIELD, b->name.n), "nor one that is to get an upcall");
    mock_control(b)->disabled = 1;
    tap_ok(SHORT(YIELD, b->name.n) && b->pending == EXO_UP_TIMER && sound(),
           "but one that wants none");
    three(1);
    p = &processors[0];
    p->readers = &some;
    bool read = SHORT(YIELD, b->name.n);
    p->readers = &nobody;
    processors_quiet |= 1;
    bool quiet = SHORT(YIELD, b->name.n);
    processors_quiet &= ~1ull;
    p->ending = true;
    bool ending = SHORT(YIELD, b->name.n);
    p->ending = false;
    processor_stir(0);
    bool stirred = SHORT(YIELD, b->name.n);
    processors_stirred = 0;
    b->context.rip = EXO_USER_END;
    bool out = SHORT(YIELD, b->name.n);
    b->context.rip = 0x400000;
    uint64_t now = mock_now;
    mock_now = p->alarm;
    bool late = SHORT(YIELD, b->name.n);
    mock_now = now;
    tap_ok(
        !read && !quiet && !ending && !stirred && !out && !late && SHORT(YIELD, b->name.n),
        "a trace, an alarm to be set or due, a grace, other changes, a bad address: the long way");
    b_asleep(1);
    CALL(a, NOTIFY, b->name.n, 1);
    tap_ok(!SHORT(WAIT, mock_now + 1, b->name.n), "a sleep until a time");
    mock_control(init)->watch = 1;
    tap_ok(!SHORT(WAIT, 0, b->name.n), "one that a parent watches");
    mock_control(init)->watch = 0;
    env_pend(a, EXO_UP_TIMER);
    tap_ok(!SHORT(WAIT, 0, b->name.n), "one that is over at once");
    env_unpend(a, EXO_UP_TIMER);
    mock_next();
    tap_ok(SHORT(WAIT, 0, b->name.n) && sound(), "but one that is none of these");
    b_asleep(1);
    CALL(b, GATE_CREATE, 1);
    b->pending |= EXO_UP_READY | EXO_UP_NOTIFY;
    cpu_consider(b);
    mock_next();
    tap_ok(!SHORT(WAIT, 0, b->name.n), "who wakes to hear of children does so by the long way");
}

/* The long way with a name, where the short one is not open. */
static void test_wait_to(void)
{
    b_asleep(1);
    CALL(a, NOTIFY, b->name.n, 1);
    uint64_t end = processors[0].slice_end;
    mock_enter(EXO_CALL_WAIT, ARGUMENTS(mock_now + 1000000000, b->name.n));
    tap_ok(current == b && processors[0].slice_end == end && sound(),
           "who sleeps until a time leaves its slice to whom it names");
    b_asleep(1);
    mock_enter(EXO_CALL_WAIT, ARGUMENTS(0, b->name.n));
    tap_ok(current == c && a->waiting && sound(), "who sleeps itself gets nothing");
    three(1);
    mock_enter(EXO_CALL_WAIT, ARGUMENTS(0, c->name.n + (1u << EXO_ENV_SLOT_BITS)));
    tap_ok(current == b && a->waiting && sound(), "nor who is nobody");
    three(1);
    env_pend(a, EXO_UP_TIMER);
    mock_enter(EXO_CALL_WAIT, ARGUMENTS(0, c->name.n));
    tap_ok(current == a && !a->waiting && a->context.rax == EXO_UP_TIMER && sound(),
           "who does not sleep keeps it");
    tap_ok(CALL(a, WAIT, 0, 1ull << 32) == -EXO_E_RANGE && !a->waiting, "a name has 32 bits");
}

int main(void)
{
    test_same_outcome(yields, false, "yields");
    test_same_outcome(ping, true, "notifications and sleeps");
    test_sleeper();
    test_cpus();
    test_not_taken();
    test_wait_to();
    return tap_done();
}
