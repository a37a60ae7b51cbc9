/* SPDX-License-Identifier: MIT */
/*
 * session.c - which command may come when, and what it has to look like.
 *
 *   M1  message->length <= TEXT_MAX and message->recipients <= RECIPIENTS, whatever comes
 *   M2  a line ends at CRLF alone; a CR or LF by itself spoils the message, so that nobody who
 *       reads line ends in another way finds a second message within it
 */
#include "session.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define SIZE_DIGITS 9u

struct words {
    const char *at;
    size_t left;
};

void session_begin(struct session *s, struct message *message)
{
    *s = (struct session){.message = message};
    message->recipients = message->length = 0;
}

static void message_reset(struct session *s)
{
    if (s->state > SESSION_GREETED)
        s->state = SESSION_GREETED;
    s->spoiled = REPLY_NONE;
    s->message->recipients = s->message->length = 0;
}

/* Take `text` from the front of `w`, whatever its case. */
static bool take(struct words *w, const char *text)
{
    size_t length = strlen(text);

    if (w->left < length || strncasecmp(w->at, text, length))
        return false;
    w->at += length;
    w->left -= length;
    return true;
}

static bool take_byte(struct words *w, char byte)
{
    if (!w->left || *w->at != byte)
        return false;
    w->at++;
    w->left--;
    return true;
}

/* Is this an address: printable, a name and a host, or nothing at all if that is allowed? */
static bool path_ok(const char *path, size_t length, bool may_be_empty)
{
    size_t at = length;

    if (!length)
        return may_be_empty;
    if (length > PATH_MAX_)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (path[i] <= ' ' || path[i] > '~' || path[i] == '<' || path[i] == '>')
            return false;
        if (path[i] == '@')
            at = i;
    }
    if (at == length)
        return !may_be_empty && length == 10 && !strncasecmp(path, "postmaster", 10);
    return at && at + 1 < length;
}

/* `<address>`, the client's way of writing it, to `to`. */
static bool take_path(struct words *w, char to[PATH_MAX_ + 2], bool may_be_empty)
{
    while (take_byte(w, ' ')) /* not allowed, and sent by many */
        ;
    if (!take_byte(w, '<'))
        return false;
    const char *end = memchr(w->at, '>', w->left);
    size_t length = end ? (size_t)(end - w->at) : 0;
    if (!end || !path_ok(w->at, length, may_be_empty))
        return false;
    memcpy(to, w->at, length);
    to[length] = '\0';
    w->at += length + 1;
    w->left -= length + 1;
    return !w->left || *w->at == ' ';
}

/* SIZE= (RFC 1870) and BODY= (RFC 6152) behind MAIL FROM. */
static enum reply parameters(struct words w)
{
    while (take_byte(&w, ' ')) {
        if (take(&w, "SIZE=")) {
            uint32_t size = 0, digits = 0;
            for (; w.left && *w.at >= '0' && *w.at <= '9'; w.at++, w.left--, digits++)
                if (digits < SIZE_DIGITS)
                    size = 10 * size + (uint32_t)(*w.at - '0');
            if (!digits || (w.left && *w.at != ' '))
                return REPLY_SYNTAX;
            if (size > TEXT_MAX || digits > SIZE_DIGITS)
                return REPLY_LARGE;
        } else if (w.left && !take(&w, "BODY=8BITMIME") && !take(&w, "BODY=7BIT")) {
            return REPLY_PARAMETER;
        }
    }
    return w.left ? REPLY_SYNTAX : REPLY_OK;
}

static enum reply mail(struct session *s, struct words w)
{
    if (s->state != SESSION_GREETED)
        return REPLY_ORDER;
    if (!take(&w, "FROM:") || !take_path(&w, s->message->from, true))
        return REPLY_SYNTAX;
    enum reply reply = parameters(w);
    if (reply == REPLY_OK)
        s->state = SESSION_MAIL;
    return reply;
}

static enum reply recipient(struct session *s, struct words w)
{
    struct message *m = s->message;

    if (s->state != SESSION_MAIL && s->state != SESSION_RECIPIENTS)
        return REPLY_ORDER;
    if (m->recipients == RECIPIENTS)
        return REPLY_MANY;
    if (!take(&w, "TO:") || !take_path(&w, m->to[m->recipients], false))
        return REPLY_SYNTAX;
    if (w.left)
        return REPLY_PARAMETER;
    m->recipients++;
    s->state = SESSION_RECIPIENTS;
    return REPLY_OK;
}

static enum reply hello(struct session *s, struct words w, enum reply reply)
{
    if (!w.left)
        return REPLY_SYNTAX;
    message_reset(s);
    s->state = SESSION_GREETED;
    return reply;
}

static enum reply command(struct session *s, struct words w)
{
    if (take(&w, "HELO "))
        return hello(s, w, REPLY_HELLO);
    if (take(&w, "EHLO "))
        return hello(s, w, REPLY_EXTENDED);
    if (take(&w, "MAIL "))
        return mail(s, w);
    if (take(&w, "RCPT "))
        return recipient(s, w);
    if (take(&w, "VRFY "))
        return REPLY_MAYBE;
    if (take(&w, "NOOP") && (!w.left || *w.at == ' '))
        return REPLY_OK;
    if (w.left == 4 && take(&w, "DATA")) {
        if (s->state != SESSION_RECIPIENTS)
            return REPLY_ORDER;
        s->state = SESSION_TEXT;
        return REPLY_GO_ON;
    }
    if (w.left == 4 && take(&w, "RSET")) {
        message_reset(s);
        return REPLY_OK;
    }
    if (w.left == 4 && take(&w, "QUIT"))
        return REPLY_BYE;
    if (take(&w, "EXPN") || take(&w, "HELP") || take(&w, "TURN") || take(&w, "STARTTLS"))
        return REPLY_MISSING;
    return take(&w, "HELO") || take(&w, "EHLO") || take(&w, "MAIL") || take(&w, "RCPT")
               ? REPLY_SYNTAX
               : REPLY_UNKNOWN;
}

static bool ends_lines(const char *line, size_t length)
{
    return memchr(line, '\r', length) || memchr(line, '\n', length);
}

/* A line of the message, its CRLF included; the dot that hides a dot goes (RFC 5321, 4.5.2). */
static void text(struct session *s, const char *line, size_t length, bool cut)
{
    struct message *m = s->message;

    if (length && *line == '.') {
        line++;
        length--;
    }
    if (cut || ends_lines(line, length))
        s->spoiled = REPLY_REFUSED;
    else if (length + 2 > TEXT_MAX - m->length && !s->spoiled)
        s->spoiled = REPLY_LARGE;
    if (s->spoiled)
        return;
    memcpy(m->text + m->length, line, length);
    memcpy(m->text + m->length + length, "\r\n", 2);
    m->length += (uint32_t)length + 2;
}

enum reply session_line(struct session *s, const char *line, size_t length, bool cut,
                        bool *complete)
{
    *complete = false;
    if (s->state != SESSION_TEXT) {
        if (cut)
            return REPLY_LONG;
        return ends_lines(line, length) ? REPLY_SYNTAX : command(s, (struct words){line, length});
    }
    if (cut || length != 1 || *line != '.') {
        text(s, line, length, cut);
        return REPLY_NONE;
    }
    enum reply spoiled = s->spoiled;
    *complete = !spoiled;
    s->state = SESSION_GREETED;
    s->spoiled = REPLY_NONE;
    if (spoiled)
        s->message->recipients = s->message->length = 0;
    return spoiled;
}
