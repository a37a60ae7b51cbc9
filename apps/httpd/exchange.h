/* SPDX-License-Identifier: MIT */
/*
 * exchange.h - from a client's bytes to the answer that they get: what is the same whatever brings the bytes and
 * takes the answers.
 */
#ifndef HTTPD_EXCHANGE_H
#define HTTPD_EXCHANGE_H

#include "answer.h"
#include "body.h"

#define IN_SIZE 8192u /* a request's head; RFC 9112, 3 asks for 8000 octets */

/* What a connection waits for. */
enum exchange_wait {
    WAIT_IDLE,    /* for a request to begin */
    WAIT_REQUEST, /* for the rest of one */
    WAIT_SEND,    /* for the client to take what it asked for */
    WAIT_LINGER,  /* the answer is out, the client shall read it before it is told of the end */
};

struct exchange {
    struct body body;
    struct answer answer; /* to the request whose body is being read */
    bool reading_body;
    bool linger; /* more may come that is not wanted */
};

/* An error after which the bytes that follow mean nothing. True, as `answer` is to be sent. */
bool exchange_fail(struct exchange *x, int status);

/*
 * Take one request from the input; *used tells how many bytes belonged to it. True: `answer` is to be sent.
 * request->length is 0 if no head was understood in this call; else *request is that head.
 */
bool exchange_take(struct exchange *x, struct request *request, const char *bytes, size_t count,
                   size_t *used);

#endif
