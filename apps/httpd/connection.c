/* SPDX-License-Identifier: MIT */
/*
 * connection.c - from bytes received to answers sent, for one connection.
 *
 * Nearly always a request comes whole and its answer goes out whole: it is read into one buffer
 * that all connections share and answered from another, with one recv() and one send(). Only who
 * sends or reads slowly borrows a buffer of its own. There are few of these; who has waited longest
 * loses its connection when another needs one. So memory is bounded, and an idle connection costs
 * its slot.
 *
 *   - While something is unsent nothing is received: a client that does not read is not served.
 *   - Both shared buffers are empty between two events.
 *   - Requests that came together (pipelining; RFC 9112, 9.3.2) are answered in order and together.
 */
#include "connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define BORROWED    16u
#define LINGER_MS   2000u
#define LINGER_MAX  (1024u * 1024)
#define SEND_PER_MS 1u /* bytes: who takes less than 1 KiB/s is too slow */

#define MIN(a, b)   ((a) < (b) ? (a) : (b))

static char shared_in[IN_SIZE], shared_out[OUT_SIZE];

/* --- buffers to borrow ---------------------------------------------------------------------- */

static char ins[BORROWED][IN_SIZE], outs[BORROWED][OUT_SIZE];
static bool in_taken[BORROWED], out_taken[BORROWED];

static char *take(bool *taken, char *first, size_t size)
{
    /* The lowest first: pages that were never needed are never given to us. */
    for (unsigned i = 0; i < BORROWED; i++)
        if (!taken[i]) {
            taken[i] = true;
            return first + i * size;
        }
    return NULL;
}

/* There is always one: if all are taken, others hold them. */
static char *borrow_in(struct connection *c)
{
    char *buffer = take(in_taken, ins[0], IN_SIZE);

    if (buffer)
        return buffer;
    server_counts.evicted++;
    server_close(server_victim(c, true, false));
    return take(in_taken, ins[0], IN_SIZE);
}

static char *borrow_out(struct connection *c)
{
    char *buffer = take(out_taken, outs[0], OUT_SIZE);

    if (buffer)
        return buffer;
    server_counts.evicted++;
    server_close(server_victim(c, false, true));
    return take(out_taken, outs[0], OUT_SIZE);
}

static void give_back_in(struct connection *c)
{
    if (c->in)
        in_taken[(size_t)(c->in - ins[0]) / IN_SIZE] = false;
    c->in = NULL;
    c->in_used = 0;
}

static void give_back_out(struct connection *c)
{
    if (c->out)
        out_taken[(size_t)(c->out - outs[0]) / OUT_SIZE] = false;
    c->out = NULL;
    c->out_at = c->out_used = 0;
}

void connection_released(struct connection *c)
{
    give_back_in(c);
    give_back_out(c);
}

/* Keep what is left of the input for the next event. */
static void keep_in(struct connection *c, const char *left, size_t count)
{
    if (count == 0) {
        give_back_in(c);
        return;
    }
    if (!c->in)
        c->in = borrow_in(c);
    memmove(c->in, left, count);
    c->in_used = count;
}

/* --- sending -------------------------------------------------------------------------------- */

static bool unsent(const struct connection *c)
{
    return c->out || c->rest.length;
}

