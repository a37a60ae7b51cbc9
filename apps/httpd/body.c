/* SPDX-License-Identifier: MIT */
/*
 * body.c - a body of known length, or chunked (RFC 9112, 7.1), read and thrown away.
 *
 * As strict as the head's parser, and for the same reason: lines end in CRLF, a size has at most
 * eight digits, and each byte is looked at once.
 */
#include "body.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

enum state {
    PLAIN,     /* known length: `left` to come */
    SIZE,      /* first digit of a chunk's size */
    SIZE_MORE, /* further digits, blanks, ';' or CR */
    EXTENSION, /* up to CR */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* first byte of a line after the last chunk */
    TRAILER_LINE,
    TRAILER_LF,
    END_LF,
};

enum body_status body_begin(struct body *body, const struct request *request)
{
    *body = (struct body){.state = request->body == BODY_CHUNKED ? SIZE : PLAIN};
    if (request->body == BODY_NONE)
        return BODY_DONE;
    if (request->body == BODY_CHUNKED)
        return BODY_MORE;
    if (request->content_length > BODY_MAX)
        return BODY_TOO_LONG;
    body->left = (uint32_t)request->content_length;
    return BODY_MORE;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum body_status chunk_size(struct body *body, char c)
{
    int digit = digit_of(c);

    if (digit >= 0) {
        body->left = body->state == SIZE ? (uint32_t)digit : body->left << 4 | (uint32_t)digit;
        body->state = SIZE_MORE;
        return body->left > BODY_MAX ? BODY_TOO_LONG : BODY_MORE;
    }
    if (body->state == SIZE)
        return BODY_BAD;
    if (c == '\r')
        body->state = SIZE_LF;
    else if (c == ';' || c == ' ' || c == '\t')
        body->state = EXTENSION;
    else
        return BODY_BAD;
    return BODY_MORE;
}

/* A line that is of no interest: no control characters, ended by CR. */
static enum body_status skip_line(struct body *body, char c, enum state after)
{
    if (c == '\r')
        body->state = (uint8_t)after;
    else if (c != '\t' && ((unsigned char)c < 0x20 || c == 0x7f))
        return BODY_BAD;
    return BODY_MORE;
}

static enum body_status expect(struct body *body, char c, char wanted, enum state after)
{
    body->state = (uint8_t)after;
    return c == wanted ? BODY_MORE : BODY_BAD;
}

/* One byte that is not a chunk's data. */
static enum body_status chunk_byte(struct body *body, char c)
{
    switch (body->state) {
    case SIZE:
    case SIZE_MORE:
        return chunk_size(body, c);
    case EXTENSION:
        return skip_line(body, c, SIZE_LF);
    case SIZE_LF:
        return expect(body, c, '\n', body->left ? DATA : TRAILER);
    case DATA_CR:
        return expect(body, c, '\r', DATA_LF);
    case DATA_LF:
        return expect(body, c, '\n', SIZE);
    case TRAILER:
        if (c == '\r') {
            body->state = END_LF;
            return BODY_MORE;
        }
        body->state = TRAILER_LINE;
        return skip_line(body, c, TRAILER_LF);
    case TRAILER_LINE:
        return skip_line(body, c, TRAILER_LF);
    case TRAILER_LF:
        return expect(body, c, '\n', TRAILER);
    default: /* END_LF */
        return c == '\n' ? BODY_DONE : BODY_BAD;
    }
}

enum body_status body_take(struct body *body, const char *bytes, size_t count, size_t *used)
{
    size_t at = 0;
    enum body_status status = BODY_MORE;

    while (at < count && status == BODY_MORE) {
        if (body->state == PLAIN || body->state == DATA) {
            uint32_t step = (uint32_t)MIN(count - at, body->left);
            at += step;
            body->left -= step;
            body->taken += step;
            if (body->left == 0 && body->state == PLAIN)
                status = BODY_DONE;
            else if (body->left == 0)
                body->state = DATA_CR;
        } else {
            status = chunk_byte(body, bytes[at++]);
            body->taken++;
        }
        if (body->taken > BODY_MAX && body->state != PLAIN && status == BODY_MORE)
            status = BODY_TOO_LONG;
    }
    *used = at;
    return status;
}
