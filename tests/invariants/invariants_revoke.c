/* SPDX-License-Identifier: MIT */
/* invariants_revoke.c - what holds of revocation between any two calls (revoke.c). */
#include "env.h"
#include "frame.h"
#include "invariants.h"
#include "prefer.h"

const char *inv_revoke_list(void)
{
    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct revoke *r = &envs[slot].revoke;
        if (envs[slot].state == EXO_ENV_FREE && r->list.n)
            return "a free slot has a list of preferred pages";
        if (r->next > r->listed || r->listed > EXO_PREFER_MAX || (!r->list.n && r->listed))
            return "a list of preferred pages has entries that it cannot have";
        if (r->list.n && (r->list.n >= frame_count || frames[r->list.n].owner != slot ||
                          frames[r->list.n].type != EXO_DATA))
            return "a list of preferred pages lies in a frame that is not its owner's";
        if (r->forced && !r->missing)
            return "pages are taken by force though none are missing";
    }
    return NULL;
}

/* What `env` and all below it may have. */
static uint64_t pages_of_line(const struct env *env)
{
    uint64_t pages = env->quota[EXO_R_PAGES];

    for (uint32_t slot = 1; slot < env_count; slot++)
        if (envs[slot].state != EXO_ENV_FREE && &envs[slot] != env &&
            env_is_under(&envs[slot], env))
            pages += envs[slot].quota[EXO_R_PAGES];
    return pages;
}

const char *inv_revoke_floor(void)
{
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        if (env->state != EXO_ENV_EMBRYO && env->state != EXO_ENV_LIVE)
            continue;
        if (!env->revoke.floor && !env->revoke.missing)
            continue;
        if (env->state == EXO_ENV_EMBRYO && env->revoke.missing)
            return "pages of an environment that does not live yet are asked back";
        if ((uint64_t)env->revoke.floor + env->revoke.missing > pages_of_line(env))
            return "so many pages are asked back that less than the floor is left";
    }
    return NULL;
}
