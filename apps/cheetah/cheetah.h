/* SPDX-License-Identifier: MIT */
/*
 * cheetah.h - one client's connection, directly on lwIP's raw calls.
 *
 *   C1  what lwIP was not given yet is in `rest`, which lies in the image, or still in `in`. Nothing is
 *       taken from `in` while there is a rest or an answer that found no room, and the window is
 *       opened by what was taken: so `in` is never longer than the window
 *   C2  a pcb that is not given up yet names its client, and the client it; lwIP frees it only after `failed`
 *   C3  every client has a deadline, looked at once a second
 */
#ifndef CHEETAH_CHEETAH_H
#define CHEETAH_CHEETAH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exchange.h"
#include "raw.h"

struct client {
    struct tcp_pcb *pcb;       /* NULL: free */
    struct client *next;       /* while free */
    const struct known *known; /* the head that it sent last, most likely the next one, too */
    struct pbuf *in;           /* received and not answered */
    struct span rest;          /* of a file, not given to lwIP yet */
    uint32_t since, deadline;  /* seconds: when this wait began, when it must be over */
    enum exchange_wait wait;
    bool answer_due, closing, ended;
    uint32_t lingered;        /* bytes thrown away meanwhile */
    struct exchange exchange; /* its answer may be one that found no room */
};

struct client_settings {
    unsigned port, clients, idle_s, request_s, send_s;
};

extern struct client_settings client_settings;
extern struct facts client_counts;

/* --- client.c: connections, and time */

/* Listen, with the network entered. False: it cannot, after a sentence. */
bool client_listen(const struct client_settings *settings);
const struct facts *client_facts(void);

/* --- serve.c */

/* Answer what came, as far as it is complete and the client takes the answers. */
void serve(struct client *client);
bool serve_stuck(const struct client *client); /* it waits for the client to take some */
void serve_late(struct client *client);        /* its request took too long to arrive */

/* --- ready.c: what was worked out before */
bool ready_open(void);             /* once. False: memory is out */
void ready_tick(uint64_t seconds); /* since 1970: a new second has begun */

/* A head that was understood before: its length and its answer. The same bytes mean the same. */
struct known {
    size_t length;
    struct answer answer;
    char bytes[504];
};
const struct known *ready_known(const struct known *guess, const char *bytes, size_t count);
const struct known *ready_learn(const char *bytes, size_t length, const struct answer *answer);

/* The whole answer, or its head and then *rest. NULL: this one is made when it is asked for. */
const struct span *ready_answer(const struct answer *answer, struct span *rest);

#endif
