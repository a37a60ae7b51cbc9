/* SPDX-License-Identifier: MIT */
/*
 * broken.c - an application that brings scheduling policies of its own, which are wrong: libos finds
 * out, and the application lives on. It is linked with these two, with round_robin and with fifo, and
 * with none of libos' others.
 *
 * Its threads sleep and count. "losing" forgets one of them; under "selfish" a thread that spins and is
 * preempted runs again at once.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "libos.h"
#include "thread_list.h"

#define THREADS 4
#define TURNS   50

extern const struct sched sched_round_robin;

static void init(void)
{
    sched_round_robin.init();
}

static void losing_enqueue(struct thread *thread, enum enqueue_why why)
{
    static unsigned woken;

    if (why != ENQUEUE_WOKEN || ++woken != 20)
        sched_round_robin.enqueue(thread, why);
}

static void dequeue(struct thread *thread)
{
    sched_round_robin.dequeue(thread);
}

static struct thread *pick_next(unsigned cpu)
{
    return sched_round_robin.pick_next(cpu);
}

static bool tick(struct thread *running)
{
    return sched_round_robin.tick(running);
}

/* Who came last runs first. */
static struct thread_list stack;

static void selfish_init(void)
{
    stack = (struct thread_list){0};
}

static void selfish_enqueue(struct thread *thread, enum enqueue_why why)
{
    (void)why;
    thread_list_prepend(&stack, thread);
}

static void selfish_dequeue(struct thread *thread)
{
    thread_list_remove(&stack, thread);
}

static struct thread *selfish_pick_next(unsigned cpu)
{
    (void)cpu;
    return thread_list_take(&stack);
}

static bool always(struct thread *running)
{
    (void)running;
    return true;
}

static int wakeup(struct thread *thread, struct thread *const *running, unsigned cpus)
{
    (void)thread, (void)running, (void)cpus;
    return -1;
}

static void yield(struct thread *running)
{
    thread_policy->enqueue(running, ENQUEUE_PREEMPTED);
}

static void dump(void (*print)(const char *line))
{
    print("what broken.c has to say");
}

static const struct sched losing = {
    .name = SCHED_NAME("losing"),
    .quantum_ns = 1000000,
    .init = init,
    .enqueue = losing_enqueue,
    .dequeue = dequeue,
    .pick_next = pick_next,
    .tick = tick,
    .wakeup = wakeup,
    .yield = yield,
    .dump = dump,
};
static const struct sched selfish = {
    .name = SCHED_NAME("selfish"),
    .quantum_ns = 1000000,
    .init = selfish_init,
    .enqueue = selfish_enqueue,
    .dequeue = selfish_dequeue,
    .pick_next = selfish_pick_next,
    .tick = always,
    .wakeup = wakeup,
    .yield = yield,
    .dump = dump,
};

const struct sched *const sched_policies[] = {&sched_round_robin, &losing, &selfish};
const unsigned sched_policy_count = 3;

static volatile bool stop;

static void *sleep_and_count(void *unused)
{
    for (unsigned i = 0; i < TURNS; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    return unused;
}

static void *spin(void *unused)
{
    while (!stop)
        ;
    return unused;
}

int main(int argc, char **argv)
{
    bool selfish_one = argc > 1 && !strcmp(argv[1], "selfish");
    pthread_t threads[THREADS], spinner;

    if (selfish_one)
        pthread_create(&spinner, NULL, spin, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, sleep_and_count, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stop = true;
    if (selfish_one)
        pthread_join(spinner, NULL);
    check(thread_policy == &sched_fifo,
          "another policy has taken over, and each thread came to its end");
    return failed != 0;
}
