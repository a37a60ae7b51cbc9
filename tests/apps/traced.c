/* SPDX-License-Identifier: MIT */
/*
 * traced.c - threads that do what tests/boot/test_trace.py knows, in the order of the policy fifo; with
 * the argument "busy" two that never give way, under one that preempts; with "move" three that see
 * themselves go from one of two vCPUs to the other; with "cost" it says in time stamp ticks what events cost, with "hop" what it takes to give the CPU to another application, a
 * "partner", and get it back. Then it waits to be looked at, or, with "end", ends.
 */
#include "trace.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libos.h"

#define BUSY_NS 20000000u

static sem_t turn;
static unsigned work, hello;

static void *second(void *unused)
{
    (void)unused;
    libos_trace_mark(hello, 7);
    sem_wait(&turn);
    libos_trace_begin(work);
    libos_trace_end(work);
    return NULL;
}

static void script(void)
{
    pthread_t thread;
    unsigned all = libos_trace_name("script");

    work = libos_trace_name("work");
    hello = libos_trace_name("hello");
    libos_trace_begin(all);
    sem_init(&turn, 0, 0);
    pthread_create(&thread, NULL, second, NULL);
    sched_yield(); /* it runs until it waits */
    sem_post(&turn);
    sched_yield(); /* and to its end */
    pthread_join(thread, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    libos_trace_end(all);
}

static void *spin(void *unused)
{
    while (thread_ran_ns() < BUSY_NS)
        ;
    return unused;
}

static void busy(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, spin, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

/* --- threads that move */

enum { MOVERS = 3, MOVES = 20 };

static _Atomic unsigned settled;
static sem_t turns[MOVERS];

/* One that has moved often enough goes on until all have: of two alone, each would stay where it is. */
static void *move(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument, moved = 0, at = VCPU->number;

    libos_trace_begin(work);
    while (settled < MOVERS) {
        unsigned now = VCPU->number;
        if (now == at)
            continue;
        at = now;
        libos_trace_mark(hello, ++moved);
        if (moved == MOVES)
            settled++;
    }
    libos_trace_end(work);
    /* And each wakes the next. */
    for (int i = 0; i < MOVES; i++) {
        sem_wait(&turns[self]);
        sem_post(&turns[(self + 1) % MOVERS]);
    }
    return argument;
}

static void moves(void)
{
    pthread_t threads[MOVERS];

    work = libos_trace_name("work");
    hello = libos_trace_name("moved");
    for (uintptr_t i = 0; i < MOVERS; i++)
        sem_init(&turns[i], 0, i == 0);
    for (uintptr_t i = 0; i < MOVERS; i++)
        pthread_create(&threads[i], NULL, move, (void *)i);
    for (int i = 0; i < MOVERS; i++)
        pthread_join(threads[i], NULL);
}

/* The cheapest of many: the others had an interrupt, or found a page that was not there. */
static uint64_t cheapest(void (*what)(void))
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 1000; i++) {
        uint64_t before = time_tsc();
        what();
        uint64_t ticks = time_tsc() - before;
        if (ticks < least)
            least = ticks;
    }
    return least;
}

static void nothing(void)
{
}

/* As libos does it. */
static void event(void)
{
    trace_event(EXO_TRACE_MARK, hello, 1, 1);
}

static void mark(void)
{
    libos_trace_mark(hello, 1);
}

static void cost(void)
{
    uint64_t base = cheapest(nothing);

    hello = libos_trace_name("hello");
    printf("event %lu mark %lu\n", cheapest(event) - base, cheapest(mark) - base);
}

static void hop_once(void)
{
    exo_yield((env_t){EXO_ENV_SELF});
}

/* To the other application, which does nothing else, and back; it is there by then, and stays. */
static void hop(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    uint64_t base = cheapest(nothing);
    printf("hop %lu\n", cheapest(hop_once) - base);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "script";

    if (!strcmp(what, "cost"))
        cost();
    else if (!strcmp(what, "hop"))
        hop();
    else if (!strcmp(what, "partner"))
        for (;;)
            hop_once();
    else if (!strcmp(what, "busy"))
        busy();
    else if (!strcmp(what, "move"))
        moves();
    else
        script();
    printf("done\n");
    if (argc > 2)
        return 0;
    for (;;)
        sleep(3600);
}
