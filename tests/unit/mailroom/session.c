/* SPDX-License-Identifier: MIT */
/*
 * session.c - the mailroom's parser: what each command answers when, and lines that nobody should
 * send. Each line lies in a heap block of its exact size, for the address sanitizer.
 */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "../tap.h"

static struct session session;
static struct message *message;
static bool complete;

static enum reply bytes(const char *line, size_t length, bool cut)
{
    char *copy = malloc(length ? length : 1);

    memcpy(copy, line, length);
    enum reply reply = session_line(&session, copy, length, cut, &complete);
    free(copy);
    return reply;
}

static enum reply say(const char *line)
{
    return bytes(line, strlen(line), false);
}

static void begin(void)
{
    session_begin(&session, message);
}

static void until_text(void)
{
    begin();
    say("EHLO me");
    say("MAIL FROM:<a@b>");
    say("RCPT TO:<c@d>");
    say("DATA");
}

static const struct {
    const char *before[4]; /* what was said before */
    const char *line;
    enum reply reply;
} cases[] = {
    {{0}, "HELO me", REPLY_HELLO},
    {{0}, "ehlo [192.0.2.1]", REPLY_EXTENDED},
    {{0}, "EHLO", REPLY_SYNTAX},
    {{0}, "HELO ", REPLY_SYNTAX},
    {{0}, "HELOme", REPLY_SYNTAX},
    {{0}, "NOOP", REPLY_OK},
    {{0}, "NOOP and more", REPLY_OK},
    {{0}, "NOOPS", REPLY_UNKNOWN},
    {{0}, "QUIT", REPLY_BYE},
    {{0}, "QUIT now", REPLY_UNKNOWN},
    {{0}, "VRFY root", REPLY_MAYBE},
    {{0}, "EXPN list", REPLY_MISSING},
    {{0}, "STARTTLS", REPLY_MISSING},
    {{0}, "", REPLY_UNKNOWN},
    {{0}, "\xff\xfe", REPLY_UNKNOWN},
    {{0}, "NOOP\rNOOP", REPLY_SYNTAX},
    {{0}, "MAIL FROM:<a@b>", REPLY_ORDER},
    {{0}, "DATA", REPLY_ORDER},
    {{"HELO me"}, "MAIL FROM:<a@b>", REPLY_OK},
    {{"HELO me"}, "mail from:<a@b>", REPLY_OK},
    {{"HELO me"}, "MAIL FROM: <a@b>", REPLY_OK},
    {{"HELO me"}, "MAIL FROM:<>", REPLY_OK},
    {{"HELO me"}, "MAIL FROM:<a@b> SIZE=30000", REPLY_OK},
    {{"HELO me"}, "MAIL FROM:<a@b> SIZE=30001", REPLY_LARGE},
    {{"HELO me"}, "MAIL FROM:<a@b> SIZE=99999999999999999999", REPLY_LARGE},
    {{"HELO me"}, "MAIL FROM:<a@b> SIZE=", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<a@b> SIZE=1x", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<a@b> BODY=8BITMIME SIZE=5", REPLY_OK},
    {{"HELO me"}, "MAIL FROM:<a@b> AUTH=x", REPLY_PARAMETER},
    {{"HELO me"}, "MAIL FROM:<a@b>SIZE=5", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:a@b", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<a@b", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<a b@c>", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<@c>", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<a@>", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<a>", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL FROM:<a\x80@b>", REPLY_SYNTAX},
    {{"HELO me"}, "MAIL TO:<a@b>", REPLY_SYNTAX},
    {{"HELO me"}, "RCPT TO:<a@b>", REPLY_ORDER},
    {{"HELO me", "MAIL FROM:<a@b>"}, "MAIL FROM:<a@b>", REPLY_ORDER},
    {{"HELO me", "MAIL FROM:<a@b>"}, "DATA", REPLY_ORDER},
    {{"HELO me", "MAIL FROM:<a@b>"}, "RCPT TO:<>", REPLY_SYNTAX},
    {{"HELO me", "MAIL FROM:<a@b>"}, "RCPT TO:<Postmaster>", REPLY_OK},
    {{"HELO me", "MAIL FROM:<a@b>"}, "RCPT TO:<c@d> NOTIFY=NEVER", REPLY_PARAMETER},
    {{"HELO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>"}, "RCPT TO:<e@f>", REPLY_OK},
    {{"HELO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>"}, "DATA", REPLY_GO_ON},
    {{"HELO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RSET"}, "DATA", REPLY_ORDER},
    {{"HELO me", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "EHLO me"}, "DATA", REPLY_ORDER},
};

static void each_case(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin();
        for (int j = 0; j < 4 && cases[i].before[j]; j++)
            say(cases[i].before[j]);
        enum reply reply = say(cases[i].line);
        tap_ok(reply == cases[i].reply && !complete, "%s: %d", cases[i].line, (int)reply);
    }
}

