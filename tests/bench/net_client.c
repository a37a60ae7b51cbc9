/* SPDX-License-Identifier: MIT */
/*
 * net_client.c - what a server of net_server.c can do, seen from this host: what iperf3 cannot tell.
 *
 * usage: net_client ADDRESS PORT MILLISECONDS ping|packets|meet
 *
 * Prints lines "bench WHAT NUMBER":
 *   ping     p50 and p99 of a datagram's way there and back, in nanoseconds, one at a time; and
 *            how many were lost
 *   packets  small datagrams a second that came back, with WINDOW of them on their way
 *   meet     TCP connections a second: made, a byte there and back, reset, one after another
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND    1000000000ull
#define SMALL     18 /* bytes of a datagram: the least frame that Ethernet has */
#define WINDOW    64
#define LOST_MS   200 /* a datagram that did not come back by then */
#define PATIENCE  5   /* seconds without anything: the server is dead */
#define PINGS_MAX (1u << 20)

static struct sockaddr_in server;
static uint64_t length; /* of the whole, in nanoseconds */
static char buffer[1 << 16];

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void tell(const char *what, uint64_t number)
{
    printf("bench %s %lu\n", what, (unsigned long)number);
}

static int connected(int type)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    int on = 1, fd = socket(AF_INET, type, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&server, sizeof(server))) {
        perror("net_client: no connection");
        exit(1);
    }
    if (type == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static void need(ssize_t done, const char *what)
{
    if (done > 0)
        return;
    fprintf(stderr, "net_client: %s: %s\n", what, done ? strerror(errno) : "the server closed");
    exit(1);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void ping(void)
{
    static uint64_t times[PINGS_MAX];
    uint32_t number = 0, count = 0, lost = 0;
    int fd = connected(SOCK_DGRAM);

    for (uint64_t from = now(); now() - from < length && count < PINGS_MAX; number++) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        uint32_t back = number - 1;
        uint64_t sent = now();
        memcpy(buffer, &number, sizeof(number));
        need(send(fd, buffer, SMALL, 0), "no datagram");
        while (back != number && poll(&wait, 1, LOST_MS) == 1) {
            need(recv(fd, buffer, SMALL, 0), "no datagram");
            memcpy(&back, buffer, sizeof(back)); /* one that was given up may come late */
        }
        if (back == number)
            times[count++] = now() - sent;
        else
            lost++;
    }
    need(count, "no datagram came back");
    qsort(times, count, sizeof(*times), by_size);
    tell("p50", times[count / 2]);
    tell("p99", times[count - 1 - count / 100]);
    tell("lost", lost);
}

static void packets(void)
{
    int fd = connected(SOCK_DGRAM), flying = 0;
    uint64_t from = now(), count = 0;

    while (now() - from < length) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        while (flying < WINDOW && send(fd, buffer, SMALL, MSG_DONTWAIT) > 0)
            flying++;
        if (poll(&wait, 1, LOST_MS) != 1) {
            flying = 0; /* all of them were lost */
            continue;
        }
        while (recv(fd, buffer, SMALL, MSG_DONTWAIT) > 0) {
            count++;
            flying -= flying > 0;
        }
    }
    tell("packets", (uint64_t)((double)count * (double)SECOND / (double)(now() - from)));
}

static void meet(void)
{
    const struct linger reset = {.l_onoff = 1};
    uint64_t from = now(), count = 0;

    for (; now() - from < length; count++) {
        int fd = connected(SOCK_STREAM);
        need(send(fd, buffer, 1, MSG_NOSIGNAL), "no byte");
        need(recv(fd, buffer, 1, 0), "no byte");
        /* Without it this host would run out of ports, which rest for a minute. */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
    }
    tell("meet", (uint64_t)((double)count * (double)SECOND / (double)(now() - from)));
}

int main(int argc, char **argv)
{
    if (argc != 5 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
        fprintf(stderr, "usage: net_client ADDRESS PORT MILLISECONDS ping|packets|meet\n");
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    length = strtoull(argv[3], NULL, 10) * (SECOND / 1000);
    if (!strcmp(argv[4], "ping"))
        ping();
    else if (!strcmp(argv[4], "packets"))
        packets();
    else
        meet();
    return 0;
}
