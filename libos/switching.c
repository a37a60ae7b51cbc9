/* SPDX-License-Identifier: MIT */
/*
 * switching.c - the CPU goes from thread to thread: who has it, for how long, since when.
 *
 *   X1  `saved` of a thread that does not run leads to a frame as switch_out leaves it, whatever way
 *       it lost the CPU: that of one that was preempted, or never ran, is in its record, leads to
 *       thread_restart, and what it has for the registers is of no matter
 *   X2  while a thread runs that has a slice, and others live, the kernel's timer is set to its end
 *       or earlier: each end of a slice is as long after its start
 *   X3  `ran` of the RUNNING one lacks the reading of cpu_clock() at which it got the CPU, so that
 *       the present reading makes it whole
 *   X4  the short way (yield.S) is open only while it does what the long one would: nobody traces,
 *       there is one vCPU, the policy can yield and pick in one step, and has a slice or is fifo (else the watch would
 *       not get to look)
 */
#include "switching.h"

#include "libos.h"
#include "offsets.h"
#include "trace.h"

#define AT(field, offset)                                                                          \
    _Static_assert(__builtin_offsetof(struct thread, field) == (offset), "offsets.h says so")
AT(saved.sp, T_SP);
AT(saved.mxcsr, T_MXCSR);
AT(saved.x87, T_X87);
AT(fs_base, T_FS);
AT(state, T_STATE);
AT(ran, T_RAN);
AT(slice_from, T_SLICE_FROM);
_Static_assert(__builtin_offsetof(struct thread, restart) ==
                   __builtin_offsetof(struct thread, context) + sizeof(struct exo_context),
               "the frame of switching_restart lies in `context`");
_Static_assert(READY == THREAD_READY && RUNNING == THREAD_RUNNING, "offsets.h says so");

#define WAY_CLOSED UINT64_MAX

/* For yield.S: what it calls while the short way is open. */
struct thread *(*yield_policy)(struct thread *running);

void thread_restart(void);
void yield_back(void);
_Noreturn void thread_restarted(void);
_Noreturn void thread_yield_long(void);
_Noreturn void thread_yield_wrong(struct thread *picked);

/* --- slices and the timer ------------------------------------------------------------ */

/* When the slice of the RUNNING one ends, on the application's own clock. */
static uint64_t slice_end(void)
{
    const struct thread *thread = thread_current;
    uint64_t ticks = thread->slice_ns ? time_ticks(thread->slice_ns) : sched_quantum;

    return ticks ? thread->slice_from + ticks : NO_ALARM;
}

void switching_alarm(uint64_t wanted)
{
    if (wanted < VCPU->armed) {
        VCPU->armed = wanted;
        exo_timer(wanted);
    }
}

/* `now` and `own`: the two clocks, read one after the other. */
static void timer_arm(uint64_t now, uint64_t own)
{
    uint64_t wanted = thread_earliest;

    if (thread_living > 1 && thread_current && !VCPU->switch_due) {
        uint64_t end = slice_end(), left = end > own ? end - own : 0;
        if (end != NO_ALARM && now + left < wanted)
            wanted = now + left;
    }
    switching_alarm(wanted);
}

void switching_timer(void)
{
    uint64_t now = time_tsc();

    timer_arm(now, cpu_clock());
}

/* X4 */
static void short_way(void)
{
    bool open = thread_policy->yield_next && !trace_ring && !vcpus_many &&
                (sched_quantum || thread_policy == &sched_fifo);

    yield_policy = thread_policy->yield_next;
    VCPU->yield_slices = open ? VCPU->clock_slices : WAY_CLOSED;
}

/* C5: what the RUNNING one has had is up to date. */
static void charge(uint64_t own)
{
    thread_current->ran_ns = time_ns_of(thread_current->ran + own);
}

void thread_charge(void)
{
    charge(cpu_clock());
    short_way();
}

void switching_stop(void)
{
    uint64_t own = cpu_clock();

    charge(own);
    thread_current->ran += own;
}

uint64_t thread_ran_ns(void)
{
    critical_enter();
    thread_charge();
    uint64_t ns = thread_current->ran_ns;
    critical_exit();
    return ns;
}

