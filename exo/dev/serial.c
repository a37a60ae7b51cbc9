/* SPDX-License-Identifier: MIT */
/*
 * serial.c - the first 16550 serial port (National Semiconductor PC16550D data sheet, 8.0).
 *
 *   L1  a character takes 87 us on the wire and the kernel does not wait for it: it goes to a ring,
 *       from which the port takes 16 at a time when it is empty, and interrupts for more
 *   L2  what does not fit the ring is lost, whole lines of it, counted, and told in the log: an
 *       application that writes more than the wire carries must not hold up the others
 *   L3  before the first application runs, and in a panic, nothing is left in the ring:
 *       serial_flush waits, for a bounded time a character
 */
#include "io.h"
#include "irq.h"
#include "x86_64.h"

#define COM1      0x3f8u
#define LINE_COM1 4u

enum { DATA = 0, ENABLE = 1, FIFO = 2, IDENTIFY = 2, LINE = 3, MODEM = 4, STATUS = 5, SCRATCH = 7 };

#define DIVISOR_ACCESS 0x80u
#define EIGHT_N_1      0x03u
#define ENABLE_EMPTY   0x02u
#define MODEM_READY    0x0bu /* DTR, RTS, and OUT2, which lets the interrupt through on a PC */
#define STATUS_EMPTY   0x20u
#define FIFO_SIZE      16u
#define SPINS          100000u /* far longer than a byte takes at 115200 baud */
#define RING           16384u  /* a power of two; 1.4 s of the wire */

static bool present, interrupts, asked; /* there is one; it may interrupt; it shall */
static char ring[RING];
static uint32_t head, tail; /* run freely; head - tail characters wait */
static uint32_t lost;       /* lines */

static bool empty(void)
{
    return inb(COM1 + STATUS) & STATUS_EMPTY;
}

/* Give the port what it takes at once. */
static void feed(void)
{
    while (tail != head && empty())
        for (uint32_t i = 0; i < FIFO_SIZE && tail != head; i++)
            outb(COM1 + DATA, (uint8_t)ring[tail++ % RING]);
    if (interrupts && asked != (tail != head)) {
        asked = tail != head;
        outb(COM1 + ENABLE, asked ? ENABLE_EMPTY : 0);
    }
}

static void interrupt(void *device)
{
    (void)device;
    (void)inb(COM1 + IDENTIFY); /* reading it acknowledges */
    feed();
}

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
    outb(COM1 + MODEM, MODEM_READY);
}

void serial_start_interrupts(void)
{
    interrupts = present && irq_line(LINE_COM1, interrupt, NULL);
}

void serial_flush(void)
{
    while (present && tail != head) {
        uint32_t spins = 0;
        while (!empty() && ++spins < SPINS)
            pause();
        if (spins == SPINS) {
            present = false; /* nobody takes anything there: never wait for it again */
            return;
        }
        feed();
    }
}

static bool append(const char *text, size_t length)
{
    uint32_t returns = 0;

    for (size_t i = 0; i < length; i++)
        returns += text[i] == '\n';
    if (length + returns > RING - (head - tail))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            ring[head++ % RING] = '\r';
        ring[head++ % RING] = text[i];
    }
    return true;
}

void serial_write(const char *text, size_t length)
{
    char note[64];

    if (!present)
        return;
    feed();
    if (lost && head == tail) {
        uint64_t used = log_print(note, sizeof(note), "[exo] %u lines were lost here.\n", lost);
        lost = 0;
        append(note, used);
    }
    if (!append(text, length))
        lost++;
    feed();
}
