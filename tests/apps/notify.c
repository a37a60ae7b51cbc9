/* SPDX-License-Identifier: MIT */
/*
 * notify.c - two that wake each other, by turns and without a shared page.
 *
 * usage: notify first|second. Each finds the other among the owners of slices.
 */
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "libos.h"

#define TURNS  2000u
#define SECOND 1000000000ull

/* Somebody who owns slices and is neither us nor our parent. 0: nobody yet. */
static uint32_t find_other(void)
{
    uint32_t self = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    uint32_t parent = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_PARENT);

    for (uint32_t i = 0; i < EXO_SLICES; i++) {
        uint32_t owner = (uint32_t)exo_info(EXO_INFO_SLICE, i, 0);
        if (owner && owner != self && owner != parent)
            return owner;
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool first = argc > 1 && !strcmp(argv[1], "first");
    uint32_t other;
    uint64_t bits = 0;

    while (!(other = find_other()))
        notify_wait(SECOND / 100);
    if (exo_notify_allow((env_t){other}, 1))
        return 1;
    if (first) /* until it allows us */
        while (exo_notify((env_t){other}, 1))
            notify_wait(SECOND / 100);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        bits = notify_wait(10 * SECOND);
        if (bits != 1ull << ((turn + !!first) % 64)) {
            printf("not ok: turn %u brought 0x%lx\n", turn, bits);
            return 1;
        }
        int64_t error = exo_notify((env_t){other}, 1ull << ((turn + 1) % 64));
        if (error && !(first && turn == TURNS - 1)) { /* the other may have ended already */
            printf("not ok: turn %u cannot be answered: %s\n", turn, exo_error_name(error));
            return 1;
        }
    }
    printf("ok: %u turns\n", TURNS);
    return 0;
}
