/* SPDX-License-Identifier: MIT */
/*
 * tcp_socket.c - stream sockets on lwIP's TCP. All of it under net_lock.
 *
 *   T1  the window that the peer sees is opened by what the application read, nothing else
 *   T2  s->tcp is NULL as soon as lwIP may free the pcb without a word: see detach()
 *   T3  what a socket holds is bounded by its share of memory (memory.c): lwIP keeps the segment
 * that does not fit, and TCP has the peer send again what comes behind it T4  a connection is in
 * its listener's queue, or has a descriptor; one that fails while it waits leaves the queue, so
 * that the queue is never longer than the backlog
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"

#include "libos.h"
#include "net.h"
#include "raw.h"
#include "ring.h"
#include "socket.h"

#define PORT_ATTEMPTS   64
#define FORSAKEN_RTO_MS 60000
#define WRITE_MOST      0xffff /* tcp_write() counts in 16 bits */

/* --- state -------------------------------------------------------------------------------------
 */

static bool writable(const struct net_socket *s)
{
    /* tcp_sndbuf() tells 64 KiB at most */
    return !s->starved && s->tcp->snd_buf > TCP_SNDLOWAT &&
           tcp_sndqueuelen(s->tcp) < TCP_SNDQUEUELOWAT;
}

short tcp_socket_ready(const struct net_socket *s)
{
    short ready = 0;

    if (s->state == SOCKET_LISTENING)
        return s->waiting ? POLLIN | POLLRDNORM : 0;
    if (s->queued || s->eof || s->rcv_shut || s->error || s->state == SOCKET_ENDED)
        ready |= POLLIN | POLLRDNORM;
    if (s->eof || s->rcv_shut || s->state == SOCKET_ENDED)
        ready |= POLLRDHUP;
    if (s->error)
        ready |= POLLERR;
    if (s->state == SOCKET_NEW || s->state == SOCKET_ENDED ||
        ((s->eof || s->rcv_shut) && s->snd_shut))
        ready |= POLLHUP;
    if (s->state == SOCKET_NEW || s->state == SOCKET_ENDED || s->snd_shut ||
        (s->state == SOCKET_CONNECTED && (!s->tcp || writable(s))))
        ready |= POLLOUT | POLLWRNORM;
    return ready;
}

/*
 * Twice a second, of a connection that has no socket any more: a peer that acknowledged later and later
 * made us wait longer and longer, and would keep it for hours when it falls silent. RFC 6298, section
 * 2.5, allows such a limit.
 */
static err_t forsaken(void *nothing, struct tcp_pcb *pcb)
{
    (void)nothing;
    pcb->rto = LWIP_MIN(pcb->rto, FORSAKEN_RTO_MS / TCP_SLOW_INTERVAL);
    return ERR_OK;
}

void net_forsake(struct tcp_pcb *pcb)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_poll(pcb, forsaken, 1);
}

/* From here on the pcb is lwIP's alone: it finishes what was begun and is freed there. */
static struct tcp_pcb *detach(struct net_socket *s)
{
    struct tcp_pcb *pcb = s->tcp;

    s->tcp = NULL;
    if (pcb->state == LISTEN) {
        tcp_arg(pcb, NULL);
        tcp_accept(pcb, NULL);
    } else {
        net_forsake(pcb);
    }
    return pcb;
}

/* The memory that one packet's piece takes: the whole buffer, if it still lies in the ring's. */
static uint32_t cost(const struct pbuf *p)
{
    return p->flags & PBUF_FLAG_IS_CUSTOM ? EXO_BUFFER_SIZE : p->len + 128u;
}

static void drop_first(struct net_socket *s)
{
    struct pbuf *p = s->first;

    s->held -= cost(p);
    s->first = p->next;
    if (!s->first)
        s->last = NULL;
    p->next = NULL;
    pbuf_free(p);
}

static void drop_received(struct net_socket *s)
{
    while (s->first)
        drop_first(s);
    s->queued = s->offset = 0;
}

/* --- lwIP's callbacks --------------------------------------------------------------------------
 */

static void append(struct net_socket *s, struct pbuf *p)
{
    s->queued += p->tot_len;
    if (s->last)
        s->last->next = p;
    else
        s->first = p;
    for (; p; p = p->next) {
        s->held += cost(p);
        s->last = p;
    }
}

/* Bytes, or with p == NULL the end of them. */
static err_t received(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct net_socket *s = argument;

    (void)error;
    if (!p) {
        s->eof = true;
        /* Both sides have ended; in these states lwIP frees the pcb and tells nobody. */
        if (pcb->state == TIME_WAIT || pcb->state == CLOSING)
            detach(s);
    } else if (s->rcv_shut) {
        tcp_recved(pcb, p->tot_len);
        pbuf_free(p);
        return ERR_OK;
    } else if (s->queued && !net_memory_may_hold(s->held, cost(p))) {
        s->refused = true;
        return ERR_MEM;
    } else {
        append(s, p);
    }
    socket_came(s);
    return ERR_OK;
}

