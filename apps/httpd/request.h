/* SPDX-License-Identifier: MIT */
/*
 * request.h - the head of an HTTP/1.x request, from bytes that anybody may have sent.
 */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_FIELDS_MAX 64  /* header lines of one request */
#define REQUEST_PATH_MAX   128 /* of a path after percent-decoding; longer ones name no file */

/* Bytes of the buffer that was parsed; not ended by a NUL. */
struct span {
    const char *at;
    size_t length;
};

enum request_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_REFUSED, /* one of RFC 9110 or PATCH, which nothing here answers */
    METHOD_UNKNOWN,
};

enum request_body { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };

struct request {
    enum request_method method;
    uint8_t minor; /* of HTTP/1.minor */
    bool keep_alive;
    bool expects_continue; /* waits for 100 (Continue) before it sends its body */
    enum request_body body;
    uint64_t content_length;   /* for BODY_LENGTH */
    struct span if_none_match; /* at NULL: not asked */
    char path[REQUEST_PATH_MAX +
              1];  /* decoded, without the query, ended by a NUL; "" names no file */
    size_t length; /* bytes of the head, empty lines before it included */
};

/*
 * Read the head at the start of `bytes`. Returns
 *   REQUEST_MORE   so far it may become a request: call again when more bytes are there
 *   REQUEST_OK     *request is filled; its body, if any, begins at bytes + request->length
 *   else           the status (4xx, 5xx) to answer with before the connection is closed, because
 *                  where the next request would begin is not known
 * Reads nothing outside the bytes, keeps no state.
 */
enum { REQUEST_MORE = 0, REQUEST_OK = 1 };
int request_parse(const char *bytes, size_t count, struct request *request);

/* The status for a head that does not end within the buffer: 414 if its first line does not. */
int request_too_long(const char *bytes, size_t count);

/* Does the value of If-None-Match name this entity tag (with its quotes)? RFC 9110, 13.1.2. */
bool request_matches(struct span if_none_match, const char *etag, size_t length);

#endif
