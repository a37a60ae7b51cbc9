/* SPDX-License-Identifier: MIT */
/*
 * sockets.h - the calls as a C library makes them; each returns the result or a negated errno.
 */
#ifndef TESTS_NET_SOCKETS_H
#define TESTS_NET_SOCKETS_H

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fd.h"

/* Calls about any descriptor. */
long world_call(long n, long a, long b, long c, long d);

static inline long world_close(int fd)
{
    return world_call(SYS_close, fd, 0, 0, 0);
}

static inline long t_socket(int type)
{
    return fd_socket_call(SYS_socket, AF_INET, type, 0, 0, 0, 0);
}

static inline struct sockaddr_in t_name(uint32_t address, uint16_t port)
{
    struct sockaddr_in name;

    memset(&name, 0, sizeof(name));
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(address);
    return name;
}

static inline long t_bind(long fd, uint32_t address, uint16_t port)
{
    struct sockaddr_in name = t_name(address, port);

    return fd_socket_call(SYS_bind, fd, (long)&name, sizeof(name), 0, 0, 0);
}

static inline long t_connect(long fd, uint32_t address, uint16_t port)
{
    struct sockaddr_in name = t_name(address, port);

    return fd_socket_call(SYS_connect, fd, (long)&name, sizeof(name), 0, 0, 0);
}

static inline long t_listen(long fd, int backlog)
{
    return fd_socket_call(SYS_listen, fd, backlog, 0, 0, 0, 0);
}

static inline long t_accept(long fd, struct sockaddr_in *from, int flags)
{
    socklen_t length = sizeof(*from);

    return fd_socket_call(SYS_accept4, fd, (long)from, from ? (long)&length : 0, flags, 0, 0);
}

static inline long t_send(long fd, const void *bytes, size_t length, int flags)
{
    return fd_socket_call(SYS_sendto, fd, (long)bytes, (long)length, flags, 0, 0);
}

static inline long t_recv(long fd, void *bytes, size_t length, int flags)
{
    return fd_socket_call(SYS_recvfrom, fd, (long)bytes, (long)length, flags, 0, 0);
}

static inline long t_sendto(long fd, const void *bytes, size_t length, int flags, uint32_t address,
                            uint16_t port)
{
    struct sockaddr_in name = t_name(address, port);

    return fd_socket_call(SYS_sendto, fd, (long)bytes, (long)length, flags, (long)&name,
                          sizeof(name));
}

static inline long t_recvfrom(long fd, void *bytes, size_t length, int flags,
                              struct sockaddr_in *from)
{
    socklen_t size = sizeof(*from);

    return fd_socket_call(SYS_recvfrom, fd, (long)bytes, (long)length, flags, (long)from,
                          (long)&size);
}

static inline long t_shutdown(long fd, int how)
{
    return fd_socket_call(SYS_shutdown, fd, how, 0, 0, 0, 0);
}

static inline long t_set(long fd, int level, int name, const void *value, socklen_t length)
{
    return fd_socket_call(SYS_setsockopt, fd, level, name, (long)value, length, 0);
}

static inline long t_set_int(long fd, int level, int name, int value)
{
    return t_set(fd, level, name, &value, sizeof(value));
}

static inline long t_get_int(long fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);
    long result = fd_socket_call(SYS_getsockopt, fd, level, name, (long)&value, (long)&length, 0);

    return result < 0 ? result : value;
}

static inline short t_poll(long fd)
{
    struct pollfd p = {.fd = (int)fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    world_call(SYS_poll, (long)&p, 1, 0, 0);
    return p.revents;
}

static inline void t_nonblock(long fd)
{
    world_call(SYS_fcntl, fd, F_SETFL, O_NONBLOCK, 0);
}

#endif
