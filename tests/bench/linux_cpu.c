/* SPDX-License-Identifier: MIT */
/*
 * linux_cpu.c - what tests/apps/bench_cpu.c counts, done by Linux's means. It is all of user space: the
 * first process, without a file system but the RAM disk that it came in.
 *
 * usage: /init ROUNDS
 */
#define _GNU_SOURCE
#include "measure.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static uint32_t rounds;
static char *page;

static void *shared(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void null_call(void)
{
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        syscall(SYS_getppid);
        samples[i] = stamp() - from;
    }
    tell("null-call", rounds, 1);
}

static volatile bool over;
static volatile uint64_t *left_at; /* when the other yielded last, in shared memory */

static void *other_thread(void *argument)
{
    while (!over) {
        *left_at = stamp();
        sched_yield();
    }
    return argument;
}

/* From before the other's sched_yield() to after ours. The scheduler may stay with who yields: then
 * it is called again. */
static void yields(void)
{
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t before = *left_at;
        while (*left_at == before)
            sched_yield();
        samples[i] = stamp() - *left_at;
    }
}

static void thread_switch(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, other_thread, NULL))
        return;
    yields();
    over = true;
    pthread_join(thread, NULL);
    tell("thread-switch", rounds, 1);
}

static void skip(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;

    (void)signal;
    (void)info;
    interrupted->uc_mcontext.gregs[REG_RIP] += 2;
}

static void unprotect(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    (void)context;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void on(int signal, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

    sigaction(signal, &action, NULL);
}

static void fault(void)
{
    on(SIGILL, skip);
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        __asm__ volatile("ud2");
        samples[i] = stamp() - from;
    }
    tell("fault", rounds, 1);
}

static void protect(void)
{
    on(SIGSEGV, unprotect);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *(volatile char *)page = 1;
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        mprotect(page, 4096, PROT_READ);
        *(volatile char *)page = 1;
        samples[i] = stamp() - from;
    }
    tell("protect", rounds, 1);
}

/* --- between two processes ---------------------------------------------------------------- */

static void peer_end(pid_t peer)
{
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
}

/* Five words there and five back. */
static void pipes(void)
{
    uint64_t words[5] = {0};
    int there[2], back[2];

    if (pipe(there) || pipe(back))
        return;
    pid_t peer = fork();
    while (peer == 0)
        if (read(there[0], words, sizeof(words)) != sizeof(words) ||
            write(back[1], words, sizeof(words)) != sizeof(words))
            _exit(1);
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        if (write(there[1], words, sizeof(words)) != sizeof(words) ||
            read(back[0], words, sizeof(words)) != sizeof(words))
            return;
        samples[i] = stamp() - from;
    }
    peer_end(peer);
    tell("gate", rounds, 1);
}

static void process_switch(void)
{
    over = false;
    pid_t peer = fork();
    if (peer == 0)
        other_thread(NULL);
    yields();
    peer_end(peer);
    tell("yield", rounds, 1);
}

static void wait_for(volatile uint32_t *word, uint32_t value)
{
    while (*word != value)
        syscall(SYS_futex, word, FUTEX_WAIT, !value, NULL, NULL, 0);
}

static void set(volatile uint32_t *word, uint32_t value)
{
    *word = value;
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* A word that says whose turn it is: the quickest that there is. */
static void wakes(void)
{
    volatile uint32_t *turn = shared();
    pid_t peer = fork();

    while (peer == 0) {
        wait_for(turn, 1);
        set(turn, 0);
    }
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        set(turn, 1);
        wait_for(turn, 0);
        samples[i] = stamp() - from;
    }
    peer_end(peer);
    tell("wake", rounds, 2);
}

int main(int argc, char **argv)
{
    rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
    if (rounds && rounds <= SAMPLES_MAX) {
        left_at = shared();
        measure_nothing(rounds);
        null_call();
        thread_switch();
        fault();
        protect();
        pipes();
        process_switch();
        wakes();
    }
    printf("bench ended\n");
    fflush(stdout);
    reboot(RB_POWER_OFF);
    return 1;
}
