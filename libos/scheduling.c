/* SPDX-License-Identifier: MIT */
/*
 * scheduling.c - which policy an application has, what it asks of it, and what becomes of one that breaks
 * its contract.
 */
#include "schedule.h"

#include <errno.h>
#include <string.h>

#include "libos.h"
#include "watch.h"

uint64_t sched_quantum_ns, sched_quantum;

static uint64_t look_at; /* on the application's own clock */

/* Digits alone; the machine file was checked. */
static uint64_t number_of(const char *digits)
{
    uint64_t value = 0;

    while (*digits >= '0' && *digits <= '9' && value < UINT64_MAX / 100)
        value = value * 10 + (uint64_t)(*digits++ - '0');
    return value;
}

static void policy_start(const struct sched *policy)
{
    thread_policy = policy;
    policy->init();
    if (policy->cpu_gained)
        policy->cpu_gained(0);
}

void thread_init(void)
{
    const char *wanted = libos_setting("FREEHOLD_SCHED");
    const char *quantum = libos_setting("FREEHOLD_QUANTUM");
    const struct sched *policy = wanted ? NULL : sched_policies[0];

    for (unsigned i = 0; wanted && i < sched_policy_count; i++)
        if (!strcmp(sched_policies[i]->name, wanted))
            policy = sched_policies[i];
    if (!policy) {
        console_printf("`sched` names the policy %s, which is not in this program; it has", wanted);
        for (unsigned i = 0; i < sched_policy_count; i++)
            console_printf("%s %s", i ? "," : "", sched_policies[i]->name);
        console_printf("\n");
        libos_exit(2);
    }
    sched_quantum_ns = quantum && policy->quantum_ns ? number_of(quantum) : policy->quantum_ns;
    sched_quantum = time_ticks(sched_quantum_ns);
    look_at = cpu_clock() + time_ticks(WATCH_NS);
    policy_start(policy);
}

/* --- a policy that breaks its contract ---------------------------------------------------- */

static void told(const char *line)
{
    console_printf("sched:   %s\n", line);
}

/* No thread runs, so printing may use FPU registers. */
static void replace(struct watch_finding found)
{
    console_printf("sched: the policy %s %s %u thread%s%s%s; fifo takes over. It knows of:\n",
                   thread_policy->name, watch_word(found.verdict), found.count,
                   found.count == 1 ? "" : "s", found.thread ? ", first " : "",
                   found.thread ? found.thread->name : "");
    thread_policy->dump(told);
    thread_policy = &sched_fifo;
    watch_replace(&sched_fifo, thread_all);
}

void thread_policy_faulty(struct thread *picked)
{
    replace(watch_faulty(thread_policy, thread_all, picked));
}

bool thread_look_due(uint64_t own)
{
    return !VCPU->number && own >= look_at; /* it is the first vCPU's clock */
}

void thread_look(uint64_t own)
{
    if (!thread_look_due(own))
        return;
    look_at = own + time_ticks(WATCH_NS);
    struct watch_finding found = watch_look(thread_policy, thread_all);
    if (found.verdict != WATCH_GOOD)
        replace(found);
}

/* --- what the application asks for -------------------------------------------------------------- */

struct thread *thread_find(int id)
{
    for (struct thread *at = thread_all; at; at = at->all_next)
        if (at->state != THREAD_FREE && at->id == id)
            return at;
    return NULL;
}

static bool within_limits(const struct sched_params *p)
{
    return p->weight >= 1 && p->weight <= SCHED_WEIGHT_MAX && p->priority < SCHED_PRIORITIES &&
           p->period_ns <= SCHED_PERIOD_MAX_NS && p->runtime_ns <= p->period_ns &&
           (p->period_ns ? p->runtime_ns >= SCHED_RUNTIME_MIN_NS : !p->runtime_ns);
}

/* Critical. `wanted` is on the caller's stack, in memory. */
static int set(struct thread *thread, const struct sched_params *wanted)
{
    bool held = thread->state == THREAD_READY;
    int result = 0;

    if (thread == thread_current)
        thread_charge();
    if (held)
        thread_policy->dequeue(thread);
    if (thread_policy->set)
        result = thread_policy->set(thread, wanted);
    if (!result)
        thread->params = *wanted;
    if (held)
        thread_policy->enqueue(thread, ENQUEUE_PREEMPTED);
    if (!result && thread_current)
        thread_give_way(); /* whoever is to run by what holds now */
    return result;
}

int libos_sched_set(int id, const struct sched_params *params)
{
    const struct sched_params wanted = *params;
    int result = -ESRCH;

    if (!within_limits(&wanted))
        return -EINVAL;
    critical_enter();
    struct thread *thread = id ? thread_find(id) : thread_current;
    if (thread)
        result = set(thread, &wanted);
    critical_exit();
    return result;
}

int libos_sched_get(int id, struct sched_params *params)
{
    struct sched_params found = {0};

    critical_enter();
    struct thread *thread = id ? thread_find(id) : thread_current;
    if (thread)
        found = thread->params;
    critical_exit();
    if (thread)
        *params = found;
    return thread ? 0 : -ESRCH;
}
