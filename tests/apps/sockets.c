/* SPDX-License-Identifier: MIT */
/*
 * sockets.c - checks libnet from inside an application, with real threads; argv[1] is the address
 * of another application that runs echo.
 *
 * Prints "ok NAME" or "not ok NAME: why" for each check and last "checks: N passed, N failed".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "libnet.h"

#define BYTES   200000
#define THREADS 6

static int passed, failed;
static const char *other;

static void check(const char *name, bool good, const char *why)
{
    if (good)
        printf("ok %s\n", name);
    else
        printf("not ok %s: %s (errno %d)\n", name, why, errno);
    *(good ? &passed : &failed) += 1;
}

#define CHECK(name, condition) check(name, condition, #condition)

static struct sockaddr_in name_of(const char *address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};

    inet_pton(AF_INET, address, &name.sin_addr);
    return name;
}

static int connected(const char *address, uint16_t port)
{
    struct sockaddr_in name = name_of(address, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof(name))) {
        close(fd);
        return -1;
    }
    return fd;
}

static int listening(uint16_t port)
{
    struct sockaddr_in name = name_of("0.0.0.0", port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(fd, (struct sockaddr *)&name, sizeof(name)) || listen(fd, 8))
        exit(1);
    return fd;
}

static uint8_t byte_of(size_t at, unsigned seed)
{
    return (uint8_t)(at * 2654435761u >> 16 ^ seed);
}

/* Sends BYTES and receives them again, with never more than a few on their way. */
static bool conversation(int fd, unsigned seed)
{
    uint8_t out[3000], in[3000];
    size_t sent = 0;

    while (sent < BYTES) {
        size_t count = 1 + (sent * 7 + seed) % sizeof(out);
        for (size_t i = 0; i < count; i++)
            out[i] = byte_of(sent + i, seed);
        if (send(fd, out, count, 0) != (ssize_t)count ||
            recv(fd, in, count, MSG_WAITALL) != (ssize_t)count || memcmp(in, out, count))
            return false;
        sent += count;
    }
    return true;
}

static void *speaker(void *seed)
{
    int fd = connected(other, 7);
    bool good = fd >= 0 && conversation(fd, (unsigned)(uintptr_t)seed);

    close(fd);
    return good ? seed : NULL;
}

static void other_checks(void)
{
    pthread_t threads[THREADS];
    int good = 0;

    for (int round = 0; round < 20; round++) { /* it may still be starting */
        int fd = connected(other, 7);
        if (fd >= 0) {
            close(fd);
            break;
        }
        sleep(1);
    }
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, speaker, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good += result != NULL;
    }
    CHECK("six threads speak with another application at once", good == THREADS);

    struct sockaddr_in name = name_of(other, 7);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    char out[1400], in[3000];
    good = 0;
    connect(udp, (struct sockaddr *)&name, sizeof(name));
    for (int i = 0; i < 200; i++) {
        memset(out, i, sizeof(out));
        send(udp, out, sizeof(out), 0);
        good += recv(udp, in, sizeof(in), 0) == sizeof(out) && !memcmp(in, out, sizeof(out));
    }
    CHECK("200 datagrams to another application come back", good == 200);
    for (int size = 1470; size < 2990; size++) {
        memset(out, size, sizeof(out));
        memset(in, size, sizeof(in));
        send(udp, in, (size_t)size, 0);
        good += recv(udp, in, sizeof(in), 0) == size;
    }
    CHECK("datagrams in two and three pieces come back", good == 200 + 1520);
    close(udp);
    CHECK("a port where nobody listens refuses", connected(other, 9) < 0 && errno == ECONNREFUSED);
}

static int listener;

