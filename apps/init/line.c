/* SPDX-License-Identifier: MIT */
/* line.c - lines of text over the channel (line.h). */
#include "line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "libos.h"

#define COUNT_SHIFT 56 /* as channel_read returns it */

static char reply[REPLY_MAX];
static uint32_t head, tail; /* of the reply: what is in it, and what of that is sent */

/* The next byte that has come, -1: none has. */
static int next_byte(void)
{
    static uint64_t bytes;
    static uint32_t count;

    if (!count) {
        int64_t got = exo_channel_read();
        if (got < 0)
            return -1;
        bytes = (uint64_t)got;
        count = (uint32_t)(bytes >> COUNT_SHIFT);
    }
    count--;
    int byte = (int)(bytes & 0xff);
    bytes >>= 8;
    return byte;
}

enum line line_read(char text[LINE_LENGTH + 1])
{
    static char line[LINE_LENGTH];
    static uint32_t length;
    static bool garbage, cut;
    int byte;

    while ((byte = next_byte()) >= 0 && byte != '\n') {
        if (length == LINE_LENGTH)
            cut = true;
        else
            line[length++] = (char)byte;
        garbage |= byte != '\r' && (byte < ' ' || byte > '~');
    }
    if (byte < 0)
        return LINE_NONE;
    if (length && line[length - 1] == '\r')
        length--;
    garbage |= memchr(line, '\r', length) != NULL;
    memcpy(text, line, length);
    text[length] = '\0';
    enum line what = garbage ? LINE_GARBAGE : cut ? LINE_LONG : LINE_WHOLE;
    length = 0;
    garbage = cut = false;
    return what;
}

void line_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(reply + head, sizeof(reply) - head, format, arguments);
    va_end(arguments);
    if (length > 0 && (uint32_t)length < sizeof(reply) - head)
        head += (uint32_t)length;
}

bool line_send(void)
{
    while (tail != head) {
        uint64_t words[2] = {0};
        uint32_t count = MIN(head - tail, (uint32_t)sizeof(words));
        memcpy(words, reply + tail, count);
        int64_t taken = exo_channel_write(count, words[0], words[1]);
        if (taken <= 0)
            return false;
        tail += (uint32_t)taken;
    }
    line_drop();
    return true;
}

void line_drop(void)
{
    head = tail = 0;
}
