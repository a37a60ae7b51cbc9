/* SPDX-License-Identifier: MIT */
/*
 * parser.c - the request parser and the body reader with sound, broken, cut and random input.
 *
 * Every input lies in a heap block of its exact size, so that a byte read too many is found by the
 * address sanitizer.
 */
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "body.h"
#include "request.h"

#define H "Host: a\r\n"

static int parse(const char *bytes, size_t count, struct request *request)
{
    char *copy = malloc(count ? count : 1);

    memcpy(copy, bytes, count);
    memset(request, 0xa5, sizeof(*request));
    int status = request_parse(copy, count, request);
    if (status == REQUEST_OK && request->if_none_match.at)
        request->if_none_match.at = bytes + (request->if_none_match.at - copy);
    free(copy);
    return status;
}

static int status_of(const char *text)
{
    struct request request;

    return parse(text, strlen(text), &request);
}

/* --- what each rule says ---------------------------------------------------------------------- */

static const struct {
    const char *text;
    int status;
} cases[] = {
    {"GET / HTTP/1.1\r\n" H "\r\n", 1},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 1},
    {"GET / HTTP/1.0\r\n\r\n", 1},
    {"GET / HTTP/1.9\r\n" H "\r\n", 1},
    {"GET http://a:80/x?y HTTP/1.1\r\n" H "\r\n", 1},
    {"GET HTTP://a HTTP/1.1\r\n" H "\r\n", 1},
    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 1},
    {"CONNECT a:80 HTTP/1.1\r\n" H "\r\n", 1},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\nHost:\t a \t\r\nX: \x80\xff\r\nEmpty:\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 1},

    /* the request line */
    {" GET / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" H "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" H "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" H "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" H "\r\n", 400},
    {"GET /\r\n", 400},
    {"GET / HTTP/1.1\n" H "\r\n", 400},
    {"GET / HTTP/1.1\rX", 400},
    {"\n", 400},
    {"\rG", 400},
    {"G<T / HTTP/1.1\r\n", 400},
    {"\x16\x03\x01\x02", 400}, /* TLS */
    {"GET x HTTP/1.1\r\n", 400},
    {"GET * HTTP/1.1\r\n", 400},
    {"GET /#x HTTP/1.1\r\n", 400},
    {"GET /\x80 HTTP/1.1\r\n", 400},
    {"GET /% HTTP/1.1\r\n", 400},
    {"GET /%4 HTTP/1.1\r\n", 400},
    {"GET /%4x HTTP/1.1\r\n", 400},
    {"GET /%00 HTTP/1.1\r\n", 400},
    {"GET http:///x HTTP/1.1\r\n", 400},
    {"GET http://a@b/ HTTP/1.1\r\n", 400},
    {"GET https://a/ HTTP/1.1\r\n", 400},
    {"CONNECT /x HTTP/1.1\r\n", 400},
    {"GET / http/1.1\r\n", 400},
    {"GET / HTTP/1\r\n", 400},
    {"GET / HTTP/1.10\r\n", 400},
    {"GET / HTTP/x", 400},
    {"GET / HTTP/2.0\r\n" H "\r\n", 505},
    {"GET / HTTP/0.9\r\n" H "\r\n", 505},

    /* header lines */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H H "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\tfolded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H ": x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\nY: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\rY: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "\n", 400},

    /* the message's length */
    {"GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\n" H "content-LENGTH: 7\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 1 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: , Chunked ,\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},

    {"GET / HTTP/1.1\r\n" H "Expect: 100-Continue\r\n\r\n", 1},
    {"GET / HTTP/1.1\r\n" H "Expect: miracles\r\n\r\n", 417},

    /* not yet */
    {"", 0},
    {"\r", 0},
    {"GET", 0},
    {"GET / HTT", 0},
    {"GET / HTTP/1.1\r\n", 0},
    {"GET / HTTP/1.1\r\n" H, 0},
    {"GET / HTTP/1.1\r\n" H "\r", 0},
    {"GET / HTTP/1.1\r\nHost", 0},
};

