/* SPDX-License-Identifier: MIT */
/*
 * serve.c - from bytes received to answers sent.
 *
 * A request that lies in one packet is read there and answered into lwIP's queue; nothing is kept.
 * One that comes in pieces is put together in a buffer that all clients share, each time that more
 * comes. Pipelined requests (RFC 9112, 9.3.2) are answered in order; those of one packet together.
 */
#include "cheetah.h"

#include <string.h>

/* With less room for an answer than this the next request waits. */
#define QUEUE_ROOM 16u
#define MIN(a, b)  ((a) < (b) ? (a) : (b))

_Static_assert(TCP_SND_BUF >= ANSWER_ROOM, "every answer fits");

/* --- one request ------------------------------------------------------------------------------ */

/* An error after which the bytes that follow mean nothing. */
static bool fail(struct client *c, int status)
{
    answer_error(&c->answer, status);
    c->linger = true;
    return true;
}

static bool take_body(struct client *c, const char *bytes, size_t count, size_t *used)
{
    switch (body_take(&c->body, bytes, count, used)) {
    case BODY_DONE:
        c->reading_body = false;
        return true;
    case BODY_BAD:
        return fail(c, 400);
    case BODY_TOO_LONG:
        return fail(c, 413);
    default:
        return false;
    }
}

/* A head that was not seen before. */
static bool read_head(struct client *c, const char *bytes, size_t count, size_t *used)
{
    struct request request;

    c->answer.head_only = false;
    int status = request_parse(bytes, count, &request);
    if (status == REQUEST_MORE)
        return count == IN_SIZE ? fail(c, request_too_long(bytes, count)) : false;
    if (status != REQUEST_OK)
        return fail(c, status);
    *used = request.length;
    answer_choose(&c->answer, &request);
    if (request.body == BODY_NONE) {
        c->known = ready_learn(bytes, request.length, &c->answer);
        return true;
    }
    if (request.expects_continue) {
        /* Its body is not wanted, and whether it comes is the client's choice: RFC 9110, 10.1.1. */
        c->answer.close = c->linger = true;
        return true;
    }
    switch (body_begin(&c->body, &request)) {
    case BODY_DONE:
        return true;
    case BODY_TOO_LONG:
        return fail(c, 413);
    default:
        c->reading_body = true;
        return false;
    }
}

static bool take_head(struct client *c, const char *bytes, size_t count, size_t *used)
{
    const struct known *k = ready_known(c->known, bytes, count);

    if (!k)
        return read_head(c, bytes, count, used);
    c->known = k;
    c->answer = k->answer;
    *used = k->length;
    return true;
}

/* Take one request from the input. True: c->answer is to be sent. */
static bool take_request(struct client *c, const char *bytes, size_t count, size_t *used)
{
    size_t head = 0, body = 0;
    bool ready = false;

    if (!c->reading_body)
        ready = take_head(c, bytes, count, &head);
    if (c->reading_body)
        ready = take_body(c, bytes + head, count - head, &body);
    *used = head + body;
    return ready;
}

/* --- its answer ------------------------------------------------------------------------------- */

/* Give lwIP of the file what it takes, from where it lies. */
static void push_rest(struct client *c)
{
    struct tcp_pcb *pcb = c->pcb;
    size_t most = TCP_SND_BUF;

    while (c->rest.length && most && tcp_sndqueuelen(pcb) < TCP_SND_QUEUELEN - QUEUE_ROOM) {
        size_t count = MIN(MIN(c->rest.length, tcp_sndbuf(pcb)), most);
        u8_t flags = count < c->rest.length ? TCP_WRITE_FLAG_MORE : 0;
        if (!count)
            return;
        if (tcp_write(pcb, c->rest.at, (u16_t)count, flags) != ERR_OK) {
            most = count > TCP_MSS ? count / 2 : 0; /* memory is short: less may do */
            continue;
        }
        c->rest.at += count;
        c->rest.length -= count;
    }
}

/* False: there is no room for it, and it stays due. `more`: another one may follow at once. */
static bool respond(struct client *c, bool more)
{
    static char made[ANSWER_ROOM];
    struct span whole, rest = {NULL, 0};
    const struct span *ready = ready_answer(&c->answer, &rest);

    if (!ready) {
        struct text out = {made, made + sizeof(made), false};
        answer_write(&out, &c->answer, client_facts, &rest);
        whole = (struct span){made, (size_t)(out.at - made)};
        ready = &whole;
    }
    if (tcp_write(c->pcb, ready->at, (u16_t)ready->length,
                  TCP_WRITE_FLAG_COPY | (more || rest.length ? TCP_WRITE_FLAG_MORE : 0)) != ERR_OK)
        return false;
    client_counts.requests++;
    client_counts.refused += c->answer.status >= 400;
    c->closing = c->answer.close;
    c->rest = rest;
    push_rest(c);
    return true;
}

/* Answer what is in these bytes: how many were used. */
static size_t answer_some(struct client *c, const char *bytes, size_t count)
{
    size_t at = 0, used;

    while (at < count && !c->closing && !serve_stuck(c)) {
        bool ready = take_request(c, bytes + at, count - at, &used);
        at += used;
        if (!ready)
            break;
        c->answer_due = !respond(c, at < count);
    }
    return at;
}

/* --- the input --------------------------------------------------------------------------------- */

bool serve_stuck(const struct client *c)
{
    return c->rest.length || c->answer_due;
}

/* What came, in one piece, as much as a request may have. */
static const char *join(const struct pbuf *in, size_t *count)
{
    static char joined[IN_SIZE];

    *count = in->len;
    if (!in->next)
        return in->payload;
    *count = pbuf_copy_partial(in, joined, IN_SIZE, 0);
    return joined;
}

/* C1: only now may the client send as much more. */
static void consume(struct client *c, size_t count)
{
    c->in = pbuf_free_header(c->in, (u16_t)count);
    tcp_recved(c->pcb, (u16_t)count);
}

void serve(struct client *c)
{
    size_t count, used = 1;

    if (c->rest.length)
        push_rest(c);
    if (c->answer_due && !c->rest.length)
        c->answer_due = !respond(c, c->in != NULL);
    while (c->in && used && !c->closing && !serve_stuck(c)) {
        const char *bytes = join(c->in, &count);
        used = answer_some(c, bytes, count);
        consume(c, used);
    }
    if (c->closing && c->in)
        consume(c, c->in->tot_len);
}

/* RFC 9112, 9.5. */
void serve_late(struct client *c)
{
    fail(c, 408);
    c->reading_body = false;
    if (c->in)
        consume(c, c->in->tot_len);
    c->answer_due = !respond(c, false);
}
