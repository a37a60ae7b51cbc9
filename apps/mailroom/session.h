/* SPDX-License-Identifier: MIT */
/*
 * session.h - one client's side of SMTP (RFC 5321), line by line; no memory, time or network.
 *
 * Built for the host as well: tests/unit/mailroom feeds it what clients should not send.
 */
#ifndef MAILROOM_SESSION_H
#define MAILROOM_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol.h"
#include "reply.h"

enum session_state { SESSION_NEW, SESSION_GREETED, SESSION_MAIL, SESSION_RECIPIENTS, SESSION_TEXT };

struct session {
    enum session_state state;
    enum reply spoiled;      /* what the message will be refused with, NONE so far */
    struct message *message; /* MESSAGE_PAGES of the session's own */
};

void session_begin(struct session *s, struct message *message);

/*
 * One line, without its CRLF; `cut`: there was more of it. The answer, or NONE. *complete: the
 * message is whole and to be stored now; what came of it is for the caller to answer.
 */
enum reply session_line(struct session *s, const char *line, size_t length, bool cut,
                        bool *complete);

#endif
