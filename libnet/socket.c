/* SPDX-License-Identifier: MIT */
/*
 * socket.c - sockets: made, waited for, freed; errors between lwIP and POSIX.
 *
 * S1 to S3: socket.h.
 */
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "event.h"
#include "fd.h"
#include "net.h"

#define MADE_AT_ONCE 8

static struct net_socket *free_sockets;
uint32_t net_sockets_open;

/* All that were made, to find those that starve. What bounds them is the memory for connections, and
 * descriptors. */
static struct chunk {
    struct chunk *next;
    struct net_socket socket[MADE_AT_ONCE];
} * chunks;

static void make_some(void)
{
    struct chunk *chunk = calloc(1, sizeof(*chunk));

    if (!chunk)
        return;
    chunk->next = chunks;
    chunks = chunk;
    for (int i = 0; i < MADE_AT_ONCE; i++) {
        chunk->socket[i].next = free_sockets;
        free_sockets = &chunk->socket[i];
    }
}

struct net_socket *socket_new(bool stream, bool v6)
{
    if (!free_sockets)
        make_some();
    struct net_socket *s = free_sockets;
    if (!s)
        return NULL;
    free_sockets = s->next;
    *s = (struct net_socket){.word = s->word, .open = true, .stream = stream};
    s->v6 = v6;
    s->tcp_options = (struct socket_tcp_options){false, 7200, 75, 9}; /* as on Linux */
    ip_addr_copy(s->local.address, *socket_any(s));
    net_sockets_open++;
    return s;
}

static void release(struct net_socket *s)
{
    s->next = free_sockets;
    free_sockets = s;
}

void socket_free(struct net_socket *s)
{
    s->open = false;
    s->ready = 0;
    net_sockets_open--;
    if (s->users)
        net_wake(&s->word); /* the last of them releases it */
    else
        release(s);
}

/* What holds now, and did not; or holds again, of `again`. */
static void changed(struct net_socket *s, short again)
{
    short ready = s->stream ? tcp_socket_ready(s) : udp_socket_ready(s);
    short edge = (short)(ready & (~s->ready | again));

    /* Stored before `watches` is read: see epoll.c. */
    __atomic_store_n(&s->ready, ready, __ATOMIC_SEQ_CST);
    if (edge && __atomic_load_n(&s->watches, __ATOMIC_SEQ_CST))
        fd_edge(&s->watches, edge);
    if (s->users)
        net_wake(&s->word);
    net_news();
}

void socket_changed(struct net_socket *s)
{
    changed(s, 0);
}

void socket_came(struct net_socket *s)
{
    changed(s, POLLIN | POLLRDNORM);
}

long socket_wait(struct net_socket *s, uint64_t deadline)
{
    s->users++;
    long result = net_sleep(&s->word, s->word, deadline);
    s->users--;
    if (s->open)
        return result ? -EAGAIN : 0;
    if (!s->users)
        release(s);
    return -EBADF; /* closed by another thread */
}

void net_sockets_room(void)
{
    for (struct chunk *chunk = chunks; chunk; chunk = chunk->next)
        for (int i = 0; i < MADE_AT_ONCE; i++) {
            struct net_socket *s = &chunk->socket[i];
            if (!s->open || !s->starved)
                continue;
            s->starved = false;
            socket_changed(s);
        }
}

uint64_t socket_deadline(uint64_t timeout)
{
    return timeout ? time_ns() + timeout : 0;
}

long socket_repeat(struct net_socket *s, long (*try)(struct net_socket *, struct attempt *),
                   struct attempt *a, uint64_t timeout)
{
    uint64_t deadline = socket_deadline(timeout);
    bool wait = !s->nonblocking && !(a->flags & MSG_DONTWAIT);
    long result = try(s, a);

    if (result == -EAGAIN) {
        net_look();
        result = try(s, a);
    }
    while (result == -EAGAIN && wait) {
        result = socket_wait(s, deadline);
        if (result)
            break;
        result = try(s, a);
    }
    /* What was done before it had to wait, or before it failed, counts. */
    return result < 0 && a->done ? (long)a->done : result;
}

/* --- errors and ports ----------------------------------------------------------------------------
 */

int socket_error(err_t error)
{
    static const uint8_t table[] = {
        [-ERR_MEM] = ENOBUFS,
        [-ERR_BUF] = ENOBUFS,
        [-ERR_TIMEOUT] = ETIMEDOUT,
        [-ERR_RTE] = ENETUNREACH,
        [-ERR_INPROGRESS] = EINPROGRESS,
        [-ERR_VAL] = EINVAL,
        [-ERR_WOULDBLOCK] = EAGAIN,
        [-ERR_USE] = EADDRINUSE,
        [-ERR_ALREADY] = EALREADY,
        [-ERR_ISCONN] = EISCONN,
        [-ERR_CONN] = ENOTCONN,
        [-ERR_IF] = ENETDOWN,
        [-ERR_ABRT] = ECONNABORTED,
        [-ERR_RST] = ECONNRESET,
        [-ERR_CLSD] = ENOTCONN,
        [-ERR_ARG] = EINVAL,
    };

    return error >= 0 || -error >= (int)sizeof(table) ? 0 : table[-error];
}

/* RFC 6056, section 3.3.1: anywhere in the dynamic range, then the next ones. */
uint16_t socket_random_port(unsigned attempt)
{
    static uint16_t first;

    if (attempt == 0)
        first = (uint16_t)(LWIP_RAND() % 16384);
    return (uint16_t)(49152 + (first + attempt) % 16384);
}

/* --- vectors -----------------------------------------------------------------------------------
 */

size_t vector_size(const struct net_vector *v)
{
    size_t size = 0;

    for (size_t i = 0; i < v->count; i++)
        size += v->part[i].iov_len;
    return size;
}

void vector_copy(const struct net_vector *v, size_t at, void *bytes, size_t length, bool to_vector)
{
    char *from = bytes;

    for (size_t i = 0; i < v->count && length; i++) {
        if (at >= v->part[i].iov_len) {
            at -= v->part[i].iov_len;
            continue;
        }
        size_t count = v->part[i].iov_len - at;
        char *part = (char *)v->part[i].iov_base + at;
        if (count > length)
            count = length;
        memcpy(to_vector ? part : from, to_vector ? from : part, count);
        from += count;
        length -= count;
        at = 0;
    }
}
