/* SPDX-License-Identifier: MIT */
/*
 * gate.c - three applications that call one another through gates.
 *
 * usage: gate client|server|third. They find one another in the directory. The client calls the
 * server in every way there is and says what it saw; the server calls the third on its behalf, which
 * tries to call the client. In the end the server ends in the middle of a call, and starts again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "event.h"
#include "gate.h"
#include "libos.h"
#include "share.h"

#define MS     1000000ull
#define CALLS  100000u /* without a loss */
#define PACKET 1000u   /* with every word checked */
#define BURN   20u     /* ms of work in one call */

enum { ECHO = 1, COUNT, SLOW, NEST, BACK, PRIVATE };
enum { ANSWER, LATE, END }; /* what SLOW is asked to do */

static uint64_t info(uint32_t what)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, what);
}

static uint64_t counted, unheard, doubled;

/* --- who serves ------------------------------------------------------------------- */

static void echo(void *argument, env_t caller, struct exo_words *words)
{
    uint64_t *w = words->word;

    w[0] += 1;
    w[1] ^= caller.n;
    w[2] *= 3;
    w[3] -= w[4];
    w[4] = (uint64_t)argument;
}

/* Tell what lies in registers that nobody said anything in, and leave something of its own there. */
static void look(struct exo_words *words)
{
    static uint64_t own = 0x5e11e700;
    uint64_t *w = words->word;
    uint16_t ds, es;

    own++;
    __asm__ volatile("movq %%xmm7, %0; movq %%xmm15, %1; rdgsbase %2; mov %%ds, %3; mov %%es, %4;"
                     "movq %5, %%xmm7; movq %5, %%xmm15"
                     : "=&r"(w[0]), "=&r"(w[1]), "=&r"(w[2]), "=&m"(ds), "=&m"(es)
                     : "r"(own));
    w[3] = (uint64_t)ds << 16 | es;
    w[4] = own;
}

/* Add to the sum, work for so many ms, and tell how it stands. Numbers that large are no counts: look. */
static void count(void *argument, env_t caller, struct exo_words *words)
{
    if (words->word[0] >> 32) {
        look(words);
        return;
    }
    uint64_t end = words->word[1] ? time_deadline(words->word[1] * MS) : 0;

    (void)argument;
    (void)caller;
    while (end && time_tsc() < end)
        ;
    counted += words->word[0];
    words->word[0] = counted;
    words->word[1] = info(EXO_ENV_SLICES_RUN);
    words->word[2] = info(EXO_ENV_TICKS);
    words->word[3] = unheard;
    words->word[4] = doubled;
}

/* Call one further, and hand on what comes back. */
static gate_t further;

static void nest(void *argument, env_t caller, struct exo_words *words)
{
    (void)argument;
    (void)caller;
    words->word[1] = (uint64_t)gate_call(further, words, 0);
}

/* One that is in the caller's own line of calls. */
static void back(void *argument, env_t caller, struct exo_words *words)
{
    struct exo_words again = *words;

    (void)argument;
    (void)caller;
    words->word[0] += 100;
    words->word[2] = (uint64_t)gate_call(further, &again, 0);
}

/* --- finding one another ------------------------------------------------------------ */

static env_t known[3];
static const char *const names[3] = {"client", "server", "third"};
static gate_t own[8];
static uint32_t own_count;

static void open_gate(uint32_t mark, gate_handler handler)
{
    int64_t gate = gate_open(mark, handler, (void *)(uint64_t)mark);

    if (gate < 0)
        printf("not ok: gate %u cannot be opened: %s\n", mark, exo_error_name(gate));
    else if (mark != PRIVATE)
        own[own_count++] = (gate_t){(uint32_t)gate};
}

/* Whoever started (again) may call from now on. */
static void look_around(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        env_t env = peer_find(names[i]);
        if (env.n == known[i].n || env.n == EXO_ENV_SELF)
            continue;
        bool allowed = true;
        for (uint32_t g = 0; g < own_count; g++)
            allowed &= !gate_allow(own[g], env, true);
        if (allowed)
            known[i] = env;
    }
}

static gate_t find(uint32_t who, uint32_t mark)
{
    gate_t gate = {0};

    for (;;) {
        look_around();
        if (known[who].n)
            gate = gate_find(known[who], mark);
        if (gate.n)
            return gate;
        notify_wait(5 * MS);
    }
}

/* --- the three ---------------------------------------------------------------------- */