static err_t sent(void *argument, struct tcp_pcb *pcb, u16_t length)
{
    struct net_socket *s = argument;

    (void)pcb, (void)length;
    s->starved = false; /* let it try */
    socket_changed(s);
    return ERR_OK;
}

/* Twice a second: memory that others freed may let us go on. */
static err_t polled(void *argument, struct tcp_pcb *pcb)
{
    struct net_socket *s = argument;

    return s->starved ? sent(argument, pcb, 0) : ERR_OK;
}

static void leave_queue(struct net_socket *s)
{
    struct net_socket *listener = s->listener, *before = NULL;

    for (struct net_socket *at = listener->waiting; at != s; at = at->next)
        before = at;
    if (before)
        before->next = s->next;
    else
        listener->waiting = s->next;
    if (listener->last_waiting == s)
        listener->last_waiting = before;
    s->listener = NULL;
    socket_changed(listener);
}

/* The connection is gone and lwIP frees the pcb. */
static void failed(void *argument, err_t error)
{
    struct net_socket *s = argument;

    s->tcp = NULL;
    if (s->listener) {
        leave_queue(s);
        drop_received(s);
        socket_free(s);
        return;
    }
    if (s->state == SOCKET_CONNECTING)
        s->error = error == ERR_RST ? ECONNREFUSED : ETIMEDOUT;
    else if (error == ERR_ABRT)
        s->error = ETIMEDOUT; /* nobody but the timers aborts a connection that has a socket */
    else if (error != ERR_CLSD)
        s->error = socket_error(error);
    s->state = SOCKET_ENDED;
    socket_came(s);
}

void tcp_socket_apply(struct net_socket *s)
{
    const struct socket_tcp_options *o = &s->tcp_options;

    if (!s->tcp || s->state == SOCKET_LISTENING)
        return;
    if (o->nodelay)
        tcp_nagle_disable(s->tcp);
    else
        tcp_nagle_enable(s->tcp);
    s->tcp->keep_idle = o->keep_idle * 1000u;
    s->tcp->keep_intvl = o->keep_interval * 1000u;
    s->tcp->keep_cnt = o->keep_count;
}

static void attach(struct net_socket *s, struct tcp_pcb *pcb)
{
    s->tcp = pcb;
    tcp_arg(pcb, s);
    tcp_recv(pcb, received);
    tcp_sent(pcb, sent);
    tcp_err(pcb, failed);
    tcp_poll(pcb, polled, 1);
    tcp_socket_apply(s);
}

static void names(struct net_socket *s)
{
    s->local = (struct socket_name){s->tcp->local_ip, s->tcp->local_port};
    s->peer = (struct socket_name){s->tcp->remote_ip, s->tcp->remote_port};
}

static err_t connected(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct net_socket *s = argument;

    (void)pcb, (void)error;
    s->state = SOCKET_CONNECTED;
    names(s);
    socket_changed(s);
    return ERR_OK;
}

/* A handshake is complete. */
static err_t arrived(void *argument, struct tcp_pcb *pcb, err_t error)
{
    struct net_socket *listener = argument;

    if (!pcb || error != ERR_OK || !listener)
        return ERR_VAL;
    struct net_socket *s = socket_new(true, listener->v6);
    if (!s)
        return ERR_MEM; /* lwIP resets the connection */
    s->state = SOCKET_CONNECTED;
    s->tcp_options = listener->tcp_options;
    attach(s, pcb);
    names(s);
    tcp_backlog_delayed(pcb);
    s->v6only = listener->v6only;
    s->rcv_timeout = listener->rcv_timeout;
    s->snd_timeout = listener->snd_timeout;
    s->linger = listener->linger;
    s->linger_seconds = listener->linger_seconds;
    s->listener = listener;
    if (listener->last_waiting)
        listener->last_waiting->next = s;
    else
        listener->waiting = s;
    listener->last_waiting = s;
    s->next = NULL;
    socket_changed(s);
    socket_came(listener);
    return ERR_OK;
}

/* --- bind, listen, accept, connect -------------------------------------------------------------
 */

/* Options can be set before bind(), so the pcb is made with the socket. */
static struct tcp_pcb *pcb_of(struct net_socket *s)
{
    if (!s->tcp && s->state == SOCKET_NEW) {
        struct tcp_pcb *pcb = tcp_new_ip_type(IP_GET_TYPE(socket_any(s)));
        if (pcb)
            attach(s, pcb);
    }
    return s->tcp;
}

