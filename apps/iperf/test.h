/* SPDX-License-Identifier: MIT */
/*
 * test.h - one test of iperf3's: a control connection that says what happens, and streams of data.
 *
 * The protocol is told by what iperf3 3.12 sends and expects. The client sends a cookie on each
 * connection; then the server sends, on the first of them, one byte for each state that both enter:
 *
 *   PARAM_EXCHANGE    the client sends its parameters
 *   CREATE_STREAMS    it makes a connection for each stream
 *   TEST_START, TEST_RUNNING    data flows until the client sends TEST_END
 *   EXCHANGE_RESULTS  the client sends its results, then the server
 *   DISPLAY_RESULTS   until the client sends IPERF_DONE
 *
 * Parameters and results are JSON after four bytes with its length, the greatest first.
 */
#ifndef IPERF_TEST_H
#define IPERF_TEST_H

#include <stdint.h>

#include "parameters.h"

#define COOKIE         37 /* 36 characters and a zero */
#define PARAMETERS_MAX 8192
#define RESULTS_MAX    (1 << 20)

enum state {
    TEST_START = 1,
    TEST_RUNNING = 2,
    TEST_END = 4,
    PARAM_EXCHANGE = 9,
    CREATE_STREAMS = 10,
    CLIENT_TERMINATE = 12,
    EXCHANGE_RESULTS = 13,
    DISPLAY_RESULTS = 14,
    IPERF_DONE = 16,
    ACCESS_DENIED = 0xff,
    SERVER_ERROR = 0xfe,
};

struct stream {
    int fd; /* -1: the other side has ended it */
    uint64_t bytes;
};

struct test {
    int control; /* the connection, or -1: there is no test */
    enum state state;
    char cookie[COOKIE];
    struct parameters parameters;
    struct stream streams[STREAMS];
    int count; /* streams so far */
    bool omitting;
    double started; /* when that began which counts */
    double seconds; /* how long it was, once it is over */
    double cpu;     /* this program's CPU time when it began; once it is over, what it took */
    /* A text that the client sends. */
    unsigned char head[4];
    size_t have; /* bytes of the head */
    size_t length, taken;
    char text[PARAMETERS_MAX];
};

extern struct test test;

double test_clock(void); /* seconds */

void test_begin(int control, const char *cookie);
void test_add(int fd); /* a stream's connection */
void test_control(void);
void test_tick(void);
void test_stop(void); /* closes all connections */

/* The JSON of what was measured; its length. */
size_t results_text(char *to, size_t room);

#endif
