/* SPDX-License-Identifier: MIT */
/*
 * request.c - a strict parser for the head of an HTTP/1.x request (RFC 9112).
 *
 * Why not a library: of the parsers in Debian's source archive, http-parser is no longer
 * maintained, llhttp is written in TypeScript and its C comes out of Node.js at build time, and
 * picohttpparser, there as an old copy within a Perl module, splits lines but judges none of the
 * rules below (Host, message length, line ends), which are the ones that matter.
 *
 * One pass, no state between calls: a head that came in pieces is read again from its start. That
 * costs at most one buffer's length a packet, and finds nonsense at its first byte rather than at
 * the end of the buffer.
 *
 * Whatever two readers could understand differently is refused: line ends other than CRLF, folded
 * lines, blanks before a colon, two lengths. That is what request smuggling (RFC 9112, 11.2) lives
 * on.
 */
#include "request.h"

#include <string.h>
#include <strings.h>

enum { TOKEN = 1, FIELD = 2, TARGET = 4, HOST = 8 };

/* RFC 9110, 5.6.2 (token) and 5.5 (field-value); RFC 9112, 3.2; RFC 3986, 3.2.2 (host). */
static uint8_t class_of(unsigned char c)
{
    bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    uint8_t class = 0;

    if (alnum || (c && strchr("!#$%&'*+-.^_`|~", c)))
        class |= TOKEN;
    if (c == '\t' || (c >= 0x20 && c != 0x7f))
        class |= FIELD;
    if (c > 0x20 && c < 0x7f && c != '#')
        class |= TARGET;
    if (alnum || (c && strchr("-._~%!$&'()*+,;=:[]", c)))
        class |= HOST;
    return class;
}

static uint8_t classes[256];

__attribute__((constructor)) static void fill_classes(void)
{
    for (int c = 0; c < 256; c++)
        classes[c] = class_of((unsigned char)c);
}

static size_t run(const char *at, const char *end, uint8_t class)
{
    const char *p = at;

    while (p < end && (classes[(unsigned char)*p] & class))
        p++;
    return (size_t)(p - at);
}

static bool is(struct span s, const char *name, size_t length)
{
    return s.length == length && !strncasecmp(s.at, name, length);
}
#define IS(span, literal) is(span, literal, sizeof(literal) - 1)

/* A line must end here in CRLF: 1 it does, REQUEST_MORE it may yet, 400 it does not. */
static int line_end(const char *at, const char *end)
{
    if (at == end)
        return REQUEST_MORE;
    if (*at != '\r')
        return 400;
    if (at + 1 == end)
        return REQUEST_MORE;
    return at[1] == '\n' ? 1 : 400;
}

/* --- the request line (RFC 9112, 3) --------------------------------------------------------- */

static enum request_method method_of(struct span s)
{
    static const char refused[][8] = {"POST",    "PUT",   "DELETE", "CONNECT",
                                      "OPTIONS", "TRACE", "PATCH"};