static void slice_check(uint64_t own)
{
    if (own < slice_end())
        return;
    charge(own);
    if (thread_policy->tick(thread_current) || thread_look_due(own))
        VCPU->switch_due = true;
    else
        thread_current->slice_from = own;
}

void switching_events(bool timer)
{
    if (timer)
        VCPU->armed = NO_ALARM;
    if (!thread_current)
        return; /* thread_schedule sets the timer for who runs next: until then the clock is not asked */
    uint64_t now = time_tsc(), own = cpu_clock();
    slice_check(own);
    timer_arm(now, own);
    short_way();
}

/* --- switching ----------------------------------------------------------------------- */

/* C4 and W1: threads are READY; a policy that gives nothing, or something else, is replaced. */
static struct thread *pick(void)
{
    for (;;) {
        struct thread *thread = thread_policy->pick_next(VCPU->number);
        if (thread && thread->state == THREAD_READY)
            return thread;
        thread_policy_faulty(thread);
    }
}

/* H3. Until a thread is READY; calls that handlers answer are served meanwhile. */
static void idle(void)
{
    do {
        if (!thread_living)
            libos_exit(0);
        trace_event(EXO_TRACE_IDLE, 0, 0, 0);
        uint64_t until = thread_earliest == NO_ALARM ? 0 : thread_earliest;
        uint32_t reasons = vcpus_many ? vcpu_wait(until) : gate_wait(until);
        trace_event(EXO_TRACE_AWAKE, 0, 0, reasons);
        thread_events(reasons);
        vcpu_park();
    } while (!thread_ready);
}

void thread_schedule(void)
{
    struct thread *thread;

    thread_current = NULL;
    VCPU->switch_due = false;
    vcpu_park();
    thread_look(cpu_clock());
    if (!thread_ready)
        idle();
    thread = pick();
    gate_flush();
    uint64_t now = time_tsc(), own = cpu_clock();
    thread->state = THREAD_RUNNING;
    thread->cpu = VCPU->number;
    thread->slice_from = own;
    thread->ran -= own;
    thread_ready--;
    trace_event(EXO_TRACE_RUNS, 0, thread->id, thread_ready);
    thread_current = thread;
    __asm__ volatile("wrfsbase %0" : : "r"(thread->fs_base));
    timer_arm(now, own);
    short_way();
    if (vcpus_many && thread_ready)
        vcpus_share();
    switch_in(&thread->saved);
}

void thread_give_way(void)
{
    struct thread *self = thread_current;

    switching_stop();
    thread_make_ready(self, ENQUEUE_PREEMPTED);
    switch_out(&self->saved);
}

/* sched_yield() that cannot take the short way; its thread is saved. */
void thread_yield_long(void)
{
    struct thread *self = thread_current;

    if (vcpus_many) {
        vcpus_lock();
        ((uint64_t *)self->saved.sp)[KEPT_WORDS] = (uint64_t)yield_back; /* it will have the lock */
    }
    switching_stop();
    self->state = THREAD_READY;
    thread_ready++;
    trace_event(EXO_TRACE_YIELDS, 0, self->id, 0);
    thread_policy->yield(self);
    thread_schedule();
}

/* The short way led to something that is not READY, with the thread that yields in the policy's hands. */
void thread_yield_wrong(struct thread *picked)
{
    thread_ready++;
    thread_current = NULL;
    thread_policy_faulty(picked);
    thread_schedule();
}

/* --- with all registers ---------------------------------------------------------------- */

void switching_restart(struct thread *thread)
{
    uint64_t frame = (uint64_t)(&thread->restart - KEPT_WORDS);

    thread->restart = (uint64_t)thread_restart;
    thread->saved =
        (struct thread_saved){frame, 0x1f80, 0x37f}; /* control words as after a reset */
}

/* On the resident stack. */
void thread_restarted(void)
{
    const struct thread *self = thread_current;

    __asm__ volatile("fxrstor64 %0" : : "m"(self->fpu));
    vcpu_unlock();
    resume_full(&self->context);
}

void thread_preempt(void)
{
    struct thread *self = thread_current;

    __asm__ volatile("fxsave64 %0" : "=m"(self->fpu));
    self->context = vcpu_self()->page.saved;
    switching_restart(self);
    switching_stop();
    thread_make_ready(self, ENQUEUE_PREEMPTED);
    thread_schedule();
}
