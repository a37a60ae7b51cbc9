/* SPDX-License-Identifier: MIT */
/*
 * units.h - a machine with remapping units on the host, for exo/dev/dma.c, vtd.c and vtd_faults.c.
 *
 * A unit obeys some reads of its status later, looks into memory past the caches unless it is
 * coherent, and remembers every translation, and the missing ones if it is told to, until a command
 * makes it forget.
 */
#ifndef TESTS_DEV_UNITS_H
#define TESTS_DEV_UNITS_H

#include <setjmp.h>

#include "../tap.h"
#include "dma.h"
#include "machine.h"
#include "packet_queue.h"
#include "vtd.h"
#include "x86_64.h"

#define UNITS 2u

struct kind {
    bool coherent, keeps_empty, write_buffer, left_on;
    uint32_t widths; /* as in the capability register */
};

struct unit {
    struct kind kind;
    uint64_t segment;
    bool dead; /* does nothing that it is told */
    bool no_queue, unmapped, gone;
    uint32_t flushes, forgotten, restarts; /* write buffer; commands; how often translation began */
    const char *wrong;                     /* what no driver may do */
};
extern struct unit units_model[UNITS];

/* A machine that was just turned on, with `count` units of one kind, which cover all devices. */
void machine_make(uint32_t count, struct kind kind);

/* What a device gets that asks a unit for an address: a physical one, or 0 and the reason. */
uint64_t ask(uint32_t unit, uint16_t id, uint64_t address, bool write, uint32_t *reason);
/* The same, and if there is a reason it is recorded as a fault, and the unit interrupts if it may. */
void provoke(uint32_t unit, uint16_t id, uint64_t address, bool write);
bool recorded(uint32_t unit);

extern char log_text[8192];
extern jmp_buf panicked;
extern uint16_t display; /* the device that is one */

#endif
