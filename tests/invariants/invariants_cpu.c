/* SPDX-License-Identifier: MIT */
/*
 * invariants_cpu.c - who is found without a search: what sets and the tree of times know is what
 * the environments say, counted anew.
 */
#include "env.h"
#include "invariants.h"
#include "processor.h"
#include "slice.h"

#define REQUIRE(condition, sentence)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

static bool set_is_sound(const struct set *set)
{
    for (uint32_t w = 0; w < 64; w++)
        if ((w < SET_WORDS && set->word[w]) != (set->some >> w & 1))
            return false;
    return true;
}

/* It runs, and may have positions of other CPUs. */
static bool is_hidden(const struct env *env)
{
    return env->on && env->cpus & ~(1ull << (env->on - 1));
}

/* The owner, or whom it waits for, can run and is not hidden; or it waits for one that has ended and is to be
 * told. */
static bool is_of_use(uint32_t owner)
{
    uint32_t end = owner;

    while (envs[end].gate.callee)
        end = envs[end].gate.callee;
    return (envs[end].ready && !is_hidden(&envs[end])) ||
           (end != owner && envs[end].state == EXO_ENV_ZOMBIE);
}

const char *inv_cpu_sleeper(void)
{
    for (uint32_t i = 0; i < processor_count; i++) {
        const struct env *env = processors[i].sleeper;
        if (!env)
            continue;
        REQUIRE(env->state == EXO_ENV_LIVE && env->home == i && env->waiting && !env->on,
                "one that passes for ready does not sleep, or not there");
        REQUIRE(!env->deadline && !env->gate.callee && !env->gate.lent.some && !env->acts_as,
                "one that passes for ready sleeps with others, or until a time");
        REQUIRE(!(processors_quiet >> i & 1), "nobody will look whether a sleeper wakes");
    }
    return NULL;
}

const char *inv_slice_ready(void)
{
    REQUIRE(set_is_sound(&slice_ready), "a word of the ready positions is not known as such");
    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        bool can_run = env->state == EXO_ENV_LIVE && !env->gate.callee &&
                       (!env->waiting || (env->pending & ~(uint32_t)EXO_UP_SLICE_BEGIN));
        REQUIRE(env->ready == (can_run || (env->home < processor_count && is_sleeper(env))),
                "whether an environment can run is not known");
        REQUIRE(set_is_sound(&env->positions), "a word of positions is not known as such");
        for (uint32_t i = 0; slot && i < slice_count; i++)
            REQUIRE(env->cpus >> i / slice_each & 1 ||
                        !(set_has(&env->positions, i) || set_has(&env->gate.lent, i)),
                    "an environment does not know that it has a position of a CPU");
        for (uint32_t i = 0; i < SET_MAX; i++)
            REQUIRE(set_has(&env->positions, i) == (i < slice_count && slice_owner[i] == slot),
                    "an environment's set of positions is not what it owns");
    }
    for (uint32_t i = 0; i < SET_MAX; i++)
        REQUIRE(set_has(&slice_ready, i) == (i < slice_count && is_of_use(slice_owner[i])),
                "a position is ready and its owner is not, or the other way round");
    return NULL;
}

const char *inv_cpu_expiry(void)
{
    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        uint64_t first = UINT64_MAX;
        if (env->state == EXO_ENV_LIVE && env->timer)
            first = env->timer;
        if (env->state == EXO_ENV_LIVE && (env->waiting || env->gate.callee) && env->deadline &&
            env->deadline < first)
            first = env->deadline;
        REQUIRE(env->home < processor_count, "an environment's home is no CPU");
        for (uint32_t i = 0; i < processor_count; i++)
            REQUIRE(processors[i].expiry[env_count + slot] == (i == env->home ? first : UINT64_MAX),
                    "an environment's next time is not known, or at another CPU than its home");
    }
    for (uint32_t cpu = 0; cpu < processor_count; cpu++)
        for (uint32_t i = 1; i < env_count; i++) {
            const uint64_t *expiry = processors[cpu].expiry;
            uint64_t left = expiry[2 * i], right = expiry[2 * i + 1];
            REQUIRE(expiry[i] == (left < right ? left : right),
                    "a node does not hold the earlier of its two times");
        }
    return NULL;
}