long tcp_socket_open(struct net_socket *s)
{
    if (!pcb_of(s))
        return -ENOBUFS;
    socket_changed(s);
    return 0;
}

long tcp_socket_bind(struct net_socket *s, const struct socket_name *name)
{
    struct tcp_pcb *pcb = pcb_of(s);
    const ip_addr_t *ip = socket_bind_address(s, name);
    uint16_t port = name->port;
    err_t error = ERR_USE;

    if (!pcb)
        return s->state == SOCKET_NEW ? -ENOBUFS : -EINVAL;
    if (s->state != SOCKET_NEW || pcb->local_port)
        return -EINVAL;
    for (unsigned i = 0; error == ERR_USE && i < (port ? 1 : PORT_ATTEMPTS); i++)
        error = tcp_bind(pcb, ip, port ? port : socket_random_port(i));
    if (error != ERR_OK)
        return -socket_error(error);
    s->local = (struct socket_name){pcb->local_ip, pcb->local_port};
    return 0;
}

static long bind_somewhere(struct net_socket *s)
{
    const struct socket_name any = {.address = *socket_any(s)};
    struct tcp_pcb *pcb = pcb_of(s);

    if (!pcb)
        return -ENOBUFS;
    return pcb->local_port ? 0 : tcp_socket_bind(s, &any);
}

long tcp_socket_listen(struct net_socket *s, int backlog)
{
    u8_t places = backlog < 1 ? 1 : backlog > 255 ? 255 : (u8_t)backlog;
    err_t error;

    if (s->state == SOCKET_LISTENING) {
        tcp_backlog_set(s->tcp, places);
        return 0;
    }
    if (s->state != SOCKET_NEW)
        return -EINVAL;
    long result = bind_somewhere(s);
    if (result)
        return result;
    struct tcp_pcb *pcb = tcp_listen_with_backlog_and_err(s->tcp, places, &error);
    if (!pcb)
        return -socket_error(error);
    s->tcp = pcb; /* the former one is freed */
    s->state = SOCKET_LISTENING;
    tcp_arg(pcb, s);
    tcp_accept(pcb, arrived);
    socket_changed(s);
    return 0;
}

struct net_socket *tcp_socket_accept(struct net_socket *s)
{
    struct net_socket *first = s->waiting;

    if (!first)
        return NULL;
    if (first->tcp)
        tcp_backlog_accepted(first->tcp);
    net_card_place();
    leave_queue(first);
    return first;
}

long tcp_socket_connect(struct net_socket *s, const struct socket_name *to)
{
    switch (s->state) {
    case SOCKET_NEW:
        break;
    case SOCKET_CONNECTING:
        return -EALREADY;
    case SOCKET_LISTENING:
        return -EINVAL;
    case SOCKET_CONNECTED:
        return -EISCONN;
    default:
        return -ECONNABORTED;
    }
    long result = bind_somewhere(s);
    if (result)
        return result;
    if (!socket_reaches(&s->tcp->local_ip, to))
        return -EINVAL;
    err_t error = tcp_connect(s->tcp, &to->address, to->port, connected);
    if (error != ERR_OK)
        return error == ERR_USE ? -EADDRNOTAVAIL : -socket_error(error);
    s->state = SOCKET_CONNECTING;
    names(s);
    socket_changed(s);
    return -EINPROGRESS;
}

/* --- data ----------------------------------------------------------------------------------------
 */

static long take_error(struct net_socket *s)
{
    int error = s->error;

    s->error = 0;
    socket_changed(s);
    return -error;
}

/*
 * Offer one contiguous piece to lwIP: how much it took. A file in the image stays what it is: its bytes are sent
 * from where they lie, and take memory for their headers alone.
 */
static size_t offer(struct net_socket *s, const char *bytes, size_t length, bool more)
{
    size_t room = s->tcp->snd_buf, count = LWIP_MIN(LWIP_MIN(room, length), WRITE_MOST);
    bool stays = count >= TCP_MSS && image_constant(bytes, count);

    if (tcp_sndqueuelen(s->tcp) >= TCP_SNDQUEUELOWAT || !count)
        return 0; /* until the peer acknowledges some */
    while (count && !stays && !net_memory_may_hold(TCP_SND_BUF - room, count))
        count /= 2;
    while (count && !net_memory_low()) {
        u8_t flags =
            (stays ? 0 : TCP_WRITE_FLAG_COPY) | (more || count < length ? TCP_WRITE_FLAG_MORE : 0);
        if (tcp_write(s->tcp, bytes, (u16_t)count, flags) == ERR_OK)
            return count;
        count = count > TCP_MSS ? count / 2 : 0; /* memory is short: less may do */
    }
    s->starved = true;
    return 0;
}

