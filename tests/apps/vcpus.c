/* SPDX-License-Identifier: MIT */
/*
 * vcpus.c - threads on several CPUs at once: that they are, and that nothing which they share breaks.
 *
 *   vcpus CPUS [ROUNDS [lose]]
 *
 * `lose` is for policies that preempt: its threads do not give way.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libos.h"

#define THREADS     8
#define PAGES       16u
#define PAGE        4096u
#define TURN_NS     500000000ull  /* how long two threads pass a word to each other */
#define PATIENCE_NS 5000000000ull /* for a thread to get on */

static unsigned cpus, rounds;
static pthread_barrier_t barrier;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static volatile unsigned long count;
static _Atomic unsigned wrong;

static void run(const char *what, unsigned threads, void *(*work)(void *))
{
    pthread_t thread[THREADS];

    wrong = 0;
    for (unsigned long i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, (void *)i))
            wrong++;
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    printf("%s: %u wrong\n", what, wrong);
}

/* A word passes from each to the next, who spin for it: only quick if all have a CPU. */
static _Atomic unsigned long word;

static void *pass(void *self)
{
    unsigned long me = (unsigned long)self;
    uint64_t end = time_ns() + TURN_NS;

    while (time_ns() < end)
        if (word % cpus == me)
            word++;
    return NULL;
}

static void *add(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < rounds * 100; i++) {
        pthread_mutex_lock(&mutex);
        count = count + 1;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

/* Each waits for its turn by the condition. */
static void *take_turns(void *self)
{
    for (unsigned i = 0; i < rounds; i++) {
        pthread_mutex_lock(&mutex);
        while (count % THREADS != (unsigned long)self)
            pthread_cond_wait(&changed, &mutex);
        count++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *yield(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < rounds * 20; i++)
        sched_yield();
    return NULL;
}

/* Fresh pages are zero, and stay what they were made. */
static void *map(void *self)
{
    for (unsigned i = 0; i < rounds; i++) {
        unsigned char *p =
            mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            wrong++;
            break;
        }
        for (unsigned j = 0; j < PAGES; j++) {
            wrong += p[j * PAGE] != 0;
            p[j * PAGE] = (unsigned char)((unsigned long)self + 1);
        }
        for (unsigned j = 0; j < PAGES; j++)
            wrong += p[j * PAGE] != (unsigned long)self + 1;
        munmap(p, PAGES * PAGE);
    }
    return NULL;
}

/* All touch the same fresh pages at once. */
static _Atomic unsigned *shared;

static void *fault(void *self)
{
    for (unsigned i = 0; i < rounds / 4; i++) {
        if (!self) {
            void *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                           -1, 0);
            shared = p == MAP_FAILED ? NULL : p;
        }
        pthread_barrier_wait(&barrier);
        for (unsigned j = 0; shared && j < PAGES; j++)
            shared[j * PAGE / sizeof(*shared)]++;
        pthread_barrier_wait(&barrier);
        if (!self) {
            for (unsigned j = 0; shared && j < PAGES; j++)
                wrong += shared[j * PAGE / sizeof(*shared)] != THREADS;
            wrong += !shared;
            if (shared)
                munmap(shared, PAGES * PAGE);
        }
    }
    return NULL;
}

static void *nothing(void *value)
{
    return value;
}

static void *make(void *self)
{
    for (unsigned i = 0; i < rounds / 4; i++) {
        pthread_t thread;
        void *result = NULL;
        if (pthread_create(&thread, NULL, nothing, self) || pthread_join(thread, &result))
            wrong++;
        wrong += result != self;
    }
    return NULL;
}

static void *allocate(void *self)
{
    char *kept[16] = {NULL};

    for (unsigned i = 0; i < rounds * 4; i++) {
        unsigned at = i % 16;
        if (kept[at])
            wrong += kept[at][0] != (char)(unsigned long)self;
        free(kept[at]);
        kept[at] = malloc(16 + i * 37 % 3000);
        if (kept[at])
            memset(kept[at], (char)(unsigned long)self, 16);
    }
    for (unsigned i = 0; i < 16; i++)
        free(kept[i]);
    return NULL;
}