static void test_cases(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int status = status_of(cases[i].text);
        if (status != cases[i].status) {
            char line[60];
            size_t n = 0;
            for (; cases[i].text[n] && n < 59; n++)
                line[n] = cases[i].text[n] < ' ' ? '.' : cases[i].text[n];
            line[n] = 0;
            tap_ok(false, "%s: %d, but was %d", line, cases[i].status, status);
        }
    }
    tap_ok(true, "%zu requests, each against its rule", sizeof(cases) / sizeof(cases[0]));
}

static void test_fields(void)
{
    static const char text[] =
        "HEAD /a%2Fb%20c?d=%zz HTTP/1.1\r\n" H "Connection: x, Close\r\nIf-None-Match: \"a\" , "
        "W/\"b\"\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\nrest";
    struct request r;

    tap_ok(parse(text, strlen(text), &r) == REQUEST_OK, "a request with everything");
    tap_ok(r.method == METHOD_HEAD && r.minor == 1, "its method and version");
    tap_ok(!strcmp(r.path, "/a/b c"), "its path, decoded and without the query");
    tap_ok(!r.keep_alive && r.expects_continue, "its options");
    tap_ok(r.body == BODY_LENGTH && r.content_length == 12, "its length");
    tap_ok(r.length == strlen(text) - 4, "where it ends");
    tap_ok(request_matches(r.if_none_match, "\"a\"", 3) &&
               request_matches(r.if_none_match, "\"b\"", 3) &&
               !request_matches(r.if_none_match, "\"c\"", 3),
           "its entity tags, weakly compared");
    tap_ok(request_matches((struct span){"*", 1}, "\"c\"", 3), "* matches every tag");

    static const struct {
        const char *text;
        bool keep;
    } keeps[] = {
        {"GET / HTTP/1.1\r\n" H "\r\n", true},
        {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
    };
    bool right = true;
    for (size_t i = 0; i < sizeof(keeps) / sizeof(keeps[0]); i++)
        right &=
            parse(keeps[i].text, strlen(keeps[i].text), &r) == 1 && r.keep_alive == keeps[i].keep;
    tap_ok(right, "whether the connection is kept");

    static const struct {
        const char *name;
        enum request_method method;
    } methods[] = {{"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},     {"POST", METHOD_REFUSED},
                   {"PUT", METHOD_REFUSED},   {"PATCH", METHOD_REFUSED}, {"TRACE", METHOD_REFUSED},
                   {"get", METHOD_UNKNOWN},   {"GETS", METHOD_UNKNOWN},  {"BREW", METHOD_UNKNOWN},
                   {"DELETE", METHOD_REFUSED}};
    right = true;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char line[64];
        snprintf(line, sizeof(line), "%s / HTTP/1.0\r\n\r\n", methods[i].name);
        right &= parse(line, strlen(line), &r) == 1 && r.method == methods[i].method;
    }
    tap_ok(right, "the methods");
}

static void test_limits(void)
{
    char text[4096] = "GET / HTTP/1.1\r\n" H;
    struct request r;

    for (int i = 1; i < REQUEST_FIELDS_MAX; i++)
        strcat(text, "X: y\r\n");
    size_t length = strlen(text);
    strcat(text, "\r\n");
    tap_ok(status_of(text) == 1, "as many fields as are allowed");
    strcpy(text + length, "X: y\r\n\r\n");
    tap_ok(status_of(text) == 431, "one field more");

    strcpy(text, "GET /");
    memset(text + 5, 'p', REQUEST_PATH_MAX - 1);
    strcpy(text + 4 + REQUEST_PATH_MAX, " HTTP/1.0\r\n\r\n");
    tap_ok(parse(text, strlen(text), &r) == 1 && strlen(r.path) == REQUEST_PATH_MAX,
           "longest path");
    strcpy(text + 4 + REQUEST_PATH_MAX, "p HTTP/1.0\r\n\r\n");
    tap_ok(parse(text, strlen(text), &r) == 1 && !r.path[0], "a longer path names nothing");

    tap_ok(request_too_long("\r\nGET /", 7) == 414, "a request line that is too long");
    tap_ok(request_too_long("GET / HTTP/1.1\r\nX", 17) == 431, "a head that is too long");
}

/* --- cut, changed, random ----------------------------------------------------------------------
 */

static void test_truncations(void)
{
    bool right = true;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t length = strlen(cases[i].text);
        int last = REQUEST_MORE;
        for (size_t n = 0; n <= length; n++) {
            struct request r;
            int status = parse(cases[i].text, n, &r);
            /* Once it is decided, more bytes do not change it. */
            right &= last == REQUEST_MORE || status == last;
            right &= status != REQUEST_OK || r.length <= n;
            last = status;
        }
        right &= last == cases[i].status;
    }
    tap_ok(right, "every truncation: more is asked for until it is decided, once and for all");
}

