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

_Static_assert(NET_WINDOW_LEAST >= ANSWER_ROOM, "every answer fits");

/* --- one request ------------------------------------------------------------------------------ */

/* Take one request from the input. True: its answer is to be sent. */
static bool take_request(struct client *c, const char *bytes, size_t count, size_t *used)
{
    const struct known *k = c->exchange.reading_body ? NULL : ready_known(c->known, bytes, count);
    struct request request;

    if (k) {
        c->known = k;
        c->exchange.answer = k->answer;
        *used = k->length;
        return true;
    }
    bool ready = exchange_take(&c->exchange, &request, bytes, count, used);
    if (ready && request.length && request.body == BODY_NONE)
        c->known = ready_learn(bytes, request.length, &c->exchange.answer);
    return ready;
}

/* --- its answer ------------------------------------------------------------------------------- */

/* Give lwIP of the file what it takes, from where it lies. */
static void push_rest(struct client *c)
{
    struct tcp_pcb *pcb = c->pcb;
    size_t most = 0xffff; /* tcp_write() counts in 16 bits */

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
    const struct span *ready = ready_answer(&c->exchange.answer, &rest);

    if (!ready) {
        struct text out = {made, made + sizeof(made), false};
        answer_write(&out, &c->exchange.answer, client_facts, &rest);
        whole = (struct span){made, (size_t)(out.at - made)};
        ready = &whole;
    }
    if (tcp_write(c->pcb, ready->at, (u16_t)ready->length,
                  TCP_WRITE_FLAG_COPY | (more || rest.length ? TCP_WRITE_FLAG_MORE : 0)) != ERR_OK)
        return false;
    client_counts.requests++;
    client_counts.refused += c->exchange.answer.status >= 400;
    c->closing = c->exchange.answer.close;
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
    exchange_fail(&c->exchange, 408);
    c->exchange.reading_body = false;
    if (c->in)
        consume(c, c->in->tot_len);
    c->answer_due = !respond(c, false);
}
