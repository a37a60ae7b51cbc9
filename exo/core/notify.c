/* SPDX-License-Identifier: MIT */
/*
 * notify.c - bits from one environment to another that allowed it.
 *
 *   N1  only whom `notifiers` names may notify, and it names nobody who is gone: who gets the slot
 *       of another does not inherit its right                              inv_notify_names
 *   N2  bits are added to `notified` before the reason is raised: none is lost, whether its
 *       receiver looks, is about to sleep, or sleeps
 *
 * A bit a slot, a word an environment: however many notify, nothing grows and nobody waits.
 */
#include "notify.h"

#include "exo_calls.h"
#include "exo_handlers.h"
#include "machine.h"

static uint64_t bit_of(const struct env *env)
{
    return 1ull << (env - envs);
}

_Static_assert(EXO_ENVS <= 64, "`notifiers` has a bit for each slot");

void notify_forget(struct env *env)
{
    for (uint32_t slot = 1; slot < EXO_ENVS; slot++)
        envs[slot].notifiers &= ~bit_of(env);
    env->notifiers = 0;
}

int64_t call_notify_allow(struct env *self, env_t name, uint32_t allow)
{
    const struct env *env = env_find(self, name);

    if (!env || env->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;
    if (allow > 1)
        return -EXO_E_RANGE;

    if (allow)
        self->notifiers |= bit_of(env);
    else
        self->notifiers &= ~bit_of(env);
    return 0;
}

int64_t call_notify(struct env *self, env_t name, uint64_t bits)
{
    struct env *env = env_find(self, name);

    if (!env || env->state != EXO_ENV_LIVE)
        return -EXO_E_ENV;
    if (!(env->notifiers & bit_of(self)))
        return -EXO_E_OWNER;
    if (!bits)
        return -EXO_E_RANGE;

    struct exo_control *control = machine_frame(env->control);
    __atomic_fetch_or(&control->notified, bits, __ATOMIC_RELEASE); /* it may be clearing them */
    env_pend(env, EXO_UP_NOTIFY);
    return 0;
}
