/* SPDX-License-Identifier: MIT */
/* parameters.h - what a client of iperf3 asks for, in JSON, of which nothing is believed. */
#ifndef IPERF_PARAMETERS_H
#define IPERF_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#define STREAMS    32
#define LENGTH_MAX (128 * 1024) /* bytes of one send(), at most */

struct parameters {
    bool udp, both_ways; /* neither is measured here */
    bool reverse;        /* this side sends */
    bool no_delay;
    int streams;
    int length; /* bytes of one send() */
    int omit;   /* so many seconds at the beginning do not count */
};

/* NULL, or a sentence that says what is wrong; then `p` holds nothing of use. */
const char *parameters_read(const char *text, size_t size, struct parameters *p);

#endif
