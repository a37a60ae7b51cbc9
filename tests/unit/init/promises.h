/* SPDX-License-Identifier: MIT */
/* promises.h - what bundle.h promises of a bundle that bundle_check accepts, as code. */
#ifndef TESTS_INIT_PROMISES_H
#define TESTS_INIT_PROMISES_H

#include <stdbool.h>
#include <string.h>

#include "bundle_check.h"
#include "start.h"

/* What it may bind is for its MAC alone. */
static bool inv_allow(const char *bundle, const struct bundle_app *app)
{
    bool good = app->allowances <= EXO_ALLOWANCES;

    for (uint32_t i = 0; good && i < app->allowances; i++) {
        const struct exo_filter *allow = (const void *)(bundle + app->allow_offset);
        good = allow[i].value.mac == app->mac && allow[i].mask.mac == EXO_MAC_ALL;
    }
    return good;
}

/* Read all that an accepted bundle gives an application: the sanitizer watches. */
static bool inv_app(const char *bundle, const struct bundle_app *app)
{
    uint64_t nuls = 0;
    volatile char seen = 0;

    for (uint64_t i = 0; i < app->image_size; i++)
        seen += bundle[app->image_offset + i];
    (void)seen;
    for (uint32_t i = 0; i < app->strings_size; i++)
        nuls += !bundle[app->strings_offset + i];
    return memchr(app->name, 0, sizeof(app->name)) && app->name[0] &&
           app->image_offset % EXO_PAGE_SIZE == 0 && nuls == (uint64_t)app->argc + app->envc &&
           nuls <= EXO_START_COUNT && app->strings_size <= EXO_START_STRINGS &&
           app->restart <= BUNDLE_ALWAYS && !app->slices == !!app->cpus && !(app->cpus & 1) &&
           app->mac >> 48 == 0 && !(app->mac >> 40 & 1) && !app->mac == !app->allowances &&
           inv_allow(bundle, app);
}

static bool inv_bundle(const char *bundle)
{
    const struct bundle_header *header = (const void *)bundle;
    const struct bundle_app *apps = bundle_apps(bundle);

    if (header->apps > BUNDLE_APPS || !memchr(header->machine, 0, sizeof(header->machine)))
        return false;
    for (uint32_t i = 0; i < header->apps; i++) {
        if (!inv_app(bundle, &apps[i]))
            return false;
        uint32_t under = apps[i].under;
        if (under && (under > header->apps || !apps[under - 1].cpus || apps[i].cpus))
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (!strcmp(apps[i].name, apps[j].name) || (apps[i].cpus & apps[j].cpus) ||
                (apps[i].mac && apps[i].mac == apps[j].mac))
                return false;
    }
    return true;
}

#endif
