/* SPDX-License-Identifier: MIT */
/* invariants_gate.c - what holds of gates and of the calls through them (gate.c). */
#include "gate.h"
#include "invariants.h"
#include "machine.h"
#include "processor.h"
#include "slice.h"

#define REQUIRE(condition, sentence)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

const char *inv_gate_table(void)
{
    uint32_t listed = 0;

    for (uint32_t i = 0; i < SET_MAX; i++) {
        bool free = i && i < GATE_TABLE && !gates[i].owner;
        REQUIRE(set_has(&gates_free, i) == free, "whether a gate is free is not known");
        listed += free;
    }
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        uint32_t own = 0;
        REQUIRE(env->state == EXO_ENV_LIVE || env->state == EXO_ENV_ZOMBIE || !env->gate.own.some,
                "somebody who does not live has gates");
        for (uint32_t i = 0; i < SET_MAX; i++) {
            bool is = i < GATE_TABLE && gates[i].owner == slot;
            REQUIRE(set_has(&env->gate.own, i) == is, "an owner does not know its gates");
            REQUIRE(!is || EXO_GATE_SLOT(gates[i].name.n) == i, "a gate has another's name");
            own += is;
        }
        REQUIRE(env->state == EXO_ENV_FREE || own == env->used[EXO_R_GATES],
                "an owner's count of gates is wrong");
        listed += own;
    }
    REQUIRE(listed == EXO_GATES, "a gate is neither free nor anybody's");
    return NULL;
}

/* How many wait in this environment's list; UINT32_MAX if the list is broken. */
static uint32_t waiting_in(uint32_t slot)
{
    uint32_t count = 0, before = 0;

    for (uint32_t i = envs[slot].gate.waiting.first; i; i = envs[i].gate.link.next) {
        const struct env_gate *g = &envs[i].gate;
        if (i >= env_count || g->callee != slot || g->served || g->link.prev != before ||
            ++count > env_count)
            return UINT32_MAX;
        before = i;
    }
    return envs[slot].gate.waiting.last == before ? count : UINT32_MAX;
}

const char *inv_gate_calls(void)
{
    uint32_t in_lists = 0, served = 0, wait = 0;

    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        const struct env_gate *g = &env->gate;
        uint32_t waiting = waiting_in(slot);
        REQUIRE(waiting != UINT32_MAX, "a list of those who wait for an answer is broken");
        in_lists += waiting;
        served += g->caller != 0;
        wait += g->callee != 0;
        REQUIRE(!g->callee || (env->state == EXO_ENV_LIVE && !env->waiting),
                "somebody waits for an answer who does not live, or sleeps at the same time");
        REQUIRE(!g->caller || (g->serves && g->caller < env_count &&
                               envs[g->caller].gate.callee == slot && envs[g->caller].gate.served),
                "somebody serves who does not wait for it");
        REQUIRE(env->state == EXO_ENV_LIVE || env->state == EXO_ENV_ZOMBIE ||
                    (!waiting && !g->serves),
                "somebody is called who does not live");
        REQUIRE(env->state != EXO_ENV_LIVE ||
                    !!(env->pending & EXO_UP_CALL) == (waiting && !g->serves),
                "a call pends that cannot be delivered, or one that can does not");
    }
    REQUIRE(in_lists + served == wait, "somebody waits for an answer of nobody");
    return NULL;
}

/* Is what a way rests on as it has to be, and what gate.S is told of it true? */
static bool way_is_good(const struct env *caller)
{
    const struct env *callee = &envs[caller->gate.way_to];
    const struct gate_way *way = &caller->gate.way;
    const struct gate *gate = &gates[EXO_GATE_SLOT(way->gate)];
    uint32_t app = caller->acts_as ? envs[caller->acts_as].name.n : caller->name.n;
    bool may = false;

    for (uint32_t i = 0; i < EXO_GATE_HOLDERS; i++)
        may |= gate->holder[i].n == app;
    return may && gate->owner == caller->gate.way_to && gate->name.n == way->gate &&
           gate->tag == way->tag && way->caller == app && caller->state == EXO_ENV_LIVE &&
           callee->state == EXO_ENV_LIVE && callee->waiting && !callee->ready && !callee->pending &&
           callee->deadline && !callee->gate.serves && caller->gate.height < EXO_GATE_DEPTH &&
           caller->home == callee->home && way->callee == callee &&
           way->control == machine_frame(callee->control) &&
           way->own == machine_frame(caller->control);
}

const char *inv_gate_ways(void)
{
    uint32_t unbooked = 0;

    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct env_gate *g = &envs[slot].gate;
        REQUIRE(!g->way_to == !g->way.callee, "a way is open and leads nowhere");
        REQUIRE(!g->way_to || (envs[g->way_to].gate.way_from == slot && way_is_good(&envs[slot])),
                "a way is open that should be closed");
        REQUIRE(!g->way_from || envs[g->way_from].gate.way_to == slot, "a way comes from nowhere");
    }
    for (uint32_t i = 0; i < processor_count; i++) {
        const struct processor *p = &processors[i];
        unbooked += p->unbooked != NULL;
        REQUIRE(!p->unbooked || (p->current && p->current->gate.way.callee == p->unbooked),
                "a call is to be booked that went along no way");
    }
    REQUIRE(unbooked == calls_unbooked, "the number of calls to be booked is wrong");
    return NULL;
}

const char *inv_gate_time(void)
{
    static struct set lent[EXO_ENVS];

    for (uint32_t slot = 0; slot < env_count; slot++)
        lent[slot] = (struct set){0};
    for (uint32_t i = 0; i < slice_count; i++)
        for (uint32_t at = envs[slice_owner[i]].gate.callee; at; at = envs[at].gate.callee)
            set_add(&lent[at], i);
    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct set *set = &envs[slot].gate.lent;
        bool same = lent[slot].some == set->some;
        for (uint32_t w = 0; w < SET_WORDS; w++)
            same &= lent[slot].word[w] == set->word[w];
        REQUIRE(same, "the time that is lent to an environment is not that of its callers");
    }
    return NULL;
}

const char *inv_gate_depth(void)
{
    uint32_t waiters[EXO_ENVS][EXO_GATE_DEPTH] = {0}, height[EXO_ENVS] = {0};

    for (uint32_t slot = 1; slot < env_count; slot++) {
        uint32_t depth = 0;
        for (uint32_t i = slot; envs[i].gate.callee; i = envs[i].gate.callee) {
            uint32_t below = envs[i].gate.callee;
            REQUIRE(++depth <= EXO_GATE_DEPTH, "calls go in a circle or too deep");
            height[below] = height[below] < depth ? depth : height[below];
        }
    }
    for (uint32_t slot = 1; slot < env_count; slot++)
        if (envs[slot].gate.callee)
            waiters[envs[slot].gate.callee][height[slot]]++;
    for (uint32_t slot = 1; slot < env_count; slot++) {
        REQUIRE(envs[slot].gate.height == height[slot], "a height is not what hangs above");
        for (uint32_t i = 0; i < EXO_GATE_DEPTH; i++)
            REQUIRE(envs[slot].gate.waiters[i] == waiters[slot][i],
                    "a count of those who wait is wrong");
    }
    return NULL;
}
