/* SPDX-License-Identifier: MIT */
/* processors.c - several CPUs: who runs where, who is told, and whose time passes on. */
#include "mock.h"

#define SLICE_TICKS 2000000u /* of the mock's clock of 1 GHz */
#define GRACE_TICKS (EXO_GRACE_NS)

static struct env *init, *child[4];

/* `cpus` CPUs; child i owns every other slice of CPU i, init everything else. */
static void boot(uint32_t cpus, uint32_t children)
{
    mock_cpus = cpus;
    init = mock_boot();
    mock_cpus = 1;
    for (uint32_t i = 0; i < children; i++) {
        child[i] = mock_child(init, 5, true);
        mock_control(child[i])->disabled = 1;
    }
    mock_control(init)->disabled = 1;
    for (uint32_t i = 0; i < slice_count; i++) {
        uint32_t cpu = i / slice_each;
        if (cpu < children && i % slice_each % 2)
            CALL(init, SLICE_SET, i, child[cpu]->name.n);
    }
}

/* What the kernel decides on this CPU now. */
static struct env *next_on(uint32_t cpu)
{
    mock_cpu = cpu;
    return mock_next();
}

/* The environment that this CPU runs makes a call, and the kernel decides. */
static int64_t enter(uint32_t cpu, uint64_t number, uint64_t argument)
{
    mock_cpu = cpu;
    struct env *env = current;
    env->context.rax = number;
    env->context.rdi = argument;
    cpu_call(env);
    int64_t result = (int64_t)env->context.rax;
    mock_next();
    return result;
}

static bool is_stirred(uint32_t cpu)
{
    return processors_stirred >> cpu & 1;
}

static bool sound(void)
{
    const char *wrong = inv_all();

    for (uint32_t cpu = 0; !wrong && cpu < processor_count; cpu++)
        if (!is_stirred(cpu))
            wrong = inv_cpu_waiting(&processors[cpu], mock_alarms[cpu]);
    if (wrong)
        printf("# %s\n", wrong);
    return !wrong;
}

static void test_each_its_own(void)
{
    boot(3, 3);
    struct env *first = next_on(0), *second = next_on(1), *third = next_on(2);
    tap_ok(first && second && third && first != second && second != third && first != third &&
               sound(),
           "three CPUs run three environments");
    bool twice = false;
    uint64_t before[3] = {cpu_ticks(child[0]), cpu_ticks(child[1]), cpu_ticks(child[2])};
    for (uint32_t i = 0; i < 3000; i++) {
        mock_now += SLICE_TICKS / 3;
        struct env *env = next_on(i % 3);
        for (uint32_t cpu = 0; cpu < 3; cpu++)
            twice |= cpu != i % 3 && on_cpu(cpu) == env;
    }
    tap_ok(!twice && sound(), "nobody is on two at once");
    bool fair = true;
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t share = (cpu_ticks(child[i]) - before[i]) / (SLICE_TICKS * 10);
        fair &= share >
                60; /* of 100: half of one CPU, and what init leaves of it while it is elsewhere */
    }
    tap_ok(fair, "init can use one of them at a time: the others are the children's");
}

static void test_wake_elsewhere(void)
{
    boot(2, 2);
    next_on(0);
    next_on(1);
    enter(0, EXO_CALL_WAIT, 0);
    enter(1, EXO_CALL_WAIT, 0);
    while (on_cpu(0) || on_cpu(1)) {
        if (on_cpu(0))
            enter(0, EXO_CALL_WAIT, 0);
        if (on_cpu(1))
            enter(1, EXO_CALL_WAIT, 0);
    }
    tap_ok(mock_alarms[0] == UINT64_MAX && mock_alarms[1] == UINT64_MAX && !processors_stirred &&
               sound(),
           "all sleep: no CPU has an alarm");
    env_pend(child[1], EXO_UP_QUEUE);
    tap_ok(!is_stirred(0) && is_stirred(1) && sound(),
           "who wakes has its CPU stirred, and no other");
    tap_ok(next_on(1) == child[1] && !on_cpu(0) && mock_alarms[1] == UINT64_MAX && sound(),
           "it runs there, and alone: without an alarm");
    env_pend(init, EXO_UP_QUEUE);
    tap_ok(is_stirred(0) && is_stirred(1) && sound(), "who has slices of both may run on both");
    tap_ok(next_on(0) == init && next_on(1) == child[1] && mock_alarms[0] == UINT64_MAX &&
               mock_alarms[1] == UINT64_MAX && sound(),
           "the first takes it, and for the other nothing has changed");
    env_pend(child[1], EXO_UP_TIMER);
    tap_ok(is_stirred(1) && !is_stirred(0),
           "who runs elsewhere and gets a reason has its CPU stirred");
    CALL(init, TIMER, mock_now + 500);
    next_on(0);
    tap_ok(mock_alarms[0] == mock_now + 500 && sound(), "an alarm that it wants it gets");
}

