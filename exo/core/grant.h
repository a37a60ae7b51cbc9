/* SPDX-License-Identifier: MIT */
/* grant.h - the table of grants: which frames environments share with others. */
#ifndef EXO_CORE_GRANT_H
#define EXO_CORE_GRANT_H

#include "frame.h"

/* A grant is on two lists: what its granter gave, and what its grantee received. */
enum { GRANT_GIVEN, GRANT_RECEIVED };

struct grant {
    grant_t name;  /* slot and generation; the generation is kept while it is free */
    frame_t frame; /* EXO_FRAME_NONE: this place is free */
    env_t grantee;
    uint32_t tag;  /* a word of the granter's for the grantee */
    frame_t table; /* the one table whose entry maps it, EXO_FRAME_NONE: it is not mapped */
    uint16_t index;
    uint8_t perm;
    struct link link[2]; /* in the lists GIVEN and RECEIVED; a free one: in that of the free ones */
};

extern struct grant *grants;
extern uint32_t grant_count; /* slots, slot 0 included, which is no grant */
extern struct list grants_free;

/* Boot: `table` has room for `count` grants, at most EXO_GRANTS. */
void grant_init(struct grant *table, uint32_t count);

/* table.c: the entry that maps this grant is cleared. */
void grant_unmapped(uint32_t slot);

/* Take back up to `most` of the grants that `env` gave or received. False: there were none. */
bool grant_reclaim(struct env *env, uint32_t most);

/* For info.c. Slot 0 has no name. */
int64_t grant_name(uint32_t slot);
int64_t grant_info(struct env *self, grant_t grant, uint32_t index);

#endif
