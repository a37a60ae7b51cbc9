/* SPDX-License-Identifier: MIT */
/*
 * request.c - httpd's parser of heads and its reader of bodies.
 *
 * What a connection holds grows byte by byte: once a prefix is decided, more bytes must not change
 * it; and a body ends at the same byte however it is cut.
 */
#include "target.h"

#include <stdbool.h>
#include <string.h>

#include "body.h"
#include "request.h"

enum { PREFIX_MAX = 2048 };

static int parse(const uint8_t *bytes, size_t size, struct request *request)
{
    char *room = malloc(16 + size), *text = room + 16;

    memcpy(text, bytes, size);
    memset(request, 0xa5, sizeof(*request));
    int status = request_parse(text, size, request);
    MUST(status == REQUEST_MORE || status == REQUEST_OK || (status >= 400 && status < 600),
         "status %d", status);
    if (status == REQUEST_MORE) {
        int why = request_too_long(text, size);
        MUST(why == 414 || why == 431, "too long is %d", why);
    }
    if (status == REQUEST_OK && request->if_none_match.at) {
        MUST(request->if_none_match.at >= text &&
                 request->if_none_match.at + request->if_none_match.length <= text + size,
             "If-None-Match lies outside");
        request_matches(request->if_none_match, "\"x\"", 3);
    }
    free(room);
    return status;
}

/* What is accepted ends in an empty line, with no bare CR or LF and no NUL before it. */
static void check_accepted(const uint8_t *text, size_t size, const struct request *r)
{
    MUST(r->length >= 4 && r->length <= size && !memcmp(text + r->length - 2, "\r\n", 2),
         "a head of %zu bytes", r->length);
    for (size_t n = 0; n < r->length; n++)
        MUST(text[n] && (text[n] != '\n' || (n && text[n - 1] == '\r')) &&
                 (text[n] != '\r' || text[n + 1] == '\n'),
             "a head with a bare CR, LF or NUL");
    MUST(memchr(r->path, 0, sizeof(r->path)) && r->method <= METHOD_UNKNOWN && r->minor <= 9 &&
             r->body <= BODY_CHUNKED,
         "a request of no sense");
}

static void parse_head(const uint8_t *bytes, size_t size)
{
    struct request r, part;
    int status = parse(bytes, size, &r);

    if (status == REQUEST_OK)
        check_accepted(bytes, size, &r);
    for (size_t n = 0; n < size && n < PREFIX_MAX; n++) {
        int early = parse(bytes, n, &part);
        MUST(early == REQUEST_MORE || early == status, "%d after %zu bytes, then %d", early, n,
             status);
        if (early == REQUEST_OK)
            MUST(part.length == r.length && !strcmp(part.path, r.path), "two ends");
    }
}

static enum body_status feed(const uint8_t *bytes, size_t size, size_t step, size_t *end)
{
    struct request r = {.body = BODY_CHUNKED};
    struct body body;
    enum body_status status = body_begin(&body, &r);

    *end = 0;
    while (status == BODY_MORE && *end < size) {
        size_t count = size - *end < step ? size - *end : step, used = 0;
        char *copy = malloc(count);
        memcpy(copy, bytes + *end, count);
        status = body_take(&body, copy, count, &used);
        free(copy);
        MUST(used <= count && (used == count || status != BODY_MORE), "%zu of %zu bytes", used,
             count);
        *end += used;
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t whole, pieces;

    if (!size--)
        return 0;
    uint32_t how = *bytes++;
    if (how % 4) {
        parse_head(bytes, size);
        return 0;
    }
    enum body_status status = feed(bytes, size, size, &whole);
    MUST(feed(bytes, size, 1 + how / 4, &pieces) == status && pieces == whole,
         "a body that ends elsewhere when it is cut");
    return 0;
}
