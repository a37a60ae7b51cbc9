/* SPDX-License-Identifier: MIT */
/*
 * vcpu.c - several vCPUs of one application: made and stopped as its CPUs come and go, woken when there is
 * a thread for them.
 *
 *   P1  who has upcalls off holds the lock, but while it waits in the kernel or writes into a ring of its
 *       own (trace.c): what threads, policy and page tables rely on with one vCPU holds with several
 *   P2  the lock is never waited for in vain: whoever holds it has a CPU, or is lent that of one who waits
 *   P3  while threads are READY no vCPU is idle that was not woken
 *   P4  a vCPU that lost its CPU puts its thread back into the policy's hands in time that another lends
 *       it, and stays where it is until the CPU is back
 */
#include "vcpu.h"

#include <stdlib.h>

#include "libos.h"
#include "offsets.h"
#include "switching.h"
#include "trace.h"

#define STACK_PAGES EXO_STACK_PAGES
#define PATIENCE    1000u /* looks at the lock before its holder is lent time; then twice as many */

/* Looks for one PAUSE. With one for each, QEMU's threads, which take a lock of their own for it, held up
 * whoever was to give this one up, for seconds. */
#define REST     64u

#define RETRY_NS 200000u /* until one that could not be lent time is tried again */

#define AT(field, offset)                                                                          \
    _Static_assert(__builtin_offsetof(struct vcpu, field) == (offset), "offsets.h says so")
AT(current, V_CURRENT);
AT(stack, V_STACK);
AT(resume_frame, V_FRAME);
AT(resume_spare, V_SPARE);
AT(resume_flags_at, V_FLAGS_AT);
AT(yield_slices, V_YIELD_SLICES);
AT(clock_elsewhere, V_ELSEWHERE);
_Static_assert(sizeof(struct vcpu) <= VCPU_BYTES, "the operations of a batch lie behind it");

bool vcpus_many;

static struct vcpu *vcpus[SCHED_CPUS];
static unsigned count, most = 1; /* that there are, and may be */
static uint32_t holder;          /* of the lock: number and 1; 0: nobody */
static bool refused;             /* one could not be made, which was told */
static bool strays;              /* rescue() has something to do */

void vcpu_begin(void); /* entry.S */
_Noreturn void vcpu_start(void);

/* --- the lock ---------------------------------------------------------------------------- */

void vcpus_lock(void)
{
    uint32_t self = VCPU->number + 1, looks = 0, patience = PATIENCE;

    for (;;) {
        uint32_t found = __atomic_load_n(&holder, __ATOMIC_RELAXED);
        if (!found && __atomic_compare_exchange_n(&holder, &found, self, false, __ATOMIC_ACQUIRE,
                                                  __ATOMIC_RELAXED))
            return;
        if (++looks % REST == 0)
            __builtin_ia32_pause();
        if (found && looks >= patience) {
            exo_yield(vcpus[found - 1]->env); /* refused if it has a CPU */
            looks = 0;
            patience *= 2;
        }
    }
}

void vcpus_unlock(void)
{
    uint64_t kicks = VCPU->kicks;

    VCPU->kicks = 0;
    __atomic_store_n(&holder, 0, __ATOMIC_RELEASE);
    for (; kicks; kicks &= kicks - 1)
        exo_notify(vcpus[__builtin_ctzll(kicks)]->env, 0);
}

/* --- made ------------------------------------------------------------------------------- */

static void vcpu_set_up(struct vcpu *v, env_t env, uint32_t cpu, uint64_t stack)
{
    v->page.upcall_entry = (uint64_t)upcall_entry;
    v->page.upcall_stack = v->stack = stack - 16;
    v->resume_flags_at = &v->resume_frame[1];
    v->yield_slices = UINT64_MAX;
    v->armed = NO_ALARM;
    v->env = env;
    v->cpu = cpu;
    v->number = count;
    vcpus[count++] = v;
}

void vcpu_first(void)
{
    struct vcpu *v = (struct vcpu *)EXO_CONTROL_ADDRESS;

    __asm__ volatile("wrgsbase %0" : : "r"(v) : "memory");
    vcpu_set_up(v, (env_t){(uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME)},
                (uint32_t)__builtin_ctzll(v->page.cpus | 1ull << 63), EXO_STACK_TOP);
    v->online = true;
}

static bool made(struct vcpu *v, env_t env, uint32_t cpu, uint64_t stack)
{
    frame_t page = vm_frame((uint64_t)v);

    if (exo_env_set(env, EXO_ENV_SET_VCPU, cpu, 0) < 0 ||
        exo_env_set(env, EXO_ENV_SET_CONTROL, page.n, 0) < 0)
        return false;
    if (!vcpus_many) {
        vcpus_many = true;
        vcpus[0]->watched = true;
        vcpus[0]->yield_slices = UINT64_MAX;
        holder = 1; /* the first alone was there, and is in here */
    }
    vcpu_set_up(v, env, cpu, stack);
    trace_start(v);
    v->watched = true;
    exo_env_run(env, (uint64_t)vcpu_begin, v->stack, (uint64_t)v);
    return true;
}

static void vcpu_make(uint32_t cpu)
{
    struct vcpu *v = vm_alloc(1, EXO_CONTROL);
    void *stack = v ? vm_alloc(STACK_PAGES, EXO_DATA) : NULL;
    int64_t env = stack ? exo_env_create(0, 0, 0, 0, 0, 0) : -EXO_E_MEMORY;

    if (env > 0 &&
        made(v, (env_t){(uint32_t)env}, cpu, (uint64_t)stack + STACK_PAGES * EXO_PAGE_SIZE))
        return;
    if (!refused)
        console_printf("CPU %u is not used by threads: %s\n", cpu, exo_error_text(env));
    refused = true;
}

