/* SPDX-License-Identifier: MIT */
/* reset.h - tables of a fixed size as they are at boot, for worlds that boot many times. */
#ifndef TESTS_INVARIANTS_RESET_H
#define TESTS_INVARIANTS_RESET_H

#include <string.h>

#include "packet_filter.h"
#include "packet_queue.h"

/* There are no filters, and no packets to groups under way. */
static inline void reset_filters(void)
{
    memset(filters, 0, (filters_touched + 1u) * sizeof(*filters));
    memset(filter_hearers, 0, NICS * sizeof(*filter_hearers));
    memset(filter_places, 0, sizeof(filter_places));
    memset(groups, 0, sizeof(groups));
    filters_free = (struct list){0};
    filters_touched = 0;
}

#endif
