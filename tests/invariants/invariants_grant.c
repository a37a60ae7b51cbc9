/* SPDX-License-Identifier: MIT */
/* invariants_grant.c - the invariants of grant.c, everything counted anew. */
#include "grant.h"
#include "invariants.h"
#include "machine.h"
#include "table.h"

#define ENTRIES 512u

#define REQUIRE(condition, sentence)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

static uint64_t entry_of(uint32_t table, uint32_t index)
{
    return ((const uint64_t *)machine_frame((frame_t){table}))[index];
}

static const char *grant_wrong(uint32_t slot)
{
    const struct grant *g = &grants[slot];

    REQUIRE(EXO_GRANT_SLOT(g->name.n) == slot, "a grant's name is not its slot's");
    REQUIRE(g->frame.n < frame_count && frames[g->frame.n].owner &&
                frames[g->frame.n].type == EXO_DATA,
            "something else than a DATA frame is granted");
    const struct env *to = &envs[EXO_ENV_SLOT(g->grantee.n)];
    REQUIRE(to->state != EXO_ENV_FREE && to->name.n == g->grantee.n, "a grantee is gone");
    REQUIRE(to != &envs[frames[g->frame.n].owner], "a frame is granted to its own owner");
    REQUIRE(g->perm < (EXO_WRITE | EXO_EXEC), "a grant allows writing and executing");
    if (!g->table.n)
        return NULL;
    REQUIRE(g->table.n < frame_count && frames[g->table.n].type == EXO_PT &&
                &envs[frames[g->table.n].owner] == to && g->index < ENTRIES,
            "a grant is mapped in what is no table of its grantee's");
    uint64_t entry = entry_of(g->table.n, g->index);
    REQUIRE(PTE_SLOT(entry) == slot && PTE_FRAME(entry) == g->frame.n,
            "a grant is mapped by an entry that does not name it");
    REQUIRE(!(entry & PTE_WRITE) || g->perm & EXO_WRITE, "an entry allows more than its grant");
    REQUIRE(entry & PTE_NX || g->perm & EXO_EXEC, "an entry allows more than its grant");
    return NULL;
}

const char *inv_grant_entries(void)
{
    for (uint32_t slot = 1; slot < grant_count; slot++) {
        const char *wrong = grants[slot].frame.n ? grant_wrong(slot) : NULL;
        if (wrong)
            return wrong;
    }
    for (uint32_t n = 0; n < frame_count; n++)
        for (uint32_t i = 0; frames[n].type == EXO_PT && frames[n].entries && i < ENTRIES; i++) {
            uint32_t slot = PTE_SLOT(entry_of(n, i));
            REQUIRE(!slot || (slot < grant_count && grants[slot].frame.n &&
                              grants[slot].table.n == n && grants[slot].index == i),
                    "an entry names a grant that does not know it");
        }
    return NULL;
}

const char *inv_grant_counts(void)
{
    for (uint32_t n = 0; n < frame_count; n++) {
        uint32_t granted = 0;
        for (uint32_t slot = 1; slot < grant_count; slot++)
            granted += grants[slot].frame.n && grants[slot].frame.n == n;
        REQUIRE(frames[n].granted == granted, "a frame's count of grants is wrong");
    }
    for (uint32_t i = 1; i < env_count; i++) {
        uint32_t given = 0;
        for (uint32_t slot = 1; slot < grant_count; slot++)
            given += grants[slot].frame.n && frames[grants[slot].frame.n].owner == i;
        REQUIRE(envs[i].used[EXO_R_GRANTS] == given, "an owner's count of grants is wrong");
    }
    return NULL;
}

/* How many are on this list of an environment's, or UINT32_MAX if it is broken. */
static uint32_t list_length(uint32_t env, uint32_t list)
{
    uint32_t count = 0, before = 0;

    for (uint32_t slot = envs[env].grants[list].first; slot;
         before = slot, slot = grants[slot].link[list].next) {
        if (slot >= grant_count || count++ >= grant_count || !grants[slot].frame.n ||
            grants[slot].link[list].prev != before)
            return UINT32_MAX;
        uint32_t whose = list == GRANT_GIVEN ? frames[grants[slot].frame.n].owner
                                             : EXO_ENV_SLOT(grants[slot].grantee.n);
        if (whose != env)
            return UINT32_MAX;
    }
    return envs[env].grants[list].last == before ? count : UINT32_MAX;
}

const char *inv_grant_lists(void)
{
    uint32_t used = 0, free = 0, listed[2] = {0};

    for (uint32_t slot = 1; slot < grant_count; slot++)
        used += grants[slot].frame.n != EXO_FRAME_NONE;
    for (uint32_t slot = grants_free.first; slot; slot = grants[slot].link[0].next)
        REQUIRE(slot < grant_count && !grants[slot].frame.n && free++ < grant_count,
                "the list of free grants is broken");
    REQUIRE(used + free + 1 == grant_count, "a grant is neither used nor free");
    for (uint32_t env = 0; env < env_count; env++)
        for (uint32_t list = 0; list < 2; list++) {
            uint32_t length = list_length(env, list);
            REQUIRE(length != UINT32_MAX, "a list of grants is broken");
            listed[list] += length;
        }
    REQUIRE(listed[0] == used && listed[1] == used, "a grant is missing on a list");
    return NULL;
}
