/* SPDX-License-Identifier: MIT */
/*
 * server.c - the listener, the table of connections, and time.
 *
 * One thread in one epoll_wait(), which tells of those that have news and does not look at the others. There
 * is no timer: each connection has a deadline, the wait ends with the nearest, and only when that has come is
 * the table looked through. next_deadline may be too early (its connection has been heard from since), never
 * too late.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"

#define BACKLOG      255
#define ACCEPTS      64  /* of one round, so that connections that are there get their turn */
#define RETRY_MS     100 /* after accept() found no room */
#define NEVER        UINT64_MAX
#define WAIT_LONGEST 60000u
#define EVENTS       256 /* of one round; who is left has its turn in the next */

struct server_settings server_settings;
uint64_t server_now;
struct facts server_counts;

static struct connection *connections; /* as many as the settings say */
static int epoll, listener;
static bool accepting;  /* the listener is watched */
static unsigned slots;  /* one past the highest in use */
static unsigned lowest; /* none below it is free */
static uint64_t next_deadline = NEVER;

/* From 0 on, when the server starts: as in an application that is started with its machine. */
static uint64_t clock_ms(void)
{
    static uint64_t start;
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    if (!start)
        start = ms;
    return ms - start;
}

const struct facts *server_facts(void)
{
    facts_get(&server_counts);
    return &server_counts;
}

void server_deadline(struct connection *c, enum exchange_wait wait, uint64_t ms)
{
    c->wait = wait;
    c->since = server_now;
    c->deadline = server_now + ms;
    if (c->deadline < next_deadline)
        next_deadline = c->deadline;
}

/* Of `what`, NULL: the listener. It can fail for want of memory alone, and then for a new one alone. */
static bool watch(int operation, int fd, struct connection *what, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = what};

    return epoll_ctl(epoll, operation, fd, &event) == 0;
}

static void accept_more(bool more)
{
    if (more != accepting)
        watch(EPOLL_CTL_MOD, listener, NULL, more ? EPOLLIN : 0);
    accepting = more;
}

void server_await(struct connection *c, uint32_t events)
{
    if (events != c->events)
        watch(EPOLL_CTL_MOD, c->fd, c, events);
    c->events = events;
}

void server_close(struct connection *c)
{
    close(c->fd);
    connection_released(c);
    c->fd = -1;
    server_counts.connections--;
    if ((unsigned)(c - connections) < lowest)
        lowest = (unsigned)(c - connections);
    while (slots && connections[slots - 1].fd < 0)
        slots--;
    accept_more(true);
}

struct connection *server_victim(const struct connection *but, bool holds_in, bool holds_out)
{
    struct connection *victim = NULL;

    for (unsigned i = 0; i < slots; i++) {
        struct connection *c = &connections[i];
        bool fits = holds_in    ? c->in != NULL
                    : holds_out ? c->out != NULL
                                : c->wait == WAIT_IDLE || c->wait == WAIT_LINGER;
        if (c->fd >= 0 && c != but && fits && (!victim || c->since < victim->since))
            victim = c;
    }
    return victim;
}

/* --- accepting ------------------------------------------------------------------------------ */

/* End the connection that has been idle longest. False: all are busy. */
static bool make_room(void)
{
    struct connection *victim = server_victim(NULL, false, false);

    if (!victim)
        return false;
    server_counts.evicted++;
    server_close(victim);
    return true;
}

