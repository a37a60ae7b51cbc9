/* SPDX-License-Identifier: MIT */
/*
 * many_threads.c - what a switch between threads costs, in instructions, when there are 2, 100 and 1,000.
 *
 *   yield   all are ready and give way to each other in turn
 *   wake    two wake each other, while the others wait, each for a semaphore of its own
 *   timed   the same, but all of them with a time-out
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "../bench/measure.h"

#define MOST 1000u

static pthread_t threads[MOST];
static sem_t semaphores[MOST]; /* of main, of who answers it, of each of the others */
static unsigned others;        /* threads beside main */
static volatile bool over, timed;

static struct timespec far(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec += 1000;
    return time;
}

static void *yield_thread(void *unused)
{
    while (!over)
        sched_yield();
    return unused;
}

static void take(sem_t *semaphore)
{
    if (timed) {
        struct timespec time = far();
        sem_timedwait(semaphore, &time);
    } else {
        sem_wait(semaphore);
    }
}

static void *answer_thread(void *unused)
{
    for (;;) {
        take(&semaphores[1]);
        if (over)
            return unused;
        sem_post(&semaphores[0]);
    }
}

static void *wait_thread(void *semaphore)
{
    struct timespec time = far();

    sem_timedwait(semaphore, &time);
    return NULL;
}

static void start(void *(*entry)(void *), void *argument)
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    pthread_attr_setguardsize(&attributes, 0); /* or 1,000 threads were more than 1,024 ranges */
    if (pthread_create(&threads[others++], &attributes, entry, argument)) {
        printf("error: there is no room for thread %u\n", others);
        exit(1);
    }
}

static void join(void)
{
    over = true;
    for (unsigned i = 0; i < others; i++) {
        sem_post(&semaphores[1 + i]);
        pthread_join(threads[i], NULL);
    }
    others = 0;
    over = false;
}

static void told(const char *what, unsigned count, unsigned rounds, unsigned parts)
{
    char name[32];

    snprintf(name, sizeof(name), "%s-%u", what, count);
    tell(name, rounds, parts);
}

static void yields(unsigned count)
{
    unsigned rounds = count < 100 ? 1000 : 20;

    while (others < count - 1)
        start(yield_thread, NULL);
    for (unsigned i = 0; i < 3; i++)
        sched_yield();
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        sched_yield();
        samples[i] = stamp() - from;
    }
    join();
    told("yield", count, rounds, count);
}

static void wakes(unsigned count, bool with_time)
{
    timed = with_time;
    for (unsigned i = 0; i < count; i++)
        sem_init(&semaphores[i], 0, 0);
    start(answer_thread, NULL);
    for (unsigned i = 2; i < count; i++)
        start(wait_thread, &semaphores[i]);
    for (unsigned i = 0; i < 5 + 300; i++) {
        uint64_t from = stamp();
        sem_post(&semaphores[1]);
        take(&semaphores[0]);
        if (i >= 5)
            samples[i - 5] = stamp() - from;
    }
    join();
    told(with_time ? "timed" : "wake", count, 300, 2);
}

/* `yield` as an argument: only if the policy lets those run next who waited longest, whatever they had. */
int main(int argc, char **argv)
{
    static const unsigned counts[] = {2, 100, MOST};

    measure_nothing(100);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        if (argc > 1 && !strcmp(argv[1], "yield"))
            yields(counts[i]);
        wakes(counts[i], false);
        wakes(counts[i], true);
    }
    return 0;
}
