/* SPDX-License-Identifier: MIT */
/*
 * socket.h - one socket, as the files that make up the BSD socket layer see it.
 *
 * socket.c has the table and life; address.c names; tcp_socket.c and udp_socket.c what differs; options.c
 * setsockopt() and getsockopt(); calls.c the system calls.
 *
 *   S1  `ready` says what poll() may report; socket_changed() alone computes it, after each change
 *   S2  a socket's memory is never given to anything but another socket: a thread that comes too
 *       late finds `open` false or somebody's socket, as with a descriptor that was used again
 *   S3  a pcb's callbacks name a live socket or nothing: who frees one detaches the other first
 */
#ifndef LIBNET_SOCKET_H
#define LIBNET_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lwip/tcp.h"
#include "lwip/udp.h"

enum socket_state {
    SOCKET_NEW, /* bound or not */
    SOCKET_LISTENING,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED, /* UDP: has a fixed peer */
    SOCKET_ENDED,     /* TCP: reset, refused, timed out or closed by both */
};

struct socket_name {
    ip_addr_t address;
    uint16_t port;
};

struct datagram {
    struct datagram *next;
    struct pbuf *packet;
    struct socket_name from;
};

/* setsockopt(): what a listener hands on to those who come. Seconds. */
struct socket_tcp_options {
    bool nodelay;
    uint16_t keep_idle, keep_interval;
    uint8_t keep_count;
};

struct net_socket {
    /* under net_lock, but for `ready`, which poll() reads without */
    struct net_socket *next;  /* free list, or the queue of a listener */
    struct fd_watch *watches; /* libos/epoll.c's */
    uint32_t word;            /* changes whenever something did: threads sleep on it */
    uint32_t users;           /* threads asleep here */
    bool open;                /* has a descriptor, or waits to be accepted */
    bool stream;              /* TCP */
    bool v6;                  /* of AF_INET6 */
    bool v6only;              /* and speaks no IPv4 */
    bool nonblocking;
    bool rcv_shut, snd_shut; /* shutdown() */
    bool eof;                /* the peer will send no more */
    bool starved; /* memory or send buffers were out: not writable until there are some */
    bool linger;  /* SO_LINGER */
    uint16_t linger_seconds;
    struct socket_tcp_options tcp_options;
    enum socket_state state;
    short ready;
    int error; /* SO_ERROR, a positive errno */
    struct socket_name local, peer;
    uint64_t rcv_timeout, snd_timeout; /* ns, 0: none */

    struct tcp_pcb
        *tcp; /* a tcp_pcb_listen while LISTENING; NULL when NEW was never used, or ENDED */
    struct udp_pcb *udp;

    struct pbuf *first, *last; /* TCP: bytes received */
    uint32_t offset;           /* of them read already, in `first` */
    uint32_t queued;           /* bytes not read; UDP: what the datagrams count for */
    uint32_t held;             /* memory that they take */
    bool refused;              /* lwIP keeps one more until there is room */

    struct datagram *datagrams, *last_datagram;
    uint32_t rcv_limit; /* UDP: SO_RCVBUF */

    struct net_socket *listener;               /* of one that waits to be accepted */
    struct net_socket *waiting, *last_waiting; /* of a listener */
};

/* One scatter list as the calls pass it. */
struct net_vector {
    const struct iovec *part;
    size_t count;
};

/* --- socket.c (all locked) */
struct net_socket *socket_new(bool stream, bool v6); /* NULL: too many */
void socket_free(struct net_socket *s);              /* no pcb, nothing queued */
void socket_changed(struct net_socket *s);
void socket_came(struct net_socket
                     *s); /* more to read or to accept: likewise, and news even if there was some */
long socket_wait(struct net_socket *s, uint64_t deadline);
int socket_error(err_t error); /* lwIP's error as a positive errno */
long socket_fd(struct net_socket *s);
uint64_t socket_deadline(uint64_t timeout);
uint16_t socket_random_port(unsigned attempt);
size_t vector_size(const struct net_vector *v);
void vector_copy(const struct net_vector *v, size_t at, void *bytes, size_t length, bool to_vector);

/* One attempt after another, with waits between, until it is no -EAGAIN. */
struct attempt {
    struct net_vector vector;
    size_t done;
    int flags;
    struct socket_name *address; /* in or out; may be NULL */
    int message_flags;           /* out: MSG_TRUNC */
};
long socket_repeat(struct net_socket *s, long (*try)(struct net_socket *, struct attempt *),
                   struct attempt *a, uint64_t timeout);

/* --- address.c */
/* A sockaddr of the caller's: 0 or why not. */
long socket_name_read(const struct net_socket *s, const void *name, socklen_t length,
                      struct socket_name *to);
/* One for the caller, who gave room for *length bytes; not if there is none. */
void socket_name_give(const struct net_socket *s, const struct socket_name *name, void *to,
                      socklen_t *length);
bool socket_local_ok(const struct socket_name *name); /* may a socket be bound to it? */
bool socket_reaches(const ip_addr_t *local, const struct socket_name *to); /* of one family? */
const ip_addr_t *socket_any(const struct net_socket *s);
const ip_addr_t *socket_bind_address(const struct net_socket *s, const struct socket_name *name);

/* --- tcp_socket.c, udp_socket.c (all locked) */
void tcp_socket_apply(struct net_socket *s); /* its options, to its connection if there is one */
short tcp_socket_ready(const struct net_socket *s);
long tcp_socket_open(struct net_socket *s);
long tcp_socket_bind(struct net_socket *s, const struct socket_name *name);
long tcp_socket_listen(struct net_socket *s, int backlog);
long tcp_socket_connect(struct net_socket *s, const struct socket_name *to);
long tcp_socket_send(struct net_socket *s, struct attempt *a);
long tcp_socket_receive(struct net_socket *s, struct attempt *a);
long tcp_socket_shutdown(struct net_socket *s, int how);
void tcp_socket_close(struct net_socket *s);
struct net_socket *tcp_socket_accept(struct net_socket *s);

short udp_socket_ready(const struct net_socket *s);
long udp_socket_open(struct net_socket *s);
long udp_socket_bind(struct net_socket *s, const struct socket_name *name);
long udp_socket_connect(struct net_socket *s, const struct socket_name *to); /* NULL: to nobody */
long udp_socket_send(struct net_socket *s, struct attempt *a);
long udp_socket_receive(struct net_socket *s, struct attempt *a);
long udp_socket_shutdown(struct net_socket *s, int how);
void udp_socket_close(struct net_socket *s);
uint32_t udp_socket_first(const struct net_socket *s); /* bytes of the first datagram */

/* --- options.c (locked) */
long socket_set_option(struct net_socket *s, int level, int name, const void *value,
                       socklen_t length);
long socket_get_option(struct net_socket *s, int level, int name, void *value, socklen_t *length);

#endif
