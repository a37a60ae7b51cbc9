/* SPDX-License-Identifier: MIT */
/* cpu.c - slices, waiting, timers and upcalls. */
#include "mock.h"

#include <string.h>

#define SLICE_TICKS 2000000u /* of the mock's clock of 1 GHz */

static struct env *boot_two(uint32_t of_second)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 10, true);

    for (uint32_t i = 0; i < of_second; i++)
        CALL(init, SLICE_SET, i * MOCK_SLICES / of_second, child->name.n);
    mock_next();
    return child;
}

/* `current` makes a call as a program does, and the kernel decides who runs next. */
static struct env *call(uint64_t number, uint64_t argument)
{
    current->context.rax = number;
    current->context.rdi = argument;
    cpu_call(current);
    return mock_next();
}

static void test_shares(void)
{
    struct env *child = boot_two(MOCK_SLICES / 4), *init = &envs[1];
    uint64_t start = mock_now;

    while (mock_now - start < 1000ull * MOCK_SLICES * SLICE_TICKS) {
        mock_now = mock_alarm; /* both spin: only the slice timer ends a turn */
        mock_next();
    }
    uint64_t both = cpu_ticks(init) + cpu_ticks(child);
    uint64_t share = cpu_ticks(child) * 1000 / both;
    tap_ok(share >= 249 && share <= 251, "two that spin get 75%% and 25%% (%u per mille)",
           (unsigned)share);
    tap_ok(child->preempts > 1000 && !cpu_idle_ticks(), "each turn ended by the timer");
}

static void test_yield_keeps_shares(void)
{
    struct env *child = boot_two(MOCK_SLICES / 2), *init = &envs[1];

    /* One that always yields shortly before its slice ends gains nothing by it. */
    for (uint32_t i = 0; i < 20000; i++) {
        if (current == child) {
            mock_now = mock_alarm - 1000;
            call(EXO_CALL_YIELD, 0);
        } else {
            mock_now = mock_alarm;
            mock_next();
        }
    }
    tap_ok(cpu_ticks(child) <= cpu_ticks(init), "yielding early wins no time");
}

static void test_idle(void)
{
    struct env *child = boot_two(8), *init = &envs[1];

    call(EXO_CALL_WAIT, 0);
    tap_ok(current == child, "an absent owner's positions go to who can run");
    mock_control(child)->upcall_entry = 0x401000;
    mock_control(child)->upcall_stack = 0x501000;
    uint64_t deadline = mock_now + 10 * SLICE_TICKS;
    call(EXO_CALL_WAIT, deadline);
    tap_ok(!current && mock_alarm == deadline, "nobody can run: idle until the deadline");
    mock_now += 100;
    tap_ok(!mock_next(), "before it nobody runs");
    mock_now = deadline;
    tap_ok(mock_next() == child && (child->context.rax & EXO_UP_DEADLINE) && !child->waiting,
           "at the deadline wait returns DEADLINE");
    tap_ok(cpu_idle_ticks() == 10 * SLICE_TICKS, "the time between counts as idle");
    call(EXO_CALL_WAIT, mock_now - 5);
    tap_ok(current == child && child->context.rax == EXO_UP_DEADLINE,
           "a deadline that has passed returns at once");
    call(EXO_CALL_WAIT, 0);
    tap_ok(!current && mock_alarm == UINT64_MAX, "no deadline: idle without an alarm");
    env_pend(init, EXO_UP_QUEUE);
    tap_ok(mock_next() == init && (init->context.rax & EXO_UP_QUEUE), "an event wakes at once");
}

