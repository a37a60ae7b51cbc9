/* SPDX-License-Identifier: MIT */
/* control.c - what the client says on its control connection, and what is answered. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define RESULTS_ROOM (512 + STREAMS * 256)

/* Numbers of iperf3's errors, for which its client has sentences. */
enum { TOO_MANY_STREAMS = 6, NOT_IMPLEMENTED = 13, NO_PARAMETERS = 114 };

struct test test = {.control = -1};

static double clock_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double test_clock(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

static void end_streams(void)
{
    for (int i = 0; i < test.count; i++) {
        if (test.streams[i].fd >= 0)
            close(test.streams[i].fd);
        test.streams[i].fd = -1;
    }
}

void test_stop(void)
{
    end_streams();
    if (test.control >= 0)
        close(test.control);
    test.control = -1;
    test.count = 0;
}

static void give_up(const char *why)
{
    printf("iperf: the test is over: %s.\n", why);
    fflush(stdout);
    test_stop();
}

/* So little fits the socket's buffer, or the client reads nothing. */
static bool say(const void *bytes, size_t size)
{
    return send(test.control, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool enter(enum state state)
{
    unsigned char byte = (unsigned char)state;

    test.state = state;
    test.have = test.taken = 0;
    return say(&byte, 1);
}

/* The client prints a sentence of its own for this number. */
static void refuse(uint32_t error, const char *why)
{
    const uint32_t numbers[2] = {htonl(error), 0};

    if (enter(SERVER_ERROR))
        say(numbers, sizeof(numbers));
    give_up(why);
}

void test_begin(int control, const char *cookie)
{
    test = (struct test){.control = control};
    memcpy(test.cookie, cookie, COOKIE);
    if (!enter(PARAM_EXCHANGE))
        give_up("the client is gone");
}

static void start_counting(void)
{
    test.started = test_clock();
    test.cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < test.count; i++)
        test.streams[i].bytes = 0;
}

void test_add(int fd)
{
    int on = 1;

    if (test.parameters.no_delay)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    test.streams[test.count++] = (struct stream){.fd = fd};
    if (test.count < test.parameters.streams)
        return;
    start_counting();
    test.omitting = test.parameters.omit > 0;
    if (!enter(TEST_START) || !enter(TEST_RUNNING))
        give_up("the client is gone");
}

void test_tick(void)
{
    if (!test.omitting || test_clock() < test.started + test.parameters.omit)
        return;
    test.omitting = false;
    start_counting();
}

static void take_parameters(void)
{
    const char *wrong = parameters_read(test.text, test.length, &test.parameters);

    if (wrong) {
        fprintf(stderr, "iperf: a client's parameters are refused: %s.\n", wrong);
        refuse(strstr(wrong, "parallel") ? TOO_MANY_STREAMS : NO_PARAMETERS, "bad parameters");
    } else if (test.parameters.udp || test.parameters.both_ways) {
        refuse(NOT_IMPLEMENTED, "UDP and both ways at once are not measured here");
    } else if (!enter(CREATE_STREAMS)) {
        give_up("the client is gone");
    }
}

static void send_results(void)
{
    static char text[4 + RESULTS_ROOM];
    size_t size = results_text(text + 4, sizeof(text) - 4);
    uint32_t length = htonl((uint32_t)size);

    memcpy(text, &length, 4);
    if (!say(text, 4 + size) || !enter(DISPLAY_RESULTS))
        give_up("the client is gone");
}

static void take_length(uint32_t most)
{
    uint32_t length;

    memcpy(&length, test.head, sizeof(length));
    test.length = ntohl(length);
    if (test.length == 0 || test.length > most)
        refuse(NO_PARAMETERS, "the client sends a text that is too long, or none");
}

/* Four bytes with its length, then the text: parameters are kept, results, which nobody reads here, are not. */
static void take_text(void)
{
    bool kept = test.state == PARAM_EXCHANGE;
    size_t room = sizeof(test.head) - test.have;
    char *to = (char *)test.head + test.have;

    if (room == 0) {
        room = test.length - test.taken;
        to = test.text + (kept ? test.taken : 0);
        if (room > sizeof(test.text))
            room = sizeof(test.text);
    }
    ssize_t got = recv(test.control, to, room, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            give_up("the client is gone");
    } else if (test.have < sizeof(test.head)) {
        test.have += (size_t)got;
        if (test.have == sizeof(test.head))
            take_length(kept ? PARAMETERS_MAX : RESULTS_MAX);
    } else if ((test.taken += (size_t)got) == test.length) {
        if (kept)
            take_parameters();
        else
            send_results();
    }
}

static void take_state(void)
{
    unsigned char byte;
    ssize_t got = recv(test.control, &byte, 1, 0);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        give_up("the client is gone");
    } else if (byte == TEST_END && test.state == TEST_RUNNING) {
        test.seconds = test_clock() - test.started;
        test.cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - test.cpu;
        end_streams(); /* a client that receives reads on until then */
        if (!enter(EXCHANGE_RESULTS))
            give_up("the client is gone");
    } else if (byte == IPERF_DONE && test.state == DISPLAY_RESULTS) {
        test_stop();
    } else {
        give_up(byte == CLIENT_TERMINATE ? "the client ended it"
                                         : "the client sends what is not expected");
    }
}

void test_control(void)
{
    if (test.state == PARAM_EXCHANGE || test.state == EXCHANGE_RESULTS)
        take_text();
    else
        take_state();
}
