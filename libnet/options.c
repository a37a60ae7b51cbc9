/* SPDX-License-Identifier: MIT */
/* options.c - setsockopt() and getsockopt(). An option that has no effect here is refused. */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "lwip/tcp.h"
#include "lwip/udp.h"

#include "net.h"
#include "socket.h"

#define NS 1000000000ull

/* Flags, time to live and type of service are at the same place in every pcb of lwIP's. */
static struct ip_pcb *pcb_of(struct net_socket *s)
{
    return s->stream ? (struct ip_pcb *)s->tcp : (struct ip_pcb *)s->udp;
}

static bool has_connection(const struct net_socket *s)
{
    return s->stream && s->tcp && s->state != SOCKET_LISTENING;
}

/* --- set ---------------------------------------------------------------------------------------
 */

static long set_time(uint64_t *to, const void *value, socklen_t length)
{
    struct timeval t;

    if (length < sizeof(t))
        return -EINVAL;
    memcpy(&t, value, sizeof(t));
    if (t.tv_usec < 0 || t.tv_usec >= 1000000)
        return -EDOM;
    *to = t.tv_sec < 0 ? 0 : (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_usec * 1000;
    return 0;
}

static long set_linger(struct net_socket *s, const void *value, socklen_t length)
{
    struct linger l;

    if (length < sizeof(l))
        return -EINVAL;
    memcpy(&l, value, sizeof(l));
    s->linger = l.l_onoff;
    s->linger_seconds = (uint16_t)(l.l_linger < 0 || l.l_linger > 65535 ? 65535 : l.l_linger);
    return 0;
}

static long set_flag(struct net_socket *s, uint8_t flag, int on)
{
    struct ip_pcb *pcb = pcb_of(s);

    if (!pcb)
        return -EINVAL;
    if (on)
        ip_set_option(pcb, flag);
    else
        ip_reset_option(pcb, flag);
    return 0;
}

static long set_socket(struct net_socket *s, int name, int on)
{
    switch (name) {
    case SO_REUSEADDR:
        return set_flag(s, SOF_REUSEADDR, on);
    case SO_KEEPALIVE:
        return set_flag(s, SOF_KEEPALIVE, on);
    case SO_BROADCAST:
        return set_flag(s, SOF_BROADCAST, on);
    case SO_RCVBUF:
        if (on < 0)
            return -EINVAL;
        if (!s->stream)
            s->rcv_limit = on < 2048 ? 2048 : on > 1 << 20 ? 1 << 20 : (uint32_t)on;
        return 0; /* a wish: windows of TCP have one size */
    case SO_SNDBUF:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static long set_tcp(struct net_socket *s, int name, int value)
{
    struct socket_tcp_options *o = &s->tcp_options;

    if (!s->stream)
        return -ENOPROTOOPT;
    if (!s->tcp)
        return -EINVAL;
    switch (name) {
    case TCP_NODELAY:
        o->nodelay = value != 0;
        break;
    case TCP_KEEPIDLE:
    case TCP_KEEPINTVL:
        if (value < 1 || value > 32767)
            return -EINVAL;
        *(name == TCP_KEEPIDLE ? &o->keep_idle : &o->keep_interval) = (uint16_t)value;
        break;
    case TCP_KEEPCNT:
        if (value < 1 || value > 127)
            return -EINVAL;
        o->keep_count = (uint8_t)value;
        break;
    default:
        return -ENOPROTOOPT;
    }
    tcp_socket_apply(s);
    if (o->nodelay && has_connection(s))
        tcp_output(s->tcp);
    return 0;
}

static long set_ip(struct net_socket *s, int name, int value)
{
    struct ip_pcb *pcb = pcb_of(s);

    if (!pcb)
        return -EINVAL;
    switch (name) {
    case IP_TTL:
        if (value != -1 && (value < 1 || value > 255))
            return -EINVAL;
        pcb->ttl = value == -1 ? IP_DEFAULT_TTL : (u8_t)value;
        return 0;
    case IP_TOS:
        pcb->tos = (u8_t)value;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static long set_ip6(struct net_socket *s, int name, int value)
{
    if (!s->v6)
        return -ENOPROTOOPT;
    switch (name) {
    case IPV6_V6ONLY: /* what binds the socket comes later */
        if (s->local.port)
            return -EINVAL;
        s->v6only = value != 0;
        ip_addr_copy(s->local.address, *socket_any(s));
        return 0;
    case IPV6_UNICAST_HOPS:
        return set_ip(s, IP_TTL, value);
    case IPV6_TCLASS:
        return set_ip(s, IP_TOS, value);
    default:
        return -ENOPROTOOPT;
    }
}

long socket_set_option(struct net_socket *s, int level, int name, const void *value,
                       socklen_t length)
{
    int number;

    if (!value)
        return -EFAULT;
    if (level == SOL_SOCKET) {
        if (name == SO_RCVTIMEO)
            return set_time(&s->rcv_timeout, value, length);
        if (name == SO_SNDTIMEO)
            return set_time(&s->snd_timeout, value, length);
        if (name == SO_LINGER)
            return set_linger(s, value, length);
    }
    if (length < sizeof(number))
        return -EINVAL;
    memcpy(&number, value, sizeof(number));
    switch (level) {
    case SOL_SOCKET:
        return set_socket(s, name, number);
    case IPPROTO_TCP:
        return set_tcp(s, name, number);
    case IPPROTO_IP:
        return set_ip(s, name, number);
    case IPPROTO_IPV6:
        return set_ip6(s, name, number);
    default:
        return -ENOPROTOOPT;
    }
}

/* --- get ---------------------------------------------------------------------------------------
 */

static long get_flag(struct net_socket *s, uint8_t flag)
{
    struct ip_pcb *pcb = pcb_of(s);

    return pcb && ip_get_option(pcb, flag);
}

static long get_socket(struct net_socket *s, int name)
{
    long value;

    switch (name) {
    case SO_ERROR:
        value = s->error;
        s->error = 0;
        socket_changed(s);
        return value;
    case SO_TYPE:
        return s->stream ? SOCK_STREAM : SOCK_DGRAM;
    case SO_DOMAIN:
        return s->v6 ? AF_INET6 : AF_INET;
    case SO_PROTOCOL:
        return s->stream ? IPPROTO_TCP : IPPROTO_UDP;
    case SO_ACCEPTCONN:
        return s->state == SOCKET_LISTENING;
    case SO_REUSEADDR:
        return get_flag(s, SOF_REUSEADDR);
    case SO_KEEPALIVE:
        return get_flag(s, SOF_KEEPALIVE);
    case SO_BROADCAST:
        return get_flag(s, SOF_BROADCAST);
    case SO_RCVBUF:
        return s->stream ? TCP_WND : (long)s->rcv_limit;
    case SO_SNDBUF:
        return s->stream ? TCP_SND_BUF : 65535;
    default:
        return -ENOPROTOOPT;
    }
}

static long get_tcp(struct net_socket *s, int name)
{
    if (!s->stream)
        return -ENOPROTOOPT;
    switch (name) {
    case TCP_NODELAY:
        return s->tcp_options.nodelay;
    case TCP_MAXSEG:
        return has_connection(s) ? tcp_mss(s->tcp) : TCP_MSS;
    case TCP_KEEPIDLE:
        return s->tcp_options.keep_idle;
    case TCP_KEEPINTVL:
        return s->tcp_options.keep_interval;
    case TCP_KEEPCNT:
        return s->tcp_options.keep_count;
    default:
        return -ENOPROTOOPT;
    }
}

static long get_ip(struct net_socket *s, int name)
{
    struct ip_pcb *pcb = pcb_of(s);

    if (!pcb)
        return -EINVAL;
    return name == IP_TTL ? pcb->ttl : name == IP_TOS ? pcb->tos : -ENOPROTOOPT;
}

static long get_ip6(struct net_socket *s, int name)
{
    if (!s->v6)
        return -ENOPROTOOPT;
    return name == IPV6_V6ONLY         ? s->v6only
           : name == IPV6_UNICAST_HOPS ? get_ip(s, IP_TTL)
           : name == IPV6_TCLASS       ? get_ip(s, IP_TOS)
                                       : -ENOPROTOOPT;
}

static long give(const void *from, size_t size, void *value, socklen_t *length)
{
    if (*length > size)
        *length = (socklen_t)size;
    memcpy(value, from, *length);
    return 0;
}

static long get_other(struct net_socket *s, int name, void *value, socklen_t *length, bool *known)
{
    uint64_t ns = name == SO_RCVTIMEO ? s->rcv_timeout : s->snd_timeout;
    const struct timeval t = {(time_t)(ns / NS), (suseconds_t)(ns % NS / 1000)};
    const struct linger l = {s->linger, s->linger_seconds};

    *known = name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_LINGER;
    if (!*known)
        return 0;
    return name == SO_LINGER ? give(&l, sizeof(l), value, length)
                             : give(&t, sizeof(t), value, length);
}

long socket_get_option(struct net_socket *s, int level, int name, void *value, socklen_t *length)
{
    bool known = false;
    long result;

    if (!value || !length)
        return -EFAULT;
    if (level == SOL_SOCKET) {
        result = get_other(s, name, value, length, &known);
        if (known)
            return result;
    }
    switch (level) {
    case SOL_SOCKET:
        result = get_socket(s, name);
        break;
    case IPPROTO_TCP:
        result = get_tcp(s, name);
        break;
    case IPPROTO_IP:
        result = get_ip(s, name);
        break;
    case IPPROTO_IPV6:
        result = get_ip6(s, name);
        break;
    default:
        return -ENOPROTOOPT;
    }
    if (result < 0)
        return result;
    int number = (int)result;
    return give(&number, sizeof(number), value, length);
}
