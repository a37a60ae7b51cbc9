/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - what the four parts of the mailroom say to each other.
 *
 *     network -> front --lines--> parser --messages--> queue <--what is there?-- control
 *
 * An arrow is a gate that the right end opened for the left end alone, and, for lines and messages,
 * memory of the left end's that the right end may read. Nothing leads back but five words. Who is
 * called checks all that it is told, and copies before it looks: the caller may have been taken over.
 */
#ifndef MAILROOM_PROTOCOL_H
#define MAILROOM_PROTOCOL_H

#include <stdint.h>

#define FRONT         "mail-front"
#define PARSER        "mail-parser"
#define QUEUE         "mail-queue"
#define CONTROL       "mail-control"

#define SESSIONS      16u    /* SMTP connections at once */
#define LINE_MAX      1000u  /* bytes of a line, CRLF included (RFC 5321, 4.5.3.1.6) */
#define PATH_MAX_     254u   /* bytes of an address (RFC 5321, 4.5.3.1.3, without the brackets) */
#define RECIPIENTS    8u     /* of one message */
#define MESSAGE_PAGES 8u     /* of 4 KiB: envelope and text of one message */
#define TEXT_MAX      30000u /* bytes of a message's text */
#define SLOTS         32u    /* messages that are kept until they are delivered */

/* Gates, by mark. MEET is answered by a thread: "my memory is offered, map it". */
enum { MARK_MEET = 1, MARK_LINE, MARK_STORE, MARK_LOOK, MARK_REMOVE };

/* LINE: {session, bytes in the shared page, LINE_* bits} -> {enum reply, number of the message}. */
enum { LINE_BEGIN = 1, LINE_CUT = 2, LINE_END = 4 }; /* new connection, too long, it is closed */

/* STORE: {}, with a message in the shared pages -> {STORE_*, number}. */
enum { STORE_DONE, STORE_FULL, STORE_BAD };

/* LOOK: {number that was seen last, offset} -> {number of the next message or 0, its size,
 * 24 bytes of its envelope from the offset on}. REMOVE: {number} -> {0: it is gone}. */
#define LOOK_BYTES 24u

/* A message as the parser hands it over. Strings end with a NUL. */
struct message {
    uint32_t recipients, length;
    char from[PATH_MAX_ + 2];
    char to[RECIPIENTS][PATH_MAX_ + 2];
    char text[TEXT_MAX];
};

_Static_assert(sizeof(struct message) <= MESSAGE_PAGES * 4096, "a message fits its pages");

#endif