static void test_timers_apart(void)
{
    struct env *child = boot_two(MOCK_SLICES / 2), *init = &envs[1];
    uint64_t start = mock_now;

    init->timer = child->timer = 0;
    CALL(init, TIMER, start + 1000);
    CALL(child, TIMER, start + 900000);
    init->pending = child->pending = 0;
    mock_control(init)->disabled = mock_control(child)->disabled = 1;
    mock_now = start + 1000;
    mock_next();
    tap_ok((init->pending & EXO_UP_TIMER) && !(child->pending & EXO_UP_TIMER),
           "a timer that passes does not raise another that has not");

    child = boot_two(MOCK_SLICES / 2), init = &envs[1];
    start = mock_now;
    CALL(init, WAIT, start + 1000);
    CALL(child, WAIT, start + 900000);
    init->pending = child->pending = 0;
    mock_next();
    mock_now = start + 1000;
    mock_next();
    tap_ok(current == init && child->waiting, "nor a deadline another");
    CALL(init, WAIT, 0);
    init->pending = 0;
    CALL(init, TIMER, mock_now + 10);
    mock_next();
    CALL(init, ENV_KILL, child->name.n, 0);
    init->pending = 0;
    mock_now += 10;
    mock_next();
    CALL(init, WAIT, 0);
    init->pending = 0;
    mock_next();
    tap_ok(!current && mock_alarm == UINT64_MAX, "nobody waits for the deadline of the dead");
}

/* Who has a timer and a deadline hears of the one that has come. */
static void test_timer_or_deadline(void)
{
    static const struct {
        uint64_t timer, deadline; /* from now; 0: none */
        uint32_t told;
    } round[] = {
        {1000, 5000, EXO_UP_TIMER}, {5000, 1000, EXO_UP_DEADLINE}, {1000, 0, EXO_UP_TIMER}};

    for (uint32_t i = 0; i < sizeof(round) / sizeof(*round); i++) {
        struct env *init = mock_boot();
        env_unpend(init, ~0u);
        CALL(init, TIMER, mock_now + round[i].timer);
        CALL(init, WAIT, round[i].deadline ? mock_now + round[i].deadline : 0);
        mock_next();
        mock_now += 1000;
        mock_next();
        tap_ok(current == init &&
                   (init->context.rax & (EXO_UP_TIMER | EXO_UP_DEADLINE)) == round[i].told,
               "of timer and deadline the one that has come is told (%u)", i);
    }
}

static void test_ticks(void)
{
    struct env *child = boot_two(1), *init = &envs[1];
    uint64_t before[2], after[2];
    struct env *const env[] = {init, child};

    while (current != init)
        call(EXO_CALL_YIELD, 0);
    for (uint32_t i = 0; i < 2; i++)
        before[i] = (uint64_t)CALL(init, INFO, EXO_INFO_ENV, env[i]->name.n, EXO_ENV_TICKS);
    mock_now += 500;
    for (uint32_t i = 0; i < 2; i++)
        after[i] = (uint64_t)CALL(init, INFO, EXO_INFO_ENV, env[i]->name.n, EXO_ENV_TICKS);
    tap_ok(after[0] - before[0] == 500, "who runs is told of the time up to now");
    tap_ok(after[1] == before[1], "and another had none of it");
}

static void test_dead_timer(void)
{
    struct env *child = boot_two(MOCK_SLICES / 2), *init = &envs[1];

    CALL(child, TIMER, mock_now + 900000);
    CALL(init, ENV_KILL, child->name.n, 0);
    CALL(init, TIMER, mock_now + 10);
    mock_control(init)->disabled = 1;
    mock_now += 10;
    mock_next();
    init->pending = 0;
    CALL(init, WAIT, 0);
    mock_next();
    tap_ok(!current && mock_alarm == UINT64_MAX, "nor for its timer");
}

static void test_yield_and_preempts(void)
{
    struct env *child = boot_two(MOCK_SLICES / 2), *init = &envs[1];

    mock_control(init)->disabled = mock_control(child)->disabled = 1;
    struct env *first = current, *other = first == init ? child : init;
    uint64_t before = first->preempts;
    tap_ok(call(EXO_CALL_YIELD, 0) == other, "after yield the other has the CPU");
    tap_ok(first->preempts == before, "who yields was not preempted");
    before = other->preempts;
    call(EXO_CALL_WAIT, 0);
    tap_ok(other->preempts == before && current == first, "nor who waits");
    before = first->preempts;
    mock_now = mock_alarm;
    mock_next();
    tap_ok(first->preempts == before + 1, "who spins was");
}

