/* SPDX-License-Identifier: MIT */
/*
 * thread.c - threads: made, blocked, woken, preempted, ended. Which one runs is the policy's
 * choice.
 *
 *   H1  a thread is with the policy exactly while it is READY, on `blocked` exactly while BLOCKED
 *   H2  `thread_current` is the RUNNING one; all of this changes only with upcalls off
 *   H3  when no thread is READY the CPU is given back by `wait`: nothing is polled
 *   H4  `ready_count` threads are READY
 */
#include "inherit.h"
#include "libos.h"
#include "trace.h"

#include <string.h>

#define NO_ALARM   UINT64_MAX
#define BUCKET     4u /* threads a page */
#define THREAD_MAX 1024u

_Static_assert(sizeof(struct thread) * BUCKET <= EXO_PAGE_SIZE, "BUCKET threads fit a page");

struct thread *thread_current;
const struct sched *thread_policy;
uint32_t libos_queue_events, libos_child_events, libos_notify_events;

void (*libos_revoke_hook)(uint32_t reasons);

struct thread *thread_all;
static struct thread *blocked, *free_threads;
static uint64_t earliest = NO_ALARM;  /* no blocked thread times out before */
static uint64_t armed = NO_ALARM;     /* the kernel's timer is set to this */
static uint64_t slice_end = NO_ALARM; /* of the RUNNING one, on the application's own clock */
static bool must_switch;
static unsigned living, ready_count;
static int next_id = 1;

static int current_id(void)
{
    return thread_current ? thread_current->id : 0;
}

/* Critical. */
static void make_ready(struct thread *thread, enum enqueue_why why)
{
    thread->state = THREAD_READY;
    ready_count++;
    trace_event(EXO_TRACE_ENQUEUED, why, thread->id, (unsigned)current_id());
    thread_policy->enqueue(thread, why);
    if (thread_current && why != ENQUEUE_PREEMPTED &&
        thread_policy->wakeup(thread, &thread_current, 1) == 0)
        must_switch = true;
}

/* Critical. NULL: memory is out. */
static struct thread *thread_take(void)
{
    if (!free_threads) {
        struct thread *page = living < THREAD_MAX ? vm_alloc(1, EXO_DATA) : NULL;
        for (unsigned i = 0; page && i < BUCKET; i++) {
            page[i].next = free_threads;
            free_threads = &page[i];
            page[i].all_next = thread_all;
            thread_all = &page[i];
        }
    }
    struct thread *thread = free_threads;
    if (thread)
        free_threads = thread->next;
    return thread;
}

struct thread *thread_create(void (*entry)(void *), void *argument, uint64_t stack_low,
                             uint64_t stack_high, uint64_t fs_base)
{
    struct thread *thread = thread_take();

    if (!thread)
        return NULL;
    struct thread *all_next = thread->all_next;
    memset(thread, 0, sizeof(*thread));
    thread->all_next = all_next;
    thread->id = next_id++;
    thread->inherited = NOT_URGENT;
    thread->params = SCHED_PARAMS;
    if (thread_current) {
        thread->params.weight = thread_current->params.weight;
        thread->params.priority = thread_current->params.priority;
    }
    memcpy(thread->name, "thread ", 7);
    char digits[8];
    int count = 0, value = thread->id;
    do
        digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) && count < 8);
    for (int i = 7; count; i++)
        thread->name[i] = digits[--count];
    thread->stack_low = stack_low;
    thread->stack_high = stack_high;
    thread->fs_base = fs_base;
    thread->state = THREAD_READY;
    /* It starts like a thread that was preempted before its first instruction. */
    thread->preempted = true;
    thread->context = (struct exo_context){.rip = (uint64_t)entry,
                                           .rdi = (uint64_t)argument,
                                           .rsp = (stack_high & ~15ull) - 8,
                                           .rflags = 0x202};
    thread->fpu[0] = 0x7f; /* FNINIT's control word, and MXCSR after a reset */
    thread->fpu[1] = 0x03;
    thread->fpu[24] = 0x80;
    thread->fpu[25] = 0x1f;
    living++;
    trace_event(EXO_TRACE_CREATED, 0, thread->id, (unsigned)thread->id);
    make_ready(thread, ENQUEUE_NEW);
    return thread;
}

unsigned thread_count(void)
{
    return living;
}

/* --- the kernel's timer ------------------------------------------------------------ */

