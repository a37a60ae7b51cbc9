/* SPDX-License-Identifier: MIT */
/*
 * grant.c - frames of others, by grants that are not for it, and its own, by grants that are over.
 *
 * It grants to whoever else owns a slice of the CPU.
 */
#include "hostile.h"

#define GENERATIONS 3u
#define PLACE       8u /* entry of stretch.pt */

static int64_t take(void)
{
    return exo_page_alloc(SELF, ANY, EXO_DATA);
}

static bool ours(grant_t grant)
{
    int64_t self = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);

    return exo_info(EXO_INFO_GRANT, grant.n, EXO_GRANT_GRANTEE) == self ||
           exo_info(EXO_INFO_GRANT, grant.n, EXO_GRANT_GRANTER) == self;
}

/* One call on each name that is or might be that of a grant between others. */
static int64_t each_grant(int64_t (*attempt)(grant_t grant))
{
    int64_t worst = 0;

    /* All low places, which are given out first, and some of the others. */
    for (uint32_t slot = 0; slot <= EXO_GRANTS; slot += slot / 256 + 1)
        for (uint32_t generation = 0; generation <= GENERATIONS; generation++) {
            grant_t grant = {generation << EXO_GRANT_SLOT_BITS | slot};
            if (!ours(grant) && let_through(attempt(grant), &worst))
                return worst;
        }
    return worst;
}

static int64_t map_one(grant_t grant)
{
    return exo_grant_map(grant, stretch.pt, PLACE, EXO_READ);
}

static int64_t look_at_one(grant_t grant)
{
    return exo_info(EXO_INFO_GRANT, grant.n, EXO_GRANT_FRAME);
}

static int64_t map_others(void)
{
    return each_grant(map_one);
}

static int64_t end_others(void)
{
    return each_grant(exo_page_ungrant);
}

static int64_t look_at_others(void)
{
    return each_grant(look_at_one);
}

static int64_t grant_one(frame_t frame)
{
    return exo_page_grant(frame, (env_t){(uint32_t)exo_info(EXO_INFO_SLICE, 0, 0)}, EXO_READ, 0);
}

static int64_t grant_foreign(void)
{
    return each_foreign(grant_one);
}

static int64_t grant_itself(void)
{
    int64_t frame = take();
    if (frame < 0)
        return NOT_TRIED;
    int64_t result = exo_page_grant((frame_t){(uint32_t)frame}, SELF, EXO_READ, 0);
    exo_page_free((frame_t){(uint32_t)frame});
    return result;
}

/* Whoever owns some slice and is not this application. */
static env_t neighbour(void)
{
    int64_t self = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);

    for (uint32_t i = 0; i < EXO_SLICES; i++) {
        int64_t owner = exo_info(EXO_INFO_SLICE, i, 0);
        if (owner > 0 && owner != self)
            return (env_t){(uint32_t)owner};
    }
    return SELF;
}

/* One frame granted to somebody else, for `attempt`; then all is as before. */
static int64_t with_grant(int64_t (*attempt)(frame_t frame, grant_t grant))
{
    int64_t frame = take();
    if (frame < 0)
        return NOT_TRIED;
    frame_t own = {(uint32_t)frame};
    int64_t grant = exo_page_grant(own, neighbour(), EXO_READ, 0), result = NOT_TRIED;
    if (grant >= 0) {
        result = attempt(own, (grant_t){(uint32_t)grant});
        exo_page_ungrant((grant_t){(uint32_t)grant});
    }
    exo_page_free(own);
    return result;
}

static int64_t free_it(frame_t frame, grant_t grant)
{
    (void)grant;
    return exo_page_free(frame);
}

static int64_t map_it(frame_t frame, grant_t grant)
{
    (void)frame;
    return exo_grant_map(grant, stretch.pt, PLACE, EXO_READ);
}

static int64_t end_it_twice(frame_t frame, grant_t grant)
{
    (void)frame;
    if (exo_page_ungrant(grant))
        return NOT_TRIED;
    return exo_page_ungrant(grant);
}

/* The slot is used again, by somebody's grant: the old number must not reach it. */
static int64_t end_by_old_number(frame_t frame, grant_t grant)
{
    if (exo_page_ungrant(grant))
        return NOT_TRIED;
    int64_t again = exo_page_grant(frame, neighbour(), EXO_READ, 0);
    if (again < 0)
        return NOT_TRIED;
    int64_t result = exo_page_ungrant(grant);
    exo_page_ungrant((grant_t){(uint32_t)again});
    return result;
}

static int64_t free_granted(void)
{
    return with_grant(free_it);
}

static int64_t map_given(void)
{
    return with_grant(map_it);
}

static int64_t end_twice(void)
{
    return with_grant(end_it_twice);
}

static int64_t end_old(void)
{
    return with_grant(end_by_old_number);
}

static int64_t grant_table(void)
{
    return exo_page_grant(stretch.pd, neighbour(), EXO_READ, 0);
}

static int64_t grant_writable_code(void)
{
    int64_t frame = take();
    if (frame < 0)
        return NOT_TRIED;
    int64_t result =
        exo_page_grant((frame_t){(uint32_t)frame}, neighbour(), EXO_WRITE | EXO_EXEC, 0);
    exo_page_free((frame_t){(uint32_t)frame});
    return result;
}

/* As many grants of one frame as the quota allows, and one more; then all of them back. */
static int64_t exhaust_grants(void)
{
    static grant_t taken[EXO_GRANTS];
    int64_t frame = take(), result = 0;
    uint32_t count = 0;

    if (frame < 0)
        return NOT_TRIED;
    while (count < EXO_GRANTS &&
           (result = exo_page_grant((frame_t){(uint32_t)frame}, neighbour(), EXO_READ, 0)) >= 0)
        taken[count++].n = (uint32_t)result;
    while (count)
        exo_page_ungrant(taken[--count]);
    exo_page_free((frame_t){(uint32_t)frame});
    return result;
}

const struct attack grant_attacks[] = {
    {"map each grant that is for others", map_others},
    {"end each grant of others", end_others},
    {"look at each grant of others", look_at_others},
    {"grant each frame that is not its own", grant_foreign},
    {"grant a frame to itself", grant_itself},
    {"grant a page table", grant_table},
    {"grant a page to be written and executed", grant_writable_code},
    {"free a frame that is granted", free_granted},
    {"map what it granted to another", map_given},
    {"take a grant back twice", end_twice},
    {"end a new grant by the number of an old one", end_old},
    {"make more grants than its quota", exhaust_grants},
    {NULL, NULL},
};