    /* Method names are case-sensitive: RFC 9110, 9.1. */
    if (s.length == 3 && !memcmp(s.at, "GET", 3))
        return METHOD_GET;
    if (s.length == 4 && !memcmp(s.at, "HEAD", 4))
        return METHOD_HEAD;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (s.length == strlen(refused[i]) && !memcmp(s.at, refused[i], s.length))
            return METHOD_REFUSED;
    return METHOD_UNKNOWN;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Percent-decode a path (RFC 3986, 2.1). The path names an entry of a table, not of a file system,
 * so that "..", "//" or "%2e" lead nowhere; they are just names that nothing has.
 */
static int decode_path(struct span raw, char *path)
{
    size_t length = 0;

    for (size_t i = 0; i < raw.length; i++) {
        char c = raw.at[i];
        if (c == '%') {
            if (raw.length - i < 3)
                return 400;
            int high = hex(raw.at[i + 1]), low = hex(raw.at[i + 2]);
            if (high < 0 || low < 0 || (high | low) == 0)
                return 400;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (length < REQUEST_PATH_MAX)
            path[length] = c;
        length++;
    }
    path[length <= REQUEST_PATH_MAX ? length : 0] = 0;
    return REQUEST_OK;
}

static int host_valid(struct span s)
{
    return run(s.at, s.at + s.length, HOST) == s.length ? REQUEST_OK : 400;
}

/* The four forms of a target: RFC 9112, 3.2.1 to 3.2.4. */
static int parse_target(struct span method, struct span target, struct request *request)
{
    const char *at = target.at, *end = at + target.length;

    request->path[0] = 0;
    if (method.length == 7 && !memcmp(method.at, "CONNECT", 7)) /* authority-form */
        return host_valid(target);
    if (target.length == 1 && *at == '*') /* asterisk-form */
        return method.length == 7 && !memcmp(method.at, "OPTIONS", 7) ? REQUEST_OK : 400;
    if (*at != '/') { /* absolute-form, which a server must accept */
        if (target.length < 8 || strncasecmp(at, "http://", 7))
            return 400;
        at += 7;
        size_t host = run(at, end, HOST);
        if (host == 0)
            return 400;
        at += host;
        if (at < end && *at != '/' && *at != '?')
            return 400;
    }
    const char *query = memchr(at, '?', (size_t)(end - at));
    struct span path = {at, (size_t)((query ? query : end) - at)};
    if (path.length == 0)
        path = (struct span){"/", 1};
    return decode_path(path, request->path);
}

/* HTTP-version = "HTTP" "/" DIGIT "." DIGIT (RFC 9112, 2.3), case-sensitive. */
static int parse_version(const char *at, size_t length, struct request *request)
{
    static const char form[] = "HTTP/1.1";

    for (size_t i = 0; i < length && i < 8; i++)
        if (i == 5 || i == 7 ? at[i] < '0' || at[i] > '9' : at[i] != form[i])
            return 400;
    if (length < 8)
        return REQUEST_MORE;
    if (at[5] != '1')
        return 505;
    request->minor = (uint8_t)(at[7] - '0');
    return REQUEST_OK;
}

/* Moves *start past the line. */
static int parse_line(const char **start, const char *end, struct request *request)
{
    const char *at = *start;
    struct span method = {at, run(at, end, TOKEN)};

    at += method.length;
    if (at == end)
        return REQUEST_MORE;
    if (method.length == 0 || *at++ != ' ')
        return 400;
    struct span target = {at, run(at, end, TARGET)};
    at += target.length;
    if (at == end)
        return REQUEST_MORE;
    if (target.length == 0 || *at++ != ' ')
        return 400;
    int status = parse_version(at, (size_t)(end - at), request);
    if (status != REQUEST_OK)
        return status;
    at += 8;
    status = line_end(at, end);
    if (status != 1)
        return status;
    *start = at + 2;
    request->method = method_of(method);
    return parse_target(method, target, request);
}

/* --- header fields (RFC 9112, 5) ------------------------------------------------------------ */

/* What the fields said, before they are weighed against each other. */
struct fields {
    unsigned count, hosts, lengths, codings, etags;
    bool close, keep_alive, chunked_last, coding_unknown, coding_wrong;
};

/* Cut the first element off a comma-separated list (RFC 9110, 5.6.1); empty ones are skipped. */
static bool next_element(struct span *list, struct span *element)
{
    while (list->length) {
        const char *comma = memchr(list->at, ',', list->length);
        struct span e = {list->at, comma ? (size_t)(comma - list->at) : list->length};
        size_t used = e.length + (comma != NULL);
        list->at += used;
        list->length -= used;
        while (e.length && (*e.at == ' ' || *e.at == '\t'))
            e.at++, e.length--;
        while (e.length && (e.at[e.length - 1] == ' ' || e.at[e.length - 1] == '\t'))
            e.length--;
        if (e.length) {
            *element = e;
            return true;
        }
    }
    return false;
}

static void connection_field(struct span value, struct fields *f)
{
    struct span option;

    while (next_element(&value, &option)) {
        f->close |= IS(option, "close");
        f->keep_alive |= IS(option, "keep-alive");
    }
}

/* RFC 9110, 8.6: 1*DIGIT; two of them, even equal ones, are refused. A number beyond 64 bits is as
 * much too large as the largest. */
static int length_field(struct span value, struct request *request, struct fields *f)
{
    uint64_t n = 0;

    if (f->lengths++ || value.length == 0)
        return 400;
    for (size_t i = 0; i < value.length; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return 400;
        unsigned digit = (unsigned)(value.at[i] - '0');
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    request->content_length = n;
    return REQUEST_OK;
}

/* RFC 9112, 6.1 and 6.3: chunked must be there once, at the end. */
static void coding_field(struct span value, struct fields *f)
{
    struct span coding;

    f->codings++;
    while (next_element(&value, &coding)) {
        f->coding_wrong |= f->chunked_last;
        f->chunked_last = IS(coding, "chunked");
        f->coding_unknown |= !f->chunked_last;
    }
}

static int expect_field(struct span value, struct request *request)
{
    if (!IS(value, "100-continue"))
        return 417; /* RFC 9110, 10.1.1 */
    request->expects_continue = true;
    return REQUEST_OK;
}

static int take_field(struct span name, struct span value, struct request *request,
                      struct fields *f)
{
    switch (name.length) {
    case 4:
        if (IS(name, "Host"))
            return f->hosts++ ? 400 : host_valid(value);
        break;
    case 6:
        if (IS(name, "Expect"))
            return expect_field(value, request);
        break;
    case 10:
        if (IS(name, "Connection"))
            connection_field(value, f);
        break;
    case 13:
        /* Two lines of it are rare enough to be answered in full. */
        if (IS(name, "If-None-Match"))
            request->if_none_match = f->etags++ ? (struct span){NULL, 0} : value;
        break;
    case 14:
        if (IS(name, "Content-Length"))
            return length_field(value, request, f);
        break;
    case 17:
        if (IS(name, "Transfer-Encoding"))
            coding_field(value, f);
        break;
    }
    return REQUEST_OK;
}

/* One line at *start, not the empty one. Moves *start past it. */
static int parse_field(const char **start, const char *end, struct request *request,
                       struct fields *f)
{
    struct span name = {*start, run(*start, end, TOKEN)};
    const char *at = *start + name.length;

    /* A blank first would be a folded line (5.2), a blank before the colon is refused by 5.1. */
    if (at < end && (name.length == 0 || *at != ':'))
        return 400;
    if (f->count == REQUEST_FIELDS_MAX)
        return 431;
    if (at == end)
        return REQUEST_MORE;
    at++;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    struct span value = {at, run(at, end, FIELD)};
    at += value.length;
    int status = line_end(at, end);
    if (status != 1)
        return status;
    *start = at + 2;
    f->count++;
    while (value.length && (at[-1] == ' ' || at[-1] == '\t'))
        at--, value.length--;
    return take_field(name, value, request, f);
}

/* How long the message is (RFC 9112, 6.3) and whether another may follow (9.3). */
static int weigh(struct request *request, const struct fields *f)
{
    if (f->hosts == 0 && request->minor > 0)
        return 400; /* 3.2 */
    if (f->codings) {
        if (f->lengths || request->minor == 0 || f->coding_wrong || !f->chunked_last)
            return 400;
        if (f->coding_unknown)
            return 501;
        request->body = BODY_CHUNKED;
    } else if (request->content_length) {
        request->body = BODY_LENGTH;
    }
    request->keep_alive = !f->close && (request->minor > 0 || f->keep_alive);
    if (request->minor == 0)
        request->expects_continue = false; /* RFC 9110, 10.1.1 */
    return REQUEST_OK;
}

int request_parse(const char *bytes, size_t count, struct request *request)
{
    const char *at = bytes, *end = bytes + count;
    struct fields f = {0};
    int status;

    request->body = BODY_NONE;
    request->content_length = 0;
    request->expects_continue = false;
    request->if_none_match = (struct span){NULL, 0};

    /* Empty lines before a request are skipped: RFC 9112, 2.2. */
    while ((status = line_end(at, end)) == 1)
        at += 2;
    if (at == end || *at == '\r')
        return status;
    status = parse_line(&at, end, request);
    if (status != REQUEST_OK)
        return status;
    while ((status = line_end(at, end)) == 400 && *at != '\r') {
        status = parse_field(&at, end, request, &f);
        if (status != REQUEST_OK)
            return status;
    }
    if (status != 1)
        return status;
    request->length = (size_t)(at + 2 - bytes);
    return weigh(request, &f);
}

int request_too_long(const char *bytes, size_t count)
{
    const char *at = bytes, *end = bytes + count;

    while (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
        at += 2;
    return memchr(at, '\n', (size_t)(end - at)) ? 431 : 414; /* RFC 6585, 5; RFC 9110, 15.5.15 */
}

bool request_matches(struct span list, const char *etag, size_t length)
{
    struct span element;

    if (!list.at)
        return false;
    while (next_element(&list, &element)) {
        if (element.length == 1 && *element.at == '*')
            return true;
        /* The comparison is weak: RFC 9110, 8.8.3.2. */
        if (element.length > 2 && element.at[0] == 'W' && element.at[1] == '/')
            element.at += 2, element.length -= 2;
        if (element.length == length && !memcmp(element.at, etag, length))
            return true;
    }
    return false;
}
