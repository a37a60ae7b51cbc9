/* SPDX-License-Identifier: MIT */
/* under.h - what an application that has whole CPUs gets for those that are under it (bundle.h). */
#ifndef INIT_UNDER_H
#define INIT_UNDER_H

#include "bundle.h"
#include "types.h"

/* What it gets of these, its own included. */
struct under_quotas {
    uint32_t pages, environments, queues;
    uint32_t apps; /* itself and those under it */
};

struct under_quotas under_quotas(const char *bundle, const struct bundle_app *app);

/* Is the application of this index under it? */
bool under_is(const char *bundle, const struct bundle_app *app, uint32_t index);

/* Is this page of the bundle one that it gets, to start them? */
bool under_is_for(const char *bundle, const struct bundle_app *app, uint64_t page);

/* How many pages it takes to give it these, tables included; 0 for one that has no CPUs. */
uint64_t under_pages(const char *bundle, const struct bundle_app *app);

#endif