static void a_message(void)
{
    static const char whole[] = "Subject: x\r\n\r\n.dot\r\nend\r\n";

    until_text();
    say("Subject: x");
    say("");
    say("..dot");
    say("end");
    enum reply reply = say(".");
    tap_ok(complete && !reply && message->length == strlen(whole) &&
               !memcmp(message->text, whole, strlen(whole)),
           "a message is whole, its hidden dot shown");
    tap_ok(message->recipients == 1 && !strcmp(message->from, "a@b") &&
               !strcmp(message->to[0], "c@d"),
           "with its envelope");
    tap_ok(say("DATA") == REPLY_ORDER, "the next one begins with MAIL");
}

static void limits(void)
{
    char line[PATH_MAX_ + 40] = "MAIL FROM:<";

    begin();
    say("HELO me");
    memset(line + 11, 'a', PATH_MAX_);
    line[11 + 5] = '@';
    strcpy(line + 11 + PATH_MAX_, ">");
    tap_ok(say(line) == REPLY_OK && strlen(message->from) == PATH_MAX_, "the longest address");
    say("RSET");
    strcpy(line + 11 + PATH_MAX_, "a>");
    tap_ok(say(line) == REPLY_SYNTAX, "one byte longer");
    say("MAIL FROM:<a@b>");
    for (uint32_t i = 0; i < RECIPIENTS; i++)
        say("RCPT TO:<c@d>");
    tap_ok(say("RCPT TO:<c@d>") == REPLY_MANY && message->recipients == RECIPIENTS,
           "too many recipients");
    tap_ok(bytes("NOOP", 4, true) == REPLY_LONG, "a command that was cut");

    static char full[LINE_MAX];
    memset(full, 'x', sizeof(full));
    until_text();
    for (uint32_t i = 0; i < TEXT_MAX / LINE_MAX; i++)
        bytes(full, LINE_MAX - 2, false);
    tap_ok(message->length == TEXT_MAX, "the largest text");
    enum reply reply = say(".");
    tap_ok(complete && !reply, "is a message");
    until_text();
    for (uint32_t i = 0; i < TEXT_MAX / LINE_MAX; i++)
        bytes(full, LINE_MAX - 2, false);
    say("");
    tap_ok(say(".") == REPLY_LARGE && !complete, "two bytes more are refused");
}

static void spoiled(void)
{
    until_text();
    say("a\nb");
    tap_ok(say(".") == REPLY_REFUSED && !complete, "an LF by itself");
    until_text();
    say("a\r.");
    tap_ok(say(".") == REPLY_REFUSED && !complete, "a CR by itself");
    until_text();
    bytes("a", 1, true);
    tap_ok(say(".") == REPLY_REFUSED && !complete, "a line that was cut");
    until_text();
    bytes(".", 1, true);
    tap_ok(say("more") == REPLY_NONE && session.state == SESSION_TEXT,
           "a dot that was cut ends nothing");
}

/* Lines of random pieces: never a byte outside, never more than the limits. */
static void random_lines(uint32_t count)
{
    static const char *const pieces[] = {
        "HELO ", "EHLO ", "MAIL ", "FROM:", "RCPT ", "TO:", "<",  ">", "a@b",  " ",
        "SIZE=", "99",    "DATA",  "RSET",  ".",     "\r",  "\n", "x", "NOOP", "QUIT"};
    bool good = true;

    begin();
    for (uint32_t i = 0; i < count && good; i++) {
        char line[LINE_MAX];
        size_t length = 0;
        for (uint32_t n = (uint32_t)(tap_random() % 6); n; n--) {
            const char *piece = pieces[tap_random() % (sizeof(pieces) / sizeof(*pieces))];
            for (uint32_t repeat = tap_random() % 50 ? 1 : 200;
                 repeat && length + strlen(piece) <= sizeof(line); repeat--) {
                memcpy(line + length, piece, strlen(piece));
                length += strlen(piece);
            }
        }
        enum reply reply = bytes(line, length, tap_random() % 16 == 0);
        good &= reply < REPLY_COUNT && message->length <= TEXT_MAX &&
                message->recipients <= RECIPIENTS && (!complete || message->recipients);
    }
    tap_ok(good, "%u random lines", count);
}

int main(void)
{
    message = malloc(sizeof(*message));
    memset(message, 0xa5, sizeof(*message));
    each_case();
    a_message();
    limits();
    spoiled();
    random_lines(200000);
    free(message);
    return tap_done();
}