/* Sleeps end, though none may be the CPU's on which they began. */
static void *sleep_some(void *self)
{
    for (unsigned i = 0; i < rounds / 8; i++)
        usleep(100 + 50 * (unsigned)(unsigned long)self);
    return NULL;
}

/* --- CPUs that come and go --------------------------------------------------------------------- */

static volatile bool over;
static volatile unsigned long turns[THREADS];

static void *go_on(void *self)
{
    while (!over)
        turns[(unsigned long)self]++;
    return NULL;
}

/* All positions of the machine's CPU 1 that are `from`'s become `to`'s. */
static unsigned move(uint64_t from, env_t to)
{
    uint32_t each = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_CPU_SLICES);
    unsigned moved = 0;

    for (uint32_t at = each; at < 2 * each; at++)
        if ((uint64_t)exo_info(EXO_INFO_SLICE, at, 0) == from)
            moved += !exo_slice_set(at, to);
    return moved;
}

/* Does each of the threads get on, and are there so many CPUs? */
static bool all_go_on(long online)
{
    uint64_t end = time_ns() + PATIENCE_NS;
    unsigned long before[THREADS];
    unsigned going = 0;

    for (unsigned i = 0; i < THREADS; i++)
        before[i] = turns[i];
    while (going < THREADS && time_ns() < end) {
        usleep(1000);
        going = 0;
        for (unsigned i = 0; i < THREADS; i++)
            going += turns[i] != before[i];
    }
    while (sysconf(_SC_NPROCESSORS_ONLN) != online && time_ns() < end)
        usleep(1000);
    return going == THREADS && sysconf(_SC_NPROCESSORS_ONLN) == online;
}

/* Who has positions of CPU 1 of ours: our vCPU there. */
static uint64_t vcpu_there(void)
{
    uint32_t each = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_CPU_SLICES);
    int64_t self = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);

    for (uint32_t at = each; at < 2 * each; at++) {
        int64_t owner = exo_info(EXO_INFO_SLICE, at, 0);
        if (owner > 0 && exo_info(EXO_INFO_ENV, (uint64_t)owner, EXO_ENV_PARENT) == self)
            return (uint64_t)owner;
    }
    return 0;
}

/* What this application has of CPU 1 goes to an environment that never runs, and comes back. */
static void lose_and_gain(void)
{
    pthread_t thread[THREADS];
    int64_t other = exo_env_create(0, 0, 0, 0, 0, 0);
    uint64_t own = vcpu_there();

    wrong = other < 0;
    for (unsigned long i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, go_on, (void *)i);
    for (unsigned i = 0; i < rounds / 4 && !wrong; i++) {
        unsigned moved = move(own, (env_t){(uint32_t)other});
        wrong += !moved || !all_go_on((long)cpus - 1);
        wrong += move((uint64_t)other, (env_t){EXO_ENV_SELF}) != moved || !all_go_on((long)cpus);
    }
    over = true;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    printf("lose: %u wrong\n", wrong);
}

int main(int argc, char **argv)
{
    cpus = argc > 1 ? (unsigned)atoi(argv[1]) : 1;
    rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 200;
    printf("CPUs: %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
    pthread_barrier_init(&barrier, NULL, THREADS);
    run("pass", cpus, pass);
    printf("passed: %lu\n", word);
    count = 0;
    run("add", THREADS, add);
    printf("sum: %lu of %u\n", count, rounds * 100 * THREADS);
    count = 0;
    run("turns", THREADS, take_turns);
    run("yield", THREADS, yield);
    run("map", THREADS, map);
    run("fault", THREADS, fault);
    run("make", THREADS, make);
    run("allocate", THREADS, allocate);
    run("sleep", THREADS, sleep_some);
    if (argc > 3 && !strcmp(argv[3], "lose"))
        lose_and_gain();
    printf("done\n");
    return 0;
}
