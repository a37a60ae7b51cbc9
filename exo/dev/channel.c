/* SPDX-License-Identifier: MIT */
/*
 * channel.c - the second 16550 serial port, the core's channel (National Semiconductor PC16550D data
 * sheet, 8.0).
 *
 *   A1  no register of it is written before somebody with the right asks (core/channel.c): until
 *       then it may be anybody's, or no such port
 *   A2  what comes waits in a ring. When that is full the port is left alone until all of it is read:
 *       an emulator keeps what is behind, on a wire what the port's own FIFO cannot hold is lost
 *   A3  nothing waits for the wire: a write takes what the port's own FIFO holds, or nothing
 */
#include "env.h"
#include "io.h"
#include "irq.h"
#include "machine.h"

#define COM2      0x2f8u
#define LINE_COM2 3u

enum { DATA = 0, ENABLE = 1, FIFO = 2, IDENTIFY = 2, LINE = 3, MODEM = 4, STATUS = 5, SCRATCH = 7 };

#define DIVISOR_ACCESS  0x80u
#define EIGHT_N_1       0x03u
#define ENABLE_RECEIVED 0x01u
#define FIFO_ON         0x87u /* on, cleared; an interrupt at 8 bytes, or when no more come */
#define IDENTIFY_FIFO   0xc0u /* a 16550A, whose FIFO works */
#define MODEM_READY     0x0bu /* DTR, RTS, and OUT2, which lets the interrupt through on a PC */
#define STATUS_RECEIVED 0x01u
#define STATUS_EMPTY    0x20u
#define FIFO_SIZE       16u
#define RING            512u /* a power of two */
#define INTERRUPT_MAX   64u  /* bytes of one interrupt: four times what a FIFO holds */

static enum { UNTOUCHED, ABSENT, OPEN } state;
static bool fifo;
static uint8_t ring[RING];
static uint32_t head, tail; /* run freely; head - tail bytes wait */
static bool held;           /* no interrupts: the ring was full */

static void interrupt(void *device)
{
    uint32_t before = head;

    (void)device;
    (void)inb(COM2 + IDENTIFY);
    for (uint32_t i = 0; i < INTERRUPT_MAX && head - tail < RING; i++) {
        if (!(inb(COM2 + STATUS) & STATUS_RECEIVED))
            break;
        ring[head++ % RING] = inb(COM2 + DATA);
    }
    /* The line is edge-triggered: what is left, or came meanwhile, must make an edge of its own. */
    outb(COM2 + ENABLE, 0);
    held = head - tail == RING;
    if (!held)
        outb(COM2 + ENABLE, ENABLE_RECEIVED);
    if (head != before)
        channel_arrived();
}

static bool is_open(void)
{
    if (state != UNTOUCHED)
        return state == OPEN;
    outb(COM2 + SCRATCH, 0x5a);
    state = inb(COM2 + SCRATCH) == 0x5a && irq_line(LINE_COM2, interrupt, NULL) ? OPEN : ABSENT;
    if (state == ABSENT)
        return false;
    outb(COM2 + ENABLE, 0);
    outb(COM2 + LINE, DIVISOR_ACCESS);
    outb(COM2 + DATA, 1); /* 115200 baud */
    outb(COM2 + ENABLE, 0);
    outb(COM2 + LINE, EIGHT_N_1);
    outb(COM2 + FIFO, FIFO_ON);
    outb(COM2 + MODEM, MODEM_READY);
    fifo = (inb(COM2 + IDENTIFY) & IDENTIFY_FIFO) == IDENTIFY_FIFO;
    outb(COM2 + ENABLE, ENABLE_RECEIVED);
    return true;
}

int32_t machine_channel_read(uint8_t *to, uint32_t room)
{
    uint32_t count = 0;

    if (!is_open())
        return -1;
    while (count < room && tail != head)
        to[count++] = ring[tail++ % RING];
    if (held && tail == head) {
        held = false;
        outb(COM2 + ENABLE, ENABLE_RECEIVED); /* an edge, if anything is behind */
    }
    return (int32_t)count;
}

int32_t machine_channel_write(const uint8_t *from, uint32_t length)
{
    uint32_t count = 0, room = fifo ? FIFO_SIZE : 1;

    if (!is_open())
        return -1;
    if (inb(COM2 + STATUS) & STATUS_EMPTY)
        for (; count < length && count < room; count++)
            outb(COM2 + DATA, from[count]);
    return (int32_t)count;
}
