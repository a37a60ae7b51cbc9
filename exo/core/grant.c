/* SPDX-License-Identifier: MIT */
/*
 * grant.c - frames that their owner shares with other environments, and takes back.
 *
 *   G1  a grant names a DATA frame, its grantee lives or is not reclaimed yet, and at most one entry
 *       maps it: that entry names the grant, lies in a PT of the grantee's and allows no more than
 *       the grant does; every entry for another's frame is such a one   inv_grant_entries
 *   G2  a frame's `granted` and an owner's count are what the table says  inv_grant_counts
 *   G3  each grant is on the list of its granter and on that of its grantee, every other place on
 *       the free list                                                    inv_grant_lists
 *   G4  a frame that is granted stays what and whose it is (frame.c checks it before each change)
 *
 * The granter is whoever owns the frame. Both sides can end a grant at any time, whatever the other
 * does: when page_ungrant returns no CPU remembers the translation, and the frame can be freed. A
 * ZOMBIE's grants, given and received, are taken back in env_reclaim before any of its frames, so a
 * grantee's name can never be that of a later environment in the same slot.
 */
#include "grant.h"

#include "exo_handlers.h"
#include "table.h"

struct grant *grants;
uint32_t grant_count;
struct list grants_free;

_Static_assert(EXO_GRANTS <= 1u << PTE_GRANT_BITS, "an entry has room for a grant's slot");

static struct env *granter(const struct grant *g)
{
    return &envs[frames[g->frame.n].owner];
}

static struct env *grantee(const struct grant *g)
{
    return &envs[EXO_ENV_SLOT(g->grantee.n)];
}

LINK_AT(given_link, grants[n].link[GRANT_GIVEN]) /* or of the free ones */
LINK_AT(received_link, grants[n].link[GRANT_RECEIVED])

static void grant_free(uint32_t slot)
{
    uint32_t name = grants[slot].name.n + (1u << EXO_GRANT_SLOT_BITS); /* of the next generation */

    grants[slot] = (struct grant){.name.n = name};
    list_push(given_link, &grants_free, slot);
}

void grant_init(struct grant *table, uint32_t count)
{
    grants = table;
    grant_count = count;
    grants_free = (struct list){0};
    for (uint32_t slot = count; slot-- > 1;) {
        grants[slot].name.n = slot;
        grant_free(slot);
    }
}

/* The grant of this name if there is one, else NULL. */
static struct grant *grant_find(grant_t name)
{
    uint32_t slot = EXO_GRANT_SLOT(name.n);
    bool there = slot < grant_count && grants[slot].frame.n && grants[slot].name.n == name.n;

    return there ? &grants[slot] : NULL;
}

void grant_unmapped(uint32_t slot)
{
    grants[slot].table = (frame_t){EXO_FRAME_NONE};
    grants[slot].index = 0;
}

static void grant_end(struct grant *g)
{
    uint32_t slot = EXO_GRANT_SLOT(g->name.n);

    if (g->table.n)
        table_unmap(g->table.n, g->index);
    list_remove(given_link, &granter(g)->grants[GRANT_GIVEN], slot);
    list_remove(received_link, &grantee(g)->grants[GRANT_RECEIVED], slot);
    granter(g)->used[EXO_R_GRANTS]--;
    frames[g->frame.n].granted--;
    grant_free(slot);
}

bool grant_reclaim(struct env *env, uint32_t most)
{
    uint32_t ended = 0;

    for (uint32_t list = GRANT_GIVEN; list <= GRANT_RECEIVED; list++)
        for (; ended < most && env->grants[list].first; ended++)
            grant_end(&grants[env->grants[list].first]);
    return ended;
}

int64_t call_page_grant(struct env *self, frame_t frame, struct env *to, uint32_t perm,
                        uint32_t tag)
{
    if (to == self || to->state == EXO_ENV_ZOMBIE)
        return -EXO_E_ENV;
    int64_t error = frame_check(self, frame.n, 1u << EXO_DATA);
    if (error)
        return error;
    if (perm == (EXO_WRITE | EXO_EXEC))
        return -EXO_E_PERM;
    if (self->used[EXO_R_GRANTS] >= self->quota[EXO_R_GRANTS])
        return -EXO_E_QUOTA;
    if (!grants_free.first)
        return -EXO_E_MEMORY;

    uint32_t slot = grants_free.first;
    struct grant *g = &grants[slot];
    list_remove(given_link, &grants_free, slot);
    g->frame = frame;
    g->grantee = to->name;
    g->tag = tag;
    g->perm = (uint8_t)perm;
    list_push(given_link, &self->grants[GRANT_GIVEN], slot);
    list_push(received_link, &to->grants[GRANT_RECEIVED], slot);
    self->used[EXO_R_GRANTS]++;
    frames[frame.n].granted++;
    return g->name.n;
}

struct grant *grant_own(struct env *self, grant_t name, int64_t *error)
{
    struct grant *g = grant_find(name);

    *error = g ? -EXO_E_OWNER : -EXO_E_EMPTY;
    return g && (granter(g) == self || env_acts_for(self, grantee(g))) ? g : NULL;
}

int64_t call_page_ungrant(struct env *self, struct grant *grant)
{
    grant_end(grant);
    return 0;
}

int64_t call_grant_map(struct env *self, grant_t grant, frame_t table, uint32_t index,
                       uint64_t *entry, uint32_t perm)
{
    struct grant *g = grant_find(grant);
    const struct frame *t = &frames[table.n];
    if (!g)
        return -EXO_E_EMPTY;
    if (grantee(g) != &envs[t->owner])
        return -EXO_E_OWNER;
    if (t->type != EXO_PT)
        return -EXO_E_TYPE;
    if (perm & ~g->perm)
        return -EXO_E_PERM;
    if (g->table.n || *entry)
        return -EXO_E_BUSY;

    table_fill(table.n, index, g->frame.n, perm, EXO_GRANT_SLOT(grant.n));
    g->table = table;
    g->index = (uint16_t)index;
    return 0;
}

int64_t grant_name(uint32_t slot)
{
    return slot ? grants[slot].name.n : 0;
}

int64_t grant_info(struct env *self, grant_t grant, uint32_t index)
{
    int64_t error;
    struct grant *g = grant_own(self, grant, &error);

    if (!g)
        return error;
    switch (index) {
        CASE(EXO_GRANT_FRAME, g->frame.n);
        CASE(EXO_GRANT_GRANTER, granter(g)->name.n);
        CASE(EXO_GRANT_GRANTEE, g->grantee.n);
        CASE(EXO_GRANT_PERM, g->perm);
        CASE(EXO_GRANT_TAG, g->tag);
        CASE(EXO_GRANT_MAPPED, g->table.n != 0);
        CASE(EXO_GRANT_NEXT,
             grant_name(g->link[granter(g) == self ? GRANT_GIVEN : GRANT_RECEIVED].next));
    }
    return -EXO_E_RANGE;
}
