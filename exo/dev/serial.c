/* SPDX-License-Identifier: MIT */
/*
 * serial.c - the first 16550 serial port (National Semiconductor PC16550D data sheet, 8.0).
 */
#include "io.h"
#include "x86_64.h"

#define COM1 0x3f8u

enum { DATA = 0, ENABLE = 1, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5, SCRATCH = 7 };

#define DIVISOR_ACCESS 0x80u
#define EIGHT_N_1      0x03u
#define STATUS_EMPTY   0x20u
#define SPINS          100000u /* far longer than a byte takes at 115200 baud; then it is lost */

static bool present;

void serial_init(void)
{
    outb(COM1 + SCRATCH, 0x5a);
    present = inb(COM1 + SCRATCH) == 0x5a;
    if (!present)
        return;
    outb(COM1 + ENABLE, 0);
    outb(COM1 + LINE, DIVISOR_ACCESS);
    outb(COM1 + DATA, 1); /* 115200 baud */
    outb(COM1 + ENABLE, 0);
    outb(COM1 + LINE, EIGHT_N_1);
    outb(COM1 + FIFO, 0xc7); /* on, cleared */
    outb(COM1 + MODEM, 0x03);
}

static void put(char c)
{
    for (uint32_t i = 0; i < SPINS && !(inb(COM1 + STATUS) & STATUS_EMPTY); i++)
        pause();
    outb(COM1 + DATA, (uint8_t)c);
}

void serial_write(const char *text, size_t length)
{
    for (size_t i = 0; present && i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}
