/* SPDX-License-Identifier: MIT */
/*
 * hand.c - two that hand the CPU to each other by name, and each looks whether all registers are its own.
 *
 * usage: hand PEER SEED [first]. With upcalls off, first by `yield` alone, then by a notification and a `wait`, for
 * the next bit each: who has sent one sleeps until the other's has come, however either was interrupted.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "event.h"
#include "libos.h"
#include "share.h"

#define YIELDS 3000u
#define TURNS  3000u
#define TICK   10000000ull /* 10 ms */

/* Every register that a program has. registers_call counts on the places. */
struct registers {
    uint64_t rax, rdi, rsi, rdx, r10, r8, r9, rbx, rbp, r12, r13, r14, r15, fs, gs; /* 0 to 112 */
    uint64_t rcx, r11;                                                              /* 120, 128 */
    uint64_t x87, mxcsr, fcw;                                                       /* 136 to 152 */
    uint64_t xmm[3][2];                                                             /* 160 */
};
_Static_assert(offsetof(struct registers, rcx) == 120 && offsetof(struct registers, xmm) == 160,
               "registers_call says so");

/* A call with all registers as *r has them, which then gets what they are after it. */
void registers_call(struct registers *r);
extern char registers_called[]; /* just behind SYSCALL */

__asm__(".text\n"
        ".globl registers_call, registers_called\n"
        "registers_call:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "rdfsbase %rax; push %rax; rdgsbase %rax; push %rax\n"
        "sub $16, %rsp; stmxcsr (%rsp); fnstcw 8(%rsp); push %rdi\n"
        "mov 104(%rdi), %rax; wrfsbase %rax; mov 112(%rdi), %rax; wrgsbase %rax\n"
        "fildll 136(%rdi); ldmxcsr 144(%rdi); fldcw 152(%rdi)\n"
        "movups 160(%rdi), %xmm0; movups 176(%rdi), %xmm7; movups 192(%rdi), %xmm15\n"
        "mov (%rdi), %rax; mov 16(%rdi), %rsi; mov 24(%rdi), %rdx; mov 32(%rdi), %r10\n"
        "mov 40(%rdi), %r8; mov 48(%rdi), %r9; mov 56(%rdi), %rbx; mov 64(%rdi), %rbp\n"
        "mov 72(%rdi), %r12; mov 80(%rdi), %r13; mov 88(%rdi), %r14; mov 96(%rdi), %r15\n"
        "mov 8(%rdi), %rdi\n"
        "syscall\n"
        "registers_called:\n"
        "xchg %rdi, (%rsp)\n"
        "mov %rax, (%rdi); mov %rsi, 16(%rdi); mov %rdx, 24(%rdi); mov %r10, 32(%rdi)\n"
        "mov %r8, 40(%rdi); mov %r9, 48(%rdi); mov %rbx, 56(%rdi); mov %rbp, 64(%rdi)\n"
        "mov %r12, 72(%rdi); mov %r13, 80(%rdi); mov %r14, 88(%rdi); mov %r15, 96(%rdi)\n"
        "mov %rcx, 120(%rdi); mov %r11, 128(%rdi)\n"
        "rdfsbase %rax; mov %rax, 104(%rdi); rdgsbase %rax; mov %rax, 112(%rdi)\n"
        "movups %xmm0, 160(%rdi); movups %xmm7, 176(%rdi); movups %xmm15, 192(%rdi)\n"
        "fistpll 136(%rdi); stmxcsr 144(%rdi); fnstcw 152(%rdi)\n"
        "pop %rax; mov %rax, 8(%rdi)\n"
        "ldmxcsr (%rsp); fldcw 8(%rsp); add $16, %rsp\n"
        "pop %rax; wrgsbase %rax; pop %rax; wrfsbase %rax\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "ret\n");

static uint64_t seed;
static bool kept = true;

/* A call with two arguments and with `seed` in all other registers: is it there afterwards? Its result. */
static int64_t call(enum exo_call number, uint64_t first, uint64_t second)
{
    struct registers before, after;
    uint64_t *word = (uint64_t *)&before;

    for (size_t i = 0; i < sizeof(before) / 8; i++)
        word[i] = seed << 32 | i << 8 | seed;
    before.rax = number;
    before.rdi = first;
    before.rsi = second;
    before.mxcsr = 0x1f80 | (seed & 3) << 13; /* rounding, as below */
    before.fcw = 0x37f | (seed & 3) << 10;
    after = before;
    registers_call(&after);
    kept &= after.rcx == (uintptr_t)registers_called && !(after.r11 & ~0xad7ull);
    before.rax = after.rax;
    before.rcx = after.rcx;
    before.r11 = after.r11;
    kept &= !memcmp(&before, &after, sizeof(after));
    return (int64_t)after.rax;
}

static bool given = true, ended = true, ordered = true, kept_awake;

static void yields(env_t peer)
{
    for (unsigned i = 0; i < YIELDS; i++) {
        /* Now and then to whoever is next: the peer comes back from an interrupt, too. */
        int64_t error = call(EXO_CALL_YIELD, i % 16 ? peer.n : EXO_ENV_SELF, ~0ull);
        given &= !error || error == -EXO_E_BUSY;
    }
    kept_awake = kept;
}

static void turns(env_t peer, bool first)
{
    if (first)
        exo_notify(peer, 1);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        while (!control->notified) {
            /* Some with a deadline, which goes the long way, and some that leave the slice to nobody. */
            uint64_t deadline = turn % 8 ? 0 : time_tsc() + 50000000;
            int64_t reasons = call(EXO_CALL_WAIT, deadline, turn % 5 ? peer.n : EXO_ENV_SELF);
            ended &=
                reasons > 0 && !(reasons & ~(EXO_UP_NOTIFY | EXO_UP_SLICE_BEGIN | EXO_UP_DEADLINE));
        }
        uint64_t bits = __atomic_exchange_n(&control->notified, 0, __ATOMIC_ACQUIRE);
        ordered &= bits == 1ull << ((turn + first) % 62);
        exo_notify(peer, 1ull << ((turn + 1) % 62));
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    env_t peer;
    while (!(peer = peer_find(argv[1])).n)
        notify_wait(TICK);
    seed = (uint64_t)atoi(argv[2]);
    exo_notify_allow(peer, 1);
    uint64_t seen = 0;
    while (exo_notify(peer, 1ull << 63)) /* until it allows us */
        seen |= notify_wait(TICK);
    if (!seen)
        notify_wait(0);
    uint64_t calls = (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_CALLS);
    critical_enter();
    yields(peer);
    calls = (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_CALLS) - calls;
    /* Both are here once the other's bit has come: its yields are over. */
    exo_notify(peer, 1ull << 62);
    while (!(control->notified & 1ull << 62))
        exo_wait(0, peer);
    __atomic_fetch_and(&control->notified, ~(3ull << 62), __ATOMIC_ACQUIRE);
    turns(peer, argc > 3);
    critical_exit();
    check(given, "the peer, if it can run, gets the CPU");
    check(kept_awake, "all registers are kept over yields");
    check(ended, "each sleep ended by what had to end it");
    check(ordered, "no notification is lost, and none comes twice");
    check(kept, "all registers are kept over sleeps");
    check(calls >= YIELDS && calls < YIELDS + 100, "each call is counted once");
    return failed != 0;
}
