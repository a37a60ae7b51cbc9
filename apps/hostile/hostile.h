/* SPDX-License-Identifier: MIT */
/*
 * hostile.h - an application that tries what it must not.
 *
 * An attack is a function. Its result is the kernel's: 0 or more means that it was let through.
 * An exception ends it and counts as a refusal. New attacks go into the table of their file.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "exo_stubs.h"
#include "info.h"
#include "libos.h"
#include "types.h"

#define SELF ((env_t){EXO_ENV_SELF})
#define ANY  ((frame_t){EXO_FRAME_ANY})

/* Results besides the errors of calls.toml. */
enum {
    BY_FAULT = -1000,    /* less the vector: an exception came */
    NOT_TRIED = -2000,   /* this machine or this application lacks what it takes */
    BY_SILENCE = -2001,  /* nothing came back, and nothing happened */
    BY_REMOVAL = -2002,  /* the CPU was taken away */
    BY_COUNTING = -2003, /* refused in the COMPLETE ring or the queue's counters */
};

struct attack {
    const char *what;
    int64_t (*attack)(void);
};

/* Ends with an entry whose `what` is NULL. */
extern const struct attack memory_attacks[], table_attacks[], privileged_attacks[],
    environment_attacks[], network_attacks[], batch_attacks[], grant_attacks[], revoke_attacks[],
    gate_attacks[];

/* Is this frame ours? */
bool own_frame(uint32_t n);

/* One call on each frame of the machine that is not ours. */
int64_t each_foreign(int64_t (*attempt)(frame_t frame));

/* One call on each name that is or might be another's. */
int64_t each_other(int64_t (*attempt)(env_t env));

/* How many physical frames there are. */
uint32_t frame_total(void);

/* Page tables of our own for a stretch of addresses that libos does not use. */
struct stretch {
    frame_t root, pdpt, pd, pt;
    volatile uint8_t *address;
};
extern struct stretch stretch;
bool stretch_make(void);

/* Any call with any arguments. */
int64_t raw_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c);

/* Was it? *worst, 0 at first, keeps the result that was let through, else the first refusal. */
bool let_through(int64_t result, int64_t *worst);

#endif
