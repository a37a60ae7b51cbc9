/* SPDX-License-Identifier: MIT */
/*
 * thread.c - threads: made, blocked, woken, ended. switching.c has how the CPU goes from one to
 * another; which one gets it is the policy's choice.
 *
 *   H1  a thread is with the policy exactly while it is READY, with blocked.c exactly while BLOCKED
 *   H2  `thread_current` is the RUNNING one; all of this changes only with upcalls off
 *   H3  when no thread is READY the CPU is given back by `wait`: nothing is polled
 *   H4  `thread_ready` threads are READY
 */
#include "blocked.h"
#include "inherit.h"
#include "libos.h"
#include "switching.h"
#include "trace.h"

#include <string.h>

#define BUCKET     4u /* threads a page */
#define THREAD_MAX 1024u

_Static_assert(sizeof(struct thread) * BUCKET <= EXO_PAGE_SIZE, "BUCKET threads fit a page");

const struct sched *thread_policy;
uint32_t libos_queue_events, libos_child_events, libos_notify_events;

void (*libos_revoke_hook)(uint32_t reasons);

struct thread *thread_all;
static struct thread *free_threads;
unsigned thread_living, thread_ready;
static int next_id = 1;

static int current_id(void)
{
    return thread_current ? thread_current->id : 0;
}

void thread_make_ready(struct thread *thread, enum enqueue_why why)
{
    thread->state = THREAD_READY;
    thread_ready++;
    trace_event(EXO_TRACE_ENQUEUED, why, thread->id, (unsigned)current_id());
    thread_policy->enqueue(thread, why);
    if (vcpus_many) {
        vcpus_offer(thread, why);
        return;
    }
    struct thread *running = thread_current;
    if (running && why != ENQUEUE_PREEMPTED && thread_policy->wakeup(thread, &running, 1) == 0)
        VCPU->switch_due = true;
}

/* Critical. NULL: memory is out. */
static struct thread *thread_take(void)
{
    if (!free_threads) {
        struct thread *page = thread_living < THREAD_MAX ? vm_alloc(1, EXO_DATA) : NULL;
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
    switching_restart(thread);
    thread->context = (struct exo_context){.rip = (uint64_t)entry,
                                           .rdi = (uint64_t)argument,
                                           .rsp = (stack_high & ~15ull) - 8,
                                           .rflags = 0x202};
    thread->fpu[0] = 0x7f; /* FNINIT's control word, and MXCSR after a reset */
    thread->fpu[1] = 0x03;
    thread->fpu[24] = 0x80;
    thread->fpu[25] = 0x1f;
    thread_living++;
    trace_event(EXO_TRACE_CREATED, 0, thread->id, (unsigned)thread->id);
    thread_make_ready(thread, ENQUEUE_NEW);
    if (thread_current)
        switching_timer(); /* who makes it is alone no more */
    return thread;
}

unsigned thread_count(void)
{
    return thread_living;
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
    blocked_add(self);
    switching_stop();
    trace_event(EXO_TRACE_BLOCKED, 0, self->id, (uint64_t)address);
    if (thread_policy->leave)
        thread_policy->leave(self, false);
    switch_out(&self->saved);
    return !self->timed_out;
}

void thread_wake_one(struct thread *thread)
{
    blocked_remove(thread);
    thread_make_ready(thread, ENQUEUE_WOKEN);
}

struct thread *thread_waiting(const void *address, const struct thread *after)
{
    return blocked_at(address, after);
}

unsigned thread_wake(const void *address, uint32_t bits, unsigned count)
{
    unsigned woken = 0;

    for (struct thread *at = blocked_at(address, NULL), *next; at && woken < count; at = next) {
        next = blocked_at(address, at);
        if (!(at->bits & bits))
            continue;
        thread_wake_one(at);
        woken++;
    }
    return woken;
}

static void expire(uint64_t now)
{
    struct thread *thread;

    while ((thread = blocked_due(now))) {
        thread->timed_out = true;
        thread_wake_one(thread);
    }
}

void thread_events(uint32_t reasons)
{
    if (reasons & EXO_UP_QUEUE) {
        libos_queue_events++;
        thread_wake(&libos_queue_events, UINT32_MAX, UINT32_MAX);
    }
    if (reasons & (EXO_UP_CHILD | EXO_UP_CHANNEL | EXO_UP_READY)) {
        libos_child_events++;
        thread_wake(&libos_child_events, UINT32_MAX, UINT32_MAX);
    }
    if (reasons & EXO_UP_NOTIFY && control->notified) { /* else one of our vCPUs woke another */
        libos_notify_events++;
        thread_wake(&libos_notify_events, UINT32_MAX, UINT32_MAX);
    }
    if (reasons & (EXO_UP_REVOKE | EXO_UP_REPOSSESSED) && libos_revoke_hook)
        libos_revoke_hook(reasons);
    if (reasons & EXO_UP_CALL)
        gate_incoming();
    if (reasons & (EXO_UP_TIMER | EXO_UP_DEADLINE | EXO_UP_SLICE_BEGIN)) {
        expire(time_tsc());
        switching_events(reasons & EXO_UP_TIMER);
    }
    vcpus_events(reasons);
}

/* --- the end ------------------------------------------------------------------------- */

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
    thread_living--;
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
    switching_stop();
    inherit_end(thread_all, self);
    if (thread_policy->leave)
        thread_policy->leave(self, true);
    if (word) {
        *(volatile int *)word = 0;
        thread_wake(word, UINT32_MAX, 1);
    }
    run_on(VCPU->stack, thread_end, self);
}
