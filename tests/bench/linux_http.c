/* SPDX-License-Identifier: MIT */
/*
 * linux_http.c - a lean web server, and all of a Linux guest's user space.
 *
 * usage: /init ADDRESS/BITS GATEWAY
 *
 * The files of /site are read at the start and each answer is made then, head and content in one
 * piece: a request costs a recv(), the search for its path, and a send(). One thread in one
 * epoll_wait(). Connections are kept alive until the client closes. If there is an nginx in the RAM
 * disk it is started beside it: it listens on port 81, this one on port 80.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "linux_net.h"

#define PORT        80
#define NGINX       "/usr/sbin/nginx"
#define NGINX_PORT  81
#define FILES       16
#define CONNECTIONS 16384
#define REQUEST_MAX 2048
#define EVENTS      256

static struct answer {
    char path[64]; /* "/icon.svg" and the blank behind it */
    size_t path_length;
    char *bytes;
    size_t length;
} answers[FILES];
static int answer_count;
static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

static struct connection {
    const char *unsent; /* the rest of an answer */
    size_t left, have;  /* bytes of it; bytes of a request that is not whole yet */
    char request[REQUEST_MAX];
} * connections; /* by descriptor */
static int events;

static const char *kind_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    if (dot && !strcmp(dot, ".html"))
        return "text/html; charset=utf-8";
    return dot && !strcmp(dot, ".svg") ? "image/svg+xml" : "text/plain; charset=utf-8";
}

static void read_site(void)
{
    DIR *folder = opendir("/site");
    struct dirent *entry;

    while (folder && answer_count < FILES && (entry = readdir(folder))) {
        struct answer *a = &answers[answer_count];
        char path[300], head[256];
        struct stat status;
        snprintf(path, sizeof(path), "/site/%s", entry->d_name);
        int fd = open(path, O_RDONLY);
        if (fd < 0 || fstat(fd, &status) || !S_ISREG(status.st_mode)) {
            close(fd);
            continue;
        }
        int length = snprintf(head, sizeof(head),
                              "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %lu\r\n\r\n",
                              kind_of(entry->d_name), (unsigned long)status.st_size);
        a->length = (size_t)length + (size_t)status.st_size;
        a->bytes = malloc(a->length);
        memcpy(a->bytes, head, (size_t)length);
        if (read(fd, a->bytes + length, (size_t)status.st_size) != status.st_size)
            fail(path);
        close(fd);
        a->path_length = (size_t)snprintf(a->path, sizeof(a->path), "/%.61s ", entry->d_name);
        answer_count++;
    }
}

static void end(int fd)
{
    connections[fd] = (struct connection){0};
    close(fd);
}

/* False: the connection has ended, or must wait until more can be sent. */
static bool send_rest(int fd, struct connection *c)
{
    while (c->left) {
        ssize_t sent = send(fd, c->unsent, c->left, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            epoll_ctl(events, EPOLL_CTL_MOD, fd,
                      &(struct epoll_event){.events = EPOLLOUT, .data.fd = fd});
            return false;
        }
        if (sent < 0) {
            end(fd);
            return false;
        }
        c->unsent += sent;
        c->left -= (size_t)sent;
    }
    return true;
}

static void choose(struct connection *c)
{
    const char *path = c->request + 4; /* after "GET " */

    c->unsent = missing;
    c->left = sizeof(missing) - 1;
    for (int i = 0; i < answer_count; i++)
        if (!memcmp(path, answers[i].path, answers[i].path_length)) {
            c->unsent = answers[i].bytes;
            c->left = answers[i].length;
            return;
        }
}

/* Answers all whole requests that there are, in order. */
static void answer(int fd, struct connection *c)
{
    char *whole;

    while ((whole = memmem(c->request, c->have, "\r\n\r\n", 4))) {
        size_t length = (size_t)(whole + 4 - c->request);
        choose(c);
        c->have -= length;
        if (c->have)
            memmove(c->request, c->request + length, c->have);
        if (!send_rest(fd, c))
            return;
    }
    if (c->have == REQUEST_MAX)
        end(fd);
}

static void readable(int fd, struct connection *c)
{
    ssize_t got = recv(fd, c->request + c->have, REQUEST_MAX - c->have, 0);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            end(fd);
        return;
    }
    c->have += (size_t)got;
    answer(fd, c);
}

static void writable(int fd, struct connection *c)
{
    if (!send_rest(fd, c))
        return;
    epoll_ctl(events, EPOLL_CTL_MOD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
    answer(fd, c);
}

static void accept_all(int listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        epoll_ctl(events, EPOLL_CTL_ADD, fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
    }
}

static int listener(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, 4096))
        fail("port 80");
    return fd;
}

static void start_nginx(void)
{
    const struct sockaddr_in there = {.sin_family = AF_INET,
                                      .sin_port = htons(NGINX_PORT),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (access(NGINX, X_OK))
        return;
    pid_t child = fork();
    if (child == 0) {
        execl(NGINX, "nginx", "-e", "stderr", "-c", "/etc/nginx.conf", NULL);
        fail(NGINX);
    }
    /* It listens when it answers. */
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        bool up = !connect(fd, (const struct sockaddr *)&there, sizeof(there));
        close(fd);
        if (up)
            return;
        if (waitpid(child, NULL, WNOHANG))
            fail(NGINX);
        usleep(10000);
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event ready[EVENTS];

    if (argc < 3) /* firmware adds a word that is for the kernel */
        fail("/init ADDRESS/BITS GATEWAY");
    net_up(argv[1], argv[2]);
    read_site();
    connections = calloc(CONNECTIONS, sizeof(*connections));
    events = epoll_create1(EPOLL_CLOEXEC);
    start_nginx();
    int door = listener();
    epoll_ctl(events, EPOLL_CTL_ADD, door,
              &(struct epoll_event){.events = EPOLLIN, .data.fd = door});
    printf("bench ready\n");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(events, ready, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = ready[i].data.fd;
            if (fd == door)
                accept_all(door);
            else if (ready[i].events & EPOLLOUT)
                writable(fd, &connections[fd]);
            else
                readable(fd, &connections[fd]);
        }
    }
}