/* `now` and `own`: the two clocks, read one after the other. */
static void timer_arm(uint64_t now, uint64_t own)
{
    uint64_t wanted = earliest;

    if (living > 1 && thread_current && !must_switch && slice_end != NO_ALARM) {
        uint64_t left = slice_end > own ? slice_end - own : 0;
        if (now + left < wanted)
            wanted = now + left;
    }
    if (wanted < armed) {
        armed = wanted;
        exo_timer(wanted);
    }
}

/* The RUNNING one's slice begins. */
static void slice_begin(struct thread *thread, uint64_t own)
{
    uint64_t ns = thread->slice_ns ? thread->slice_ns : sched_quantum_ns;

    slice_end = ns ? own + time_ticks(ns) : NO_ALARM;
}

/* C5: what the RUNNING one has had is up to date. */
static void charge(uint64_t own)
{
    thread_current->ran_ns += time_ns_of(own - thread_current->switched_in);
    thread_current->switched_in = own;
}

uint64_t thread_ran_ns(void)
{
    critical_enter();
    charge(cpu_clock());
    uint64_t ns = thread_current->ran_ns;
    critical_exit();
    return ns;
}

void thread_charge(void)
{
    charge(cpu_clock());
}

static void slice_check(uint64_t own)
{
    if (!thread_current || own < slice_end)
        return;
    charge(own);
    if (thread_policy->tick(thread_current) || thread_look_due(own))
        must_switch = true;
    else
        slice_begin(thread_current, own);
}

/* --- blocking and waking ------------------------------------------------------------ */

bool thread_block(const void *address, uint32_t bits, uint64_t wake_at)
{
    struct thread *self = thread_current;

    self->address = address;
    self->bits = bits;
    self->wake_at = wake_at;
    self->timed_out = false;
    self->state = THREAD_BLOCKED;
    self->wait_next = blocked;
    blocked = self;
    if (wake_at && wake_at < earliest)
        earliest = wake_at;
    charge(cpu_clock());
    trace_event(EXO_TRACE_BLOCKED, 0, self->id, (uint64_t)address);
    if (thread_policy->leave)
        thread_policy->leave(self, false);
    switch_out(&self->sp);
    return !self->timed_out;
}

void thread_wake_one(struct thread *thread)
{
    struct thread **at = &blocked;

    while (*at != thread)
        at = &(*at)->wait_next;
    *at = thread->wait_next;
    make_ready(thread, ENQUEUE_WOKEN);
}

struct thread *thread_waiting(const void *address, const struct thread *after)
{
    struct thread *at = after ? after->wait_next : blocked;

    while (at && at->address != address)
        at = at->wait_next;
    return at;
}

unsigned thread_wake(const void *address, uint32_t bits, unsigned count)
{
    unsigned woken = 0;

    /* The list is newest first: the longest waiting is woken first by going round until done. */
    while (woken < count) {
        struct thread **oldest = NULL;
        for (struct thread **at = &blocked; *at; at = &(*at)->wait_next)
            if ((*at)->address == address && ((*at)->bits & bits))
                oldest = at;
        if (!oldest)
            break;
        struct thread *thread = *oldest;
        *oldest = thread->wait_next;
        make_ready(thread, ENQUEUE_WOKEN);
        woken++;
    }
    return woken;
}

static void expire(uint64_t now)
{
    if (now < earliest)
        return;
    earliest = NO_ALARM;
    for (struct thread **at = &blocked; *at;) {
        struct thread *thread = *at;
        if (thread->wake_at && thread->wake_at <= now) {
            *at = thread->wait_next;
            thread->timed_out = true;
            make_ready(thread, ENQUEUE_WOKEN);
            continue;
        }
        if (thread->wake_at && thread->wake_at < earliest)
            earliest = thread->wake_at;
        at = &thread->wait_next;
    }
}

void thread_events(uint32_t reasons)
{
    if (reasons & EXO_UP_QUEUE) {
        libos_queue_events++;
        thread_wake(&libos_queue_events, UINT32_MAX, UINT32_MAX);
    }
    if (reasons & (EXO_UP_CHILD | EXO_UP_CHANNEL)) {
        libos_child_events++;
        thread_wake(&libos_child_events, UINT32_MAX, UINT32_MAX);
    }
    if (reasons & EXO_UP_NOTIFY) {
        libos_notify_events++;
        thread_wake(&libos_notify_events, UINT32_MAX, UINT32_MAX);
    }
    if (reasons & (EXO_UP_REVOKE | EXO_UP_REPOSSESSED) && libos_revoke_hook)
        libos_revoke_hook(reasons);
    if (reasons & EXO_UP_CALL)
        gate_incoming();
    if (reasons & (EXO_UP_TIMER | EXO_UP_DEADLINE | EXO_UP_SLICE_BEGIN)) {
        uint64_t now = time_tsc();
        if (reasons & EXO_UP_TIMER)
            armed = NO_ALARM;
        expire(now);
        uint64_t own = cpu_clock();
        slice_check(own);
        timer_arm(now, own);
    }
}

