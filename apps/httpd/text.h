/* SPDX-License-Identifier: MIT */
/*
 * text.h - put text together in a buffer of fixed size, without printf and without malloc.
 *
 * What does not fit is left out, `full` is set, and nothing is written past `end`; whoever made the
 * text looks at `full` once at its end.
 */
#ifndef HTTPD_TEXT_H
#define HTTPD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *at, *end;
    bool full;
};

static inline void text_bytes(struct text *t, const void *bytes, size_t length)
{
    if (length > (size_t)(t->end - t->at)) {
        t->full = true;
        return;
    }
    memcpy(t->at, bytes, length);
    t->at += length;
}

static inline void text_string(struct text *t, const char *string)
{
    text_bytes(t, string, strlen(string));
}

/* A constant: its length is known to the compiler. */
#define TEXT_LITERAL(t, literal) text_bytes(t, "" literal, sizeof(literal) - 1)

/* Decimal, at least `digits` long; between groups of three comes `separator`, if not NULL. */
static inline void text_decimal(struct text *t, uint64_t n, int digits, const char *separator)
{
    char reversed[24], out[24 + 3 * 8];
    int count = 0;
    size_t length = 0;

    do
        reversed[count++] = (char)('0' + n % 10);
    while ((n /= 10) != 0 || count < digits);
    while (count--) {
        out[length++] = reversed[count];
        if (separator && count && count % 3 == 0)
            for (const char *s = separator; *s; s++)
                out[length++] = *s;
    }
    text_bytes(t, out, length);
}

static inline void text_number(struct text *t, uint64_t n)
{
    text_decimal(t, n, 1, NULL);
}

#endif
