/* SPDX-License-Identifier: MIT */
/*
 * work_server.c - one thread in one poll(); its only client is wrk, which sends a request at a time.
 */
#include "work_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 64
#define REQUEST_MAX 1024 /* wrk's have less than 100 bytes and come in one piece */
#define STEPS_MAX   100000000ul

static struct pollfd fds[1 + CONNECTIONS]; /* the door comes first */
static nfds_t count = 1;

static void open_door(unsigned short port)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, CONNECTIONS)) {
        perror("bench: a port cannot be opened");
        exit(1);
    }
    fds[0] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void accept_all(void)
{
    int fd, on = 1;

    while ((fd = accept(fds[0].fd, NULL, NULL)) >= 0) {
        if (count == 1 + CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

/* xorshift64 (Marsaglia, 2003): each step needs the one before it. */
static uint64_t work(unsigned long steps)
{
    uint64_t n = 1;

    while (steps--) {
        n ^= n << 13;
        n ^= n >> 7;
        n ^= n << 17;
    }
    return n;
}

/* False: the connection is over. */
static bool served(int fd)
{
    char request[REQUEST_MAX + 1], answer[128];
    ssize_t got = recv(fd, request, REQUEST_MAX, MSG_DONTWAIT);

    if (got <= 0)
        return false;
    request[got] = '\0';
    if (strncmp(request, "GET /", 5) || !strstr(request, "\r\n\r\n"))
        return false;
    unsigned long steps = strtoul(request + 5, NULL, 10);
    int length =
        snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n%016llx\n",
                 (unsigned long long)work(steps < STEPS_MAX ? steps : STEPS_MAX));
    return send(fd, answer, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) == length;
}

void serve_work(unsigned short port)
{
    open_door(port);
    printf("bench ready on port %d\n", port);
    fflush(stdout);
    for (;;) {
        poll(fds, count, -1);
        for (nfds_t i = count; i-- > 1;) {
            if (!fds[i].revents || served(fds[i].fd))
                continue;
            close(fds[i].fd);
            fds[i] = fds[--count];
        }
        if (fds[0].revents)
            accept_all();
    }
}
