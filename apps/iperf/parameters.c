/* SPDX-License-Identifier: MIT */
/*
 * parameters.c - jsmn cuts the text into tokens; here it is checked that they make one object.
 *
 * A name that is not known is passed over: every release of iperf3 adds some.
 */
#include "parameters.h"

#include <stdint.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#include <jsmn.h>

#define TOKENS   256
#define OMIT_MAX 600 /* as in iperf3 */

static bool is(const char *text, const jsmntok_t *token, const char *word)
{
    size_t size = (size_t)(token->end - token->start);

    return strlen(word) == size && !memcmp(text + token->start, word, size);
}

static bool read_number(const char *text, const jsmntok_t *token, int least, int most, int *to)
{
    long number = 0;

    if (token->type != JSMN_PRIMITIVE || token->start == token->end)
        return false;
    for (int at = token->start; at < token->end; at++) {
        if (text[at] < '0' || text[at] > '9' || number > most)
            return false;
        number = number * 10 + (text[at] - '0');
    }
    *to = (int)number;
    return number >= least && number <= most;
}

/* iperf3 says true, and in some releases 1. */
static bool read_flag(const char *text, const jsmntok_t *token, bool *to)
{
    *to = is(text, token, "true") || is(text, token, "1");
    return token->type == JSMN_PRIMITIVE &&
           (*to || is(text, token, "false") || is(text, token, "0"));
}

static const char *take(const char *text, const jsmntok_t *name, struct parameters *p)
{
    const jsmntok_t *value = name + 1;

    if (is(text, name, "parallel") && !read_number(text, value, 1, STREAMS, &p->streams))
        return "\"parallel\" must be a number from 1 to 32";
    if (is(text, name, "len") && !read_number(text, value, 1, 1 << 30, &p->length))
        return "\"len\" must be a number of bytes, at least 1";
    if (is(text, name, "omit") && !read_number(text, value, 0, OMIT_MAX, &p->omit))
        return "\"omit\" must be a number of seconds, at most 600";
    if (is(text, name, "reverse") && !read_flag(text, value, &p->reverse))
        return "\"reverse\" must be true or false";
    if (is(text, name, "nodelay") && !read_flag(text, value, &p->no_delay))
        return "\"nodelay\" must be true or false";
    if (is(text, name, "udp") && !read_flag(text, value, &p->udp))
        return "\"udp\" must be true or false";
    if (is(text, name, "bidirectional") && !read_flag(text, value, &p->both_ways))
        return "\"bidirectional\" must be true or false";
    return NULL;
}

const char *parameters_read(const char *text, size_t size, struct parameters *p)
{
    jsmntok_t tokens[TOKENS];
    jsmn_parser parser;

    *p = (struct parameters){.streams = 1, .length = LENGTH_MAX};
    jsmn_init(&parser);
    int count = jsmn_parse(&parser, text, size, tokens, TOKENS);
    if (count == JSMN_ERROR_NOMEM)
        return "they hold more than 256 names and values";
    if (count < 1 || tokens[0].type != JSMN_OBJECT)
        return "they are no object of JSON";
    for (int at = 1; at < count;) {
        const jsmntok_t *name = &tokens[at];
        /* jsmn lets pass a name without a value, and what comes after the object's end. */
        if (name->type != JSMN_STRING || name->size != 1 || at + 1 == count ||
            name->start > tokens[0].end)
            return "they are no object of JSON";
        const char *wrong = take(text, name, p);
        if (wrong)
            return wrong;
        for (at += 2; at < count && tokens[at].start < name[1].end; at++)
            ; /* what is within the value */
    }
    if (p->length > LENGTH_MAX)
        p->length = LENGTH_MAX;
    return NULL;
}
