/* SPDX-License-Identifier: MIT */
/*
 * log.c - the kernel's own sentences: klog, panic, and a small printf.
 *
 * Conversions: %s %c %d %u %x %p with width, 0, l and ll. A panic is written and stays.
 */
#include <stdarg.h>

#include "env.h"
#include "machine.h"
#include "ipi.h"
#include "processor.h"
#include "x86_64.h"

#define LINE        256u
#define DRAW_PERIOD (machine_tsc_hz / 500) /* between two pieces of the screen, if others run */

static bool started;
uint64_t log_draw_at;

struct out {
    char *to;
    uint64_t used, size;
};

static void put(struct out *out, char c)
{
    if (out->used + 1 < out->size)
        out->to[out->used++] = c;
}

static void put_number(struct out *out, uint64_t value, unsigned base, int width, char pad)
{
    char digits[20];
    int count = 0;

    do
        digits[count++] = "0123456789abcdef"[value % base];
    while (value /= base);
    for (int i = count; i < width; i++)
        put(out, pad);
    while (count)
        put(out, digits[--count]);
}

static void put_string(struct out *out, const char *s)
{
    while (*s)
        put(out, *s++);
}

uint64_t log_format(char *to, uint64_t size, const char *f, va_list arguments)
{
    struct out out = {to, 0, size};

    for (; *f; f++) {
        if (*f != '%') {
            put(&out, *f);
            continue;
        }
        char pad = ' ';
        int width = 0, longs = 0;
        if (*++f == '0')
            pad = *f++;
        for (; *f >= '0' && *f <= '9'; f++)
            width = 10 * width + (*f - '0');
        for (; *f == 'l' || *f == 'z'; f++)
            longs++;
        if (*f == 's') {
            put_string(&out, va_arg(arguments, const char *));
        } else if (*f == 'c') {
            put(&out, (char)va_arg(arguments, int));
        } else if (*f == 'd') {
            int64_t value = longs ? va_arg(arguments, int64_t) : va_arg(arguments, int);
            if (value < 0)
                put(&out, '-');
            put_number(&out, value < 0 ? -(uint64_t)value : (uint64_t)value, 10, width, pad);
        } else if (*f == 'u' || *f == 'x') {
            uint64_t value = longs ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
            put_number(&out, value, *f == 'u' ? 10 : 16, width, pad);
        } else if (*f == 'p') {
            put_string(&out, "0x");
            put_number(&out, (uint64_t)va_arg(arguments, void *), 16, 0, ' ');
        } else {
            put(&out, *f);
        }
    }
    out.to[out.used] = 0;
    return out.used;
}

uint64_t log_print(char *to, uint64_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    uint64_t length = log_format(to, size, format, arguments);
    va_end(arguments);
    return length;
}

void machine_console(const char *text, size_t length)
{
    serial_write(text, length);
    framebuffer_write(text, length);
    if (started) {
        if (framebuffer_behind)
            processor_stir(this_cpu()->processor->number); /* so that its alarm is set */
        return;
    }
    serial_flush();
    while (framebuffer_behind)
        framebuffer_draw();
}

void log_started(void)
{
    started = true;
}

/* Called before a return to an application, and in a loop while nobody runs, if the screen is behind. */
bool log_catch_up(uint64_t now, bool idle)
{
    if (!idle && now < log_draw_at)
        return false;
    framebuffer_draw();
    log_draw_at = now + DRAW_PERIOD;
    return true;
}

void klog(const char *format, ...)
{
    char line[LINE];
    va_list arguments;

    va_start(arguments, format);
    uint64_t length = log_format(line, sizeof(line), format, arguments);
    va_end(arguments);
    console_line("exo", line, (uint32_t)length);
}

void panic(const char *format, ...)
{
    static bool again;
    char line[LINE];
    va_list arguments;

    __asm__ volatile("cli");
    started = false; /* everything is seen at once again: nobody comes back to do it later */
    va_start(arguments, format);
    uint64_t length = log_format(line, sizeof(line), format, arguments);
    va_end(arguments);
    if (!again) {
        again = true; /* a fault in the console must not come back here for ever */
        cpus_stop();
        console_line("exo", "PANIC: the kernel cannot go on.", 31);
        console_line("exo", line, (uint32_t)length);
        const struct processor *p = cpu_count ? this_cpu()->processor : NULL;
        if (cpu_count > 1)
            klog("It was CPU %u.", this_cpu()->number);
        if (p && p->current)
            klog("It was working for %s, which was at 0x%lx.", p->current->label,
                 p->current->context.rip);
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}
