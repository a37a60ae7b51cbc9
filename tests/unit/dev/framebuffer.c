/* SPDX-License-Identifier: MIT */
/* framebuffer.c - the screen on a host: what is painted, where, and how much at a time. */
#include "../tap.h"
#include "font.h"
#include "mmio.h"
#include "x86_64.h"

#include <stdlib.h>
#include <string.h>

static uint32_t *screen; /* exactly its size: the sanitizer watches both ends */
static void *memory;
static uint32_t width, height, stride, scale;

volatile void *mmio_map_framebuffer(uint64_t address, uint64_t size)
{
    (void)address;
    return size == (uint64_t)stride * height * 4 ? screen : NULL;
}

void *boot_alloc(uint64_t count, uint64_t *physical)
{
    *physical = 0;
    free(memory);
    return memory = calloc(count, EXO_PAGE_SIZE);
}

static void start(uint32_t w, uint32_t h, uint32_t s)
{
    free(screen);
    width = w, height = h, stride = s;
    scale = w >= 1600 ? 2 : 1;
    screen = malloc((size_t)s * h * 4 + 1);
    memset(screen, 0x77, (size_t)s * h * 4);
    framebuffer_init(&(struct boot_framebuffer){0x80000000, w, h, s, 1});
}

static void write_all(const char *text)
{
    framebuffer_write(text, strlen(text));
    while (framebuffer_behind)
        framebuffer_draw();
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
    return screen[(size_t)y * stride + x];
}

/* Which character a cell shows, 0 if it is none. */
static char read_cell(uint32_t column, uint32_t row)
{
    for (char c = ' '; c <= '~'; c++) {
        bool same = true;
        for (uint32_t y = 0; same && y < 16 * scale; y++)
            for (uint32_t x = 0; same && x < 8 * scale; x++) {
                uint32_t at = y / scale - 2;
                bool lit = at < FONT_ROWS && font[c - ' '][at] >> (7 - x / scale) & 1;
                same = pixel(column * 8 * scale + x, row * 16 * scale + y) == (lit ? 0xc8c8c8 : 0);
            }
        if (same)
            return c;
    }
    return 0;
}

static bool row_is(uint32_t row, const char *text)
{
    for (uint32_t i = 0; i < width / (8 * scale); i++) {
        char c = read_cell(i, row);
        if (c != (*text ? *text : ' '))
            return false;
        text += *text != 0;
    }
    return true;
}

static void test_text(uint32_t w, uint32_t h, uint32_t s)
{
    start(w, h, s);
    uint32_t rows = h / (16 * scale);
    write_all("[exo] first\n\n");
    write_all("a\tb\001\n");
    write_all("no end");
    tap_ok(row_is(0, "[exo] first") && row_is(1, "") && row_is(2, "a       b?") &&
               row_is(3, "no end"),
           "%u x %u (%u): lines, an empty one, a tab, a stranger", w, h, s);
    write_all("\n");
    for (uint32_t i = 0; i < 3 * rows; i++) {
        char text[16];
        snprintf(text, sizeof(text), "line %u\n", i);
        write_all(text);
    }
    char first[16], last[16];
    snprintf(first, sizeof(first), "line %u", 2 * rows);
    snprintf(last, sizeof(last), "line %u", 3 * rows - 1);
    tap_ok(row_is(0, first) && row_is(rows - 1, last), "it scrolls, and the last line is full");
    bool kept = true;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = w; x < s; x++)
            kept &= pixel(x, y) == 0x77777777;
    tap_ok(kept, "what lies between two lines of pixels is not touched");
}

static void test_wrap(void)
{
    start(320, 64, 320);
    write_all("0123456789012345678901234567890123456789next\n"
              "0123456789012345678901234567890123456789\n"
              "end");
    tap_ok(row_is(0, "0123456789012345678901234567890123456789") && row_is(1, "next") &&
               row_is(2, "0123456789012345678901234567890123456789") && row_is(3, "end"),
           "a long line goes on below; one that just fits leaves no empty line");
}

static void test_bounded(void)
{
    start(640, 480, 640);
    for (uint32_t i = 0; i < 300; i++) {
        framebuffer_write("the screen is full of these words and of these, and so on, "
                          "all of it, up to the last line and the last column of it\n",
                          116);
    }
    uint32_t most = 0, calls = 0;
    while (framebuffer_behind) {
        uint32_t *before = malloc((size_t)stride * height * 4), changed = 0;
        memcpy(before, screen, (size_t)stride * height * 4);
        framebuffer_draw();
        for (size_t i = 0; i < (size_t)stride * height; i++)
            changed += before[i] != screen[i];
        free(before);
        most = changed > most ? changed : most;
        calls++;
    }
    tap_ok(calls > 20 && most > 0 && most <= 64 * 16 * 8, "a call paints at most 64 cells (%u)",
           most);
}

static void test_none(void)
{
    static const struct boot_framebuffer useless[] = {{0, 640, 480, 640, 1},
                                                      {4096, 0, 0, 0, 1},
                                                      {4096, 7, 480, 7, 1},
                                                      {4096, 640, 15, 640, 1},
                                                      {4096, 640, 480, 320, 1}};

    for (uint32_t i = 0; i < sizeof(useless) / sizeof(*useless); i++) {
        framebuffer_init(&useless[i]);
        write_all("nothing\n");
        tap_ok(!framebuffer_behind, "a screen that cannot be used, %u, is left alone", i);
    }
}

int main(void)
{
    test_none();
    test_text(640, 480, 640);
    test_text(800, 601, 833);
    test_text(1600, 900, 1664);
    test_text(127, 79, 127);
    test_wrap();
    test_bounded();
    return tap_done();
}