bool thread_must_switch(void)
{
    return must_switch && thread_current;
}

/* --- switching ----------------------------------------------------------------------- */

static void stop_current(void)
{
    __asm__ volatile("rdfsbase %0" : "=r"(thread_current->fs_base));
    thread_current = NULL;
    slice_end = NO_ALARM;
}

/* C4 and W1: a policy that gives nothing though threads are READY, or something else, is replaced. */
static struct thread *pick(void)
{
    for (;;) {
        struct thread *thread = thread_policy->pick_next(0);
        if (thread ? thread->state == THREAD_READY : !ready_count)
            return thread;
        thread_policy_faulty(thread);
    }
}

void thread_schedule(void)
{
    struct thread *thread;

    if (thread_current)
        stop_current();
    must_switch = false;
    thread_look(cpu_clock());
    while (!(thread = pick())) {
        if (!living)
            libos_exit(0);
        trace_event(EXO_TRACE_IDLE, 0, 0, 0);
        uint32_t reasons = gate_wait(earliest == NO_ALARM ? 0 : earliest);
        trace_event(EXO_TRACE_AWAKE, 0, 0, reasons);
        thread_events(reasons);
    }
    gate_flush();
    uint64_t own = cpu_clock();
    thread->state = THREAD_RUNNING;
    thread->switched_in = own;
    thread->runs++;
    ready_count--;
    trace_event(EXO_TRACE_RUNS, 0, thread->id, ready_count);
    thread_current = thread;
    slice_begin(thread, own);
    __asm__ volatile("wrfsbase %0" : : "r"(thread->fs_base));
    if (earliest < armed || slice_end != NO_ALARM)
        timer_arm(time_tsc(), own);
    if (!thread->preempted)
        switch_in(thread->sp);
    thread->preempted = false;
    __asm__ volatile("fxrstor64 %0" : : "m"(thread->fpu));
    resume_full(&thread->context);
}

void thread_yield(void)
{
    struct thread *self = thread_current;

    must_switch = false;
    charge(cpu_clock());
    self->state = THREAD_READY;
    ready_count++;
    trace_event(EXO_TRACE_YIELDS, 0, self->id, 0);
    thread_policy->yield(self);
    switch_out(&self->sp);
}

void thread_give_way(void)
{
    struct thread *self = thread_current;

    charge(cpu_clock());
    make_ready(self, ENQUEUE_PREEMPTED);
    switch_out(&self->sp);
}

void thread_preempt(void)
{
    struct thread *self = thread_current;

    __asm__ volatile("fxsave64 %0" : "=m"(self->fpu));
    self->context = *(const struct exo_context *)&control->saved;
    self->preempted = true;
    charge(cpu_clock());
    make_ready(self, ENQUEUE_PREEMPTED);
    thread_schedule();
}

/* On the resident stack: the thread's own may go. */
static void thread_end(void *argument)
{
    struct thread *self = argument;

    canary_no_thread(); /* its record goes with its stack */
    if (self->unmap_size)
        vm_unmap(self->unmap_base, self->unmap_size);
    trace_event(EXO_TRACE_ENDED, 0, self->id, 0);
    self->state = THREAD_FREE;
    self->next = free_threads;
    free_threads = self;
    living--;
    thread_current = NULL;
    thread_schedule();
}

void thread_exit(void)
{
    struct thread *self = thread_current;
    int *word = self->clear_tid;

    if (word)
        *(volatile int *)word; /* U1: mapped before upcalls go off */
    critical_enter();
    charge(cpu_clock());
    inherit_end(thread_all, self);
    if (thread_policy->leave)
        thread_policy->leave(self, true);
    if (word) {
        *(volatile int *)word = 0;
        thread_wake(word, UINT32_MAX, 1);
    }
    run_on(EXO_STACK_TOP - 16, thread_end, self);
}
