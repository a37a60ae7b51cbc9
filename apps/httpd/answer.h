/* SPDX-License-Identifier: MIT */
/*
 * answer.h - which answer a request gets, and its bytes.
 */
#ifndef HTTPD_ANSWER_H
#define HTTPD_ANSWER_H

#include <stdbool.h>

#include "facts.h"
#include "request.h"
#include "site.h"
#include "text.h"

/* A rendered page, and the room that every answer fits in, but for its `rest`. */
#define ANSWER_PAGE_MAX 8192u
#define ANSWER_ROOM     (ANSWER_PAGE_MAX + 512u)

/* Chosen when the head is there; sent when the body has been read, too. */
struct answer {
    int status;
    bool head_only; /* HEAD: the same head, no content */
    bool close;     /* the connection ends after it */
    bool old;       /* for an HTTP/1.0 client: to keep the connection must be said */
    bool json;
    const struct site_file *file; /* NULL: a sentence about `status`, or the facts if `json` */
};

/* For a request that was understood. */
void answer_choose(struct answer *answer, const struct request *request);

/* An error after which the connection cannot go on. `head_only` is left as it is. */
void answer_error(struct answer *answer, int status);

/*
 * Write the answer to `out`, which has ANSWER_ROOM to spare. A file that is long comes back as
 * *rest, to be sent after `out` from where it lies. `facts` is asked only if they are wanted.
 */
void answer_write(struct text *out, const struct answer *answer, const struct facts *(*facts)(void),
                  struct span *rest);

/* The line "Date: ...", for this second since 1970; empty if the machine has no clock. */
void answer_set_date(uint64_t seconds);

#endif
