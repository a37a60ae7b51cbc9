/* SPDX-License-Identifier: MIT */
/*
 * notify.c - bits from one environment to another that allowed it.
 *
 *   N1  only whom `notifiers` names may notify. It holds names, not slots: who gets the slot of
 *       another does not inherit its right, and nobody has to be forgotten   inv_notify_names
 *   N2  bits are added to `notified` before the reason is raised: none is lost, whether its
 *       receiver looks, is about to sleep, or sleeps
 *
 * A few names and a word an environment: however many notify, nothing grows and nobody waits.
 */
#include "env.h"
#include "exo_calls.h"
#include "exo_handlers.h"
#include "machine.h"

/* Where `name` stands; where it may be put if it does not (or a name of nobody any more); or NULL. */
static env_t *place_of(struct env *env, env_t name)
{
    env_t *place = NULL;

    for (uint32_t i = 0; i < EXO_NOTIFIERS; i++) {
        env_t *at = &env->notifiers[i];
        if (at->n == name.n)
            return at;
        if (!at->n || !env_find(NULL, *at))
            place = at;
    }
    return place;
}

int64_t call_notify_allow(struct env *self, env_t name, uint32_t allow)
{
    const struct env *env = env_find(self, name);

    if (!env || env->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;
    if (allow > 1)
        return -EXO_E_RANGE;
    env_t *place = place_of(self, env->name);
    if (allow && !place)
        return -EXO_E_QUOTA;

    if (allow)
        *place = env->name;
    else if (place && place->n == env->name.n)
        place->n = 0;
    return 0;
}

static bool may_notify(const struct env *self, const struct env *env)
{
    for (uint32_t i = 0; i < EXO_NOTIFIERS; i++)
        if (env->notifiers[i].n == self->name.n)
            return true;
    return false;
}

int64_t call_notify(struct env *self, env_t name, uint64_t bits)
{
    struct env *env = env_find(self, name);

    if (!env || env->state != EXO_ENV_LIVE)
        return -EXO_E_ENV;
    if (!may_notify(self, env))
        return -EXO_E_OWNER;
    if (!bits)
        return -EXO_E_RANGE;

    struct exo_control *control = machine_frame(env->control);
    __atomic_fetch_or(&control->notified, bits, __ATOMIC_RELEASE); /* it may be clearing them */
    env_pend(env, EXO_UP_NOTIFY);
    return 0;
}
