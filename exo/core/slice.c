/* SPDX-License-Identifier: MIT */
/*
 * slice.c - who owns which position of the slice vector, of which each CPU has its part.
 *
 *   S1  every position has one owner, and an environment's `slices` is how many
 *       it owns                                                   inv_slice_counts
 *   S2  `slice_ready` holds exactly the positions whose owner, or whom that one waits for in a
 *       call, can run: the next is found without looking at those that cannot. While it runs it is
 *       hidden from other CPUs, if it has positions there: nobody is taken twice
 *                                                                 inv_slice_ready
 *   S3  of those who wait for it an environment knows the positions, so that it wakes and sleeps
 *       with theirs however many they are                         inv_gate_time
 */
#include "slice.h"

#include "exo_handlers.h"
#include "processor.h"

uint16_t *slice_owner;
uint32_t slice_count;
uint32_t slice_each;
struct set slice_ready;

/* The end of the chain of those that `env` waits for; `env` itself if it waits for nobody. */
static struct env *end_of(struct env *env)
{
    while (env->gate.callee)
        env = &envs[env->gate.callee];
    return env;
}

/* Is a position of use whose owner waits for `end`? Who has ended leaves callers to be told. */
static bool is_of_use(const struct env *end)
{
    return end->ready ? !slice_is_hidden(end) : end->state == EXO_ENV_ZOMBIE;
}

bool slice_wanted(uint32_t cpu, const struct env *except)
{
    uint32_t first = cpu * slice_each, last = first + slice_each - 1;

    for (uint32_t w = first / 64; w <= last / 64; w++) {
        uint64_t word = slice_ready.word[w];
        if (!word)
            continue;
        if (w == first / 64)
            word &= ~0ull << first % 64;
        if (w == last / 64)
            word &= ~0ull >> (63 - last % 64);
        if (except)
            word &= ~(except->positions.word[w] | except->gate.lent.word[w]);
        if (word)
            return true;
    }
    return false;
}

/* CPUs that nobody wanted: does somebody now? */
static void quiet_stir(void)
{
    for (uint32_t n = 0; processors_quiet && n < processor_count; n++)
        if (processors_quiet >> n & 1 && slice_wanted(n, processors[n].current))
            processor_stir(n);
}

static void lent_put(const struct env *owner, uint32_t position, bool in)
{
    for (uint32_t slot = owner->gate.callee; slot; slot = envs[slot].gate.callee)
        set_put(&envs[slot].gate.lent, position, in);
}

/* Whose turn is at this position has lost it. */
static void turn_end(uint32_t position, const struct env *owner)
{
    struct processor *p = &processors[position / slice_each];

    if (p->position != position || p->payer != owner)
        return;
    p->payer = NULL;
    processor_stir(p->number);
}

/* `env` and whom it waits for may have positions of these CPUs. */
static void cpus_add(struct env *env, uint64_t cpus)
{
    env->cpus |= cpus;
    for (uint32_t slot = env->gate.callee; slot; slot = envs[slot].gate.callee)
        envs[slot].cpus |= cpus;
}

static void slice_move(uint32_t position, struct env *to)
{
    struct env *owner = &envs[slice_owner[position]];
    uint32_t cpu = position / slice_each;
    struct env *from = env_application(owner), *app = env_application(to),
               *vcpu = vcpu_at(app, cpu);

    to = vcpu ? vcpu : app;

    if (owner != to)
        turn_end(position, owner);

    owner->slices--;
    set_remove(&owner->positions, position);
    lent_put(owner, position, false);
    slice_owner[position] = (uint16_t)(to - envs);
    to->slices++;
    set_add(&to->positions, position);
    lent_put(to, position, true);
    cpus_add(to, 1ull << cpu);
    set_put(&slice_ready, position, is_of_use(end_of(to)));
    slice_refresh(end_of(to));
    quiet_stir();
    vcpus_count(from, cpu);
    vcpus_count(app, cpu);
}

void slice_refresh(struct env *env)
{
    if (env->gate.callee) /* then it is its callee that counts */
        return;
    bool in = env->ready && !slice_is_hidden(env);
    set_put_all(&slice_ready, &env->positions, in);
    if (env->gate.lent.some) {
        set_put_all(&slice_ready, &env->gate.lent, is_of_use(env));
        in = true;
    }
    if (in && processors_quiet) /* they are of use to somebody, perhaps */
        quiet_stir();
}

void slice_lend(struct env *env, bool lend)
{
    for (uint32_t slot = env->gate.callee; slot; slot = envs[slot].gate.callee) {
        set_put_all(&envs[slot].gate.lent, &env->positions, lend);
        set_put_all(&envs[slot].gate.lent, &env->gate.lent, lend);
    }
    if (lend) {
        cpus_add(env, env->cpus);
        slice_refresh(end_of(env));
    }
}

void slice_init(uint16_t *owners, uint32_t cpus, uint32_t each)
{
    slice_owner = owners;
    slice_each = each;
    slice_count = cpus * each;
    slice_ready = (struct set){0};
    envs[ENV_KERNEL].slices = slice_count;
    for (uint32_t i = 0; i < cpus; i++)
        processors[i].position = i * each;
    for (uint32_t i = 0; i < slice_count; i++) {
        slice_owner[i] = ENV_KERNEL;
        set_add(&envs[ENV_KERNEL].positions, i);
    }
}

bool slice_hand_over(struct env *env, struct env *to, uint32_t most)
{
    uint32_t position, moved = 0;

    for (; moved < most && (position = set_first(&env->positions)) != SET_NONE; moved++)
        slice_move(position, to);
    return moved;
}

int64_t call_slice_set(struct env *self, uint32_t position, struct env *to)
{
    if (position >= slice_count)
        return -EXO_E_RANGE;
    if (to->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;
    struct env *owner = &envs[slice_owner[position]];
    if (!env_is_under(owner, self))
        return -EXO_E_OWNER;

    slice_move(position, to);
    return 0;
}
