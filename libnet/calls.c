/* SPDX-License-Identifier: MIT */
/*
 * calls.c - the system calls about sockets, and what read(), write(), close(), poll(), ioctl() and
 * fcntl() do with one.
 *
 * A pointer that leads nowhere faults in the caller's thread, as any other would: there is no
 * EFAULT.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fd.h"
#include "net.h"
#include "socket.h"

#define VECTORS 1024 /* parts of one message, IOV_MAX of Linux */

/* --- data ----------------------------------------------------------------------------------------
 */

static long send_locked(struct net_socket *s, struct attempt *a)
{
    return s->open
               ? socket_repeat(s, s->stream ? tcp_socket_send : udp_socket_send, a, s->snd_timeout)
               : -EBADF;
}

static long receive_locked(struct net_socket *s, struct attempt *a)
{
    return s->open ? socket_repeat(s, s->stream ? tcp_socket_receive : udp_socket_receive, a,
                                   s->rcv_timeout)
                   : -EBADF;
}

static long transfer(struct net_socket *s, struct attempt *a, bool out)
{
    net_enter();
    long result = out ? send_locked(s, a) : receive_locked(s, a);
    net_leave();
    return result;
}

static long one_part(void *object, const void *buffer, size_t length, bool out)
{
    const struct iovec part = {(void *)buffer, length};
    struct attempt a = {.vector = {&part, 1}};

    return transfer(object, &a, out);
}

static long socket_read(void *object, void *buffer, size_t length)
{
    return one_part(object, buffer, length, false);
}

static long socket_write(void *object, const void *buffer, size_t length)
{
    return one_part(object, buffer, length, true);
}

static long socket_vector(void *object, const struct iovec *part, int count, bool out)
{
    struct attempt a = {.vector = {part, (size_t)count}};

    return transfer(object, &a, out);
}

static long send_to(struct net_socket *s, const struct net_vector *v, int flags, const void *name,
                    socklen_t name_length)
{
    struct socket_name to;
    struct attempt a = {.vector = *v, .flags = flags};

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (name && !s->stream) {
        long error = socket_name_read(s, name, name_length, &to);
        if (error)
            return error;
        a.address = &to;
    }
    return send_locked(s, &a);
}

static long receive_from(struct net_socket *s, struct attempt *a, void *name, socklen_t *length)
{
    struct socket_name from;

    if (a->flags & (MSG_OOB | MSG_ERRQUEUE))
        return -EOPNOTSUPP;
    a->address = s->stream ? NULL : &from;
    long result = receive_locked(s, a);
    if (result >= 0 && a->address)
        socket_name_give(s, &from, name, length);
    else if (result >= 0 && length)
        *length = 0;
    return result;
}

static long send_message(struct net_socket *s, const struct msghdr *m, int flags)
{
    const struct net_vector v = {m->msg_iov, (size_t)m->msg_iovlen};

    if (v.count > VECTORS)
        return -EMSGSIZE;
    return send_to(s, &v, flags, m->msg_name, m->msg_namelen);
}

static long receive_message(struct net_socket *s, struct msghdr *m, int flags)
{
    struct attempt a = {.vector = {m->msg_iov, (size_t)m->msg_iovlen}, .flags = flags};

    if (a.vector.count > VECTORS)
        return -EMSGSIZE;
    long result = receive_from(s, &a, m->msg_name, m->msg_name ? &m->msg_namelen : NULL);
    if (result >= 0) {
        m->msg_controllen = 0;
        m->msg_flags = a.message_flags;
    }
    return result;
}

/* --- life ----------------------------------------------------------------------------------------
 */

static long socket_close(void *object)
{
    struct net_socket *s = object;

    net_enter();
    if (s->open) {
        if (s->stream)
            tcp_socket_close(s);
        else
            udp_socket_close(s);
        socket_free(s);
    }
    net_leave();
    return 0;
}

static short socket_poll(void *object, short events)
{
    const struct net_socket *s = object;
    short ready = __atomic_load_n(&s->ready, __ATOMIC_ACQUIRE);

    return ready & (events | POLLERR | POLLHUP);
}

static long socket_ioctl(void *object, unsigned long request, void *argument)
{
    struct net_socket *s = object;
    long result = 0;

    net_enter();
    switch (request) {
    case FIONBIO:
        s->nonblocking = *(int *)argument != 0;
        break;
    case FIONREAD:
        net_look();
        *(int *)argument = (int)(s->stream ? s->queued : udp_socket_first(s));
        break;
    default:
        result = -ENOTTY;
    }
    net_leave();
    return result;
}

static long socket_set_flags(void *object, int flags)
{
    struct net_socket *s = object;

    s->nonblocking = flags & O_NONBLOCK;
    return 0;
}

static int socket_get_flags(void *object)
{
    const struct net_socket *s = object;

    return s->nonblocking ? O_NONBLOCK : 0;
}

static struct fd_watch **socket_watches(void *object)
{
    struct net_socket *s = object;

    return &s->watches;
}

static const struct fd_type socket_type = {
    .read = socket_read,
    .write = socket_write,
    .vector = socket_vector,
    .close = socket_close,
    .poll = socket_poll,
    .ioctl = socket_ioctl,
    .set_flags = socket_set_flags,
    .get_flags = socket_get_flags,
    .watches = socket_watches,
};

