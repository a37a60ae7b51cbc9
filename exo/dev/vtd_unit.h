/* SPDX-License-Identifier: MIT */
/*
 * vtd_unit.h - registers of a remapping unit (Intel Virtualization Technology for Directed I/O,
 * architecture specification, revision 4.1; sections are its).
 */
#ifndef EXO_DEV_VTD_UNIT_H
#define EXO_DEV_VTD_UNIT_H

#include "mmio.h"

/* 11.4: offsets of registers. */
enum {
    VERSION = 0x00,
    CAPABILITY = 0x08,
    CAPABILITY_MORE = 0x10,
    COMMAND = 0x18,
    STATUS = 0x1c,
    ROOT = 0x20,
    FAULT_STATUS = 0x34,
    FAULT_CONTROL = 0x38,
    FAULT_DATA = 0x3c,
    FAULT_ADDRESS = 0x40,
    FAULT_ADDRESS_HIGH = 0x44,
    PROTECTED = 0x64,
    QUEUE_HEAD = 0x80,
    QUEUE_TAIL = 0x88,
    QUEUE = 0x90,
};

struct vtd_unit {
    volatile uint8_t *registers;
    uint64_t physical;        /* of the registers */
    uint64_t capability;      /* 11.4.2 */
    uint64_t capability_more; /* 11.4.3 */
    uint64_t segment;
    uint64_t *queue;         /* of commands, one page */
    volatile uint32_t *done; /* the unit writes 1 here when it has done a command */
    uint64_t queue_address, done_address;
    uint32_t tail;
};

#endif
