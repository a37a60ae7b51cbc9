/* SPDX-License-Identifier: MIT */
/*
 * main.c - init, the first environment: starts the applications of the bundle, keeps them going
 * (apps.c), and, if the machine file says so, does what is asked over the channel (command.c).
 */
#include <stdio.h>

#include "apps.h"
#include "bundle_check.h"
#include "command.h"
#include "libos.h"
#include "rings.h"

static const char *bundle = (const char *)EXO_BUNDLE_ADDRESS;

/* Say once that nothing runs any more, or who looks at the screen waits for ever. */
static void tell_silence(void)
{
    static bool told;

    for (uint32_t i = 0; i < app_count; i++)
        if (apps[i].env.n || apps[i].again)
            return;
    if (!told)
        printf("No application runs, and none is to be started again.\n");
    told = true;
}

static void tell_broken(const char *wrong, uint32_t at)
{
    if (at < BUNDLE_APPS)
        printf("The bundle %s It is application %u of %u, \"%.15s\".\n", wrong, at + 1,
               ((const struct bundle_header *)bundle)->apps, bundle_apps(bundle)[at].name);
    else
        printf("The bundle %s\n", wrong);
    printf("No application is started. Build the image again with tools/freehold.\n");
}

/* The earlier of two times; 0 is none. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a && (!b || a < b) ? a : b;
}

int main(void)
{
    const struct bundle_header *header = (const struct bundle_header *)bundle;
    uint32_t at;
    const char *wrong = bundle_check(bundle, libos_start_info->bundle_size, &at);

    if (wrong) {
        tell_broken(wrong, at);
        return 1;
    }
    printf("machine %s: %u application%s\n", header->machine, header->apps,
           header->apps == 1 ? "" : "s");
    rings_make(bundle, bundle_apps(bundle), header->apps);
    apps_start(bundle, 0);
    command_init(header->flags & BUNDLE_CONTROL);
    for (;;) {
        uint32_t seen = *(volatile uint32_t *)&libos_child_events;
        uint64_t next = earlier(apps_look_after(), command_serve()), now = time_ns();
        tell_silence();
        futex_call(&libos_child_events, 0, seen, next > now ? next - now : 1, next != 0, 0);
    }
}
