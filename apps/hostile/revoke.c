/* SPDX-License-Identifier: MIT */
/* revoke.c - pages of others wanted back, and lists of what is not its own to lose. */
#include "hostile.h"
#include "prefer.h"

static int64_t demand_one(env_t env)
{
    return exo_revoke_start(env, 1, 0);
}

static int64_t demand_from_others(void)
{
    return each_other(demand_one);
}

static int64_t take_from_others(void)
{
    return each_other(exo_revoke_take);
}

static int64_t demand_from_itself(void)
{
    return exo_revoke_start(SELF, 1, 0);
}

static int64_t grow_one(env_t env)
{
    return exo_env_set(env, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, 1);
}

static int64_t grow(void)
{
    int64_t result = grow_one(SELF);

    return result < 0 ? each_other(grow_one) : result;
}

/* The kernel marks entries of a list: in whose memory? */
static int64_t list_in(frame_t frame)
{
    return exo_revoke_prefer(frame, 1);
}

static int64_t list_in_foreign(void)
{
    return each_foreign(list_in);
}

static int64_t list_in_table(void)
{
    return exo_revoke_prefer(stretch.pt, 1);
}

/* What the kernel uses of a list cannot be given back under it, to be somebody else's when it is marked. */
static int64_t free_list(void)
{
    int64_t n = exo_page_alloc(SELF, ANY, EXO_DATA);
    const frame_t frame = {(uint32_t)n};

    if (n < 0)
        return NOT_TRIED;
    int64_t worst = 0;
    let_through(exo_revoke_prefer(frame, EXO_PREFER_MAX + 1), &worst);
    let_through(exo_revoke_prefer((frame_t){EXO_FRAME_NONE}, 1), &worst);
    if (exo_revoke_prefer(frame, EXO_PREFER_MAX))
        return NOT_TRIED;
    let_through(exo_page_free(frame), &worst);
    exo_revoke_prefer((frame_t){EXO_FRAME_NONE}, 0);
    exo_page_free(frame);
    return worst;
}

const struct attack revoke_attacks[] = {
    {"demand pages of every other environment", demand_from_others},
    {"take pages of every other environment", take_from_others},
    {"demand pages of itself", demand_from_itself},
    {"give itself or others more pages", grow},
    {"have lists marked in each frame that is not its own", list_in_foreign},
    {"have a list marked in a page table", list_in_table},
    {"have a list that is too long, in no frame, or freed meanwhile", free_list},
    {NULL, NULL},
};
