/* SPDX-License-Identifier: MIT */
/* random.h - what the two halves of the program share: random.c makes calls, random_draw.c knows what there is. */
#ifndef TESTS_APPS_RANDOM_H
#define TESTS_APPS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#define CHILDREN 8u     /* more than its quota of environments */
#define NAP_NS   20000u /* it sleeps no longer */

struct child {
    uint32_t name;               /* 0: none */
    uint32_t root, control_page; /* frames taken for it, 0: none */
};

/* Its own root table and name; its children. */
extern uint32_t root, self;
extern struct child children[CHILDREN];

/* Look at what there is, before all else; `seed` is what everything is drawn by. */
void draw_start(uint64_t seed);

/* Look again: who else there is, and what they let it use. */
void look_around(void);

uint64_t draw(void);
uint32_t below(uint32_t limit);
uint64_t extreme(void);

/* A frame, most often one of these types that it took; never one that it needs to go on. */
uint64_t frame_of(uint32_t first, uint32_t last);

/* A grant that it received, perhaps one that is over. */
uint64_t grant_received(void);

/*
 * An argument of a kind: e environment, k one that it may end, c one that it may give time to, f frame, d
 * with data, t table, r ring, F frame and o offset of a filter, i index, y type, n small number, p smaller,
 * x name of any kind, q queue, g grant, a gate, l filter, w soon, z length for the console, else anything.
 */
uint64_t argument(char kind);

/* A call was carried out: remember what it gave. */
void keep(uint64_t number, const uint64_t *given, int64_t result);

#endif
