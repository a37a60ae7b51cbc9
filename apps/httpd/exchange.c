/* SPDX-License-Identifier: MIT */
/* exchange.c - a request's head, then its body, from bytes that may end anywhere. */
#include "exchange.h"

bool exchange_fail(struct exchange *x, int status)
{
    answer_error(&x->answer, status);
    x->linger = true;
    return true;
}

static bool take_body(struct exchange *x, const char *bytes, size_t count, size_t *used)
{
    switch (body_take(&x->body, bytes, count, used)) {
    case BODY_DONE:
        x->reading_body = false;
        return true;
    case BODY_BAD:
        return exchange_fail(x, 400);
    case BODY_TOO_LONG:
        return exchange_fail(x, 413);
    default:
        return false;
    }
}

static bool take_head(struct exchange *x, struct request *request, const char *bytes, size_t count)
{
    x->answer.head_only = false;
    int status = count ? request_parse(bytes, count, request) : REQUEST_MORE;
    if (status != REQUEST_OK)
        request->length = 0;
    if (status == REQUEST_MORE)
        return count == IN_SIZE ? exchange_fail(x, request_too_long(bytes, count)) : false;
    if (status != REQUEST_OK)
        return exchange_fail(x, status);
    answer_choose(&x->answer, request);
    if (request->expects_continue && request->body != BODY_NONE) {
        /* Its body is not wanted, and whether it comes is the client's choice: RFC 9110, 10.1.1. */
        x->answer.close = x->linger = true;
        return true;
    }
    switch (body_begin(&x->body, request)) {
    case BODY_DONE:
        return true;
    case BODY_TOO_LONG:
        return exchange_fail(x, 413);
    default:
        x->reading_body = true;
        return false;
    }
}

bool exchange_take(struct exchange *x, struct request *request, const char *bytes, size_t count,
                   size_t *used)
{
    size_t body = 0;
    bool ready = false;

    request->length = 0;
    if (!x->reading_body)
        ready = take_head(x, request, bytes, count);
    if (x->reading_body)
        ready = take_body(x, bytes + request->length, count - request->length, &body);
    *used = request->length + body;
    return ready;
}
