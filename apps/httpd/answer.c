/* SPDX-License-Identifier: MIT */
/*
 * answer.c - status, head and content of an answer (RFC 9110; section numbers are its own).
 */
#include "answer.h"

#include <time.h>

#include "page.h"

#define COPY_MAX  2048u       /* files up to this are copied behind their head: one piece to send */
#define CLOCK_SET 1600000000u /* a clock that shows less (September 2020) was never set */

static const struct status {
    int status;
    const char *reason, *sentence;
} statuses[] = {
    {200, "OK", ""},
    {304, "Not Modified", ""}, /* 15.4.5 */
    {400, "Bad Request", "The request does not follow the rules of HTTP/1.1."},
    {404, "Not Found", "There is nothing under this path."},
    {405, "Method Not Allowed", "Only GET and HEAD are answered here."}, /* 15.5.6 */
    {408, "Request Timeout", "The request took too long to arrive."},    /* 15.5.9 */
    {413, "Content Too Large", "Requests may bring 64 KiB at most, which is then thrown away."},
    {414, "URI Too Long", "The request's first line is too long."},
    {417, "Expectation Failed", "100-continue is the only expectation that is understood."},
    {431, "Request Header Fields Too Large", "The request's head is too long."},   /* RFC 6585, 5 */
    {501, "Not Implemented", "This method or transfer coding is not known here."}, /* 15.6.2 */
    {505, "HTTP Version Not Supported", "Only HTTP/1.1 and HTTP/1.0 are spoken here."},
    {500, "Internal Server Error", "The answer did not fit its buffer."},
};

static const struct status *status_of(int status)
{
    const struct status *s = statuses;

    while (s->status != status && s->status != 500)
        s++;
    return s;
}

/* --- which ---------------------------------------------------------------------------------- */

const struct site_file *site_find(const char *path)
{
    if (path[0] == '/' && !path[1])
        path = "/index.html";
    for (size_t i = 0; i < site_count; i++)
        if (!strcmp(site_files[i].path, path))
            return &site_files[i];
    return NULL;
}

void answer_choose(struct answer *answer, const struct request *request)
{
    *answer = (struct answer){
        .status = 200,
        .head_only = request->method == METHOD_HEAD,
        .close = !request->keep_alive,
        .old = request->minor == 0,
    };
    if (request->method == METHOD_UNKNOWN) {
        answer->status = 501;
    } else if (request->method == METHOD_REFUSED) {
        answer->status = 405;
    } else if (!strcmp(request->path, "/status.json")) {
        answer->json = true;
    } else {
        answer->file = site_find(request->path);
        if (!answer->file)
            answer->status = 404;
        else if (!answer->file->page && request_matches(request->if_none_match, answer->file->etag,
                                                        strlen(answer->file->etag)))
            answer->status = 304; /* 13.1.2 */
    }
}

void answer_error(struct answer *answer, int status)
{
    *answer = (struct answer){.status = status, .head_only = answer->head_only, .close = true};
}

/* --- its bytes ------------------------------------------------------------------------------ */

static char date_line[48];
static size_t date_length;
static uint64_t date_seconds;

/* 5.6.7 and 6.6.1. Two digits at `to`. */
static void two(char *to, int n)
{
    to[0] = (char)('0' + n / 10 % 10);
    to[1] = (char)('0' + n % 10);
}

void answer_set_date(uint64_t seconds)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t when = (time_t)seconds;
    struct tm tm;

    if (seconds == date_seconds)
        return;
    date_seconds = seconds;
    date_length = 0;
    if (seconds < CLOCK_SET || !gmtime_r(&when, &tm))
        return;
    memcpy(date_line, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 37);
    memcpy(date_line + 6, days + tm.tm_wday * 3, 3);
    two(date_line + 11, tm.tm_mday);
    memcpy(date_line + 14, months + tm.tm_mon * 3, 3);
    two(date_line + 18, (tm.tm_year + 1900) / 100);
    two(date_line + 20, tm.tm_year % 100);
    two(date_line + 23, tm.tm_hour);
    two(date_line + 26, tm.tm_min);
    two(date_line + 29, tm.tm_sec);
    date_length = 37;
}

