/* SPDX-License-Identifier: MIT */
/*
 * account.c - how each environment fares, as memory for those that may read it (exo/abi/facts.h).
 *
 *   A1  an account is what was true of its slot at `when`            account_tell writes it whole
 *   A2  it holds counts and names and no register contents            struct exo_account
 *   A3  while slices begin each is written anew within env_count / EXO_ACCOUNTS_AT_ONCE + 1 of them
 *
 * Copies, so that the records themselves, which hold registers, are not readable; some at a time, so
 * that a call costs nothing for it and a slice a fixed number of steps.
 */
#include "account.h"

#include "frame.h"

struct exo_account *accounts;
frame_t account_owners;
frame_t account_frame;
uint64_t account_due;
static uint32_t account_slot; /* the next to be written */

void account_init(frame_t owners, struct exo_account *table, frame_t first)
{
    accounts = table;
    account_owners = owners;
    account_frame = first;
    account_slot = 0;
    account_due = 0;
    frame_publish(owners, (uint64_t)frame_count * sizeof(struct frame));
    frame_publish(first, (uint64_t)env_count * sizeof(*table));
}

static void account_tell(uint32_t slot, uint64_t now)
{
    const struct env *env = &envs[slot];
    struct exo_account *a = &accounts[slot];

    *a = (struct exo_account){.when = now};
    if (!env->name.n)
        return;
    a->name = env->name;
    a->parent = env->parent;
    a->state = env->state;
    a->slices = env->slices;
    a->ticks = cpu_ticks(env);
    a->slices_run = env->slices_run;
    a->preempts = env->preempts;
    a->upcalls = env->upcalls;
    a->calls = env->calls;
    __builtin_memcpy(a->label, env->label, sizeof(a->label));
    __builtin_memcpy(a->used, env->used, sizeof(env->used));
    __builtin_memcpy(a->quota, env->quota, sizeof(env->quota));
}

void account_refresh(uint64_t now, uint64_t slice)
{
    account_due = now + slice;
    for (uint32_t i = 0; i < EXO_ACCOUNTS_AT_ONCE; i++) {
        account_tell(account_slot, now);
        account_slot = account_slot + 1 < env_count ? account_slot + 1 : 0;
    }
}
