/* SPDX-License-Identifier: MIT */
/* vcpu.c - an application on several CPUs: whose its calls are, its time, being told, and the end of all. */
#include "mock.h"

static struct env *init, *app, *vcpu;

/* Two CPUs; the application has every other slice of both, and a vCPU for the second. */
static void boot(void)
{
    mock_cpus = 2;
    init = mock_boot();
    mock_cpus = 1;
    app = mock_child_with(init, 30, 4, 0, true);
    mock_control(app)->disabled = mock_control(init)->disabled = 1;
    for (uint32_t i = 1; i < slice_count; i += 2)
        CALL(init, SLICE_SET, i, app->name.n);
    vcpu = mock_vcpu(app, 1);
}

static struct env *next_on(uint32_t cpu)
{
    mock_cpu = cpu;
    return mock_next();
}

/* The environment on this CPU makes a call; what comes of it. */
static int64_t enter(uint32_t cpu, uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    mock_cpu = cpu;
    struct env *env = current;
    env->context.rax = number;
    env->context.rdi = a;
    env->context.rsi = b;
    env->context.rdx = c;
    cpu_call(env);
    return (int64_t)env->context.rax;
}

/* Run the vCPU on CPU 1 and `on_first` on CPU 0. */
static void start(struct env *on_first)
{
    while (next_on(0) != on_first)
        enter(0, EXO_CALL_YIELD, EXO_ENV_SELF, 0, 0);
    while (next_on(1) != vcpu)
        enter(1, EXO_CALL_YIELD, EXO_ENV_SELF, 0, 0);
}

static bool sound(void)
{
    const char *wrong = inv_all();

    if (wrong)
        printf("# %s\n", wrong);
    return !wrong;
}

static void test_made(void)
{
    boot();
    tap_ok(vcpu && vcpu->root.n == app->root.n && sound(), "a vCPU has its application's tables");
    uint64_t other = (uint64_t)CALL(app, ENV_CREATE, 0, 0, 0);
    REFUSED(BUSY, CALL(app, ENV_SET, other, EXO_ENV_SET_VCPU, 1), "a second one for that CPU");
    REFUSED(RANGE, CALL(app, ENV_SET, other, EXO_ENV_SET_VCPU, 2), "one for a CPU that is none");
    CALL(app, SLICE_SET, 1, other);
    REFUSED(BUSY, CALL(app, ENV_SET, other, EXO_ENV_SET_VCPU, 0), "one that has slices already");
    CALL(app, SLICE_SET, 1, app->name.n);
    int64_t control = CALL(app, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_CONTROL);
    REFUSED(OWNER, CALL(app, ENV_SET, other, EXO_ENV_SET_CONTROL, (uint64_t)control),
            "a control page of its parent's, for what is no vCPU");
    tap_ok(!CALL(app, ENV_SET, other, EXO_ENV_SET_VCPU, 0) &&
               !CALL(app, ENV_SET, other, EXO_ENV_SET_CONTROL, (uint64_t)control),
           "for one that is");
    REFUSED(BUSY, CALL(app, PAGE_FREE, (uint64_t)control), "free it");
    REFUSED(BUSY, CALL(app, ENV_SET, other, EXO_ENV_SET_ROOT, app->root.n), "give it other tables");
    tap_ok(mock_reclaim(app, (env_t){(uint32_t)other}) > 0 && !app->vcpu[0] &&
               !CALL(app, PAGE_FREE, (uint64_t)control) && sound(),
           "reclaimed before it ran, it leaves all as it was");
}

static void test_acts(void)
{
    boot();
    start(app);
    uint32_t pages = app->used[EXO_R_PAGES];
    int64_t frame = enter(1, EXO_CALL_PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA);
    tap_ok(frame > 0 && app->used[EXO_R_PAGES] == pages + 1 && !vcpu->used[EXO_R_PAGES] &&
               frame_of(app, (frame_t){(uint32_t)frame}),
           "what a vCPU asks for is its application's");
    tap_ok(enter(1, EXO_CALL_INFO, EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME) == app->name.n,
           "it is called as that");
    enter(1, EXO_CALL_TIMER, mock_now + 900, 0, 0);
    tap_ok(vcpu->timer == mock_now + 900 && !app->timer, "its timer is its own");
    enter(1, EXO_CALL_WAIT, 0, 0, 0);
    next_on(1);
    tap_ok(vcpu->waiting && !app->waiting && app->ready && on_cpu(0) == app && sound(),
           "it waits alone");
    tap_ok(enter(0, EXO_CALL_NOTIFY, vcpu->name.n, 0, 0) == 0 && vcpu->pending & EXO_UP_NOTIFY &&
               vcpu->ready && sound(),
           "its application wakes it, and needs no word for that");
    start(app);
    tap_ok(enter(1, EXO_CALL_NOTIFY, app->name.n, 0, 0) == 0 && app->pending & EXO_UP_NOTIFY,
           "and it its application");
    struct env *other = mock_child(init, 5, true);
    REFUSED(OWNER, CALL(other, NOTIFY, vcpu->name.n, 1), "others are not allowed to");
    CALL(other, NOTIFY_ALLOW, app->name.n, 1);
    tap_ok(enter(1, EXO_CALL_NOTIFY, other->name.n, 4, 0) == 0 &&
               mock_control(other)->notified == 4,
           "it may whatever its application may");
}

