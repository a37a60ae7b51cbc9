/* SPDX-License-Identifier: MIT */
/*
 * under.c - what an application gets for those that are under it.
 *
 *   R1  what it gets of the bundle is what child_start reads to start them: header, table, allowances, strings,
 *       and their images
 *   R2  its quotas are its own and theirs together, so that one that ended leaves room for its next start
 */
#include "under.h"

#include <string.h>

#include "bundle_check.h"

static uint32_t count_of(const char *bundle)
{
    return ((const struct bundle_header *)bundle)->apps;
}

static uint64_t pages_in(uint64_t bytes)
{
    return (bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
}

bool under_is(const char *bundle, const struct bundle_app *app, uint32_t index)
{
    const struct bundle_app *apps = bundle_apps(bundle);
    uint32_t under = apps[index].under;

    return app->cpus && under && !strcmp(apps[under - 1].name, app->name);
}

struct under_quotas under_quotas(const char *bundle, const struct bundle_app *app)
{
    struct under_quotas sum = {app->pages, app->environments + app->vcpus - 1, app->queues, 1};

    for (uint32_t i = 0; app->cpus && i < count_of(bundle); i++) {
        const struct bundle_app *other = &bundle_apps(bundle)[i];
        if (!under_is(bundle, app, i))
            continue;
        sum.pages += other->pages;
        sum.environments += other->environments + other->vcpus;
        sum.queues += other->queues;
        sum.apps++;
    }
    return sum;
}

bool under_is_for(const char *bundle, const struct bundle_app *app, uint64_t page)
{
    const struct bundle_app *apps = bundle_apps(bundle);
    bool is_head = true; /* before all images */

    for (uint32_t i = 0; i < count_of(bundle); i++) {
        uint64_t first = apps[i].image_offset >> EXO_PAGE_SHIFT;
        if (page < first)
            continue;
        is_head = false;
        if (under_is(bundle, app, i) && page - first < pages_in(apps[i].image_size))
            return true;
    }
    return is_head;
}

uint64_t under_pages(const char *bundle, const struct bundle_app *app)
{
    uint64_t count = 0, all = pages_in(((const struct bundle_header *)bundle)->size);

    if (!app->cpus)
        return 0;
    for (uint64_t page = 0; page < all; page++)
        count += under_is_for(bundle, app, page);
    return count + 3 + (all >> 9); /* a PDPT, a PD and one PT more than are full */
}