_Noreturn static void serve(void)
{
    struct gate_call call;

    open_gate(ECHO, echo);
    open_gate(COUNT, count);
    open_gate(SLOW, NULL);
    further = find(2, BACK);
    open_gate(NEST, nest);
    known[0] = known[2] = (env_t){0}; /* they may not use the last one yet */
    for (;;) {
        look_around();
        if (!gate_take(&call, 10 * MS))
            continue;
        if (call.words.word[0] == END)
            exit(7);
        notify_wait(call.words.word[0] == LATE ? 100 * MS : 2 * MS);
        call.words.word[0] += 50;
        unheard += (uint64_t)gate_answer(&call.words);
        doubled += gate_answer(&call.words) != -EXO_E_EMPTY;
    }
}

_Noreturn static void be_third(void)
{
    open_gate(BACK, back);
    open_gate(PRIVATE, echo);
    further = find(0, ECHO);
    for (;;) {
        look_around();
        notify_wait(10 * MS);
    }
}

static void check_words(gate_t gate)
{
    uint32_t self = (uint32_t)info(EXO_ENV_SELF_NAME);
    bool good = true;

    for (uint64_t i = 0; i < PACKET; i++) {
        uint64_t a = i * 0x9e3779b97f4a7c15, b = a * a;
        struct exo_words words = {{a, b, a ^ b, i, ~a}};
        int64_t error = gate_call(gate, &words, 0);
        good &= !error && words.word[0] == a + 1 && words.word[1] == (b ^ self) &&
                words.word[2] == 3 * (a ^ b) && words.word[3] == i - ~a && words.word[4] == ECHO;
    }
    check(good, "five words there and five back");
    uint64_t ticks[3];
    ticks[0] = time_tsc();
    for (uint32_t i = 0; i < PACKET; i++)
        info(EXO_ENV_SELF_NAME);
    ticks[1] = time_tsc();
    for (uint32_t i = 0; i < PACKET; i++) {
        struct exo_words words = {{0}};
        gate_call(gate, &words, 0);
    }
    ticks[2] = time_tsc();
    printf("# %lu ticks for info, %lu for a call and its answer by a handler\n",
           (ticks[1] - ticks[0]) / PACKET, (ticks[2] - ticks[1]) / PACKET);
}

/* What is in the registers after a call: those that a function keeps, then others, then the answer. */
enum { RBX, RBP, R12, R13, R14, R15, XMM7, XMM15, GS, RAX, R9, ANSWERED, FILLED = ANSWERED + 5 };

/* Call with registers full of numbers from `pattern` on. */
void call_filled(gate_t gate, uint64_t pattern, uint64_t after[FILLED]);
__asm__("call_filled:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdx\n"
        "movq %rsi, %xmm7; movq %rsi, %xmm15\n"
        "mov $0x23, %eax; mov %eax, %ds; mov %eax, %es\n"
        "mov %rsi, %rbx; lea 1(%rsi), %rbp; lea 2(%rsi), %r12; lea 3(%rsi), %r13\n"
        "lea 4(%rsi), %r14; lea 5(%rsi), %r15; mov %rsi, %r9\n"
        "mov $33, %eax; syscall\n"
        "pop %rcx\n"
        "mov %rbx, (%rcx); mov %rbp, 8(%rcx); mov %r12, 16(%rcx); mov %r13, 24(%rcx)\n"
        "mov %r14, 32(%rcx); mov %r15, 40(%rcx); movq %xmm7, 48(%rcx); movq %xmm15, 56(%rcx)\n"
        "rdgsbase %r11; mov %r11, 64(%rcx); mov %rax, 72(%rcx); mov %r9, 80(%rcx)\n"
        "mov %rdi, 88(%rcx); mov %rsi, 96(%rcx); mov %rdx, 104(%rcx); mov %r10, 112(%rcx)\n"
        "mov %r8, 120(%rcx)\n"
        "xor %eax, %eax; mov %eax, %ds; mov %eax, %es\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret");

/* Nothing of either side comes to the other but the words, whichever way the call goes. */
static void check_registers(gate_t gate)
{
    bool kept = true, own = true;
    uint32_t quick = 0;
    uint64_t gs; /* libos has a use for it */

    __asm__ volatile("rdgsbase %0" : "=r"(gs));

    for (uint64_t i = 1; i <= PACKET; i++) {
        uint64_t after[FILLED], pattern = i << 32;
        call_filled(gate, pattern, after);
        for (uint64_t r = RBX; r <= R15; r++)
            kept &= after[r] == pattern + r;
        kept &= after[XMM7] == pattern && after[XMM15] == pattern && after[GS] == gs && !after[RAX];
        const uint64_t *seen = &after[ANSWERED];
        own &= seen[0] >> 32 != i && seen[1] >> 32 != i && seen[2] >> 32 != i && !seen[3] &&
               after[R9] != seen[4];
        quick += !after[R9]; /* it is lost: cleared by the short way */
    }
    check(kept, "a caller's registers are its own after a call");
    check(own, "and its callee sees nothing in any");
    check(quick > PACKET / 10, "most calls go the short way");
}