const char *inv_cpu_current(void)
{
    for (uint32_t slot = 0; slot < env_count; slot++)
        REQUIRE(!envs[slot].on || (envs[slot].on <= processor_count &&
                                   processors[envs[slot].on - 1].current == &envs[slot]),
                "an environment thinks that it has a CPU");
    for (uint32_t i = 0; i < processor_count; i++)
        REQUIRE(!processors[i].current || processors[i].current->on == i + 1,
                "an environment has a CPU, or two, and does not know it");
    return NULL;
}

static bool is_vcpu_of(const struct env *env, const struct env *app)
{
    return app->state != EXO_ENV_FREE && !app->acts_as && env->parent.n == app->name.n &&
           env->root.n == app->root.n && app->vcpu[env->acts_on] == env - envs;
}

const char *inv_env_vcpus(void)
{
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        if (env->state == EXO_ENV_FREE)
            continue;
        const struct env *app = &envs[env->acts_as];
        REQUIRE(!env->acts_as || is_vcpu_of(env, app), "a vCPU is not that of its application");
        REQUIRE(!env->acts_as || env->state != EXO_ENV_LIVE || app->state == EXO_ENV_LIVE,
                "a vCPU outlives its application");
        for (uint32_t cpu = 0; cpu < processor_count; cpu++)
            REQUIRE(!env->vcpu[cpu] || (envs[env->vcpu[cpu]].acts_as == slot &&
                                        envs[env->vcpu[cpu]].acts_on == cpu),
                    "an application's vCPU is not its own");
    }
    for (uint32_t i = 0; i < slice_count; i++) {
        const struct env *owner = &envs[slice_owner[i]];
        REQUIRE(!owner->acts_as || owner->acts_on == i / slice_each,
                "a vCPU has a position of another CPU than its own");
        const struct env *vcpu = &envs[owner->vcpu[i / slice_each]];
        REQUIRE(vcpu->state != EXO_ENV_LIVE && vcpu->state != EXO_ENV_EMBRYO,
                "an application has a position that is its vCPU's");
    }
    return NULL;
}

const char *inv_env_cpus(void)
{
    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        uint64_t had = 0;
        if ((slot && env->state == EXO_ENV_FREE) || env->acts_as)
            continue;
        for (uint32_t i = 0; i < slice_count; i++)
            if (slice_owner[i] == slot || (slot && envs[slice_owner[i]].acts_as == slot))
                had |= 1ull << i / slice_each;
        REQUIRE(env->cpus_had == had,
                "an application does not know of which CPUs it has positions");
    }
    return NULL;
}

const char *inv_env_ready_children(void)
{
    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        REQUIRE(set_is_sound(&env->ready_children),
                "a word of ready children is not known as such");
        for (uint32_t child = 0; env->state == EXO_ENV_LIVE && child < env_count; child++)
            REQUIRE(set_has(&env->ready_children, child) ==
                        (envs[child].ready && envs[child].parent.n == env->name.n),
                    "whether a child can run is not known to its parent");
    }
    return NULL;
}

/* The environment that position `i` is of use to, or NULL. */
static const struct env *runner_of(uint32_t i)
{
    const struct env *env = &envs[slice_owner[i]];

    while (env->gate.callee)
        env = &envs[env->gate.callee];
    return env;
}

const char *inv_cpu_quiet(void)
{
    for (uint32_t i = 0; i < slice_count; i++) {
        uint32_t cpu = i / slice_each;
        bool told = !(processors_quiet >> cpu & 1) || processors_stirred >> cpu & 1;
        REQUIRE(told || !set_has(&slice_ready, i) || runner_of(i) == processors[cpu].current,
                "a CPU that nobody wanted is wanted and was not stirred");
    }
    for (uint32_t cpu = 0; cpu < processor_count; cpu++) {
        const struct processor *p = &processors[cpu];
        bool told = (processors_quiet | processors_stirred) >> cpu & 1;
        REQUIRE(told || !p->current || p->alarm <= p->slice_end,
                "a CPU that may be wanted has no alarm at its slice's end");
    }
    return NULL;
}
