/* SPDX-License-Identifier: MIT */
/*
 * trace_ring.h - rings of events: what an application did with its CPU, told by itself.
 *
 * A convention between a parent and the libOS of its child, like start.h. An application that the
 * machine file traces finds a ring at EXO_TRACE_ADDRESS, writable. The pages are its parent's, granted
 * to it: the parent can read them at any time, and after the application has ended. The application
 * finds out by the setting FREEHOLD_TRACE=BYTES, which says how large `events` is.
 *
 * One writer: the vCPU. Event number n (from 0 on) lies at events[n % size] and is written before
 * `written` becomes n + 1; the oldest is overwritten. A reader copies `written`, then events, then reads
 * `written` again as w: of what it copied, numbers below w + 1 - size may have been overwritten meanwhile.
 * What a reader finds is the application's word and may be nonsense: it is checked like any input.
 */
#ifndef EXO_ABI_TRACE_RING_H
#define EXO_ABI_TRACE_RING_H

#include "types.h"

#define EXO_TRACE_MAGIC    0x3165636172746678ull /* "xftrace1" */
#define EXO_TRACE_ADDRESS  0x000000003fe40000ull
#define EXO_TRACE_MIN      4096u   /* bytes of events; a power of two */
#define EXO_TRACE_MAX      262144u /* the same, at most */
#define EXO_TRACE_NAMES    64u     /* names for an application's own marks */
#define EXO_TRACE_NAME_MAX 24u     /* characters, with the NUL */

/* `thread` is the id of the thread that it is about (its low 16 bits), 0: none. */
enum exo_trace_kind {
    EXO_TRACE_NONE = 0,
    EXO_TRACE_CREATED = 1,  /* argument: its whole id; who made it runs */
    EXO_TRACE_ENQUEUED = 2, /* it can run; detail: enum exo_trace_why, argument: who runs */
    EXO_TRACE_RUNS = 3,     /* it was picked; argument: how many others could run */
    EXO_TRACE_YIELDS = 4,   /* it gave the CPU up and can run */
    EXO_TRACE_BLOCKED = 5,  /* argument: low bits of the address that it waits for, 0: time alone */
    EXO_TRACE_ENDED = 6,
    EXO_TRACE_IDLE = 7,    /* no thread can run: the CPU is given back */
    EXO_TRACE_AWAKE = 8,   /* and it is back; argument: EXO_UP_... */
    EXO_TRACE_UPCALL = 9,  /* thread: which it interrupts; argument: EXO_UP_... */
    EXO_TRACE_RESUME = 10, /* and goes on: the upcall is over */
    EXO_TRACE_BEGIN = 11,  /* a stretch of the application's own; detail: its name's number */
    EXO_TRACE_END = 12,    /* the last one of that thread with this name is over */
    EXO_TRACE_MARK = 13,   /* a point in time; argument: what the application likes */
};

/* As enum enqueue_why of libos/policy.h. */
enum exo_trace_why {
    EXO_TRACE_NEW = 0,
    EXO_TRACE_WOKEN = 1,
    EXO_TRACE_PREEMPTED = 2, /* it ran until now */
};

struct exo_trace_event {
    uint64_t time; /* time stamp counter */
    union {
        struct {
            uint32_t argument;
            uint16_t thread;
            uint8_t kind; /* enum exo_trace_kind */
            uint8_t detail;
        };
        uint64_t what; /* all of these in one word */
    };
};

struct exo_trace {
    /* Written by the parent before the application runs. */
    uint64_t magic;
    uint32_t size;     /* events that there is room for: a power of two */
    uint32_t cpu;      /* the vCPU's number */
    uint64_t hz, boot; /* time stamp ticks a second, and the time stamp at boot */

    /* Written by the application. */
    uint64_t written; /* events so far */
    uint64_t names;   /* that its marks have; number n, from 1 on, is name[n - 1] */
    char name[EXO_TRACE_NAMES][EXO_TRACE_NAME_MAX];
    uint8_t unused[EXO_PAGE_SIZE - 48 - EXO_TRACE_NAMES * EXO_TRACE_NAME_MAX];
    struct exo_trace_event events[];
};

_Static_assert(sizeof(struct exo_trace_event) == 16, "no hidden padding");
_Static_assert(__builtin_offsetof(struct exo_trace, events) == EXO_PAGE_SIZE,
               "a page, then events");

#endif