long tcp_socket_send(struct net_socket *s, struct attempt *a)
{
    size_t total = vector_size(&a->vector), at = 0, before = a->done;
    bool stuck = false;

    if (s->error)
        return take_error(s);
    if (s->snd_shut || s->state == SOCKET_ENDED)
        return -EPIPE;
    if (s->state == SOCKET_CONNECTING)
        return -EAGAIN;
    if (s->state != SOCKET_CONNECTED)
        return -ENOTCONN;
    if (!s->tcp)
        return -EPIPE;
    for (size_t i = 0; i < a->vector.count && !stuck; i++) {
        size_t length = a->vector.part[i].iov_len;
        const char *base = a->vector.part[i].iov_base;
        while (!stuck && a->done < at + length) {
            size_t from = a->done - at;
            bool more = at + length < total || (a->flags & MSG_MORE);
            size_t took = offer(s, base + from, length - from, more);
            a->done += took;
            stuck = took == 0;
        }
        at += length;
    }
    if (a->done > before)
        tcp_output(s->tcp);
    if (a->done > before || stuck)
        socket_changed(s);
    return a->done == total ? (long)total : -EAGAIN;
}

/* Take `length` bytes off the front of what was received. */
static void consume(struct net_socket *s, size_t length)
{
    s->queued -= (uint32_t)length;
    s->offset += (uint32_t)length;
    while (s->first && s->offset >= s->first->len) {
        s->offset -= s->first->len;
        drop_first(s);
    }
    while (s->tcp && length) {
        u16_t part = length > 0xffff ? 0xffff : (u16_t)length;
        tcp_recved(s->tcp, part);
        length -= part;
    }
    if (s->refused && s->tcp) {
        s->refused = false;
        tcp_process_refused_data(s->tcp);
    }
    if (!s->queued)
        socket_changed(s);
}

static size_t copy_out(struct net_socket *s, struct attempt *a, size_t want)
{
    size_t offset = s->offset, copied = 0;

    for (struct pbuf *p = s->first; p && copied < want; p = p->next) {
        size_t count = p->len - offset;
        if (count > want - copied)
            count = want - copied;
        if (!(a->flags & MSG_TRUNC))
            vector_copy(&a->vector, a->done + copied, (char *)p->payload + offset, count, true);
        copied += count;
        offset = 0;
    }
    return copied;
}

long tcp_socket_receive(struct net_socket *s, struct attempt *a)
{
    size_t total = vector_size(&a->vector);

    if (s->state == SOCKET_LISTENING || s->state == SOCKET_NEW)
        return -ENOTCONN;
    if (s->queued && total > a->done) {
        size_t copied = copy_out(s, a, total - a->done);
        if (a->flags & MSG_PEEK)
            return (long)copied;
        consume(s, copied);
        a->done += copied;
        return a->done == total || !(a->flags & MSG_WAITALL) ? (long)a->done : -EAGAIN;
    }
    if (s->error)
        return take_error(s);
    if (s->eof || s->rcv_shut || s->state == SOCKET_ENDED || total == 0)
        return (long)a->done;
    return -EAGAIN;
}

/* --- the end -------------------------------------------------------------------------------------
 */

long tcp_socket_shutdown(struct net_socket *s, int how)
{
    if (s->state != SOCKET_CONNECTED && !(s->state == SOCKET_ENDED && !s->error))
        return -ENOTCONN;
    if (how != SHUT_WR)
        s->rcv_shut = true;
    if (how != SHUT_RD && !s->snd_shut) {
        if (s->tcp)
            tcp_shutdown(s->tcp, 0, 1); /* if memory is out, lwIP tries again by itself */
        s->snd_shut = true;
    }
    socket_changed(s);
    return 0;
}

void tcp_socket_close(struct net_socket *s)
{
    bool unread = s->queued != 0;

    while (s->waiting) {
        struct net_socket *first = s->waiting;
        leave_queue(first);
        drop_received(first);
        if (first->tcp)
            tcp_abort(detach(first));
        socket_free(first);
    }
    drop_received(s);
    if (!s->tcp)
        return;
    struct tcp_pcb *pcb = detach(s);
    if (pcb->state == LISTEN)
        net_card_place();
    /* RFC 2525, section 2.17: data that nobody will read is answered by a reset. */
    if (pcb->state != LISTEN && pcb->state != CLOSED &&
        (unread || (s->linger && s->linger_seconds == 0)))
        tcp_abort(pcb);
    else if (tcp_close(pcb) != ERR_OK)
        tcp_abort(pcb);
}