/* The first instructions in C of a further vCPU, on its stack. */
void vcpu_start(void)
{
    canary_no_thread();
    vcpus_lock();
    VCPU->online = true;
    if (thread_policy->cpu_gained)
        thread_policy->cpu_gained(VCPU->number);
    thread_schedule();
}

/* --- gained and lost -------------------------------------------------------------------------- */

static struct vcpu *vcpu_of(uint32_t cpu)
{
    for (unsigned i = 0; i < count; i++)
        if (vcpus[i]->cpu == cpu)
            return vcpus[i];
    return NULL;
}

/* It is told once the lock is free. */
static void kick(struct vcpu *v)
{
    v->idle = false;
    if (v->number != VCPU->number)
        VCPU->kicks |= 1ull << v->number;
}

/* P4: whoever has lost its CPU and not put its thread away is lent time until it has. */
static void rescue(void)
{
    strays = false;
    for (unsigned i = 0; i < count; i++) {
        struct vcpu *v = vcpus[i];
        if (!v->lost || !v->current || i == VCPU->number)
            continue;
        vcpus_unlock();
        exo_yield(v->env); /* refused if its CPU has not let go yet, or it waits in a gate */
        vcpus_lock();
        strays |= v->lost && v->current;
    }
    if (strays)
        switching_alarm(time_tsc() + time_ticks(RETRY_NS));
}

static void update(void)
{
    uint64_t cpus = control->cpus;

    /* Positions of a CPU for which there is no vCPU are the first's. */
    if (cpus && !(cpus >> vcpus[0]->cpu & 1))
        for (uint32_t cpu = 0; cpu < EXO_CPUS && !(cpus >> vcpus[0]->cpu & 1); cpu++)
            if (cpus >> cpu & 1 && !vcpu_of(cpu))
                vcpus[0]->cpu = cpu;
    for (uint32_t cpu = 0; cpu < EXO_CPUS; cpu++)
        if (cpus >> cpu & 1 && !vcpu_of(cpu) && count < most)
            vcpu_make(cpu);
    for (unsigned i = 0; i < count && count > 1; i++) {
        struct vcpu *v = vcpus[i];
        bool has = cpus >> v->cpu & 1;
        if (!has && !v->lost) {
            v->lost = v->switch_due = strays = true;
        } else if (has && v->lost) {
            v->lost = false;
            kick(v);
        }
    }
}

void vcpus_start(void)
{
    const char *setting = libos_setting("FREEHOLD_VCPUS");

    most = setting ? MIN((unsigned)atoi(setting), SCHED_CPUS) : 1;
    if (most == 1)
        return; /* its threads run where its positions are, wherever that is */
    control->wants_cpus = 1;
    update();
}

void vcpus_events(uint32_t reasons)
{
    if (reasons & EXO_UP_CPUS)
        update();
    if (strays)
        rescue();
}

void vcpu_park(void)
{
    if (!VCPU->lost)
        return;
    VCPU->online = false;
    if (thread_policy->cpu_lost)
        thread_policy->cpu_lost(VCPU->number);
    if (thread_ready)
        vcpus_share();
    while (VCPU->lost) {
        trace_event(EXO_TRACE_IDLE, EXO_TRACE_NO_CPU, 0, 0);
        uint32_t reasons = vcpu_wait(0);
        trace_event(EXO_TRACE_AWAKE, 0, 0, reasons);
        thread_events(reasons);
    }
    VCPU->online = true;
    if (thread_policy->cpu_gained)
        thread_policy->cpu_gained(VCPU->number);
}

unsigned vcpus_count(void)
{
    return count;
}

uint64_t vcpus_online(void)
{
    uint64_t online = 0;

    for (unsigned i = 0; i < count; i++)
        online |= (uint64_t)!vcpus[i]->lost << i;
    return online;
}

/* --- who runs what ---------------------------------------------------------------------------- */

uint32_t vcpu_wait(uint64_t deadline)
{
    canary_no_thread(); /* the one that ran here last may go on elsewhere, and end */
    gate_flush();
    VCPU->idle = !VCPU->lost;
    vcpus_unlock();
    env_t told = {VCPU->told.n};
    VCPU->told.n = EXO_ENV_SELF;
    uint32_t reasons = (uint32_t)exo_wait(deadline, told);
    vcpus_lock();
    VCPU->idle = false;
    return reasons;
}

static struct vcpu *idle_one(void)
{
    for (unsigned i = 0; i < count; i++)
        if (vcpus[i]->idle)
            return vcpus[i];
    return NULL;
}

void vcpus_share(void)
{
    struct vcpu *v = idle_one();

    if (v)
        kick(v);
}

void vcpus_offer(struct thread *woken, enum enqueue_why why)
{
    struct thread *running[SCHED_CPUS];

    if (!thread_current)
        return; /* it is about to pick one, and shares what is left */
    if (idle_one()) {
        vcpus_share();
        return;
    }
    if (why == ENQUEUE_PREEMPTED)
        return;
    for (unsigned i = 0; i < count; i++)
        running[i] = vcpus[i]->online && !vcpus[i]->lost ? vcpus[i]->current : NULL;
    int chosen = thread_policy->wakeup(woken, running, count);
    if (chosen < 0 || (unsigned)chosen >= count || !running[chosen])
        return;
    vcpus[chosen]->switch_due = true;
    kick(vcpus[chosen]);
}
