/* SPDX-License-Identifier: MIT */
/* line.c - lines over the channel: whole ones are read as they are, whatever noise is around them. */
#include "line.h"

#include <stdlib.h>

#include "libos.h"

#undef printf

struct env *fake_init;
int fake_fail_at;
char fake_said[4096];
const struct exo_start *libos_start_info;

int fake_printf(const char *format, ...)
{
    (void)format;
    return 0;
}

static void say(const void *bytes, uint32_t length)
{
    memcpy(mock_arrived + mock_arrived_count, bytes, length);
    mock_arrived_count += length;
}

static bool reads(enum line what, const char *text)
{
    char line[LINE_LENGTH + 1] = "";

    return line_read(line) == what && (what != LINE_WHOLE || !strcmp(line, text));
}

static void test_lines(void)
{
    fake_init = mock_boot();
    tap_ok(reads(LINE_NONE, ""), "nothing has come");
    say("one\r\ntwo\n\nth", 12);
    tap_ok(reads(LINE_WHOLE, "one") && reads(LINE_WHOLE, "two") && reads(LINE_WHOLE, "") &&
               reads(LINE_NONE, ""),
           "lines end with a newline, a return before it is dropped");
    say("ree\n", 4);
    tap_ok(reads(LINE_WHOLE, "three"), "a line may come in pieces");
    say("a\rb\n\x7f\n\xc3\xa4\n\t\nok\n", 14);
    for (uint32_t i = 0; i < 4; i++)
        tap_ok(reads(LINE_GARBAGE, ""), "what is not printable ASCII is no line");
    tap_ok(reads(LINE_WHOLE, "ok"), "the next line is");
}

/* A line of `length` characters, in pieces that the channel holds. */
static enum line read_long(uint32_t length)
{
    char line[LINE_LENGTH + 1];
    enum line what = LINE_NONE;

    for (uint32_t i = 0; i <= length; i++) {
        say(i < length ? "x" : "\n", 1);
        what = line_read(line);
        if (i < length && what != LINE_NONE)
            return LINE_NONE;
    }
    return what == LINE_WHOLE && strlen(line) != length ? LINE_NONE : what;
}

static void test_length(void)
{
    fake_init = mock_boot();
    tap_ok(read_long(LINE_LENGTH) == LINE_WHOLE, "the longest line");
    tap_ok(read_long(LINE_LENGTH + 1) == LINE_LONG, "one character more");
    tap_ok(read_long(100000) == LINE_LONG, "very many more");
    tap_ok(read_long(3) == LINE_WHOLE, "and then one that is good");
}

static void test_noise(void)
{
    uint32_t wrong = 0;
    char line[LINE_LENGTH + 1];

    fake_init = mock_boot();
    srand(1);
    for (uint32_t round = 0; round < 100000; round++) {
        uint8_t noise[20];
        for (uint32_t i = 0; i < sizeof(noise); i++)
            noise[i] = (uint8_t)(rand() >> 8);
        say(noise, (uint32_t)rand() % sizeof(noise));
        say("\n#1 list\n", 9);
        enum line what, last = LINE_NONE;
        while ((what = line_read(line)) != LINE_NONE)
            last = what;
        wrong += last != LINE_WHOLE || strcmp(line, "#1 list") != 0 || mock_arrived_count;
    }
    tap_ok(!wrong, "a command after noise and a newline is always understood (%u were not)", wrong);
}

static void test_send(void)
{
    fake_init = mock_boot();
    for (uint32_t i = 0; i < REPLY_MAX / 10 + 500; i++)
        line_print("%04u56789\n", i % 10000); /* more than is kept */
    uint32_t rounds = 0, bytes = 0;
    bool right = true;
    for (bool done = false; !done && rounds < 10000; rounds++) {
        done = line_send();
        for (uint32_t i = 0; i < mock_left_count; i++, bytes++)
            right &= bytes % 10 < 4 || mock_left[i] == "    56789\n"[bytes % 10];
        mock_left_count = 0;
    }
    tap_ok(right && bytes == (REPLY_MAX - 1) / 10 * 10,
           "what fits is sent whole and in order, %u bytes in %u rounds", bytes, rounds);
    line_print("left\n");
    line_drop();
    tap_ok(line_send() && !mock_left_count, "what is dropped is not sent");
}

int main(void)
{
    test_lines();
    test_length();
    test_noise();
    test_send();
    return tap_done();
}