#define MUTATIONS 300000

static size_t mutate(char *text, size_t length, size_t room)
{
    static const char spice[] = "\r\n \t:,/%?#*0123456789\x00\xff";

    for (unsigned n = 1 + tap_random() % 4; n; n--) {
        size_t at = length ? tap_random() % length : 0;
        switch (tap_random() % 5) {
        case 0:
            if (length)
                text[at] = (char)tap_random();
            break;
        case 1:
            if (length)
                text[at] = spice[tap_random() % (sizeof(spice) - 1)];
            break;
        case 2: /* a byte less */
            if (length) {
                memmove(text + at, text + at + 1, length - at - 1);
                length--;
            }
            break;
        case 3: /* a byte more */
            if (length < room) {
                memmove(text + at + 1, text + at, length - at);
                text[at] = spice[tap_random() % (sizeof(spice) - 1)];
                length++;
            }
            break;
        case 4: /* a piece twice */
            if (length && length < room / 2) {
                size_t piece = 1 + tap_random() % (length - at);
                memmove(text + at + piece, text + at, length - at);
                length += piece;
            }
            break;
        }
    }
    return length;
}

static void test_mutations(void)
{
    unsigned accepted = 0, refused = 0, more = 0;
    bool right = true;

    for (unsigned i = 0; i < MUTATIONS; i++) {
        const char *seed = cases[tap_random() % (sizeof(cases) / sizeof(cases[0]))].text;
        char text[512];
        size_t length = strlen(seed);
        struct request r;
        memcpy(text, seed, length);
        length = mutate(text, length, sizeof(text));
        int status = parse(text, length, &r);
        accepted += status == REQUEST_OK;
        refused += status >= 400;
        more += status == REQUEST_MORE;
        right &= status == 0 || status == 1 || (status >= 400 && status < 600);
        if (status == REQUEST_OK) {
            /* What is accepted ends in an empty line, with no bare CR or LF before it. */
            right &= r.length >= 4 && r.length <= length && !memcmp(text + r.length - 2, "\r\n", 2);
            for (size_t n = 0; n < r.length; n++)
                right &= (text[n] != '\n' || (n && text[n - 1] == '\r')) &&
                         (text[n] != '\r' || text[n + 1] == '\n') && text[n] != 0;
            right &= strlen(r.path) <= REQUEST_PATH_MAX && r.method <= METHOD_UNKNOWN;
            request_matches(r.if_none_match, "\"x\"", 3);
        }
    }
    tap_ok(right, "%u mutations: nothing is read outside, what is accepted is well-formed",
           MUTATIONS);
    tap_ok(accepted > MUTATIONS / 50 && refused > MUTATIONS / 50 && more > MUTATIONS / 50,
           "they reach all outcomes: %u accepted, %u refused, %u want more", accepted, refused,
           more);
}

/* --- bodies ------------------------------------------------------------------------------------
 */

static enum body_status feed(const char *text, size_t count, size_t step, size_t *end)
{
    struct request r = {.body = BODY_CHUNKED};
    struct body body;
    enum body_status status = body_begin(&body, &r);

    *end = 0;
    while (status == BODY_MORE && *end < count) {
        size_t n = count - *end < step ? count - *end : step, used = 0;
        char *copy = malloc(n);
        memcpy(copy, text + *end, n);
        status = body_take(&body, copy, n, &used);
        free(copy);
        *end += used;
    }
    return status;
}