/* Every order of an event and the steps towards sleep: the event is seen. */
static void test_no_lost_wakeup(void)
{
    for (uint32_t when = 0; when < 4; when++) {
        struct env *init = mock_boot();
        mock_control(init)->disabled = 1;
        bool seen = false;
        if (when == 0)
            env_pend(init, EXO_UP_QUEUE); /* before the last look */
        if (when == 1) {
            mock_next();
            env_pend(init, EXO_UP_QUEUE); /* after the look, before the call */
        }
        init->context.rax = EXO_CALL_WAIT;
        init->context.rdi = 0;
        cpu_call(current);
        if (when == 2)
            env_pend(init, EXO_UP_QUEUE); /* between the call and the decision */
        mock_next();
        if (when == 3) {
            env_pend(init, EXO_UP_QUEUE); /* while it sleeps */
            mock_next();
        }
        seen = current == init && (init->context.rax & EXO_UP_QUEUE);
        tap_ok(seen && !init->pending, "an event at point %u ends the wait", when);
    }
}

static void test_upcall(void)
{
    struct env *init = mock_boot();
    struct exo_control *control = mock_control(init);

    mock_now = mock_alarm;
    mock_next(); /* take care of what booting left */
    control->disabled = 0;
    control->upcall_entry = 0;
    env_unpend(init, ~0u);
    mock_next();
    tap_ok(init->state == EXO_ENV_LIVE && !init->upcalls && current == init,
           "without a reason there is no upcall, whatever its entry is");
    control->upcall_entry = 0x401000;
    control->upcall_stack = 0x501ff8;
    env_pend(init, EXO_UP_QUEUE);
    init->context = (struct exo_context){.rax = 1,
                                         .rbx = 2,
                                         .rip = 0x400123,
                                         .rsp = 0x7000,
                                         .rflags = 0x246,
                                         .fs_base = 8,
                                         .gs_base = 9};
    struct exo_context before = init->context;
    mock_next();
    tap_ok(init->context.rip == 0x401000 && init->context.rsp == 0x501ff8 &&
               (init->context.rdi & EXO_UP_QUEUE) && init->context.fs_base == 8 &&
               init->context.gs_base == 9 && !init->context.rax && !init->context.rbx,
           "an upcall enters where the control page says, with clean registers");
    tap_ok(control->disabled == 1 && !control->pending &&
               !memcmp(&control->saved, &before, sizeof(before)),
           "what it interrupted is in the control page, and upcalls are disabled");
    uint64_t count = init->upcalls;
    env_pend(init, EXO_UP_TIMER);
    mock_next();
    tap_ok(init->upcalls == count && control->pending == EXO_UP_TIMER,
           "while disabled none is delivered, and the page says so");
    control->disabled = 0;
    call(EXO_CALL_YIELD, 0);
    tap_ok(init->upcalls == count + 1 && control->saved.rax == 0 &&
               (init->context.rdi & EXO_UP_TIMER),
           "enabled again, the withheld one comes out of yield");
    control->pending = 0xffff;
    control->disabled = 0;
    mock_next();
    tap_ok(init->upcalls == count + 1, "what the program writes into `pending` is not believed");

    call(EXO_CALL_TIMER, mock_now + 500);
    tap_ok(mock_alarm == mock_now + 500, "a timer within a slice sets the alarm");
    mock_now += 500;
    mock_next();
    tap_ok(init->context.rdi == EXO_UP_TIMER, "and raises TIMER");
    control->disabled = 0;
    call(EXO_CALL_TIMER, mock_now + 500);
    call(EXO_CALL_TIMER, 0);
    count = init->upcalls;
    mock_now += 1000;
    mock_next();
    tap_ok(init->upcalls == count, "a timer that was cancelled raises nothing");
}

