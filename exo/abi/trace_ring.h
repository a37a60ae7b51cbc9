/* SPDX-License-Identifier: MIT */
/*
 * trace_ring.h - rings of events: what an application did with its CPU, told by itself, and what the
 * kernel did with each CPU.
 *
 * One writer: a vCPU, or a CPU. Event number n (from 0 on) lies at events[n % size] and is written
 * before `written` becomes n + 1; the oldest is overwritten. A reader copies `written`, then events, then
 * reads `written` again as w: of what it copied, numbers below w + 1 - size may have been overwritten
 * meanwhile.
 *
 * An application's rings are a convention between a parent and the libOS of its child, like start.h. One
 * that the machine file traces finds them from EXO_TRACE_ADDRESS on, writable, one behind the other: that
 * of vCPU number n is the n-th. The pages are its parent's, granted to it: the parent can read them at
 * any time, and after the application has ended. The application finds out by the setting
 * FREEHOLD_TRACE=BYTES, which says how large the `events` of each are. Names of marks are in the first
 * ring, for all. What a reader finds there is the application's word and may be nonsense.
 *
 * The kernel's rings are tables of facts.h: EXO_MACHINE_TRACES (info) is the first frame of CPU 0's, each
 * takes EXO_TRACE_CPU_FRAMES. A CPU's is written while somebody maps its first frame, and as long as
 * nobody does nothing is told.
 */
#ifndef EXO_ABI_TRACE_RING_H
#define EXO_ABI_TRACE_RING_H

#include "types.h"

#define EXO_TRACE_MAGIC    0x3165636172746678ull /* "xftrace1" */
#define EXO_TRACE_ADDRESS  0x000000003fe40000ull
#define EXO_TRACE_MIN      4096u      /* bytes of events; a power of two */
#define EXO_TRACE_MAX      262144u    /* the same, at most */
#define EXO_TRACE_ROOM     0xb8000ull /* bytes for all rings of an application, heads included */
#define EXO_TRACE_CPU      32768u     /* the same, of each ring of the kernel's */
#define EXO_TRACE_NAMES    64u        /* names for an application's own marks */
#define EXO_TRACE_NAME_MAX 24u        /* characters, with the NUL */

/* `thread` is the id of the thread that it is about (its low 16 bits), 0: none. */
enum exo_trace_kind {
    EXO_TRACE_NONE = 0,
    EXO_TRACE_CREATED = 1,  /* argument: its whole id; who made it runs */
    EXO_TRACE_ENQUEUED = 2, /* it can run; detail: enum exo_trace_why, argument: who runs */
    EXO_TRACE_RUNS = 3,     /* it was picked; argument: how many others could run */
    EXO_TRACE_YIELDS = 4,   /* it gave the CPU up and can run */
    EXO_TRACE_BLOCKED = 5,  /* argument: low bits of the address that it waits for, 0: time alone */
    EXO_TRACE_ENDED = 6,
    EXO_TRACE_IDLE = 7,    /* the CPU is given back; detail: enum exo_trace_idle */
    EXO_TRACE_AWAKE = 8,   /* and it is back; argument: EXO_UP_... */
    EXO_TRACE_UPCALL = 9,  /* thread: which it interrupts; argument: EXO_UP_... */
    EXO_TRACE_RESUME = 10, /* and goes on: the upcall is over */
    EXO_TRACE_BEGIN = 11,  /* a stretch of the application's own; detail: its name's number */
    EXO_TRACE_END = 12,    /* the last one of that thread with this name is over */
    EXO_TRACE_MARK = 13,   /* a point in time; argument: what the application likes */

    /* The kernel's: `thread` is the slot of an environment. */
    EXO_TRACE_GIVEN = 32,  /* the CPU is its; argument: its name; detail: enum exo_trace_lost */
    EXO_TRACE_NOBODY = 33, /* nobody can run; detail likewise */
};

/* Why whoever had the CPU before has it no more. */
enum exo_trace_lost {
    EXO_TRACE_AFTER_NOBODY = 0, /* nobody had it, or it is not known who */
    EXO_TRACE_TAKEN = 1,        /* its slice was over */
    EXO_TRACE_GAVE = 2,         /* it gave up the rest of its slice */
    EXO_TRACE_WAITS = 3,        /* it waits for something to happen */
    EXO_TRACE_CALLS = 4,        /* it waits for the answer to a call through a gate */
    EXO_TRACE_OVER = 5,         /* it ended */
};

enum exo_trace_idle {
    EXO_TRACE_NO_THREAD = 0, /* none can run here */
    EXO_TRACE_NO_CPU = 1,    /* the vCPU has no time of its CPU any more */
};

/* As enum enqueue_why of libos/policy.h. */
enum exo_trace_why {
    EXO_TRACE_NEW = 0,
    EXO_TRACE_WOKEN = 1,
    EXO_TRACE_PREEMPTED = 2, /* it ran until now */
};

/* Frames of one of the kernel's rings: the head, and the events. */
#define EXO_TRACE_CPU_FRAMES (1u + EXO_TRACE_CPU / EXO_PAGE_SIZE)

/* Bytes before the events: a page, and as many where proofs have smaller ones. */
#define EXO_TRACE_HEAD 4096u

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
    /* Written by the parent before the application runs, or by the kernel at boot. */
    uint64_t magic;
    uint32_t size;     /* events that there is room for: a power of two */
    uint32_t cpu;      /* number of the vCPU, or CPU */
    uint64_t hz, boot; /* time stamp ticks a second, and the time stamp at boot */

    /* Written by whoever tells the events. */
    uint64_t written; /* events so far */
    uint64_t names;   /* that its marks have; number n, from 1 on, is name[n - 1] */
    uint64_t
        env; /* name of the vCPU's environment; 0: there is no such vCPU yet, or it is a CPU's */
    char name[EXO_TRACE_NAMES][EXO_TRACE_NAME_MAX];
    uint8_t unused[EXO_TRACE_HEAD - 56 - EXO_TRACE_NAMES * EXO_TRACE_NAME_MAX];
    struct exo_trace_event events[];
};

_Static_assert(sizeof(struct exo_trace_event) == 16, "no hidden padding");
_Static_assert(__builtin_offsetof(struct exo_trace, events) == EXO_TRACE_HEAD,
               "the head, then events");

#endif
