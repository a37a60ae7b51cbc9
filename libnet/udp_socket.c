/* SPDX-License-Identifier: MIT */
/*
 * udp_socket.c - datagram sockets on lwIP's UDP. All of it under net_lock.
 *
 *   D1  what waits in a socket counts its bytes and DATAGRAM_COST each against `rcv_limit`; what
 *       does not fit is dropped and counted
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

#include "lwip/udp.h"
#include "lwipopts.h"

#include "net.h"
#include "rings.h"
#include "socket.h"

#define DATAGRAM_COST 512u
#define RCV_LIMIT     (64u * 1024)
#define PORT_ATTEMPTS 64
#define SIZE_MAX_UDP  (65535u - 20 - 8)
#define SIZE_MAX_UDP6 (EXO_PACKET_MAX - 14 - 40 - 8u) /* nothing is sent in fragments there */

uint64_t net_udp_dropped;

short udp_socket_ready(const struct net_socket *s)
{
    short ready = 0;

    if (s->datagrams || s->rcv_shut || s->error)
        ready |= POLLIN | POLLRDNORM;
    if (s->rcv_shut)
        ready |= POLLRDHUP;
    if (s->rcv_shut && s->snd_shut)
        ready |= POLLHUP;
    if (s->error)
        ready |= POLLERR;
    if (!s->starved)
        ready |= POLLOUT | POLLWRNORM;
    return ready;
}

static void received(void *argument, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                     u16_t port)
{
    struct net_socket *s = argument;
    uint32_t cost = p->tot_len + DATAGRAM_COST;
    struct datagram *d = NULL;

    (void)pcb;
    if (!s->rcv_shut && s->queued + cost <= s->rcv_limit &&
        (!s->queued || net_memory_may_hold(s->queued, cost)))
        d = net_memory_alloc(sizeof(*d));
    if (!d) {
        net_udp_dropped++;
        pbuf_free(p);
        return;
    }
    d->next = NULL;
    d->packet = p;
    d->from = (struct socket_name){*from, port};
    if (s->last_datagram)
        s->last_datagram->next = d;
    else
        s->datagrams = d;
    s->last_datagram = d;
    s->queued += cost;
    socket_came(s);
}

static void drop_first(struct net_socket *s)
{
    struct datagram *d = s->datagrams;

    s->queued -= d->packet->tot_len + DATAGRAM_COST;
    s->datagrams = d->next;
    if (!s->datagrams)
        s->last_datagram = NULL;
    pbuf_free(d->packet);
    net_memory_free(d);
    if (!s->datagrams)
        socket_changed(s);
}

uint32_t udp_socket_first(const struct net_socket *s)
{
    return s->datagrams ? s->datagrams->packet->tot_len : 0;
}

long udp_socket_open(struct net_socket *s)
{
    s->udp = udp_new_ip_type(IP_GET_TYPE(socket_any(s)));
    if (!s->udp)
        return -ENOBUFS;
    s->rcv_limit = RCV_LIMIT;
    udp_recv(s->udp, received, s);
    socket_changed(s);
    return 0;
}

long udp_socket_bind(struct net_socket *s, const struct socket_name *name)
{
    const ip_addr_t *ip = socket_bind_address(s, name);
    uint16_t port = name->port;
    err_t error = ERR_USE;

    if (s->udp->local_port)
        return -EINVAL;
    for (unsigned i = 0; error == ERR_USE && i < (port ? 1 : PORT_ATTEMPTS); i++)
        error = udp_bind(s->udp, ip, port ? port : socket_random_port(i));
    if (error != ERR_OK)
        return -socket_error(error);
    s->local = (struct socket_name){s->udp->local_ip, s->udp->local_port};
    return 0;
}

static long bind_somewhere(struct net_socket *s)
{
    const struct socket_name any = {.address = *socket_any(s)};

    return s->udp->local_port ? 0 : udp_socket_bind(s, &any);
}

long udp_socket_connect(struct net_socket *s, const struct socket_name *to)
{
    if (!to) {
        udp_disconnect(s->udp);
        memset(&s->peer, 0, sizeof(s->peer));
        s->state = SOCKET_NEW;
        return 0;
    }
    long result = bind_somewhere(s);
    if (result)
        return result;
    if (!socket_reaches(&s->udp->local_ip, to))
        return -EINVAL;
    err_t error = udp_connect(s->udp, &to->address, to->port);
    if (error != ERR_OK)
        return -socket_error(error);
    s->peer = *to;
    s->state = SOCKET_CONNECTED;
    return 0;
}

long udp_socket_send(struct net_socket *s, struct attempt *a)
{
    size_t size = vector_size(&a->vector);
    struct socket_name *to = a->address                     ? a->address
                             : s->state == SOCKET_CONNECTED ? &s->peer
                                                            : NULL;

    if (s->snd_shut)
        return -EPIPE;
    if (!to)
        return -EDESTADDRREQ;
    if (size > (IP_IS_V6_VAL(to->address) ? SIZE_MAX_UDP6 : SIZE_MAX_UDP))
        return -EMSGSIZE;
    if (s->starved)
        return -EAGAIN;
    long result = bind_somewhere(s);
    if (result)
        return result;
    if (!socket_reaches(&s->udp->local_ip, to))
        return -EINVAL;
    struct pbuf *p = net_memory_low() ? NULL : pbuf_alloc(PBUF_TRANSPORT, (u16_t)size, PBUF_RAM);
    if (!p)
        return -ENOBUFS;
    vector_copy(&a->vector, 0, p->payload, size, false);
    err_t error = udp_sendto(s->udp, p, &to->address, to->port);
    pbuf_free(p);
    if (error == ERR_OK)
        return (long)size;
    if (error == ERR_MEM && rings_wanted()) {
        s->starved = true; /* all send buffers are in flight: when one is back, try again */
        socket_changed(s);
        return -EAGAIN;
    }
    return error == ERR_VAL ? -EACCES : -socket_error(error); /* a broadcast without SO_BROADCAST */
}

long udp_socket_receive(struct net_socket *s, struct attempt *a)
{
    struct datagram *d = s->datagrams;
    size_t room = vector_size(&a->vector), at = 0;

    if (!d)
        return s->rcv_shut ? 0 : -EAGAIN;
    size_t size = d->packet->tot_len;
    for (struct pbuf *p = d->packet; p && at < room; p = p->next) {
        size_t count = p->len < room - at ? p->len : room - at;
        vector_copy(&a->vector, at, p->payload, count, true);
        at += count;
    }
    if (a->address)
        *a->address = d->from;
    if (size > room)
        a->message_flags |= MSG_TRUNC;
    if (!(a->flags & MSG_PEEK))
        drop_first(s);
    return (long)(a->flags & MSG_TRUNC ? size : at);
}

long udp_socket_shutdown(struct net_socket *s, int how)
{
    if (s->state != SOCKET_CONNECTED)
        return -ENOTCONN;
    if (how != SHUT_WR)
        s->rcv_shut = true;
    if (how != SHUT_RD)
        s->snd_shut = true;
    socket_changed(s);
    return 0;
}

void udp_socket_close(struct net_socket *s)
{
    while (s->datagrams)
        drop_first(s);
    udp_remove(s->udp);
    s->udp = NULL;
}