static void test_faults(void)
{
    static const struct {
        uint64_t entry, stack;
    } unusable[] = {{0, 0x500000},     {1ull << 47, 0x500000},
                    {~0ull, 0x500000}, {0x8000000000001000ull, 0x500000},
                    {0x400000, 0},     {0x400000, ~0ull}};

    struct env *init = mock_boot();
    struct exo_control *control = mock_control(init);
    control->disabled = 0;
    control->upcall_entry = 0x401000;
    control->upcall_stack = 0x501000;
    cpu_fault(current, 14, 6, 0xdead000);
    mock_next();
    tap_ok((init->context.rdi & EXO_UP_FAULT) && control->fault.vector == 14 &&
               control->fault.error == 6 && control->fault.address == 0xdead000,
           "a fault is an upcall that says what and where");
    init->context.rip = 0x402222;
    cpu_fault(current, 6, 0, 0);
    mock_next();
    tap_ok(init->state == EXO_ENV_ZOMBIE && init->end == EXO_END_FAULT && init->end_status == 6 &&
               init->end_rip == 0x402222 && !current,
           "a fault within an upcall ends the environment");

    for (uint32_t i = 0; i < sizeof(unusable) / sizeof(*unusable); i++) {
        struct env *child = boot_two(MOCK_SLICES / 2), *parent = &envs[1];
        mock_control(child)->upcall_entry = unusable[i].entry;
        mock_control(child)->upcall_stack = unusable[i].stack;
        mock_control(child)->disabled = 0;
        for (uint32_t turn = 0; turn < 4; turn++) {
            mock_now = mock_alarm;
            mock_next();
        }
        tap_ok(child->state == EXO_ENV_ZOMBIE && child->end == EXO_END_UPCALL &&
                   current == parent && (parent->pending & EXO_UP_CHILD) && !inv_all(),
               "unusable upcall entry or stack %u ends its own environment alone", i);
    }
}

/* A number outside the table: an upcall with every register, or an error. */
static void test_foreign(void)
{
    static const uint64_t numbers[] = {EXO_CALLS, 0x10001, 1ull << 32, ~0ull};

    for (uint32_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        struct env *init = mock_boot();
        struct exo_control *control = mock_control(init);
        struct exo_context before = {.rax = numbers[i],
                                     .rbx = 1,
                                     .rdi = 2,
                                     .rsi = 3,
                                     .rdx = 4,
                                     .r10 = 5,
                                     .r15 = 6,
                                     .rip = 0x400123,
                                     .rsp = 0x7000,
                                     .rflags = 0x246,
                                     .fs_base = 8};
        init->pending = 0;
        control->disabled = 0;
        control->upcall_entry = 0x401000;
        control->upcall_stack = 0x501ff8;
        init->context = before;
        uint64_t calls = init->calls;
        cpu_call(current);
        tap_ok(!memcmp(&init->context, &before, sizeof(before)) &&
                   control->pending == EXO_UP_FOREIGN && init->calls == calls + 1,
               "call 0x%lx changes no register and is a reason", (unsigned long)numbers[i]);
        mock_now = mock_alarm; /* whatever happens before the upcall, it tells of the call */
        mock_next();
        tap_ok(init->context.rip == 0x401000 && (init->context.rdi & EXO_UP_FOREIGN) &&
                   !memcmp(&control->saved, &before, sizeof(before)) && control->disabled == 1,
               "and an upcall with the caller's registers in `saved`");

        init->context = before;
        cpu_call(current);
        bool kept = init->context.rip == before.rip && init->context.rbx == before.rbx;
        tap_ok(init->context.rax == (uint64_t)-EXO_E_CALL && kept && !init->pending,
               "with upcalls disabled it is the error CALL and no reason");
    }
}

static void test_kill_current(void)
{
    struct env *child = boot_two(MOCK_SLICES / 2), *init = &envs[1];

    while (current != child) {
        mock_now = mock_alarm;
        mock_next();
    }
    child->context.rsi = 9;
    call(EXO_CALL_ENV_KILL, EXO_ENV_SELF);
    tap_ok(current == init && child->end == EXO_END_SELF && child->end_status == 9,
           "who ends itself loses the CPU at once");
}

static uint32_t children_with(uint32_t reason)
{
    uint32_t count = 0;

    for (uint32_t slot = 2; slot < MOCK_ENVS; slot++)
        count += envs[slot].state == EXO_ENV_LIVE && (envs[slot].pending & reason);
    return count;
}

