/* SPDX-License-Identifier: MIT */
/*
 * ready.c - what can be worked out before it is asked for: heads of answers, and which request is which.
 *
 *   R1  a ready answer is what answer_write() made in this second, byte for byte
 *   R2  a known head is one that request_parse() understood, without a body; what it is made of is
 *       compared in full, so that the answer is the one that parsing would have led to
 *
 * A client asks for the same again and again, in the same words, and in one second the answer is the
 * same. So in nearly all cases to parse is to compare, and to answer is to copy.
 */
#include "cheetah.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_ROOM 512u  /* of an answer with a file */
#define COPIED    2048u /* a file up to this comes behind its head, as answer.c has it */
#define KNOWN     16u

static struct ready {
    uint64_t made; /* in this second, counted from 1 */
    struct span bytes, rest;
    char *room;
    size_t size;
} * table; /* as site_files */
static uint64_t now = 1;

static struct known known[KNOWN];
static unsigned next_known;

bool ready_open(void)
{
    table = calloc(site_count, sizeof(*table));
    for (size_t i = 0; table && i < site_count; i++) {
        size_t length = site_files[i].length;
        table[i].size = HEAD_ROOM + (length <= COPIED ? length : 0);
        table[i].room = malloc(table[i].size);
        if (!table[i].room)
            return false;
    }
    return table != NULL;
}

void ready_tick(uint64_t seconds)
{
    answer_set_date(seconds);
    now++;
}

static void make(struct ready *r, const struct answer *answer)
{
    struct text out = {r->room, r->room + r->size, false};

    r->rest = (struct span){NULL, 0};
    answer_write(&out, answer, client_facts, &r->rest);
    r->bytes = (struct span){r->room, out.full ? 0 : (size_t)(out.at - r->room)};
    r->made = now;
}

const struct span *ready_answer(const struct answer *a, struct span *rest)
{
    if (!a->file || a->status != 200 || a->file->page || a->head_only || a->close || a->old)
        return NULL;
    struct ready *r = &table[a->file - site_files];
    if (r->made != now)
        make(r, a);
    *rest = r->rest;
    return r->bytes.length ? &r->bytes : NULL;
}

/* The C library's memcmp() goes byte by byte. */
static bool same(const char *a, const char *b, size_t length)
{
    uint64_t x, y;

    for (; length >= 8; a += 8, b += 8, length -= 8) {
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if (x != y)
            return false;
    }
    return !memcmp(a, b, length);
}

const struct known *ready_known(const struct known *guess, const char *bytes, size_t count)
{
    if (guess && guess->length <= count && same(bytes, guess->bytes, guess->length))
        return guess;
    for (unsigned i = 0; i < KNOWN; i++)
        if (known[i].length && known[i].length <= count &&
            same(bytes, known[i].bytes, known[i].length))
            return &known[i];
    return NULL;
}

const struct known *ready_learn(const char *bytes, size_t length, const struct answer *answer)
{
    struct known *k = &known[next_known];

    if (length > sizeof(k->bytes))
        return NULL;
    next_known = (next_known + 1) % KNOWN;
    k->length = length;
    k->answer = *answer;
    memcpy(k->bytes, bytes, length);
    return k;
}