static void *server(void *unused)
{
    static char bytes[4096];
    int fd = accept(listener, NULL, NULL);
    ssize_t size;

    while ((size = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        send(fd, bytes, (size_t)size, 0);
    close(fd);
    return unused;
}

static void loopback_checks(void)
{
    pthread_t thread;

    listener = listening(5000);
    pthread_create(&thread, NULL, server, NULL);
    int fd = connected("127.0.0.1", 5000);
    CHECK("two threads speak over 127.0.0.1", fd >= 0 && conversation(fd, 9));
    shutdown(fd, SHUT_WR);
    pthread_join(thread, NULL);
    char byte;
    CHECK("the end of it arrives", recv(fd, &byte, 1, 0) == 0);
    close(fd);
    close(listener);
}

static int doomed;

static void *receiver(void *error)
{
    char byte;

    *(int *)error = recv(doomed, &byte, 1, 0) < 0 ? errno : 0;
    return NULL;
}

static void close_checks(void)
{
    pthread_t thread;
    int error = -1;

    listener = listening(5001);
    doomed = connected("127.0.0.1", 5001);
    pthread_create(&thread, NULL, receiver, &error);
    usleep(20000); /* it sleeps in recv() by now; if not, it finds the socket closed all the same */
    close(doomed);
    pthread_join(thread, NULL);
    CHECK("a thread asleep in recv() survives close()", error == EBADF);
    close(listener);
}

static void *late(void *fd)
{
    usleep(50000);
    return (void *)(intptr_t)send((int)(intptr_t)fd, "x", 1, 0);
}

static void poll_checks(void)
{
    struct timespec before, after;
    pthread_t thread;

    listener = listening(5002);
    int fd = connected("127.0.0.1", 5002), peer = accept(listener, NULL, NULL);
    struct pollfd fds[2] = {{.fd = listener, .events = POLLIN}, {.fd = peer, .events = POLLIN}};
    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK("poll() ends after its time", poll(fds, 2, 100) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    int64_t ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    CHECK("and not before", ms >= 99);
    pthread_create(&thread, NULL, late, (void *)(intptr_t)fd);
    CHECK("poll() wakes for what another thread sends",
          poll(fds, 2, 5000) == 1 && fds[1].revents == POLLIN);
    pthread_join(thread, NULL);
    close(fd);
    CHECK("and for the end", poll(fds, 2, 5000) == 1 && recv(peer, &(char){0}, 1, 0) == 1 &&
                                 recv(peer, &(char){0}, 1, 0) == 0);
    close(peer);
    close(listener);
}

static sem_t told;

static void *waiter(void *epoll)
{
    struct epoll_event event = {0};
    int count = epoll_wait((int)(intptr_t)epoll, &event, 1, 5000);

    sem_post(&told);
    return (void *)(intptr_t)(count == 1 && event.events == EPOLLIN && event.data.u32 == 7);
}

static void epoll_checks(void)
{
    enum { WAITERS = 3 };
    pthread_t threads[WAITERS];
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.u32 = 7}, got;
    intptr_t right = 0;

    listener = listening(5003);
    int fd = connected("127.0.0.1", 5003), peer = accept(listener, NULL, NULL);
    int epoll = epoll_create1(0);
    CHECK("epoll watches a socket",
          epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &wanted) == 0);
    CHECK("epoll_wait() ends after its time", epoll_wait(epoll, &got, 1, 50) == 0);
    for (int i = 0; i < WAITERS; i++)
        pthread_create(&threads[i], NULL, waiter, (void *)(intptr_t)epoll);
    for (int i = 0; i < WAITERS; i++) {
        send(fd, "x", 1, 0);
        sem_wait(&told);
    }
    for (int i = 0; i < WAITERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        right += (intptr_t)result;
    }
    CHECK("each of three threads that wait is told of one of three bytes", right == WAITERS);
    close(peer);
    CHECK("a closed socket is not watched", epoll_ctl(epoll, EPOLL_CTL_MOD, peer, &wanted) < 0 &&
                                                errno == EBADF &&
                                                epoll_wait(epoll, &got, 1, 0) == 0);
    close(epoll);
    close(fd);
    close(listener);
}

/* A file that is packed into the program: its bytes are sent from where they lie. */
static void file_checks(void)
{
    static const uint8_t packed[4000] = {[0] = 1, [1999] = 2, [3999] = 3};
    static uint8_t in[sizeof(packed)];
    struct net_stats before, after;
    off_t offset = 0;

    int file = file_open(packed, sizeof(packed)), fd = connected(other, 7);
    net_stats(&before);
    ssize_t sent = sendfile(fd, file, &offset, sizeof(packed));
    net_stats(&after);
    CHECK("sendfile() sends a packed file", sent == sizeof(packed) && offset == sizeof(packed));
    CHECK("without memory for its bytes",
          after.memory_used < before.memory_used + sizeof(packed) / 2);
    CHECK("and the other has it",
          recv(fd, in, sizeof(in), MSG_WAITALL) == sizeof(in) && !memcmp(in, packed, sizeof(in)));
    close(fd);
    close(file);
}

static void stdio_checks(void)
{
    char line[32];

    int fd = connected(other, 7);
    FILE *file = fd >= 0 ? fdopen(fd, "r+") : NULL;
    if (file) {
        fprintf(file, "a line\n");
        fflush(file);
    }
    CHECK("stdio reads a line from a socket without waiting for more",
          file && fgets(line, sizeof(line), file) && !strcmp(line, "a line\n"));
    if (file)
        fclose(file);
}

int main(int argc, char **argv)
{
    struct net_stats stats;

    setvbuf(stdout, NULL, _IOLBF, 256);
    other = argc > 1 ? argv[1] : "10.0.2.17";
    loopback_checks();
    close_checks();
    poll_checks();
    epoll_checks();
    other_checks();
    file_checks();
    stdio_checks();
    net_stats(&stats);
    CHECK("the counters tell of it", stats.up && stats.local > 1000 && stats.sockets == 0 &&
                                         stats.rx_held == 0 && stats.rx_malformed == 0);
    printf("network: %lu packets in, %lu out, %lu kicks, %lu local, %u bytes of memory\n",
           stats.rx_packets, stats.tx_packets, stats.kicks, stats.local, stats.memory_used);
    printf("checks: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