/* However many are due at once, one decision does a bounded part, and the next go on with it. */
static void test_many_at_once(void)
{
    enum { CHILDREN = 20, ENDED_AT_ONCE = 8 };
    struct env *init = mock_boot(), *child[CHILDREN];

    mock_control(init)->disabled = 1;
    for (uint32_t i = 0; i < CHILDREN; i++) {
        child[i] = mock_child(init, 3, true);
        CALL(child[i], TIMER, mock_now + 10 + i % 2);
    }
    mock_next();
    tap_ok(mock_alarm == mock_now + 10 && !inv_all(), "the first of twenty timers is the alarm");
    mock_now += 100;
    mock_next();
    uint32_t first = children_with(EXO_UP_TIMER), rounds = 1;
    tap_ok(first && first < CHILDREN && mock_alarm <= mock_now,
           "twenty timers at once: some are raised (%u), and the alarm is now", first);
    while (mock_alarm <= mock_now && rounds < CHILDREN) {
        mock_next();
        rounds++;
    }
    tap_ok(children_with(EXO_UP_TIMER) == CHILDREN && rounds <= 3 && !inv_all(),
           "the others follow at once (%u rounds)", rounds);

    for (uint32_t i = 0; i < CHILDREN; i++) {
        CALL(init, SLICE_SET, i, child[i]->name.n);
        mock_control(child[i])->disabled = 0; /* and no upcall entry: each ends when it would run */
    }
    CALL(init, WAIT, 0);
    init->pending = 0;
    mock_control(init)->upcall_entry = 0x401000;
    mock_control(init)->upcall_stack = 0x501000;
    cpu_consider(init);
    mock_next();
    uint32_t left = children_with(~0u);
    tap_ok(left >= CHILDREN - ENDED_AT_ONCE && left < CHILDREN &&
               (current || mock_alarm <= mock_now),
           "twenty that end over their upcall: some do (%u are left)", left);
    for (rounds = 0; rounds < 2 * MOCK_SLICES && children_with(~0u); rounds++) {
        mock_now = mock_alarm > mock_now ? mock_alarm : mock_now;
        mock_next();
    }
    tap_ok(!children_with(~0u) && !inv_all() && !inv_cpu_waiting(&processors[mock_cpu], mock_alarm),
           "and the others when their turn comes (%u rounds)", rounds);
}

/* Accounts are as old as facts.h says at most, and say what was true. */
static void test_accounts(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child(init, 9, true);
    const struct exo_account *mine = &accounts[1], *its = &accounts[EXO_ENV_SLOT(child->name.n)];
    env_t name = child->name;
    uint32_t slices = env_count / EXO_ACCOUNTS_AT_ONCE + 1;

    CALL(init, SLICE_SET, 3, name.n);
    for (uint32_t i = 0; i < slices; i++) {
        mock_now += machine_tsc_hz / (1000000000u / EXO_SLICE_NS);
        mock_next();
    }
    tap_ok(its->name.n == name.n && its->parent.n == init->name.n && its->state == EXO_ENV_LIVE &&
               its->slices == 1 && its->used[EXO_R_PAGES] == 2 && its->quota[EXO_R_PAGES] == 9,
           "an account says what its environment has");
    tap_ok(!strcmp(mine->label, "init") && mine->state == EXO_ENV_LIVE && mine->ticks &&
               mine->ticks <= cpu_ticks(init) && mine->used[EXO_R_ENVS] == 1,
           "and how it fares");
    tap_ok(mock_now - its->when <= slices * (machine_tsc_hz / (1000000000u / EXO_SLICE_NS)),
           "it is no older than promised");
    uint64_t when = its->when;
    mock_now++;
    mock_next();
    tap_ok(its->when == when && mine->when <= mock_now, "within a slice nothing is written twice");
    CALL(init, ENV_KILL, name.n, 0);
    mock_reclaim(init, name);
    tap_ok(!inv_all(), "an old account breaks nothing");
    for (uint32_t i = 0; i < slices; i++) {
        mock_now += machine_tsc_hz / (1000000000u / EXO_SLICE_NS);
        mock_next();
    }
    tap_ok(!its->name.n && !its->used[EXO_R_PAGES] && its->when, "who is gone has no account");
    tap_ok(!accounts[0].name.n && !accounts[env_count - 1].name.n, "nor has nobody");
}

int main(void)
{
    test_shares();
    test_yield_keeps_shares();
    test_idle();
    test_timers_apart();
    test_timer_or_deadline();
    test_ticks();
    test_dead_timer();
    test_yield_and_preempts();
    test_no_lost_wakeup();
    test_upcall();
    test_faults();
    test_foreign();
    test_kill_current();
    test_many_at_once();
    test_accounts();
    return tap_done();
}
