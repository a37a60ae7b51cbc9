/* SPDX-License-Identifier: MIT */
/*
 * policies.c - what an application gets of its scheduling policy, whose name is its first argument:
 * threads that all come to their end, parameters that are checked, locks that hurry their holder,
 * and what the policy is for.
 *
 * Shares are of CPU time as libos counts it, so they do not depend on how fast the machine is.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "libos.h"

#define THREADS 6

static const char *policy;
static volatile bool go, stop;
static pthread_mutex_t mutex;
static volatile unsigned counted;

static bool is(const char *name)
{
    return !strcmp(policy, name);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void mutex_with_inheritance(int type)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    bool good = !pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    good = good && !pthread_mutexattr_settype(&attributes, type);
    check(good && !pthread_mutex_init(&mutex, &attributes), "a mutex inherits priorities");
}

static void spin_until(uint64_t ns)
{
    while (time_ns() < ns)
        ;
}

/* --- all come to their end --------------------------------------------------------------------- */

static void *count(void *unused)
{
    for (unsigned i = 0; i < 2000; i++) {
        pthread_mutex_lock(&mutex);
        unsigned seen = counted;
        if (i % 64 == 0)
            sched_yield(); /* while it holds the lock */
        if (i % 500 == 0)
            pause_ms(1);
        counted = seen + 1;
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void everybody_ends(void)
{
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, count, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check(counted == THREADS * 2000, "threads that want one lock all come to their end");
}

static void *hold(void *unused)
{
    pthread_mutex_lock(&mutex);
    go = true;
    while (!stop)
        pause_ms(1);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void locks(void)
{
    struct timespec soon;
    pthread_t thread;

    mutex_with_inheritance(PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_lock(&mutex);
    check(pthread_mutex_lock(&mutex) == EDEADLK, "who has a lock and wants it again is told");
    check(!pthread_mutex_unlock(&mutex) && pthread_mutex_unlock(&mutex) == EPERM,
          "a lock is unlocked once");
    go = stop = false;
    pthread_create(&thread, NULL, hold, NULL);
    while (!go)
        pause_ms(1);
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 20000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    check(pthread_mutex_timedlock(&mutex, &soon) == ETIMEDOUT, "who waits for a lock may give up");
    check(pthread_mutex_trylock(&mutex) == EBUSY, "a lock that is held is not to be had");
    stop = true;
    check(!pthread_mutex_lock(&mutex) && !pthread_mutex_unlock(&mutex), "and then it is");
    pthread_join(thread, NULL);
    pthread_mutex_destroy(&mutex);
}

/* --- parameters ---------------------------------------------------------------------------------- */

static void parameters(void)
{
    struct sched_params mine, wrong;

    check(!libos_sched_get(0, &mine) && mine.weight == SCHED_WEIGHT && !mine.runtime_ns,
          "a thread begins with the usual weight");
    wrong = mine;
    wrong.weight = 0;
    bool good = libos_sched_set(0, &wrong) == -EINVAL;
    wrong = mine;
    wrong.priority = SCHED_PRIORITIES;
    good = good && libos_sched_set(0, &wrong) == -EINVAL;
    wrong = mine;
    wrong.runtime_ns = 2000000;
    wrong.period_ns = 1000000;
    good = good && libos_sched_set(0, &wrong) == -EINVAL;
    check(good, "parameters out of their limits are refused");
    check(libos_sched_set(12345, &mine) == -ESRCH && libos_sched_get(12345, &wrong) == -ESRCH,
          "and those of nobody");
    check(!pthread_setschedprio(pthread_self(), 7) && !libos_sched_get(0, &wrong) &&
              wrong.priority == 7,
          "pthread_setschedprio() sets the priority");
    check(!libos_sched_set(0, &mine), "and it can be set back");
}

/* --- what the policy is for ------------------------------------------------------------------------ */

struct runner {
    struct sched_params params;
    volatile unsigned long turns;
    uint64_t ran_us;
    pthread_t thread;
};

static void *run(void *argument)
{
    struct runner *self = argument;

    libos_sched_set(0, &self->params);
    while (!stop)
        self->turns++;
    self->ran_us = thread_ran_ns() / 1000;
    return NULL;
}

static void start(struct runner *runner, struct sched_params params)
{
    *runner = (struct runner){.params = params};
    pthread_create(&runner->thread, NULL, run, runner);
}

/* This thread has to come to its turn while the others spin. */
static void urgent(void)
{
    struct sched_params params = SCHED_PARAMS;

    params.priority = SCHED_PRIORITIES - 1;
    params.weight = SCHED_WEIGHT_MAX / 10;
    libos_sched_set(0, &params);
}

static void preemption(void)
{
    struct runner spinner;

    stop = false;
    start(&spinner, SCHED_PARAMS);
    pause_ms(20);
    stop = true;
    pthread_join(spinner.thread, NULL);
    check(spinner.turns > 0, "a thread that spins does not keep others from running");
}

static void shares(void)
{
    struct runner small, large;
    struct sched_params params = SCHED_PARAMS;

    urgent();
    stop = false;
    start(&small, params);
    params.weight = 3 * SCHED_WEIGHT;
    start(&large, params);
    pause_ms(1500);
    stop = true;
    pthread_join(small.thread, NULL);
    pthread_join(large.thread, NULL);
    unsigned long hundredths = large.ran_us * 100 / (small.ran_us ? small.ran_us : 1);
    printf("%lu us of CPU time and %lu us\n", small.ran_us, large.ran_us);
    check(hundredths > 270 && hundredths < 330, "three times the weight is three times the CPU");
}

/* Low has the lock, this thread wants it, medium spins: is it to be had before medium ends? */
static struct runner medium;
static volatile bool wanted;

static void *low(void *unused)
{
    struct sched_params params = SCHED_PARAMS;

    params.priority = 1;
    libos_sched_set(0, &params);
    pthread_mutex_lock(&mutex);
    go = true;
    while (!wanted)
        pause_ms(1);
    spin_until(time_ns() + 2000000);
    pthread_mutex_unlock(&mutex);
    return unused;
}

static void *spin(void *unused)
{
    libos_sched_set(0, &medium.params);
    spin_until(time_ns() + 3000000000);
    stop = true;
    return unused;
}

static void inversion(void)
{
    pthread_t threads[2];

    mutex_with_inheritance(PTHREAD_MUTEX_NORMAL);
    go = stop = wanted = false;
    urgent();
    medium.params = SCHED_PARAMS;
    medium.params.priority = 20;
    pthread_create(&threads[0], NULL, low, NULL);
    while (!go)
        pause_ms(1);
    pthread_create(&threads[1], NULL, spin, NULL);
    wanted = true;
    pause_ms(5); /* medium spins, low has no CPU */
    pthread_mutex_lock(&mutex);
    check(!stop, "who has a lock that an urgent thread wants runs before threads in between");
    pthread_mutex_unlock(&mutex);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&mutex);
}

/* --- promises ---------------------------------------------------------------------------------------- */

static void *ask_for_more(void *refused)
{
    struct sched_params params = {SCHED_WEIGHT, 0, 2000000, 10000000};

    *(bool *)refused = libos_sched_set(0, &params) == -EBUSY;
    return NULL;
}

static bool is_refused(void)
{
    bool refused = false;
    pthread_t thread;

    pthread_create(&thread, NULL, ask_for_more, &refused);
    pthread_join(thread, NULL);
    return refused;
}

static void promises(void)
{
    struct sched_params params = {SCHED_WEIGHT, 0, 9000000, 10000000}, none = SCHED_PARAMS;
    struct sched_params now;

    check(!libos_sched_set(0, &params) && !libos_sched_get(0, &now) && now.runtime_ns == 9000000,
          "nine tenths of a CPU are promised");
    check(is_refused(), "and two more are refused");
    check(!libos_sched_set(0, &none) && !is_refused(), "until they are given up");
    check(!is_refused(), "or their thread ends");
}

int main(int argc, char **argv)
{
    policy = argc > 1 ? argv[1] : "fifo";
    check(is(thread_policy->name), "the policy is the one of the machine file");
    parameters();
    mutex_with_inheritance(PTHREAD_MUTEX_NORMAL);
    everybody_ends();
    locks();
    if (!is("fifo"))
        preemption();
    if (is("stride") || is("eevdf"))
        shares();
    if (is("priority"))
        inversion();
    if (is("edf"))
        promises();
    return failed != 0;
}
