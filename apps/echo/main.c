/* SPDX-License-Identifier: MIT */
/* echo - sends back what comes to port 7, by TCP (RFC 862) and UDP. One thread. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT        7
#define CONNECTIONS 200
#define BUFFER      4096

static struct pollfd fds[2 + CONNECTIONS]; /* [0] listens, [1] takes datagrams */
static struct connection {
    char *bytes; /* what came and did not fit into the socket again, from `at` to `end` */
    size_t at, end;
} connections[2 + CONNECTIONS];
static nfds_t count = 2;

static int open_port(int type)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int on = 1, fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (const struct sockaddr *)&any, sizeof(any)) ||
        (type == SOCK_STREAM && listen(fd, CONNECTIONS))) {
        perror("echo: port 7 cannot be opened");
        exit(1);
    }
    return fd;
}

static void accept_all(void)
{
    static bool told;
    int fd, on = 1;

    while ((fd = accept4(fds[0].fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        char *bytes = count < 2 + CONNECTIONS ? malloc(BUFFER) : NULL;
        if (!bytes) {
            if (!told)
                fprintf(stderr, "echo: refuses more than %d connections at once.\n", CONNECTIONS);
            told = true;
            close(fd);
            continue;
        }
        /* A small answer must not wait until the one before it is acknowledged. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        connections[count] = (struct connection){.bytes = bytes};
        fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

static void datagrams(void)
{
    static char bytes[65536];
    struct sockaddr_in from;
    socklen_t length = sizeof(from);
    ssize_t size;

    while ((size = recvfrom(fds[1].fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from,
                            &length)) >= 0) {
        sendto(fds[1].fd, bytes, (size_t)size, 0, (const struct sockaddr *)&from, length);
        length = sizeof(from);
    }
}

/* False: the connection is over. */
static bool echo(struct pollfd *fd, struct connection *c)
{
    for (;;) {
        if (c->at == c->end) {
            ssize_t size = recv(fd->fd, c->bytes, BUFFER, 0);
            if (size <= 0) {
                fd->events = POLLIN;
                return size < 0 && errno == EAGAIN;
            }
            c->at = 0;
            c->end = (size_t)size;
        }
        ssize_t sent = send(fd->fd, c->bytes + c->at, c->end - c->at, MSG_NOSIGNAL);
        if (sent < 0) {
            fd->events = POLLOUT; /* read no more than can be sent */
            return errno == EAGAIN;
        }
        c->at += (size_t)sent;
    }
}

int main(void)
{
    fds[0] = (struct pollfd){.fd = open_port(SOCK_STREAM), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = open_port(SOCK_DGRAM), .events = POLLIN};
    printf("echo: listening on port %d, TCP and UDP\n", PORT);
    for (;;) {
        poll(fds, count, -1);
        for (nfds_t i = count; i-- > 2;) {
            if (!fds[i].revents || echo(&fds[i], &connections[i]))
                continue;
            close(fds[i].fd);
            free(connections[i].bytes);
            fds[i] = fds[--count];
            connections[i] = connections[count];
        }
        if (fds[0].revents)
            accept_all();
        if (fds[1].revents)
            datagrams();
    }
}
