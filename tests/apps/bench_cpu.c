/* SPDX-License-Identifier: MIT */
/*
 * bench_cpu.c - what the ways between threads, applications and the kernel cost, in instructions.
 *
 * usage: bench_cpu measure ROUNDS [PEER BEFORE] | bench_cpu peer CALLER. `tools/freehold bench cpu` boots
 * it, and a Linux that does the same (tests/bench/linux_cpu.c). Who measures tells the peer by a call
 * what it shall do next. Both begin when the application BEFORE has ended.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench/measure.h"
#include "event.h"
#include "gate.h"
#include "libos.h"
#include "share.h"

#define MS   1000000ull
#define STOP 2u /* a bit of a notification: no more of this */

enum { ECHO, YIELD, YIELD_NEXT, YIELD_UPCALL, WAKE, WAKE_THREAD }; /* what the peer is asked for */

static uint32_t rounds;
static env_t peer;

static uint64_t info(uint32_t what)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, what);
}

/* --- within one application ------------------------------------------------------------- */

static void null_call(void)
{
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        exo_poll();
        samples[i] = stamp() - from;
    }
    tell("null-call", rounds, 1);
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_ABI);
        samples[i] = stamp() - from;
    }
    tell("info", rounds, 1);
}

static volatile bool over;
static volatile uint64_t *left_at; /* when the other yielded last */

static void *other_thread(void *argument)
{
    while (!over) {
        *left_at = stamp();
        sched_yield();
    }
    return argument;
}

/* From before one thread's sched_yield() to after that of the other, which came back. */
static void thread_switch(void)
{
    pthread_t thread;
    uint64_t calls = 0;

    if (pthread_create(&thread, NULL, other_thread, NULL))
        return;
    sched_yield();
    calls = info(EXO_ENV_CALLS);
    for (uint32_t i = 0; i < rounds; i++) {
        sched_yield();
        samples[i] = stamp() - *left_at;
    }
    calls = info(EXO_ENV_CALLS) - calls - 1;
    over = true;
    pthread_join(thread, NULL);
    tell("thread-switch", rounds, 1);
    printf("bench thread-switch-calls %lu in %u\n", (unsigned long)calls, 2 * rounds);
}

static bool skip(struct exo_context *context, const struct exo_fault *fault)
{
    (void)fault;
    context->rip += 2;
    return true;
}

static void fault(void)
{
    libos_fault_hook = skip;
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        __asm__ volatile("ud2");
        samples[i] = stamp() - from;
    }
    libos_fault_hook = NULL;
    tell("fault", rounds, 1);
}

static bool unprotect(struct exo_context *context, const struct exo_fault *fault)
{
    (void)context;
    return !vm_protect(fault->address & ~(EXO_PAGE_SIZE - 1ull), EXO_PAGE_SIZE, EXO_WRITE);
}

static void protect(void)
{
    volatile char *page =
        mmap(NULL, EXO_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    libos_fault_hook = unprotect;
    *page = 1;
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        mprotect((void *)page, EXO_PAGE_SIZE, PROT_READ);
        *page = 1;
        samples[i] = stamp() - from;
    }
    libos_fault_hook = NULL;
    tell("protect", rounds, 1);
}

/* --- between two ---------------------------------------------------------------------------- */

static gate_t gate;

static void ask(uint64_t what)
{
    struct exo_words words = {{what}};

    gate_call(gate, &words, 0);
}

static void gates(void)
{
    for (uint32_t i = 0; i < rounds; i++) {
        struct exo_words words = {{ECHO}};
        uint64_t from = stamp();
        gate_call(gate, &words, 0);
        samples[i] = stamp() - from;
    }
    tell("gate", rounds, 1);
}

/* To whom this application, or the peer, yields: the other, or (by its own name) whoever is next. */
static env_t yields_to(uint64_t what)
{
    return what == YIELD ? peer : (env_t){EXO_ENV_SELF};
}

/* From before the peer's yield to after ours. */
static void yields(uint64_t what, const char *name)
{
    env_t to = yields_to(what);

    ask(what);
    if (what != YIELD_UPCALL)
        critical_enter();
    while (!*left_at)
        exo_yield((env_t){EXO_ENV_SELF});
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t before = *left_at;
        while (*left_at == before) /* the next slice may be ours as well */
            exo_yield(to);
        samples[i] = stamp() - *left_at;
    }
    exo_notify(peer, STOP);
    if (what != YIELD_UPCALL)
        critical_exit();
    notify_wait(0);
    tell(name, rounds, 1);
}

