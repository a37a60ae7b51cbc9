/* SPDX-License-Identifier: MIT */
/* steps_revoke.c - random steps: lists of preferred pages, demands, and taking (steps.h). */
#include "mock.h"
#include "prefer.h"
#include "steps.h"

#include <string.h>

/* A DATA frame of `self`, from a random place on; 0: there is none. */
static uint32_t own_data(const struct env *self)
{
    uint32_t start = steps_dice(MOCK_FRAMES);

    for (uint32_t i = 0; i < MOCK_FRAMES; i++) {
        uint32_t n = (start + i) % MOCK_FRAMES;
        if (frames[n].type == EXO_DATA && &envs[frames[n].owner] == self)
            return n;
    }
    return 0;
}

/* Where one of the tables of `self` maps the frame, in one of the entries that are used most. */
static struct exo_preferred entry_of(const struct env *self, uint32_t frame)
{
    struct exo_preferred entry = {frame, 0, 0, 0};

    for (uint32_t n = self->frames.first; n && frames[frame].mapped; n = frames[n].link.next)
        for (uint32_t i = 0; frames[n].type == EXO_PT && i < 2; i++)
            if (PTE_FRAME(((uint64_t *)machine_frame((frame_t){n}))[i]) == frame)
                entry = (struct exo_preferred){frame, n, i, 0};
    return entry;
}

static void list_for(const struct env *self, uint64_t a[6])
{
    a[0] = steps_dice(10) ? own_data(self) : steps_dice(MOCK_FRAMES + 2);
    a[1] = steps_dice(10) ? steps_dice(6) : steps_dice(EXO_PREFER_MAX + 9);
    if (a[0] >= MOCK_FRAMES || &envs[frames[a[0]].owner] != self || frames[a[0]].type != EXO_DATA)
        return;
    struct exo_preferred *entry = machine_frame((frame_t){(uint32_t)a[0]});
    for (uint32_t i = 0; i < 5; i++) {
        entry[i] = entry_of(self, own_data(self));
        if (!steps_dice(6))
            entry[i].frame = steps_dice(MOCK_FRAMES + 1);
        if (!steps_dice(6))
            entry[i].table = steps_dice(MOCK_FRAMES + 1);
    }
}

/* A child that lives, one of which pages are wanted if `wanted`. */
static uint64_t some_child(const struct env *self, bool wanted)
{
    for (uint32_t tries = 0; tries < 30; tries++) {
        const struct env *env = &envs[1 + steps_dice(10)];
        if (env->state == EXO_ENV_LIVE && env->parent.n == self->name.n &&
            (!wanted || env->revoke.missing))
            return env->name.n;
    }
    return steps_dice(2) ? envs[1 + steps_dice(10)].name.n : EXO_ENV_SELF;
}

static uint64_t taken_before;

void steps_revoke_arguments(const struct env *self, uint32_t number, uint64_t a[6])
{
    switch (number) {
    case EXO_CALL_REVOKE_PREFER:
        list_for(self, a);
        break;
    case EXO_CALL_REVOKE_START:
        a[0] = some_child(self, !steps_dice(6));
        a[1] = steps_dice(steps_dice(4) ? 12 : 40);
        a[2] = steps_dice(3) ? mock_now + steps_dice(5000000) : steps_dice(2);
        break;
    default:
        a[0] = some_child(self, true);
        taken_before = envs[EXO_ENV_SLOT(a[0]) % MOCK_ENVS].revoke.taken;
    }
}

void steps_revoke_build(struct env *self)
{
    struct env *child = mock_child(self, 8 + steps_dice(8), true);
    uint64_t a[6] = {0}, table[4];

    if (!child)
        return;
    table[0] = child->root.n;
    for (uint32_t i = 1; i < 4; i++) {
        table[i] = (uint64_t)CALL(child, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PML4 + i);
        CALL(child, PT_MAP, table[i - 1], steps_dice(2), table[i]);
    }
    for (uint32_t i = 0; i < 1 + steps_dice(6); i++) {
        int64_t data = CALL(child, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA);
        if (data >= 0)
            CALL(child, PT_MAP, table[3], i % 2, (uint64_t)data, EXO_WRITE);
    }
    list_for(child, a);
    CALL(child, REVOKE_PREFER, a[0], a[1]);
    CALL(self, REVOKE_START, child->name.n,
         child->quota[EXO_R_PAGES] - child->used[EXO_R_PAGES] + 1 + steps_dice(3),
         mock_now + steps_dice(2) * 100000);
    CALL(self, SLICE_SET, steps_dice(MOCK_SLICES), child->name.n);
}

void steps_revoke_check(const struct env *self, const uint64_t a[6], int64_t result)
{
    const struct env *env = &envs[EXO_ENV_SLOT(a[0])];

    if (env->parent.n != self->name.n || result < 0)
        return;
    steps.taken += env->revoke.taken - taken_before;
    if (env->revoke.missing != (uint64_t)result ||
        mock_control(env)->revocation.pages != (uint64_t)result)
        steps.failed = "what is missing is not what the parent and the child were told";
    if (env->state == EXO_ENV_ZOMBIE && (!result || env->end != EXO_END_REVOKED))
        steps.failed = "a child ended of which nothing was missing";
    if (result && env->state == EXO_ENV_LIVE && env->revoke.deadline <= mock_now &&
        env->revoke.next == env->revoke.listed)
        steps.failed = "a child lives on that did not give what was demanded";
}
