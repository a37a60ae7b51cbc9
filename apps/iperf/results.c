/* SPDX-License-Identifier: MIT */
/* results.c - what the client is told at the end. */
#include <stdio.h>

#include "test.h"

/* iperf3 numbers its streams 1, 3, 4, ... */
static int stream_id(int number)
{
    return number ? number + 2 : 1;
}

size_t results_text(char *to, size_t room)
{
    double load = test.seconds > 0 ? 100 * test.cpu / test.seconds : 0;
    size_t at = 0;

    /* How often this side sent again is not known to it: a client shows no such column then. */
    at += (size_t)snprintf(to, room,
                           "{\"cpu_util_total\":%f,\"cpu_util_user\":%f,\"cpu_util_system\":0,"
                           "\"sender_has_retransmits\":%d,\"streams\":[",
                           load, load, test.parameters.reverse ? 0 : -1);
    for (int i = 0; i < test.count; i++)
        at += (size_t)snprintf(to + at, room - at,
                               "%s{\"id\":%d,\"bytes\":%llu,\"retransmits\":-1,\"jitter\":0,"
                               "\"errors\":0,\"packets\":0,\"start_time\":0,\"end_time\":%f}",
                               i ? "," : "", stream_id(i),
                               (unsigned long long)test.streams[i].bytes, test.seconds);
    at += (size_t)snprintf(to + at, room - at, "]}");
    return at;
}