static void test_alone(void)
{
    boot(1, 1);
    next_on(0);
    if (on_cpu(0) != init)
        enter(0, EXO_CALL_YIELD, 0);
    enter(0, EXO_CALL_WAIT, 0);
    tap_ok(on_cpu(0) == child[0] && mock_alarm <= processors[0].slice_end && sound(),
           "who has a CPU alone at last still gets the alarm that is set");
    mock_now = mock_alarm;
    tap_ok(next_on(0) == child[0] && mock_alarm == UINT64_MAX && sound(), "and no tick after that");
    mock_now += 100 * SLICE_TICKS;
    tap_ok(!is_stirred(0), "however long");
    env_pend(init, EXO_UP_QUEUE);
    tap_ok(is_stirred(0), "until somebody else wants it");
    tap_ok(next_on(0) == init && mock_alarm == mock_now + SLICE_TICKS && sound(),
           "who has it then: the slice of the other was over long ago");
}

static void test_ended_elsewhere(void)
{
    boot(2, 2);
    while (next_on(0) != init)
        enter(0, EXO_CALL_YIELD, 0);
    next_on(1);
    tap_ok(on_cpu(1) == child[1], "a child runs on another CPU than its parent");
    env_t name = child[1]->name;
    tap_ok(!CALL(init, ENV_KILL, name.n, 7) && is_stirred(1) && sound(), "its parent ends it");
    mock_cpu = 1;
    struct exo_context before = child[1]->context;
    child[1]->context.rax = EXO_CALL_CONSOLE_WRITE;
    tap_ok(cpu_call(child[1]) && child[1]->context.rdi == before.rdi && mock_console_used == 0,
           "a call that it was about to make is not carried out");
    cpu_fault(child[1], 14, 0, 0x1234);
    tap_ok(child[1]->end == EXO_END_KILLED && child[1]->end_status == 7, "nor a fault told");
    REFUSED(BUSY, CALL(init, ENV_RECLAIM, name.n), "while the CPU has it, nothing is taken back");
    next_on(1);
    tap_ok(!child[1]->on && mock_reclaim(init, name) > 0 && sound(), "after that, all is");
}

static void test_donation(void)
{
    boot(2, 2);
    while (next_on(0) != child[0])
        enter(0, EXO_CALL_YIELD, 0);
    next_on(1);
    uint64_t end = processors[0].slice_end;
    mock_now += 100;
    tap_ok(enter(0, EXO_CALL_YIELD, child[1]->name.n) == -EXO_E_BUSY && on_cpu(0) == child[0],
           "who has another CPU can be given nothing");
    REFUSED(ENV, CALL(child[0], YIELD, child[1]->name.n + 1024), "nor who does not exist");
    tap_ok(enter(0, EXO_CALL_YIELD, init->name.n) == 0 && on_cpu(0) == init &&
               processors[0].slice_end == end && mock_alarms[0] == end && sound(),
           "what is left of the slice passes to whom it names");
    tap_ok(init->pending & EXO_UP_SLICE_BEGIN || !init->pending, "(it has begun a slice)");
    mock_now = end;
    tap_ok(next_on(0) == init && processors[0].slice_end == end + SLICE_TICKS,
           "at its end the turn goes on from the donor's position");
    mock_now = processors[0].slice_end;
    tap_ok(next_on(0) == child[0] && sound(), "and comes to the donor again");
    CALL(init, WAIT, 0);
    init->pending = 0;
    cpu_consider(init);
    REFUSED(BUSY, CALL(child[0], YIELD, init->name.n), "who sleeps can be given nothing");
    CALL(init, ENV_KILL, child[0]->name.n, 0);
    next_on(0);
    tap_ok(on_cpu(0) != child[0] && sound(), "and the dead have nothing to give");
}

