/* SPDX-License-Identifier: MIT */
/*
 * console.c - text to the machine's console, by lines.
 *
 * The kernel puts the application's name before each line, so text is kept back until its line is
 * complete, the buffer is full, or the program ends.
 *
 * The kernel is shown one page. It holds nothing else and lies between pages that are not mapped;
 * until console_init, and for want of memory, the text is in the image.
 */
#include "libos.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char early[EXO_CONSOLE_MAX] __attribute__((aligned(EXO_CONSOLE_MAX))); /* within a page */
static char *line = early;
static uint32_t used;
static frame_t frame;

void console_init(void)
{
    char *page = vm_alloc(1, EXO_DATA);

    if (page)
        line = page;
}

/* Upcalls are off. */
static void put_out(void)
{
    if (!frame.n)
        frame = vm_frame((uint64_t)line);
    if (used)
        exo_console_write(frame, (uint64_t)line % EXO_PAGE_SIZE, used);
    used = 0;
}

static void put(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        line[used++] = text[i];
        if (text[i] == '\n' || used == EXO_CONSOLE_MAX)
            put_out();
    }
}

void console_write(const char *text, size_t length)
{
    /* In pieces by way of the stack: `text` may be on a page that is not in memory yet. */
    while (length) {
        char piece[256];
        size_t count = MIN(length, sizeof(piece));
        memcpy(piece, text, count);
        critical_enter();
        put(piece, count);
        critical_exit();
        text += count;
        length -= count;
    }
}

void console_flush(void)
{
    bool off = VCPU->page.disabled;

    if (!off)
        critical_enter();
    put_out();
    if (!off)
        critical_exit();
}

void console_printf(const char *format, ...)
{
    char told[EXO_CONSOLE_MAX];
    bool off = VCPU->page.disabled;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(told, sizeof(told), format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    size_t count = MIN((size_t)length, sizeof(told) - 1);
    if (!off)
        console_write(told, count);
    else
        put(told, count);
}
