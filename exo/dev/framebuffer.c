/* SPDX-License-Identifier: MIT */
/*
 * framebuffer.c - the log on the screen, if the firmware left one that takes pixels.
 *
 *   B1  video memory is written and never read, which would be slow: `wanted` says what the screen
 *       should show, `shown` what it does
 *   B2  writing a character is a store to `wanted`, a line's end clears one line of it; the pixels
 *       follow in framebuffer_draw, a bounded number a call, when there is time
 *   B3  no pixel outside of width x height is touched
 *
 * The colour is a grey: the same whichever end of a pixel is red.
 */
#include "font.h"
#include "mmio.h"
#include "x86_64.h"

#define CELL_WIDTH   8u
#define CELL_HEIGHT  16u
#define FONT_TOP     2u    /* empty rows above a glyph */
#define LARGE_SCREEN 1600u /* pixels a line from which on each of ours is 2 x 2 of its */
#define TAB          8u
#define GREY         0x00c8c8c8u
#define BLACK        0u
#define WORK         2048u /* of one framebuffer_draw: a cell that needs nothing is 1, */
#define WORK_CELL    32u   /* one that is painted this much */

static volatile uint32_t *pixels; /* NULL: no screen */
static uint32_t stride;           /* pixels a line */
static uint32_t scale;
static uint32_t columns, rows;
static char *wanted, *shown; /* rows x columns; the lines of `wanted` are a ring from `top` on */
static uint32_t top, row, column;
static bool line_ended;         /* the next character begins a new line */
static uint32_t unseen, cursor; /* cells of the screen to look at, and which is next */
bool framebuffer_behind;

static char *line(uint32_t n)
{
    return wanted + (top + n) % rows * columns;
}

static void next_line(void)
{
    column = 0;
    if (row + 1 < rows) {
        row++;
        return;
    }
    __builtin_memset(line(0), ' ', columns); /* the oldest line becomes the newest */
    top = (top + 1) % rows;
}

static void put(char c)
{
    if (c == '\n') {
        if (line_ended)
            next_line();
        line_ended = true;
        return;
    }
    if (line_ended || column >= columns)
        next_line();
    line_ended = false;
    if (c == '\t')
        column = (column / TAB + 1) * TAB;
    else
        line(row)[column++] = c >= ' ' && c <= '~' ? c : '?';
}

void framebuffer_write(const char *text, size_t length)
{
    if (!pixels)
        return;
    for (size_t i = 0; i < length; i++)
        put(text[i]);
    unseen = rows * columns;
    framebuffer_behind = true;
}

static void paint(uint32_t x, uint32_t y, char c)
{
    const unsigned char *glyph = font[c - ' '];

    for (uint32_t i = 0; i < CELL_HEIGHT * scale; i++) {
        volatile uint32_t *to =
            pixels + (uint64_t)(y * CELL_HEIGHT * scale + i) * stride + x * CELL_WIDTH * scale;
        uint32_t at = i / scale - FONT_TOP; /* wraps above the glyph, and so is too large */
        uint32_t bits = at < FONT_ROWS ? glyph[at] : 0;
        for (uint32_t bit = CELL_WIDTH; bit-- > 0;)
            for (uint32_t n = 0; n < scale; n++)
                *to++ = bits >> bit & 1 ? GREY : BLACK;
    }
}

void framebuffer_draw(void)
{
    for (uint32_t work = 0; unseen && work < WORK; unseen--) {
        uint32_t x = cursor % columns, y = cursor / columns;
        char c = line(y)[x];
        work++;
        if (shown[cursor] != c) {
            work += WORK_CELL;
            shown[cursor] = c;
            paint(x, y, c);
        }
        cursor = (cursor + 1) % (rows * columns);
    }
    framebuffer_behind = unseen;
}

void framebuffer_init(const struct boot_framebuffer *f)
{
    uint64_t bytes = (uint64_t)f->stride * f->height * sizeof(*pixels), physical;

    pixels = NULL;
    top = row = column = cursor = unseen = 0;
    line_ended = framebuffer_behind = false;
    scale = f->width >= LARGE_SCREEN ? 2 : 1;
    columns = f->width / (CELL_WIDTH * scale);
    rows = f->height / (CELL_HEIGHT * scale);
    if (!f->address || f->stride < f->width || !columns || !rows)
        return;
    stride = f->stride;
    uint64_t cells = (uint64_t)rows * columns;
    wanted = boot_alloc((2 * cells + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, &physical);
    shown = wanted + cells;
    __builtin_memset(wanted, ' ', cells);
    volatile uint32_t *mapped = mmio_map_framebuffer(f->address, bytes);
    if (!mapped)
        return;
    pixels = mapped;
    for (uint32_t y = 0; y < f->height; y++)
        for (uint32_t x = 0; x < f->width; x++)
            pixels[(uint64_t)y * stride + x] = BLACK;
    __builtin_memset(shown, ' ', cells);
}
