/* SPDX-License-Identifier: MIT */
/* tables.h - how large the kernel's tables are, and where: decided once at boot. */
#ifndef EXO_CORE_TABLES_H
#define EXO_CORE_TABLES_H

#include "types.h"

/* Slots, those that stand for nobody included; at most EXO_ENVS, EXO_QUEUES, ... */
struct table_counts {
    uint32_t envs, queues, slices, grants; /* slices: of each CPU */
    uint32_t cpus;
};

/*
 * Lay the tables into `memory`, zeroed and aligned to 64 bytes, and make them empty. Returns how
 * many bytes they take. NULL: only tells that.
 */
uint64_t tables_lay(void *memory, const struct table_counts *counts);

#endif
