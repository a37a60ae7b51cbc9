/* SPDX-License-Identifier: MIT */
/*
 * page.c - facts as text. One table names every fact, for the page and for JSON alike.
 */
#include "page.h"

enum kind { NUMBER, BYTES, SECONDS, MILLISECONDS, TEXT };

#define THIN_SPACE "\xe2\x80\xaf" /* U+202F, which does not break a line */

static const struct fact {
    const char *name;
    enum kind kind;
    size_t offset;
} table[] = {
#define FACT(kind, name)                                                                           \
    {                                                                                              \
#name, kind, offsetof(struct facts, name)                                                  \
    }
    FACT(TEXT, application),
    FACT(TEXT, version),
    FACT(NUMBER, environment),
    FACT(NUMBER, pages),
    FACT(NUMBER, pages_max),
    FACT(NUMBER, slices),
    FACT(NUMBER, slices_max),
    FACT(NUMBER, slices_run),
    FACT(MILLISECONDS, cpu_ms),
    FACT(SECONDS, uptime_s),
    FACT(NUMBER, faults),
    FACT(NUMBER, upcalls),
    FACT(NUMBER, calls),
    FACT(TEXT, policy),
    FACT(NUMBER, threads),
    FACT(TEXT, address),
    FACT(TEXT, gateway),
    FACT(TEXT, mac),
    FACT(TEXT, nic),
    FACT(TEXT, link),
    FACT(NUMBER, rx_packets),
    FACT(BYTES, rx_bytes),
    FACT(NUMBER, rx_dropped),
    FACT(NUMBER, tx_packets),
    FACT(BYTES, tx_bytes),
    FACT(NUMBER, tx_refused),
    FACT(NUMBER, kicks),
    FACT(NUMBER, local),
    FACT(NUMBER, machine_pages),
    FACT(NUMBER, machine_free),
    FACT(MILLISECONDS, idle_ms),
    FACT(NUMBER, requests),
    FACT(NUMBER, connections),
    FACT(NUMBER, connections_max),
    FACT(NUMBER, accepted),
    FACT(NUMBER, refused),
    FACT(NUMBER, evicted),
};
#define FACTS (sizeof(table) / sizeof(table[0]))

static uint64_t number_of(const struct facts *facts, const struct fact *fact)
{
    return *(const uint64_t *)((const char *)facts + fact->offset);
}

static const char *text_of(const struct facts *facts, const struct fact *fact)
{
    return *(const char *const *)((const char *)facts + fact->offset);
}

/* --- for people ----------------------------------------------------------------------------- */

static void escape_html(struct text *out, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            TEXT_LITERAL(out, "&amp;");
            break;
        case '<':
            TEXT_LITERAL(out, "&lt;");
            break;
        case '>':
            TEXT_LITERAL(out, "&gt;");
            break;
        case '"':
            TEXT_LITERAL(out, "&quot;");
            break;
        default:
            text_bytes(out, s, 1);
        }
}

static void show_seconds(struct text *out, uint64_t s)
{
    if (s >= 86400) {
        text_decimal(out, s / 86400, 1, THIN_SPACE);
        TEXT_LITERAL(out, " d ");
    }
    text_decimal(out, s / 3600 % 24, 1, NULL);
    TEXT_LITERAL(out, ":");
    text_decimal(out, s / 60 % 60, 2, NULL);
    TEXT_LITERAL(out, ":");
    text_decimal(out, s % 60, 2, NULL);
}

static void show_bytes(struct text *out, uint64_t n)
{
    if (n < 10240) {
        text_decimal(out, n, 1, THIN_SPACE);
        TEXT_LITERAL(out, " B");
    } else if (n < (10240u << 10)) {
        text_decimal(out, n >> 10, 1, THIN_SPACE);
        TEXT_LITERAL(out, " KiB");
    } else {
        text_decimal(out, n >> 20, 1, THIN_SPACE);
        TEXT_LITERAL(out, " MiB");
    }
}

static void show(struct text *out, const struct facts *facts, const struct fact *fact)
{
    switch (fact->kind) {
    case TEXT:
        escape_html(out, text_of(facts, fact));
        return;
    case BYTES:
        show_bytes(out, number_of(facts, fact));
        return;
    case SECONDS:
        show_seconds(out, number_of(facts, fact));
        return;
    case MILLISECONDS:
        text_decimal(out, number_of(facts, fact) / 1000, 1, THIN_SPACE);
        TEXT_LITERAL(out, ".");
        text_decimal(out, number_of(facts, fact) % 1000, 3, NULL);
        TEXT_LITERAL(out, " s");
        return;
    case NUMBER:
        text_decimal(out, number_of(facts, fact), 1, THIN_SPACE);
        return;
    }
}

static const struct fact *find(const char *name, size_t length)
{
    for (size_t i = 0; i < FACTS; i++)
        if (!strncmp(table[i].name, name, length) && !table[i].name[length])
            return &table[i];
    return NULL;
}

void page_render(struct text *out, const char *template, size_t length, const struct facts *facts)
{
    const char *at = template, *end = template + length, *from = at;

    while ((at = memchr(at, '{', (size_t)(end - at))) != NULL) {
        const char *close =
            end - at > 4 && at[1] == '{' ? memchr(at, '}', (size_t)(end - at)) : NULL;
        if (!close) {
            at++;
            continue;
        }
        bool bare = at[2] == '=';
        const char *name = at + 2 + bare;
        const struct fact *fact = close > name ? find(name, (size_t)(close - name)) : NULL;
        if (!fact) {
            at++;
            continue;
        }
        text_bytes(out, from, (size_t)(at - from));
        if (bare && fact->kind != TEXT)
            text_number(out, number_of(facts, fact));
        else
            show(out, facts, fact);
        from = at = close + 2 <= end ? close + 2 : end;
    }
    text_bytes(out, from, (size_t)(end - from));
}

/* --- for machines --------------------------------------------------------------------------- */

/* RFC 8259, 7. What is not ASCII is passed on as it is. */
static void escape_json(struct text *out, const char *s)
{
    static const char digits[] = "0123456789abcdef";

    TEXT_LITERAL(out, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\') {
            char pair[2] = {'\\', *s};
            text_bytes(out, pair, 2);
        } else if (c < 0x20) {
            char code[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
            text_bytes(out, code, 6);
        } else {
            text_bytes(out, s, 1);
        }
    }
    TEXT_LITERAL(out, "\"");
}

void page_json(struct text *out, const struct facts *facts)
{
    for (size_t i = 0; i < FACTS; i++) {
        text_string(out, i ? ",\n \"" : "{\"");
        text_string(out, table[i].name);
        TEXT_LITERAL(out, "\": ");
        if (table[i].kind == TEXT)
            escape_json(out, text_of(facts, &table[i]));
        else
            text_number(out, number_of(facts, &table[i]));
    }
    TEXT_LITERAL(out, "}\n");
}
