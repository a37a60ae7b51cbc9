/* SPDX-License-Identifier: MIT */
/*
 * notify.c - bits from one environment to another that allowed it.
 *
 *   N1  only whom `notifiers` names may notify, and an application itself and its vCPUs
 *       to wake them, without a bit. It holds names, not slots: who gets the slot of
 *       another does not inherit its right, and nobody has to be forgotten   inv_notify_names
 *   N2  bits are added to `notified` before the reason is raised: none is lost, whether its
 *       receiver looks, is about to sleep, or sleeps
 *
 * A few names and a word an environment: however many notify, nothing grows and nobody waits.
 */
#include "env.h"
#include "exo_handlers.h"
#include "machine.h"

int64_t call_notify_allow(struct env *self, struct env *env, uint32_t allow)
{
    if (env->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;

    return names_put(self->notifiers, EXO_NOTIFIERS, env->name, allow) ? 0 : -EXO_E_QUOTA;
}

int64_t call_notify(struct env *self, struct env *env, uint64_t bits)
{
    if (env->state != EXO_ENV_LIVE)
        return -EXO_E_ENV;
    bool wake = !bits && env_application(env) == self;
    if (!wake && !names_have(env->notifiers, EXO_NOTIFIERS, self->name))
        return -EXO_E_OWNER;
    if (!wake && !bits)
        return -EXO_E_RANGE;

    struct exo_control *control = machine_frame(env->control);
    __atomic_fetch_or(&control->notified, bits, __ATOMIC_RELEASE); /* it may be clearing them */
    env_pend(env, EXO_UP_NOTIFY);
    return 0;
}