/* Two share a CPU, and the one that runs has asked to be told of the end. */
static void grace(void)
{
    boot(1, 1);
    mock_control(child[0])->wants_end = 1;
    while (next_on(0) != child[0])
        enter(0, EXO_CALL_YIELD, 0);
    child[0]->pending = 0;
    mock_now = processors[0].slice_end;
    next_on(0);
}

static void test_slice_end(void)
{
    grace();
    tap_ok(on_cpu(0) == child[0] && (child[0]->pending & EXO_UP_SLICE_END) &&
               mock_alarm == mock_now + GRACE_TICKS && sound(),
           "who asked is told of the end, and has its grace");
    uint64_t preempts = child[0]->preempts;
    enter(0, EXO_CALL_YIELD, 0);
    tap_ok(on_cpu(0) == init && child[0]->preempts == preempts && !child[0]->forfeits,
           "who gives way within it has lost nothing");
    mock_now = processors[0].slice_end;
    next_on(0);
    tap_ok(on_cpu(0) == child[0], "and has its next slice");
    grace();
    env_unpend(child[0], ~0u);
    enter(0, EXO_CALL_WAIT, 0);
    tap_ok(on_cpu(0) == init && child[0]->waiting && !child[0]->forfeits && sound(),
           "nor has who goes to sleep");

    grace();
    mock_now += GRACE_TICKS - 1;
    next_on(0);
    tap_ok(on_cpu(0) == child[0], "the grace lasts as long as it says");
    mock_now++;
    next_on(0);
    tap_ok(on_cpu(0) == init && child[0]->forfeits == 1 && sound(), "and no longer");
    mock_now = processors[0].slice_end;
    next_on(0);
    tap_ok(on_cpu(0) == init && !child[0]->forfeits && sound(), "it cost the next slice");
    mock_now = processors[0].slice_end;
    next_on(0);
    tap_ok(on_cpu(0) == child[0] && sound(), "and that one alone");

    grace();
    mock_now += GRACE_TICKS;
    next_on(0);
    enter(0, EXO_CALL_WAIT, 0);
    tap_ok(on_cpu(0) == child[0] && sound(), "a slice that nobody else wants is not lost");
    mock_now += 10 * SLICE_TICKS;
    next_on(0);
    tap_ok(on_cpu(0) == child[0] && !processors[0].ending, "and who is alone hears of no end");
}

/* Over many turns one that overruns its grace has no more than its share. */
static void test_overrun_is_paid(void)
{
    boot(1, 1);
    mock_control(child[0])->wants_end = 1;
    next_on(0);
    uint64_t start = mock_now, had = cpu_ticks(child[0]);
    while (mock_now - start < 1000ull * SLICE_TICKS) {
        mock_now = mock_alarm;
        next_on(0);
    }
    uint64_t share = (cpu_ticks(child[0]) - had) * 1000 / (mock_now - start);
    tap_ok(share < 500, "who always overruns gets less than its half (%u per mille)",
           (unsigned)share);
}

static bool told_ready(const struct env *env, const struct env *of)
{
    uint32_t slot = EXO_ENV_SLOT(of->name.n);

    return mock_control(env)->ready[slot / 64] >> slot % 64 & 1;
}

