/* SPDX-License-Identifier: MIT */
/*
 * connection.h - one client's connection: what came in, what has to go out, until when.
 */
#ifndef HTTPD_CONNECTION_H
#define HTTPD_CONNECTION_H

#include <sys/epoll.h>

#include "exchange.h"

#define CONNECTIONS_MAX 8192u
#define OUT_SIZE        16384u

_Static_assert(OUT_SIZE >= ANSWER_ROOM, "every answer fits the buffer");

struct connection {
    int fd;          /* -1: this slot is free */
    uint32_t events; /* asked for: EPOLLIN or EPOLLOUT */
    enum exchange_wait wait;
    uint64_t since, deadline; /* ms: when that began, when it must be over */
    bool closing;
    uint32_t lingered; /* bytes thrown away meanwhile */

    /* Borrowed from a pool while a request is not complete or an answer not sent. */
    char *in, *out;
    size_t in_used, out_at, out_used;
    struct span rest; /* after `out`: a file, sent from where it lies */

    struct exchange exchange;
};

struct server_settings {
    const char *address; /* of IPv4 or IPv6 */
    unsigned port, connections;
    unsigned idle_ms, request_ms, send_ms;
};

/* --- server.c, for connection.c */
extern struct server_settings server_settings;
extern uint64_t server_now; /* ms, when epoll_wait() returned */
extern struct facts server_counts;
const struct facts *server_facts(void);
void server_deadline(struct connection *c, enum exchange_wait wait, uint64_t ms);
void server_await(struct connection *c, uint32_t events);
void server_close(struct connection *c);
/* The connection that has waited longest, `but` excepted: of those that hold a buffer, or of those
 * that are idle. NULL: there is none. Not the one whose deadline is nearest: a client that asked
 * for much and does not read would outlast one that asked for little. */
struct connection *server_victim(const struct connection *but, bool holds_in, bool holds_out);

/* --- connection.c */
void connection_event(struct connection *c, uint32_t events);
void connection_expired(struct connection *c);  /* its deadline has passed */
void connection_released(struct connection *c); /* its end: give back what it borrowed */

/* Serve for ever. Returns only if it cannot begin, after it said why. */
int server_run(const struct server_settings *settings);

#endif
