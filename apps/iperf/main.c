/* SPDX-License-Identifier: MIT */
/*
 * iperf - a server for clients of iperf3: how many bytes a second TCP carries, either way.
 *
 *   iperf3 -c ADDRESS [-R] [-P 4] [-t 10]
 *
 * One test at a time, of up to 32 streams, by one thread. Not measured here are UDP and both
 * directions at once; sizes of windows and segments are this side's own, whatever a client asks.
 *
 * Settings come from the environment:
 *   IPERF_PORT     TCP port                                    5201; 0: any that is free
 *   IPERF_IDLE_S   a test in which nothing comes is over after  30
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "setting.h"
#include "test.h"

#define STRANGERS 8
#define ROUNDS    16 /* of one stream, until the others and the control connection get their turn */

/* In poll()'s order: the listener, the control connection, those who sent no cookie yet, streams. */
enum { LISTENER, CONTROL, FIRST_STRANGER, FIRST_STREAM = FIRST_STRANGER + STRANGERS };

static struct stranger {
    int fd; /* or -1 */
    size_t have;
    char cookie[COOKIE];
    double since;
} strangers[STRANGERS];
static double idle_s, heard; /* when the test's client was heard of last */

static int listener(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    socklen_t length = sizeof(any);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    any.sin_port = htons((uint16_t)setting("iperf", "IPERF_PORT", 5201, 0, 65535));
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, STREAMS) ||
        getsockname(fd, (struct sockaddr *)&any, &length)) {
        perror("iperf: the port cannot be opened");
        exit(1);
    }
    printf("iperf: listening on port %d\n", ntohs(any.sin_port));
    fflush(stdout);
    return fd;
}

static void accept_all(int door)
{
    int fd;

    while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct stranger *s = strangers;
        while (s < strangers + STRANGERS && s->fd >= 0)
            s++;
        if (s == strangers + STRANGERS)
            close(fd); /* it may try again */
        else
            *s = (struct stranger){.fd = fd, .since = test_clock()};
    }
}

/* Who has shown a cookie is the client of a new test, or one of its streams. */
static void admit(int fd, const char *cookie)
{
    const unsigned char denied = ACCESS_DENIED;

    if (test.control < 0) {
        heard = test_clock();
        test_begin(fd, cookie);
    } else if (test.state == CREATE_STREAMS && !memcmp(cookie, test.cookie, COOKIE)) {
        test_add(fd);
    } else {
        send(fd, &denied, 1, MSG_NOSIGNAL);
        close(fd);
    }
}

static void listen_to(struct stranger *s)
{
    ssize_t got = recv(s->fd, s->cookie + s->have, COOKIE - s->have, 0);

    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) {
            close(s->fd);
            s->fd = -1;
        }
    } else if ((s->have += (size_t)got) == COOKIE) {
        int fd = s->fd;
        s->fd = -1;
        admit(fd, s->cookie);
    }
}

static void carry(struct stream *stream)
{
    static char bytes[LENGTH_MAX];
    size_t length = (size_t)test.parameters.length;
    ssize_t done = 1;

    /* What is received is more than a socket holds, so none of it is behind the end of the test. */
    for (int i = 0; i < ROUNDS && done > 0; i++) {
        done = test.parameters.reverse ? send(stream->fd, bytes, length, MSG_NOSIGNAL)
                                       : recv(stream->fd, bytes, sizeof(bytes), 0);
        if (done > 0)
            stream->bytes += (size_t)done;
    }
    if (done == 0 || (done < 0 && errno != EAGAIN)) {
        close(stream->fd);
        stream->fd = -1;
    }
}

/* Until the client has ended the test its data is taken; then it waits for this side's word alone. */
static void fill(struct pollfd *fds)
{
    short events = test.parameters.reverse ? POLLOUT : POLLIN;

    fds[CONTROL] = (struct pollfd){.fd = test.control, .events = POLLIN};
    for (int i = 0; i < STRANGERS; i++)
        fds[FIRST_STRANGER + i] = (struct pollfd){.fd = strangers[i].fd, .events = POLLIN};
    for (int i = 0; i < STREAMS; i++) {
        bool flows = test.control >= 0 && test.state == TEST_RUNNING && i < test.count;
        int fd = flows ? test.streams[i].fd : -1;
        fds[FIRST_STREAM + i] = (struct pollfd){.fd = fd, .events = events};
    }
}

static void let_go(void)
{
    double now = test_clock();

    for (struct stranger *s = strangers; s < strangers + STRANGERS; s++)
        if (s->fd >= 0 && now - s->since > idle_s) {
            close(s->fd);
            s->fd = -1;
        }
    if (test.control >= 0 && now - heard > idle_s) {
        fprintf(stderr, "iperf: nothing came from the client for %g s.\n", idle_s);
        test_stop();
    }
}

int main(void)
{
    struct pollfd fds[FIRST_STREAM + STREAMS] = {{.fd = listener(), .events = POLLIN}};

    idle_s = setting("iperf", "IPERF_IDLE_S", 30, 1, 3600);
    for (int i = 0; i < STRANGERS; i++)
        strangers[i].fd = -1;
    for (;;) {
        fill(fds);
        int ready = poll(fds, FIRST_STREAM + STREAMS, 1000);
        test_tick();
        for (int i = 0; i < STREAMS; i++)
            if (fds[FIRST_STREAM + i].revents) {
                heard = test_clock();
                carry(&test.streams[i]);
            }
        if (fds[CONTROL].revents) {
            heard = test_clock();
            test_control();
        }
        for (int i = 0; i < STRANGERS; i++)
            if (fds[FIRST_STRANGER + i].revents)
                listen_to(&strangers[i]);
        if (fds[LISTENER].revents)
            accept_all(fds[LISTENER].fd);
        if (ready <= 0 || test.control < 0 || test.state != TEST_RUNNING)
            let_go();
    }
}