static uint32_t owned_by(const struct env *env, uint32_t cpu)
{
    uint32_t count = 0;

    for (uint32_t i = cpu * slice_each; i < (cpu + 1) * slice_each; i++)
        count += slice_owner[i] == env - envs;
    return count;
}

static void test_time(void)
{
    boot();
    uint32_t half = slice_each / 2;
    tap_ok(owned_by(app, 0) == half && owned_by(vcpu, 1) == half && !owned_by(app, 1) && sound(),
           "slices of its CPU are its own from the start");
    CALL(init, SLICE_SET, slice_each, app->name.n);
    tap_ok(owned_by(vcpu, 1) == half + 1 && sound(), "and those that its application is given");
    CALL(init, SLICE_SET, 0, vcpu->name.n);
    tap_ok(owned_by(app, 0) == half + 1 && sound(), "which in turn has those of other CPUs");
    start(app);
    tap_ok(on_cpu(0) == app && on_cpu(1) == vcpu && sound(), "both run at once");
}

static void test_told(void)
{
    boot();
    start(app);
    struct exo_control *control = mock_control(app);
    tap_ok(control->cpus == 3 && !(app->pending & EXO_UP_CPUS), "who did not ask is not told");
    control->wants_cpus = 1;
    for (uint32_t i = 1; i < slice_each; i += 2)
        CALL(init, SLICE_SET, slice_each + i, init->name.n);
    tap_ok(control->cpus == 1 && app->pending & EXO_UP_CPUS && vcpu->pending & EXO_UP_CPUS &&
               sound(),
           "a CPU is lost, and all are told");
    next_on(1);
    tap_ok(on_cpu(1) != vcpu && enter(0, EXO_CALL_YIELD, vcpu->name.n, 0, 0) == 0 &&
               next_on(0) == vcpu && sound(),
           "the one that lost it can be given another's time to put away what it ran");
    env_unpend(app, EXO_UP_CPUS);
    CALL(init, SLICE_SET, slice_each + 5, app->name.n);
    tap_ok(control->cpus == 3 && app->pending & EXO_UP_CPUS && owned_by(vcpu, 1) == 1,
           "it is gained again");
    env_unpend(app, EXO_UP_CPUS);
    CALL(init, SLICE_SET, slice_each + 7, app->name.n);
    tap_ok(!(app->pending & EXO_UP_CPUS), "one slice more is no news");
}

static void test_ends(void)
{
    boot();
    start(app);
    uint32_t left = init->quota[EXO_R_PAGES];
    mock_control(vcpu)->disabled = 1;
    vcpu->context.rip = 0x1234;
    cpu_fault(vcpu, 14, 0, 0x5678);
    tap_ok(app->state == EXO_ENV_ZOMBIE && vcpu->state == EXO_ENV_ZOMBIE &&
               app->end == EXO_END_FAULT && app->end_rip == 0x1234 && app->end_address == 0x5678 &&
               sound(),
           "an application ends by its vCPU's fault");
    REFUSED(BUSY, CALL(init, ENV_RECLAIM, app->name.n), "while a CPU has one of them");
    next_on(0);
    next_on(1);
    env_t name = vcpu->name;
    while (mock_env(name.n) && CALL(init, ENV_RECLAIM, app->name.n) == 1)
        ;
    tap_ok(!mock_env(name.n) && app->frames.first && sound(), "the vCPU is taken back first");
    tap_ok(mock_reclaim(init, app->name) > 0 && init->quota[EXO_R_PAGES] == left + 30 &&
               owned_by(init, 1) == slice_each && sound(),
           "all comes back");

    boot();
    start(app);
    CALL(init, ENV_KILL, app->name.n, 3);
    tap_ok(app->end_status == 3 && vcpu->state == EXO_ENV_ZOMBIE && sound(), "it ends with it");

    boot();
    start(app);
    CALL(app, ENV_KILL, vcpu->name.n, 0);
    next_on(1);
    tap_ok(app->state == EXO_ENV_LIVE && mock_reclaim(app, vcpu->name) > 0 && !app->vcpu[1] &&
               owned_by(app, 1) == slice_each / 2 && sound(),
           "an application takes its vCPU back, and its slices with it");
}

/* A vCPU answers what its application was called for; who sleeps after it is itself. */
static void test_answers(void)
{
    boot();
    uint64_t gate = (uint64_t)CALL(app, GATE_CREATE, 1);
    CALL(app, GATE_GRANT, gate, init->name.n, 1);
    start(init);
    env_unpend(app, ~0u);
    env_unpend(vcpu, ~0u);
    CALL(app, WAIT, 0);
    enter(0, EXO_CALL_GATE_CALL, gate, 1, 2);
    tap_ok(next_on(0) == app && app->gate.serves && sound(), "an application is called");
    mock_control(vcpu)->disabled = 1;
    vcpu->context.r9 = UINT64_MAX;
    enter(1, EXO_CALL_GATE_REPLY, 7, 0, 0);
    tap_ok(!app->gate.serves && init->context.rdi == 7 && !init->gate.callee &&
               !init->gate.way_to && sound(),
           "its vCPU answers, and no way leads to who did not sleep");
    tap_ok(vcpu->waiting && !app->waiting && next_on(0) && !next_on(1) && sound(),
           "it is the vCPU that sleeps then");
}

int main(void)
{
    test_made();
    test_acts();
    test_time();
    test_told();
    test_answers();
    test_ends();
    return tap_done();
}