/* Both parts in one call. Negative: an error. */
static ssize_t send_parts(int fd, const char *first, size_t count, struct span second)
{
    if (second.length == 0)
        return send(fd, first, count, MSG_NOSIGNAL);
    if (count == 0)
        return send(fd, second.at, second.length, MSG_NOSIGNAL);
    struct iovec parts[] = {{(void *)first, count}, {(void *)second.at, second.length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Send these bytes and then c->rest; what the socket does not take is kept. False: the connection
 * is gone. */
static bool push(struct connection *c, const char *bytes, size_t count)
{
    if (count + c->rest.length == 0)
        return true;
    ssize_t sent = send_parts(c->fd, bytes, count, c->rest);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        server_close(c);
        return false;
    }
    size_t first = sent < 0 ? 0 : MIN((size_t)sent, count);
    size_t second = sent < 0 ? 0 : (size_t)sent - first;
    c->rest.at += second;
    c->rest.length -= second;
    if (first < count && !c->out) {
        c->out = borrow_out(c);
        memcpy(c->out, bytes + first, count - first);
        c->out_used = count - first;
    } else if (c->out) {
        c->out_at += first;
        if (first == count)
            give_back_out(c);
    }
    return true;
}

/* --- what to do next ------------------------------------------------------------------------ */

/*
 * The connection ends after its last answer. If the client may still be sending, close() would
 * answer that with a reset, and the reset might overtake the answer: so half of it is closed first
 * (RFC 9112, 9.6).
 */
static void end(struct connection *c)
{
    keep_in(c, NULL, 0);
    if (!c->exchange.linger || shutdown(c->fd, SHUT_WR) < 0) {
        server_close(c);
        return;
    }
    server_await(c, EPOLLIN);
    server_deadline(c, WAIT_LINGER, LINGER_MS);
}

/* After an event: what is awaited, and until when. `fresh`: a request was answered in it. */
static void settle(struct connection *c, bool fresh)
{
    enum exchange_wait before = c->wait;

    if (unsent(c)) {
        server_await(c, EPOLLOUT);
        uint64_t left = c->out_used - c->out_at + c->rest.length;
        if (before != WAIT_SEND || fresh)
            server_deadline(c, WAIT_SEND, server_settings.send_ms + left / SEND_PER_MS);
        return;
    }
    if (c->closing) {
        end(c);
        return;
    }
    server_await(c, EPOLLIN);
    if (!c->in_used && !c->exchange.reading_body)
        server_deadline(c, WAIT_IDLE, server_settings.idle_ms);
    else if (before != WAIT_REQUEST || fresh)
        server_deadline(c, WAIT_REQUEST, server_settings.request_ms);
}

/* --- receiving ------------------------------------------------------------------------------ */

/* Answer what is in the input, as far as the client takes the answers. */
static void process(struct connection *c, const char *in, size_t count)
{
    struct text out = {shared_out, shared_out + OUT_SIZE, false};
    struct request request;
    size_t at = 0, used;
    bool fresh = false, full = false;

    while (!c->closing && !full) {
        bool ready = exchange_take(&c->exchange, &request, in + at, count - at, &used);
        at += used;
        if (!ready)
            break;
        answer_write(&out, &c->exchange.answer, server_facts, &c->rest);
        c->closing = c->exchange.answer.close;
        server_counts.requests++;
        server_counts.refused += c->exchange.answer.status >= 400;
        fresh = true;
        if (c->rest.length || (size_t)(out.end - out.at) < ANSWER_ROOM) {
            if (!push(c, shared_out, (size_t)(out.at - shared_out)))
                return;
            out.at = shared_out;
            full = unsent(c);
        }
    }
    if (!full && !push(c, shared_out, (size_t)(out.at - shared_out)))
        return;
    keep_in(c, in + at, count - at);
    settle(c, fresh);
}

static void receive(struct connection *c)
{
    char *in = c->in ? c->in : shared_in;
    ssize_t count = recv(c->fd, in + c->in_used, IN_SIZE - c->in_used, 0);

    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (count <= 0) {
        server_close(c);
        return;
    }
    if (c->wait != WAIT_LINGER) {
        process(c, in, c->in_used + (size_t)count);
        return;
    }
    c->lingered += (uint32_t)count;
    if (c->lingered > LINGER_MAX)
        server_close(c);
}

void connection_event(struct connection *c, uint32_t events)
{
    if (events & EPOLLERR) {
        server_close(c);
    } else if (!unsent(c)) {
        receive(c);
    } else if (push(c, c->out + c->out_at, c->out_used - c->out_at)) {
        if (unsent(c))
            settle(c, false);
        else
            process(c, c->in ? c->in : shared_in, c->in_used);
    }
}

/* RFC 9112, 9.5. A client that was sending a request is told; one that was idle is not. */
void connection_expired(struct connection *c)
{
    struct text out = {shared_out, shared_out + OUT_SIZE, false};

    if (c->wait != WAIT_REQUEST) {
        server_close(c);
        return;
    }
    exchange_fail(&c->exchange, 408);
    c->closing = true;
    c->exchange.reading_body = false;
    server_counts.refused++;
    answer_write(&out, &c->exchange.answer, server_facts, &c->rest);
    if (push(c, shared_out, (size_t)(out.at - shared_out))) {
        keep_in(c, NULL, 0);
        settle(c, true);
    }
}