static void check_loss(gate_t gate)
{
    struct exo_words before = {{0}}, words = {{0}};
    bool good = !gate_call(gate, &before, 0);

    for (uint32_t i = 1; i <= CALLS; i++) {
        words.word[0] = 1;
        words.word[1] = 0;
        good &= !gate_call(gate, &words, 0) && words.word[0] == before.word[0] + i;
    }
    check(good, "100000 calls, each answered once");
    check(words.word[1] - before.word[1] < CALLS / 10, "they took no slices of the server's");
}

static void check_time(gate_t counter)
{
    struct exo_words before = {{0}}, after = {{0}};
    uint64_t ticks = info(EXO_ENV_TICKS);

    gate_call(counter, &before, 0);
    for (uint32_t i = 0; i < 5; i++) {
        after = (struct exo_words){{0, BURN}};
        gate_call(counter, &after, 0);
    }
    ticks = info(EXO_ENV_TICKS) - ticks;
    uint64_t worked = time_ns_of(after.word[2] - before.word[2]) / MS;
    check(worked >= 10 && ticks < after.word[2] - before.word[2],
          "the server worked, and it is counted as its time");
}

/* A call that takes longer than the caller has patience for. */
static void check_deadline(gate_t gate, gate_t counter)
{
    struct exo_words words = {{LATE, 1}}, state = {{0}};
    int64_t error = gate_call(gate, &words, 20 * MS);

    check(error == -EXO_E_TIME && words.word[0] == LATE, "a call is given up at its deadline");
    words.word[0] = ANSWER;
    error = gate_call(gate, &words, 0);
    check(!error && words.word[0] == 50, "the next waits for its turn and is answered by a thread");
    error = gate_call(counter, &state, 0);
    check(!error && state.word[3] == 1, "the server was told that one answer reached nobody");
    check(!error && state.word[4] == 0, "and that no call can be answered twice");
}

static void check_refusals(gate_t gate)
{
    struct exo_words words = {{0}};
    int64_t slot = 1;

    check(exo_gate_reply(1, 2, 3, 4, 5, 0) == -EXO_E_EMPTY, "no reply without a call");
    check(gate_call((gate_t){gate.n + EXO_GATE_SLOTS}, &words, 0) == -EXO_E_EMPTY, "no stale gate");
    check(gate_find(known[2], PRIVATE).n == 0, "a gate that is not for us is not found");
    for (int64_t worst = 0; slot <= EXO_GATES; slot++) { /* nor called by guessing */
        if (exo_info(EXO_INFO_GATE, (uint64_t)slot, EXO_GATE_NAME) != -EXO_E_OWNER)
            continue;
        for (uint32_t generation = 1; generation < 4; generation++) {
            gate_t guess = {(uint32_t)slot + generation * EXO_GATE_SLOTS};
            worst = gate_call(guess, &words, 0);
            if (worst != -EXO_E_OWNER && worst != -EXO_E_EMPTY)
                check(false, "a gate that is not for us is called");
        }
    }
}

static void check_end(gate_t gate)
{
    struct exo_words words = {{END}};
    env_t old = known[1];

    check(gate_call(gate, &words, 0) == -EXO_E_DIED && words.word[0] == END,
          "the server ends in the middle of a call");
    int64_t error = gate_call(gate, &words, 0);
    check(error == -EXO_E_DIED || error == -EXO_E_EMPTY, "its gate is no more");
    while (known[1].n == old.n) {
        look_around();
        notify_wait(5 * MS);
    }
    words.word[0] = 41;
    check(!gate_call(find(1, ECHO), &words, 0) && words.word[0] == 42,
          "when it has started again, it answers again");
}

static int call(void)
{
    open_gate(ECHO, echo);
    gate_t gate = find(1, ECHO), counter = find(1, COUNT), slow = find(1, SLOW);

    check_words(gate);
    check_registers(counter);
    check_loss(counter);
    check_time(counter);
    check_deadline(slow, counter);
    check_refusals(gate);
    gate_t nested = find(1, NEST);
    struct exo_words words;
    int64_t error;
    do { /* until the third has found us */
        look_around();
        words = (struct exo_words){{5}};
        error = gate_call(nested, &words, 0);
    } while (!error && (int64_t)words.word[2] == -EXO_E_EMPTY);
    check(!error && words.word[0] == 105 && !words.word[1], "a call of a call is answered");
    check((int64_t)words.word[2] == -EXO_E_STATE, "one that goes in a circle is refused");
    check_end(slow);
    return failed != 0;
}

int main(int argc, char **argv)
{
    const char *role = argc > 1 ? argv[1] : "";

    if (!strcmp(role, "server"))
        serve();
    if (!strcmp(role, "third"))
        be_third();
    return call();
}
