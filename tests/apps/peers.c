/* SPDX-License-Identifier: MIT */
/* peers.c - watches the directory while another application ends and starts again. usage: peers NAME */
#include <stdio.h>
#include <string.h>

#include "directory.h"
#include "event.h"
#include "libos.h"
#include "share.h"

#define TICK  10000000ull /* 10 ms */
#define LIVES 3u

/* A whole entry, not one that init is changing. */
static struct exo_directory_entry look_up(const volatile struct exo_directory *page,
                                          const char *name)
{
    struct exo_directory_entry entry = {0};
    uint32_t change;

    do {
        change = page->change;
        for (uint32_t i = 0; i < page->count; i++)
            if (!strcmp((const char *)page->entries[i].name, name))
                entry = page->entries[i];
    } while (change % 2 || page->change != change);
    return entry;
}

int main(int argc, char **argv)
{
    const volatile struct exo_directory *page = (const void *)EXO_DIRECTORY_ADDRESS;
    uint32_t last = 0, starts = 0;
    bool good = true;

    critical_enter();
    bool there = vm_mapped(EXO_DIRECTORY_ADDRESS);
    critical_exit();
    if (argc < 2 || !there) {
        printf("has no directory\n");
        return peer_find("mortal").n != 0;
    }
    while (starts < LIVES) {
        struct exo_directory_entry now = look_up(page, argv[1]);
        if (now.env.n && now.starts == starts)
            good &= now.env.n == last;
        else if (now.env.n)
            good &= now.env.n != last;
        if (now.env.n)
            last = now.env.n;
        starts = now.starts;
        notify_wait(TICK);
    }
    good &=
        peer_find("watcher").n == (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    good &= peer_find("nobody").n == EXO_ENV_SELF;
    printf("%s: %s was started %u times\n", good ? "ok" : "not ok", argv[1], starts);
    return !good;
}
