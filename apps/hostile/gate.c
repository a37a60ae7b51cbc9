/* SPDX-License-Identifier: MIT */
/* gate.c - gates of others and of its own: guessed, stale, called and answered out of turn. */
#include "batch.h"
#include "hostile.h"

#define GENERATIONS 4u
#define FLOOD       10000u

/* One call on each number that is or might be a gate. */
static int64_t each_gate(int64_t (*attempt)(gate_t gate))
{
    int64_t worst = 0;

    for (uint32_t slot = 0; slot <= EXO_GATES + 1; slot++)
        for (uint32_t generation = 0; generation <= GENERATIONS; generation++)
            if (let_through(attempt((gate_t){generation * EXO_GATE_SLOTS + slot}), &worst))
                return worst;
    return worst;
}

static int64_t call_it(gate_t gate)
{
    struct exo_words words;

    return exo_gate_call(gate, 1, 2, 3, 4, 5, &words);
}

static int64_t open_to_self(gate_t gate)
{
    return exo_gate_grant(gate, SELF, 1);
}

static int64_t call_all(void)
{
    return each_gate(call_it);
}

static int64_t delete_all(void)
{
    return each_gate(exo_gate_delete);
}

static int64_t open_all(void)
{
    return each_gate(open_to_self);
}

static int64_t look_at_all(void)
{
    int64_t worst = 0;

    for (uint64_t slot = 0; slot <= EXO_GATES + 1; slot++)
        for (uint32_t what = 0; what < 4; what++)
            if (let_through(exo_info(EXO_INFO_GATE, slot, what), &worst))
                return worst;
    return worst;
}

/* A gate of its own that it may call through itself. */
static gate_t own_gate(void)
{
    int64_t gate = exo_gate_create(1, 1);

    if (gate > 0)
        exo_gate_grant((gate_t){(uint32_t)gate}, SELF, 1);
    return (gate_t){gate > 0 ? (uint32_t)gate : 0};
}

static int64_t call_itself(void)
{
    gate_t gate = own_gate();

    if (!gate.n)
        return NOT_TRIED;
    int64_t result = call_it(gate);
    exo_gate_delete(gate);
    return result;
}

static int64_t call_stale(void)
{
    gate_t gate = own_gate();
    int64_t worst = 0;

    if (!gate.n)
        return NOT_TRIED;
    exo_gate_delete(gate);
    gate_t next = own_gate(); /* in the same place */
    if (!let_through(call_it(gate), &worst) && !let_through(exo_gate_delete(gate), &worst))
        let_through(open_to_self(gate), &worst);
    exo_gate_delete(next);
    return worst;
}

static int64_t open_many(void)
{
    gate_t gates[EXO_GATES + 1];
    uint32_t count = 0;
    int64_t result;

    while (count <= EXO_GATES && (result = exo_gate_create(count, 0)) > 0)
        gates[count++].n = (uint32_t)result;
    for (uint32_t i = 0; i < count; i++)
        exo_gate_delete(gates[i]);
    return count > EXO_GATES ? 0 : result;
}

static int64_t answer_nobody(void)
{
    int64_t worst = 0;

    for (uint32_t i = 0; i < FLOOD; i++)
        if (let_through(exo_gate_reply(i, i, i, i, i, i % 2 ? ~0ull : 0), &worst))
            break;
    return worst;
}

/* A number that is right in its low 32 bits. */
static int64_t wide_gate(void)
{
    gate_t gate = own_gate();
    int64_t worst = 0;

    if (!gate.n)
        return NOT_TRIED;
    for (uint32_t bit = 32; bit < 64; bit++)
        if (let_through(raw_call(EXO_CALL_GATE_CALL, gate.n | 1ull << bit, 0, 0), &worst) ||
            let_through(raw_call(EXO_CALL_GATE_DELETE, gate.n | 1ull << bit, 0, 0), &worst))
            break;
    exo_gate_delete(gate);
    return worst;
}

/* A deadline that has passed, or is about to, on a call that is refused anyway. */
static int64_t with_deadline(void)
{
    int64_t worst = 0;

    for (uint64_t shift = 0; shift < 64; shift += 7) {
        control->call_deadline = 1ull << shift;
        if (let_through(call_all(), &worst))
            break;
    }
    control->call_deadline = 0;
    return worst;
}

/* A call that switches, or may have an upcall come of it, must not be one of several. */
static int64_t in_batch(void)
{
    static const uint32_t calls[] = {EXO_CALL_GATE_CALL, EXO_CALL_GATE_REPLY, EXO_CALL_POLL};
    int64_t n = exo_page_alloc(SELF, ANY, EXO_DATA), worst = 0;

    if (n < 0)
        return NOT_TRIED;
    frame_t frame = {(uint32_t)n};
    if (exo_pt_map(stretch.pt, 21, frame, EXO_WRITE)) {
        exo_page_free(frame);
        return NOT_TRIED;
    }
    volatile struct exo_operation *operation =
        (volatile struct exo_operation *)(stretch.address + 21 * EXO_PAGE_SIZE);
    for (uint32_t i = 0; i < 3; i++) {
        operation->call = calls[i];
        int64_t result = exo_batch(frame, 0, 1);
        let_through(result < -255 ? -(int64_t)EXO_BATCH_ERROR(result) : result, &worst);
    }
    exo_pt_unmap(stretch.pt, 21);
    exo_page_free(frame);
    return worst;
}

const struct attack gate_attacks[] = {
    {"call through every gate that there is or might be", call_all},
    {"do so with every deadline", with_deadline},
    {"delete every gate", delete_all},
    {"let itself in at every gate", open_all},
    {"look at every gate", look_at_all},
    {"call itself", call_itself},
    {"use the number of a gate that it deleted", call_stale},
    {"name a gate by more than 32 bits", wide_gate},
    {"open more gates than it may", open_many},
    {"answer calls that nobody made", answer_nobody},
    {"call, answer or poll in a batch", in_batch},
    {NULL, NULL},
};