static long open_socket(int domain, int type, int protocol)
{
    bool stream = (type & 0xf) == SOCK_STREAM;

    if (domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if (!stream && (type & 0xf) != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol && protocol != (stream ? IPPROTO_TCP : IPPROTO_UDP))
        return -EPROTONOSUPPORT;
    struct net_socket *s = socket_new(stream, domain == AF_INET6);
    if (!s)
        return -ENFILE;
    s->nonblocking = type & SOCK_NONBLOCK;
    long result = stream ? tcp_socket_open(s) : udp_socket_open(s);
    if (result == 0)
        result = fd_add(&socket_type, s);
    if (result < 0) {
        if (s->stream)
            tcp_socket_close(s);
        else if (s->udp)
            udp_socket_close(s);
        socket_free(s);
    }
    return result;
}

static long try_accept(struct net_socket *s, struct attempt *a)
{
    (void)a;
    return s->waiting ? 0 : -EAGAIN;
}

static long accept_socket(struct net_socket *s, void *name, socklen_t *length, int flags)
{
    struct attempt a = {0};

    if (!s->stream)
        return -EOPNOTSUPP;
    if (s->state != SOCKET_LISTENING || (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)))
        return -EINVAL;
    long result = socket_repeat(s, try_accept, &a, s->rcv_timeout);
    if (result < 0)
        return result;
    long fd = fd_add(&socket_type, s->waiting);
    if (fd < 0)
        return fd; /* it stays in the queue */
    struct net_socket *child = tcp_socket_accept(s);
    child->nonblocking = flags & SOCK_NONBLOCK;
    socket_name_give(child, &child->peer, name, length);
    return fd;
}

static long try_connect(struct net_socket *s, struct attempt *a)
{
    (void)a;
    if (s->error) {
        int error = s->error;
        s->error = 0;
        socket_changed(s);
        return -error;
    }
    return s->state == SOCKET_CONNECTING ? -EAGAIN : 0;
}

static long connect_socket(struct net_socket *s, const void *name, socklen_t length)
{
    struct socket_name to;
    struct attempt a = {0};

    if (!s->stream && name && length >= sizeof(sa_family_t) &&
        ((const struct sockaddr *)name)->sa_family == AF_UNSPEC)
        return udp_socket_connect(s, NULL);
    long result = socket_name_read(s, name, length, &to);
    if (result)
        return result;
    if (!s->stream)
        return udp_socket_connect(s, &to);
    result = tcp_socket_connect(s, &to);
    if (result != -EINPROGRESS || s->nonblocking)
        return result;
    result = socket_repeat(s, try_connect, &a, s->snd_timeout);
    return result == -EAGAIN ? -EINPROGRESS : result;
}

static long bind_socket(struct net_socket *s, const void *name, socklen_t length)
{
    struct socket_name to;
    long error = socket_name_read(s, name, length, &to);

    if (error)
        return error;
    if (!socket_local_ok(&to))
        return -EADDRNOTAVAIL;
    return s->stream ? tcp_socket_bind(s, &to) : udp_socket_bind(s, &to);
}

static long peer_name(struct net_socket *s, void *name, socklen_t *length)
{
    if (s->state != SOCKET_CONNECTED)
        return -ENOTCONN;
    socket_name_give(s, &s->peer, name, length);
    return 0;
}

static long shut(struct net_socket *s, long how)
{
    if (how < SHUT_RD || how > SHUT_RDWR)
        return -EINVAL;
    return s->stream ? tcp_socket_shutdown(s, (int)how) : udp_socket_shutdown(s, (int)how);
}

/* --- which call
 * ------------------------------------------------------------------------------------ */

static long data_call(long n, struct net_socket *s, long b, long c, long d, long e, long f)
{
    const struct iovec part = {(void *)b, (size_t)c};
    struct attempt a = {.vector = {&part, 1}, .flags = (int)d};

    switch (n) {
    case SYS_sendto:
        return send_to(s, &a.vector, (int)d, (const void *)e, (socklen_t)f);
    case SYS_recvfrom:
        return receive_from(s, &a, (void *)e, e ? (socklen_t *)f : NULL);
    case SYS_sendmsg:
        return send_message(s, (const struct msghdr *)b, (int)c);
    default:
        return receive_message(s, (struct msghdr *)b, (int)c);
    }
}

static long socket_call(long n, struct net_socket *s, long b, long c, long d, long e, long f)
{
    switch (n) {
    case SYS_bind:
        return bind_socket(s, (const void *)b, (socklen_t)c);
    case SYS_listen:
        return s->stream ? tcp_socket_listen(s, (int)b) : -EOPNOTSUPP;
    case SYS_accept:
        return accept_socket(s, (void *)b, (socklen_t *)c, 0);
    case SYS_accept4:
        return accept_socket(s, (void *)b, (socklen_t *)c, (int)d);
    case SYS_connect:
        return connect_socket(s, (const void *)b, (socklen_t)c);
    case SYS_shutdown:
        return shut(s, b);
    case SYS_getsockname:
        socket_name_give(s, &s->local, (void *)b, (socklen_t *)c);
        return 0;
    case SYS_getpeername:
        return peer_name(s, (void *)b, (socklen_t *)c);
    case SYS_setsockopt:
        return socket_set_option(s, (int)b, (int)c, (const void *)d, (socklen_t)e);
    case SYS_getsockopt:
        return socket_get_option(s, (int)b, (int)c, (void *)d, (socklen_t *)e);
    default:
        return data_call(n, s, b, c, d, e, f);
    }
}

static long call(long n, long a, long b, long c, long d, long e, long f)
{
    long result;

    if (n == SYS_socketpair)
        return -EOPNOTSUPP;
    net_enter();
    if (n == SYS_socket) {
        result = open_socket((int)a, (int)b, (int)c);
    } else {
        struct net_socket *s = fd_object((int)a, &socket_type, &result);
        if (s)
            result = s->open ? socket_call(n, s, b, c, d, e, f) : -EBADF;
    }
    net_leave();
    return result;
}

void net_sockets_init(void)
{
    fd_socket_call = call;
}