static void write_start(struct text *out, const struct answer *answer, const struct status *status)
{
    if (status->status == 200) {
        TEXT_LITERAL(out, "HTTP/1.1 200 OK\r\n");
    } else {
        TEXT_LITERAL(out, "HTTP/1.1 ");
        text_number(out, (uint64_t)status->status);
        TEXT_LITERAL(out, " ");
        text_string(out, status->reason);
        TEXT_LITERAL(out, "\r\n");
    }
    text_bytes(out, date_line, date_length);
    if (answer->close)
        TEXT_LITERAL(out, "Connection: close\r\n");
    else if (answer->old)
        TEXT_LITERAL(out, "Connection: keep-alive\r\n");
    if (status->status == 405)
        TEXT_LITERAL(out, "Allow: GET, HEAD\r\n"); /* 10.2.1 */
}

static void write_length(struct text *out, size_t length)
{
    TEXT_LITERAL(out, "Content-Length: ");
    text_number(out, length);
    TEXT_LITERAL(out, "\r\n\r\n");
}

static void write_sentence(struct text *out, const struct answer *answer,
                           const struct status *status)
{
    size_t reason = strlen(status->reason), sentence = strlen(status->sentence);

    write_start(out, answer, status);
    TEXT_LITERAL(out, "Content-Type: text/plain; charset=utf-8\r\n");
    write_length(out, 3 + 1 + reason + 2 + sentence + 1); /* "404 Not Found. There is ...\n" */
    if (answer->head_only)
        return;
    text_number(out, (uint64_t)status->status);
    TEXT_LITERAL(out, " ");
    text_bytes(out, status->reason, reason);
    TEXT_LITERAL(out, ". ");
    text_bytes(out, status->sentence, sentence);
    TEXT_LITERAL(out, "\n");
}

/* A page, or the facts as JSON: its length is known once it is made. */
static void write_made(struct text *out, const struct answer *answer, const struct facts *facts)
{
    static char made[ANSWER_PAGE_MAX];
    struct text content = {made, made + sizeof(made), false};

    if (answer->json)
        page_json(&content, facts);
    else
        page_render(&content, answer->file->bytes, answer->file->length, facts);
    if (content.full) {
        write_sentence(out, answer, status_of(500));
        return;
    }
    write_start(out, answer, status_of(200));
    if (answer->json)
        TEXT_LITERAL(out, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
    else
        text_bytes(out, answer->file->head, answer->file->head_length);
    write_length(out, (size_t)(content.at - made));
    if (!answer->head_only)
        text_bytes(out, made, (size_t)(content.at - made));
}

static void write_file(struct text *out, const struct answer *answer, struct span *rest)
{
    const struct site_file *file = answer->file;

    write_start(out, answer, status_of(200));
    text_bytes(out, file->head, file->head_length);
    TEXT_LITERAL(out, "\r\n");
    if (answer->head_only)
        return;
    if (file->length <= COPY_MAX)
        text_bytes(out, file->bytes, file->length);
    else
        *rest = (struct span){file->bytes, file->length};
}

void answer_write(struct text *out, const struct answer *answer, const struct facts *(*facts)(void),
                  struct span *rest)
{
    if (answer->json || (answer->file && answer->file->page)) {
        write_made(out, answer, facts());
    } else if (answer->file && answer->status == 304) {
        write_start(out, answer, status_of(304)); /* no content and no length: 15.4.5, 8.6 */
        TEXT_LITERAL(out, "ETag: ");
        text_string(out, answer->file->etag);
        TEXT_LITERAL(out, "\r\nCache-Control: no-cache\r\n\r\n");
    } else if (answer->file && answer->status == 200) {
        write_file(out, answer, rest);
    } else {
        write_sentence(out, answer, status_of(answer->status));
    }
}
