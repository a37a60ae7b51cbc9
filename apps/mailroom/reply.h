/* SPDX-License-Identifier: MIT */
/* reply.h - every answer that the mailroom gives to a client; the parser names it, the front says it. */
#ifndef MAILROOM_REPLY_H
#define MAILROOM_REPLY_H

/* name, text (RFC 5321, 4.2.3). NONE: a line of a message is not answered. */
#define REPLIES(X)                                                                                 \
    X(NONE, "")                                                                                    \
    X(READY, "220 Freehold mailroom, ESMTP")                                                       \
    X(BYE, "221 Good bye")                                                                         \
    X(OK, "250 OK")                                                                                \
    X(HELLO, "250 Freehold mailroom")                                                              \
    X(EXTENDED, "250-Freehold mailroom\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SIZE 30000")       \
    X(QUEUED, "250 Queued as %u")                                                                  \
    X(MAYBE, "252 Send it and see")                                                                \
    X(GO_ON, "354 End with a line that holds a dot alone")                                         \
    X(LATER, "421 The mailroom is not whole, try again later")                                     \
    X(BUSY, "421 Too many connections, try again later")                                           \
    X(FULL, "452 No room for more messages, try again later")                                      \
    X(MANY, "452 Too many recipients")                                                             \
    X(LONG, "500 Line too long")                                                                   \
    X(UNKNOWN, "500 No such command")                                                              \
    X(SYNTAX, "501 Arguments not understood")                                                      \
    X(MISSING, "502 This command is not offered")                                                  \
    X(ORDER, "503 Not now: HELO, MAIL, RCPT, DATA is the order")                                   \
    X(LARGE, "552 The message is too large")                                                       \
    X(REFUSED, "554 The message has a line that is too long, or a CR or LF by itself")             \
    X(PARAMETER, "555 Parameter not known")

enum reply {
#define X(name, text) REPLY_##name,
    REPLIES(X)
#undef X
        REPLY_COUNT
};

#endif
