/* SPDX-License-Identifier: MIT */
/*
 * net_server.c - two echoes, by one thread in one poll().
 */
#include "net_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOORS       2
#define CONNECTIONS 64
#define DATAGRAMS   64 /* of one round, so that the others get their turn */

static const struct {
    unsigned short port;
    int type;
} doors[DOORS] = {{PORT_MEET, SOCK_STREAM}, {PORT_ECHO, SOCK_DGRAM}};
static struct pollfd fds[DOORS + CONNECTIONS]; /* the doors come first */
static nfds_t count = DOORS;
static char buffer[65536];

static void open_door(int i)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(doors[i].port)};
    int on = 1, fd = socket(AF_INET, doors[i].type | SOCK_NONBLOCK, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) ||
        (doors[i].type == SOCK_STREAM && listen(fd, CONNECTIONS))) {
        perror("bench: a port cannot be opened");
        exit(1);
    }
    fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void accept_all(int door)
{
    int fd, on = 1;

    while ((fd = accept(fds[door].fd, NULL, NULL)) >= 0) {
        if (count == DOORS + CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

static void datagrams(int fd)
{
    struct sockaddr_in from;

    for (int i = 0; i < DATAGRAMS; i++) {
        socklen_t length = sizeof(from);
        ssize_t size = recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &length);
        if (size < 0)
            return;
        sendto(fd, buffer, (size_t)size, 0, (const struct sockaddr *)&from, length);
    }
}

/* False: the connection is over. */
static bool served(int fd)
{
    ssize_t done = recv(fd, buffer, 16, MSG_DONTWAIT);

    if (done > 0)
        done = send(fd, buffer, (size_t)done, MSG_NOSIGNAL | MSG_DONTWAIT);
    return done > 0 || (done < 0 && errno == EAGAIN);
}

void serve(void)
{
    for (int i = 0; i < DOORS; i++)
        open_door(i);
    printf("bench ready\n");
    fflush(stdout);
    for (;;) {
        poll(fds, count, -1);
        for (nfds_t i = count; i-- > DOORS;) {
            if (!fds[i].revents || served(fds[i].fd))
                continue;
            close(fds[i].fd);
            count--;
            fds[i] = fds[count];
        }
        for (int i = 0; i < DOORS; i++)
            if (fds[i].revents && doors[i].type == SOCK_STREAM)
                accept_all(i);
            else if (fds[i].revents)
                datagrams(fds[i].fd);
    }
}