static const struct {
    const char *text;
    enum body_status status;
} bodies[] = {
    {"0\r\n\r\n", BODY_DONE},
    {"5\r\nhello\r\n0\r\n\r\n", BODY_DONE},
    {"5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n", BODY_DONE},
    {"5 \r\nhello\r\n0\r\n\r\n", BODY_DONE},
    {"10000\r\n", BODY_MORE},
    {"5\r\nhello\r\n", BODY_MORE},
    {"\r\n", BODY_BAD},
    {"g\r\n", BODY_BAD},
    {"-1\r\n", BODY_BAD},
    {"0x5\r\nhello", BODY_BAD},
    {"5\nhello", BODY_BAD},
    {"5\r\nhelloX", BODY_BAD},
    {"5\r\nhello\rX", BODY_BAD},
    {"5\rX", BODY_BAD},
    {"0\r\n\rX", BODY_BAD},
    {"0\r\nX\n", BODY_BAD},
    {"0\r\nX: y\rZ", BODY_BAD},
    {"5;\x01", BODY_BAD},
    {"10001\r\n", BODY_TOO_LONG},
    {"fffffffffffffffff\r\n", BODY_TOO_LONG},
};

static void test_bodies(void)
{
    bool right = true;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t length = strlen(bodies[i].text), whole, one;
        char next[128];
        strcpy(next, bodies[i].text);
        strcat(next, "GET");
        right &= feed(bodies[i].text, length, length, &whole) == bodies[i].status;
        right &= feed(bodies[i].text, length, 1, &one) == bodies[i].status && one == whole;
        if (bodies[i].status == BODY_DONE)
            right &= feed(next, length + 3, length + 3, &one) == BODY_DONE && one == length;
        for (size_t n = 0; n < length; n++) {
            enum body_status s = feed(bodies[i].text, n, n ? n : 1, &one);
            right &= s == BODY_MORE || s == bodies[i].status;
        }
        if (!right) {
            tap_ok(false, "chunked body %zu", i);
            return;
        }
    }
    tap_ok(true, "chunked bodies, whole and byte by byte, end where they should");

    static char long_body[BODY_MAX + 4096];
    for (size_t i = 0; i + 4 <= sizeof(long_body); i += 6)
        memcpy(long_body + i, "1\r\nx\r\n", sizeof(long_body) - i < 6 ? sizeof(long_body) - i : 6);
    size_t end;
    tap_ok(feed(long_body, sizeof(long_body), 1000, &end) == BODY_TOO_LONG && end <= BODY_MAX + 1,
           "many small chunks are too long as well");

    struct request r = {.body = BODY_LENGTH, .content_length = BODY_MAX};
    struct body body;
    tap_ok(body_begin(&body, &r) == BODY_MORE, "longest body that is read");
    tap_ok(body_take(&body, long_body, BODY_MAX - 1, &end) == BODY_MORE && end == BODY_MAX - 1,
           "all of it but a byte");
    tap_ok(body_take(&body, long_body, 9, &end) == BODY_DONE && end == 1, "the last byte alone");
    r.content_length = BODY_MAX + 1;
    tap_ok(body_begin(&body, &r) == BODY_TOO_LONG, "a longer one is refused at once");
}

static void test_body_mutations(void)
{
    unsigned count[4] = {0};
    bool right = true;

    for (unsigned i = 0; i < MUTATIONS; i++) {
        const char *seed = bodies[tap_random() % (sizeof(bodies) / sizeof(bodies[0]))].text;
        char text[256];
        size_t length = strlen(seed), whole, pieces;
        memcpy(text, seed, length);
        length = mutate(text, length, sizeof(text));
        enum body_status status = feed(text, length, length ? length : 1, &whole);
        count[status]++;
        right &= feed(text, length, 1 + tap_random() % 7, &pieces) == status && pieces == whole;
    }
    tap_ok(right && count[0] && count[1] && count[2] && count[3],
           "%u mutated bodies: the same however they are cut (%u %u %u %u)", MUTATIONS, count[0],
           count[1], count[2], count[3]);
}

int main(void)
{
    test_cases();
    test_fields();
    test_limits();
    test_truncations();
    test_mutations();
    test_bodies();
    test_body_mutations();
    return tap_done();
}