/* Critical. Sleep until there are bits, and take them; the peer, which was just told, has the CPU meanwhile. */
static uint64_t bits_wait(void)
{
    while (!control->notified)
        exo_wait(0, peer);
    return __atomic_exchange_n(&control->notified, 0, __ATOMIC_ACQUIRE);
}

static void wakes(void)
{
    ask(WAKE);
    critical_enter();
    exo_notify(peer, 1);
    bits_wait();
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        exo_notify(peer, 1);
        bits_wait();
        samples[i] = stamp() - from;
    }
    exo_notify(peer, STOP);
    critical_exit();
    notify_wait(0);
    tell("wake", rounds, 2);
}

static void wakes_of_threads(void)
{
    ask(WAKE_THREAD);
    notify_send(peer, 1);
    notify_wait(0);
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t from = stamp();
        notify_send(peer, 1);
        notify_wait(0);
        samples[i] = stamp() - from;
    }
    exo_notify(peer, STOP);
    notify_wait(0);
    tell("wake-thread", rounds, 2);
}

static int measure(const char *name, const char *before)
{
    while (before && peer_find(before).n != EXO_ENV_SELF)
        notify_wait(MS);
    left_at = vm_alloc(1, EXO_DATA);
    measure_nothing(rounds);
    null_call();
    thread_switch();
    fault();
    protect();
    if (!name)
        return 0;
    while ((peer = peer_find(name)).n == EXO_ENV_SELF || !(gate = gate_find(peer, 1)).n)
        notify_wait(MS);
    exo_notify_allow(peer, 1);
    share_offer(peer, 1, (const void *)left_at, 1, EXO_WRITE);
    *left_at = 0;
    gates();
    yields(YIELD, "yield");
    yields(YIELD_NEXT, "yield-next");
    yields(YIELD_UPCALL, "yield-upcall");
    wakes();
    wakes_of_threads();
    return 0;
}

/* --- the peer ---------------------------------------------------------------------------------- */

static volatile uint64_t asked;
static uint32_t asked_word;

static void on_call(void *argument, env_t caller, struct exo_words *words)
{
    (void)argument;
    peer = caller;
    if (words->word[0] == ECHO)
        return;
    asked = words->word[0];
    thread_wake(&asked_word, UINT32_MAX, 1);
}

static void yield_until_stopped(env_t to)
{
    while (!control->notified) {
        *left_at = stamp();
        exo_yield(to);
    }
    control->notified = 0;
}

static void serve(uint64_t what)
{
    uint32_t pages;

    if (!left_at)
        left_at = share_map(peer, 1, EXO_WRITE, &pages);
    bool critical = what == YIELD || what == YIELD_NEXT || what == WAKE;
    if (critical)
        critical_enter();
    if (what == YIELD || what == YIELD_NEXT || what == YIELD_UPCALL)
        yield_until_stopped(yields_to(what));
    if (what == WAKE)
        while (!(bits_wait() & STOP))
            exo_notify(peer, 1);
    if (what == WAKE_THREAD)
        while (!(notify_wait(0) & STOP))
            notify_send(peer, 1);
    if (critical)
        critical_exit();
    exo_notify(peer, 1); /* it may ask for the next */
}

_Noreturn static void be_peer(const char *name)
{
    int64_t door = gate_open(1, on_call, NULL);
    env_t caller;

    while ((caller = peer_find(name)).n == EXO_ENV_SELF)
        notify_wait(MS);
    exo_notify_allow(caller, 1);
    gate_allow((gate_t){(uint32_t)door}, caller, true);
    for (;;) {
        critical_enter();
        while (!asked)
            thread_block(&asked_word, UINT32_MAX, 0);
        uint64_t what = asked;
        asked = 0;
        critical_exit();
        serve(what);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "peer"))
        be_peer(argv[2]);
    if (argc < 3)
        return 2;
    rounds = (uint32_t)atoi(argv[2]);
    if (!rounds || rounds > SAMPLES_MAX)
        return 2;
    return argc > 4 ? measure(argv[3], argv[4]) : measure(NULL, NULL);
}
