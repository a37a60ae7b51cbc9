/* SPDX-License-Identifier: MIT */
/*
 * gate.c - calls through gates (gate.h).
 *
 *   A1  the tag of a gate is its door's place in a table that is always in memory
 *   A2  what a handler answers is sent before anything else of this application runs, or together
 *       with its going to sleep: that spares a way into the kernel
 *   A3  a call that no handler answers is kept here until a thread takes it: there is one at most, as
 *       the kernel delivers none before the last is answered
 *   A4  `call_deadline` of the control page is 0 but in a call that has one, so that others need not
 *       look after it
 */
#include "gate.h"

#include "libos.h"
#include "switching.h"
#include "trace.h"

struct door {
    gate_t gate; /* 0: free */
    gate_handler handler;
    void *argument;
};

static struct door doors[GATE_DOORS];
static struct gate_call kept;
static uint32_t kept_count; /* 1 while `kept` waits to be taken */
static bool taken;          /* a thread took it and has not answered */

static const struct exo_words *due; /* a handler's answer, to be sent; NULL: none */

/* What was called; ours until it is answered. */
#define CALLED ((struct exo_incoming *)&control->call)

/* Critical. */
__attribute__((always_inline)) static inline int64_t reply(const struct exo_words *words,
                                                           uint64_t sleep)
{
    const uint64_t *w = words->word;

    return exo_gate_reply(w[0], w[1], w[2], w[3], w[4], sleep);
}

/* Critical. Its answer; NULL: it is for gate_take. */
__attribute__((always_inline)) static inline const struct exo_words *handle(void)
{
    struct exo_incoming *call = CALLED;
    const struct door *door = &doors[call->tag % GATE_DOORS];

    if (!door->handler)
        return NULL;
    door->handler(door->argument, (env_t){(uint32_t)call->caller}, &call->words);
    return &call->words;
}

void gate_flush(void)
{
    if (due)
        reply(due, 0);
    due = NULL;
}

/* A server's loop: from one call to the next there is nothing in it but the handler. */
uint32_t gate_wait(uint64_t deadline)
{
    const uint64_t sleep = deadline ? deadline : UINT64_MAX;
    const struct exo_words *words = due;

    due = NULL;
    do {
        uint32_t reasons =
            (uint32_t)(words ? reply(words, sleep) : exo_wait(deadline, (env_t){EXO_ENV_SELF}));
        if (reasons != EXO_UP_CALL || trace_ring || !(words = handle()))
            return reasons;
    } while (!thread_ready);
    due = words;
    return 0;
}

void gate_incoming(void)
{
    due = handle();
    if (due)
        return;
    const struct exo_incoming *call = CALLED;
    const struct door *door = &doors[call->tag % GATE_DOORS];
    kept = (struct gate_call){door->gate, {(uint32_t)call->caller}, call->words};
    kept_count = 1;
    thread_wake(&kept, UINT32_MAX, 1);
}

int64_t gate_open(uint32_t mark, gate_handler handler, void *argument)
{
    int64_t gate = -EXO_E_QUOTA;

    critical_enter();
    for (uint32_t i = 0; i < GATE_DOORS && gate == -EXO_E_QUOTA; i++) {
        if (doors[i].gate.n)
            continue;
        gate = exo_gate_create(i, mark);
        if (gate < 0)
            break;
        doors[i] = (struct door){{(uint32_t)gate}, handler, argument};
    }
    critical_exit();
    return gate;
}

int64_t gate_allow(gate_t gate, env_t peer, bool allow)
{
    return exo_gate_grant(gate, peer, allow);
}

int64_t gate_close(gate_t gate)
{
    critical_enter();
    int64_t result = exo_gate_delete(gate);
    for (uint32_t i = 0; !result && i < GATE_DOORS; i++)
        if (doors[i].gate.n == gate.n)
            doors[i] = (struct door){{0}, NULL, NULL};
    critical_exit();
    return result;
}

bool gate_take(struct gate_call *call, uint64_t timeout_ns)
{
    uint64_t end = timeout_ns ? time_deadline(timeout_ns) : 0;
    struct gate_call next = {0};
    bool over = false;

    critical_enter();
    while (!kept_count && !over)
        over = !thread_block(&kept, UINT32_MAX, end);
    bool found = kept_count;
    if (found) {
        next = kept;
        taken = true;
    }
    kept_count = 0;
    critical_exit();
    if (found)
        *call = next; /* not before: it may be where memory is yet to come */
    return found;
}

int64_t gate_answer(const struct exo_words *words)
{
    const struct exo_words answer = *words;

    /* Not a call that was delivered meanwhile and that nobody has looked at. */
    critical_enter();
    int64_t result = taken ? reply(&answer, 0) : -EXO_E_EMPTY;
    taken = false;
    critical_exit();
    return result;
}

gate_t gate_find(env_t peer, uint32_t mark)
{
    for (uint32_t i = 1; i <= EXO_GATES; i++) {
        int64_t gate = exo_info(EXO_INFO_GATE, i, EXO_GATE_NAME);
        if (gate > 0 && exo_info(EXO_INFO_GATE, i, EXO_GATE_OWNER) == peer.n &&
            exo_info(EXO_INFO_GATE, i, EXO_GATE_MARK) == mark)
            return (gate_t){(uint32_t)gate};
    }
    return (gate_t){0};
}

/* A4 */
__attribute__((noinline)) static int64_t call_until(gate_t gate, struct exo_words *words,
                                                    uint64_t timeout_ns)
{
    uint64_t deadline = time_deadline(timeout_ns);
    struct exo_words said = *words;
    const uint64_t *w = said.word;
    bool handling = VCPU->page.disabled; /* from within a handler: upcalls stay off */

    if (!handling)
        critical_begin();
    VCPU->page.call_deadline = deadline;
    vcpu_unlock(); /* others go on while this one waits */
    int64_t result = exo_gate_call(gate, w[0], w[1], w[2], w[3], w[4], &said);
    vcpu_lock();
    VCPU->page.call_deadline = 0;
    if (!handling)
        critical_end();
    *words = said;
    return result;
}

int64_t gate_call(gate_t gate, struct exo_words *words, uint64_t timeout_ns)
{
    const uint64_t *w = words->word;

    if (timeout_ns)
        return call_until(gate, words, timeout_ns);
    return exo_gate_call(gate, w[0], w[1], w[2], w[3], w[4], words);
}