static void add(int fd)
{
    unsigned i = lowest;
    int one = 1;

    while (i < slots && connections[i].fd >= 0)
        i++;
    if (!watch(EPOLL_CTL_ADD, fd, &connections[i], EPOLLIN)) {
        close(fd);
        return;
    }
    if (i == slots)
        slots++;
    lowest = i + 1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    /* An answer goes out in one piece; waiting for more to send with it would only delay it. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connections[i] = (struct connection){.fd = fd, .events = EPOLLIN};
    server_deadline(&connections[i], WAIT_IDLE, server_settings.idle_ms);
    server_counts.connections++;
    server_counts.accepted++;
}

/* New clients wait in the listener's queue until somebody leaves, or for a moment. */
static void pause_accepting(void)
{
    accept_more(false);
    if (server_now + RETRY_MS < next_deadline)
        next_deadline = server_now + RETRY_MS;
}

/* epoll_wait() said that a client waits. For it alone an idle one may have to go: whether there is a
 * second is not known. */
static void accept_some(void)
{
    for (int i = 0; i < ACCEPTS; i++) {
        bool full = server_counts.connections == server_settings.connections;
        if (full && i > 0)
            return;
        if (full && !make_room()) {
            pause_accepting();
            return;
        }
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0) {
            add(fd);
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        /* The client gave up meanwhile, or there is no descriptor or memory for it. */
        if (errno != ECONNABORTED && errno != EINTR) {
            make_room();
            pause_accepting();
            return;
        }
    }
}

/* --- the loop ------------------------------------------------------------------------------- */

static void expire(void)
{
    next_deadline = NEVER;
    accept_more(true);
    for (unsigned i = 0; i < slots; i++) {
        struct connection *c = &connections[i];
        if (c->fd >= 0 && c->deadline <= server_now)
            connection_expired(c);
        if (c->fd >= 0 && c->deadline < next_deadline)
            next_deadline = c->deadline;
    }
}

static int wait_timeout(void)
{
    uint64_t now = clock_ms();

    if (next_deadline == NEVER)
        return -1;
    return next_deadline <= now
               ? 0
               : (int)(next_deadline - now < WAIT_LONGEST ? next_deadline - now : WAIT_LONGEST);
}

static void round_of_events(void)
{
    static struct epoll_event events[EVENTS];
    static uint64_t date_at = NEVER;
    bool clients = false;
    int ready = epoll_wait(epoll, events, EVENTS, wait_timeout());

    server_now = clock_ms();
    if (server_now / 1000 != date_at) {
        date_at = server_now / 1000;
        answer_set_date((uint64_t)time(NULL));
    }
    /* A connection that another one's event ended is not used again before all of them were seen. */
    for (int i = 0; i < ready; i++) {
        struct connection *c = events[i].data.ptr;
        clients |= !c;
        if (c && c->fd >= 0)
            connection_event(c, events[i].events);
    }
    if (server_now >= next_deadline)
        expire();
    if (clients)
        accept_some();
}

/* The address of the settings, of either family; 0 if it is none. */
static socklen_t read_address(struct sockaddr_storage *to)
{
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

    memset(to, 0, sizeof(*to));
    in6->sin6_port = htons((uint16_t)server_settings.port); /* at the same place in both */
    if (inet_pton(AF_INET, server_settings.address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        return sizeof(*in);
    }
    in6->sin6_family = AF_INET6;
    return inet_pton(AF_INET6, server_settings.address, &in6->sin6_addr) == 1 ? sizeof(*in6) : 0;
}

/* A listening socket, or -1 after a sentence. */
static int listen_somewhere(void)
{
    struct sockaddr_storage address;
    socklen_t length = read_address(&address);
    int one = 1, fd = length ? socket(address.ss_family, SOCK_STREAM, 0) : -1;

    if (!length) {
        fprintf(stderr, "httpd: %s is not an IP address\n", server_settings.address);
        return -1;
    }
    if (fd < 0) {
        perror("httpd: no socket (does the machine description give this application an address?)");
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        fprintf(stderr, "httpd: cannot listen on %s port %u: ", server_settings.address,
                server_settings.port);
        perror(NULL);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("httpd: listening on port %u, %u connections at most\n",
           ntohs(((struct sockaddr_in6 *)&address)->sin6_port), server_settings.connections);
    fflush(stdout);
    return fd;
}

int server_run(const struct server_settings *settings)
{
    server_settings = *settings;
    server_counts.connections_max = settings->connections;
    connections = calloc(settings->connections, sizeof(*connections));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll < 0) {
        fprintf(stderr, "httpd: no memory for %u connections\n", settings->connections);
        return 1;
    }
    listener = listen_somewhere();
    accepting = listener >= 0 && watch(EPOLL_CTL_ADD, listener, NULL, EPOLLIN);
    if (!accepting)
        return 1;
    for (unsigned i = 0; i < settings->connections; i++)
        connections[i].fd = -1;
    for (;;)
        round_of_events();
}