/* A parent that watches hears when a child falls asleep or wakes; and its parent of it. */
static void test_watch(void)
{
    boot(1, 0);
    child[0] = mock_child_with(init, 10, 1, 0, true);
    struct env *grandchild = mock_child(child[0], 3, true);
    mock_control(child[0])->disabled = mock_control(grandchild)->disabled = 1;
    CALL(init, SLICE_SET, 1, child[0]->name.n);
    CALL(init, SLICE_SET, 3, child[0]->name.n);
    while (next_on(0) != child[0])
        enter(0, EXO_CALL_YIELD, 0);
    CALL(child[0], SLICE_SET, processors[0].position, grandchild->name.n);
    tap_ok(!(init->pending & EXO_UP_READY) && !inv_all(), "who does not watch is told nothing");
    mock_control(init)->watch = mock_control(child[0])->watch = 1;
    init->pending = child[0]->pending = 0;
    CALL(init, WAIT, 0);
    enter(0, EXO_CALL_WAIT, 0);
    tap_ok(on_cpu(0) == init && (init->context.rax & EXO_UP_READY) && !told_ready(init, child[0]) &&
               sound(),
           "a child falls asleep: its parent wakes, and reads which");
    CALL(init, WAIT, 0);
    next_on(0);
    tap_ok(on_cpu(0) == grandchild && sound(), "a grandchild goes on");
    enter(0, EXO_CALL_WAIT, mock_now + 1000);
    tap_ok((init->context.rax & EXO_UP_READY) && told_ready(init, child[0]) && sound(),
           "it falls asleep: its parent wakes, and so does the parent of that one");
    while (on_cpu(0) && on_cpu(0) != child[0])
        enter(0, EXO_CALL_WAIT, 0);
    tap_ok(on_cpu(0) == child[0] && (child[0]->context.rax & EXO_UP_READY) &&
               !told_ready(child[0], grandchild) && sound(),
           "and reads it");
    CALL(child[0], WAIT, 0);
    child[0]->pending = 0;
    cpu_consider(child[0]);
    next_on(0);
    mock_now += 1000;
    next_on(0);
    tap_ok(child[0]->ready &&
               set_has(&child[0]->ready_children, EXO_ENV_SLOT(grandchild->name.n)) && sound(),
           "its deadline wakes it: its parent is told as well");
    CALL(init, ENV_KILL, grandchild->name.n, 0);
    tap_ok(!set_has(&child[0]->ready_children, EXO_ENV_SLOT(grandchild->name.n)) && sound(),
           "the dead cannot run");
}

/* Who owns the position whose turn it is has the CPU: taken from one, it is the other's at once. */
static void test_move(void)
{
    boot(2, 2);
    for (next_on(0); on_cpu(0);)
        enter(0, EXO_CALL_WAIT, 0);
    bool runs = next_on(1) == child[1];
    uint32_t position = processors[1].position;
    CALL(init, SLICE_SET, position ^ 1, child[1]->name.n);
    CALL(init, SLICE_SET, position, child[1]->name.n);
    for (uint32_t i = slice_each; i < 2 * slice_each; i++)
        if (i != position)
            CALL(init, SLICE_SET, i, child[0]->name.n);
    tap_ok(runs && !is_stirred(1), "who keeps the position whose turn it is loses nothing");
    CALL(init, SLICE_SET, position, child[0]->name.n);
    tap_ok(is_stirred(1), "who loses it has its CPU stirred");
    env_pend(child[0], EXO_UP_QUEUE);
    tap_ok(next_on(1) == child[0] && sound(), "and loses that within its slice");
}

/* A call after which nothing has changed that was decided on goes back at once. */
static void test_settled(void)
{
    static const struct {
        uint64_t number;
        bool decides;
    } calls[] = {{EXO_CALL_INFO, false},
                 {EXO_CALL_TIMER, true},
                 {EXO_CALL_YIELD, true},
                 {EXO_CALL_INFO, false}};

    boot(1, 1);
    next_on(0);
    for (uint32_t i = 0; i < 4; i++) {
        struct env *env = on_cpu(0);
        env->context.rax = calls[i].number;
        env->context.rdi = calls[i].number == EXO_CALL_TIMER ? mock_now + 500 : 0;
        env->context.rsi = env->context.rdx = 0;
        tap_ok(cpu_call(env) == calls[i].decides, "%s %s", exo_call_name((uint32_t)calls[i].number),
               calls[i].decides ? "has the kernel decide anew" : "has not");
        next_on(0);
    }
}

int main(void)
{
    test_each_its_own();
    test_wake_elsewhere();
    test_alone();
    test_ended_elsewhere();
    test_donation();
    test_slice_end();
    test_overrun_is_paid();
    test_watch();
    test_settled();
    test_move();
    return tap_done();
}
