/* SPDX-License-Identifier: MIT */
/* invariants_account.c - what may be read as memory is true of some moment. */
#include "account.h"
#include "env.h"
#include "invariants.h"

#define REQUIRE(condition, sentence)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

const char *inv_accounts(void)
{
    for (uint32_t slot = 0; slot < env_count; slot++) {
        const struct exo_account *a = &accounts[slot];
        if (!a->name.n) {
            REQUIRE(!a->state && !a->parent.n && !a->ticks && !a->label[0],
                    "the account of a free slot tells of somebody");
            continue;
        }
        REQUIRE(EXO_ENV_SLOT(a->name.n) == slot, "an account is another's");
        REQUIRE(a->state != EXO_ENV_FREE && a->when, "an account tells of nobody's life");
        for (uint32_t r = 0; r < EXO_RESOURCES; r++)
            REQUIRE(a->used[r] <= a->quota[r], "an account tells of a quota exceeded");
        if (a->name.n != envs[slot].name.n)
            continue; /* of one that is gone since */
        REQUIRE(a->ticks <= cpu_ticks(&envs[slot]) && a->calls <= envs[slot].calls &&
                    a->slices_run <= envs[slot].slices_run && a->upcalls <= envs[slot].upcalls,
                "an account tells of more than there was");
    }
    return NULL;
}
