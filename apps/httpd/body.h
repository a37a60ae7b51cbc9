/* SPDX-License-Identifier: MIT */
/*
 * body.h - read a request's body and throw it away, to find where the next request begins.
 */
#ifndef HTTPD_BODY_H
#define HTTPD_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"

/* A body up to this is read; a longer one costs the connection. For a chunked one everything
 * counts: sizes, extensions, trailers. */
#define BODY_MAX 65536u

struct body {
    uint8_t state;
    uint32_t left;  /* of the body or of this chunk */
    uint32_t taken; /* in all */
};

enum body_status { BODY_MORE, BODY_DONE, BODY_BAD, BODY_TOO_LONG };

/* Begin with what the head says. BODY_MORE, BODY_DONE or BODY_TOO_LONG. */
enum body_status body_begin(struct body *body, const struct request *request);

/* Take bytes; *used tells how many belonged to it. */
enum body_status body_take(struct body *body, const char *bytes, size_t count, size_t *used);

#endif
