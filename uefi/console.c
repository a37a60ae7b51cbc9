/* SPDX-License-Identifier: MIT */
/*
 * console.c - the loader's lines on the firmware's console.
 *
 * The firmware decides what that console is: screen, serial port or both. The loader writes nowhere
 * else while the firmware runs, or a redirected console would show each line twice.
 */
#include <stdarg.h>

#include "loader.h"

enum { LINE = 320 };

struct line {
    CHAR16 text[LINE + 3]; /* and room for the line's end */
    UINTN length;
};

static void put(struct line *line, char c)
{
    if (line->length < LINE)
        line->text[line->length++] = (CHAR16)(unsigned char)c;
}

static void put_string(struct line *line, const char *text)
{
    while (*text)
        put(line, *text++);
}

static void put_number(struct line *line, uint64_t value, unsigned base)
{
    char digits[20];
    unsigned count = 0;

    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count)
        put(line, digits[--count]);
}

static void say_list(const char *format, va_list arguments)
{
    struct line line = {.length = 0};

    put_string(&line, "[uefi] ");
    for (; *format; format++) {
        if (*format != '%') {
            put(&line, *format);
            continue;
        }
        bool wide = *++format == 'l';
        if (wide)
            format++;
        if (*format == 's')
            put_string(&line, va_arg(arguments, const char *));
        else
            put_number(&line, wide ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned),
                       *format == 'x' ? 16 : 10);
    }
    line.text[line.length++] = '\r';
    line.text[line.length++] = '\n';
    line.text[line.length] = 0;
    if (firmware->ConOut)
        firmware->ConOut->OutputString(firmware->ConOut, line.text);
}

void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_list(format, arguments);
    va_end(arguments);
}

static void wait_for_key(void)
{
    SIMPLE_INPUT_INTERFACE *keyboard = firmware->ConIn;
    UINTN index;

    /* What was typed before the sentence appeared does not count. */
    if (keyboard && keyboard->Reset(keyboard, FALSE) == EFI_SUCCESS &&
        firmware->BootServices->WaitForEvent(1, &keyboard->WaitForKey, &index) == EFI_SUCCESS)
        return;
    for (;;)
        firmware->BootServices->Stall(1000000);
}

_Noreturn void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_list(format, arguments);
    va_end(arguments);
    say("Freehold was not started. Press a key to go back to the firmware.");
    wait_for_key();
    firmware->BootServices->Exit(loader_image, EFI_LOAD_ERROR, 0, NULL);
    for (;;)
        __asm__ volatile("hlt");
}
