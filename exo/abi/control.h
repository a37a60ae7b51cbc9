/* SPDX-License-Identifier: MIT */
/*
 * control.h - the page that a vCPU and the kernel talk through.
 *
 * The page (frame type CONTROL) belongs to the application and stays pinned
 * while the environment lives. The kernel reaches it by its frame number,
 * never through the application's page tables, and believes nothing in it:
 * what it reads there decides only what this application sees of itself.
 *
 * Upcalls. When there is a reason for one (EXO_UP_*) and `disabled` is 0, the
 * kernel
 *   1. stores the interrupted registers in `saved`,
 *   2. sets `disabled` to 1,
 *   3. enters at `upcall_entry` with rsp = `upcall_stack`, rdi = the mask of
 *      reasons, every other general register 0, direction flag clear, and
 *      fs/gs base and FPU registers as the interrupted code left them.
 * There is never a second upcall while `disabled` is not 0: reasons collect
 * (sticky bits, one each) and are delivered when the vCPU is next about to
 * run with `disabled` 0, or are returned by the `wait` call. If the vCPU loses
 * the CPU while `disabled` is set, the kernel keeps its registers privately
 * and continues it where it was.
 *
 * Resuming is done in user mode. The kernel keeps `pending` equal to the mask
 * of reasons not yet delivered, so that code about to clear `disabled` can see
 * whether an upcall was withheld:
 *
 *     disabled = 0;  if (pending) poll();   // the upcall comes out of poll
 *
 * A call number that is not in the table (calls.toml) is delivered as
 * EXO_UP_FOREIGN: `saved` holds the registers as they were at the SYSCALL (rcx
 * and r11 as it left them), rax the number, rip the instruction after it. The
 * handler may put a result into rax and resume, and so serve programs that
 * were built for another kernel. While `disabled` is set the call comes back
 * with the error CALL instead.
 *
 * A call through a gate of this environment's (gate_create) is delivered as
 * EXO_UP_CALL with `call` filled in. There is one at a time: until gate_reply
 * has answered it, others wait in the order they came.
 *
 * A fault (page fault, invalid opcode, ...) is delivered as EXO_UP_FAULT with
 * `fault` filled in. A fault while `disabled` is set, or with no usable
 * control page, ends the environment (reason EXO_END_FAULT): its own upcall
 * handler is broken and nobody else can repair it.
 */
#ifndef EXO_ABI_CONTROL_H
#define EXO_ABI_CONTROL_H

#include "types.h"

/* Reasons for an upcall, bits of the mask in rdi. */
#define EXO_UP_FAULT       (1u << 0) /* `fault` tells which */
#define EXO_UP_SLICE_BEGIN (1u << 1) /* the CPU was away and is back */
#define EXO_UP_SLICE_END   (1u << 2) /* the CPU goes in EXO_GRACE_NS: give it up (wants_end) */
#define EXO_UP_TIMER       (1u << 3) /* the deadline given to `timer` has passed */
#define EXO_UP_QUEUE       (1u << 4) /* a queue of this environment has news */
#define EXO_UP_CHILD       (1u << 5) /* a child became a ZOMBIE */
#define EXO_UP_DEADLINE    (1u << 6) /* `wait` alone: its deadline has passed */
#define EXO_UP_FOREIGN     (1u << 7) /* a call number outside the table, in saved.rax */
#define EXO_UP_NOTIFY      (1u << 8) /* `notified` has bits from another environment */
#define EXO_UP_CALL        (1u << 9) /* `call` is a call through a gate, to be answered */

#define EXO_UP_REVOKE      (1u << 10) /* `revocation`: the parent wants pages back */
#define EXO_UP_REPOSSESSED (1u << 11) /* pages of the list (prefer.h) were taken */
#define EXO_UP_CHANNEL     (1u << 12) /* bytes have come over the channel */
#define EXO_UP_READY                                                                               \
    (1u << 13) /* `ready`: a child can run that could not, or cannot any more (watch) */

#define EXO_UP_CPUS     (1u << 14) /* `cpus`: one was gained or lost (wants_cpus) */

#define EXO_READY_WORDS ((EXO_ENVS + 63) / 64)

/* The registers of interrupted user code. Order is part of the contract: arguments of a call first. */
struct exo_context {
    uint64_t rdi, rsi, rdx, r10, r8, r9;
    uint64_t rax, rbx, rcx, rbp, r11, r12, r13, r14, r15;
    uint64_t rip, rflags, rsp;
    uint64_t fs_base, gs_base;
};

struct exo_fault {
    uint64_t vector;  /* exception number (Intel SDM vol. 3, table 6-1) */
    uint64_t error;   /* its error code, 0 if it has none */
    uint64_t address; /* CR2 for a page fault, else 0 */
};

/* A call through a gate of this environment's. */
struct exo_incoming {
    uint64_t tag;    /* the gate's, as given to gate_create */
    uint64_t caller; /* the name of the environment that called (env_t) */
    struct exo_words words;
};

/*
 * What the parent wants back of the quota of pages (revoke_start). Until `deadline` the application
 * may choose: it frees pages and need not say so, the kernel sees that they are unused. After it,
 * pages are taken along its list (revoke_prefer), and if that does not suffice, it is ended.
 */
struct exo_revocation {
    uint64_t pages;    /* still missing; 0: nothing is wanted (any more) */
    uint64_t deadline; /* time stamp */
    uint64_t taken;    /* pages of the list that were taken by force for this demand */
    uint64_t skipped;  /* entries of it that named what could not be taken */
};

struct exo_control {
    /* Written by the application, read once by the kernel at each upcall. */
    uint64_t upcall_entry; /* user address; not canonical or not user: env ends */
    uint64_t upcall_stack; /* rsp at entry; the ABI wants (rsp + 8) % 16 == 0 */
    uint64_t disabled;     /* not 0: no upcalls now; the kernel sets it to 1 */
    uint64_t pending;      /* written by the kernel alone, at any time */

    /* Written by the application, read at each slice's end that leaves somebody waiting. Not 0: tell by
     * EXO_UP_SLICE_END, EXO_GRACE_NS before the CPU goes; who has not given it up by `yield` or `wait`
     * until then loses it all the same, and its next slice as well. */
    uint64_t wants_end;
    /* Written by the application, read whenever a child falls asleep or wakes. Not 0: tell by
     * EXO_UP_READY. */
    uint64_t watch;

    /* Written by the kernel before an upcall, private to the application after. */
    struct exo_context saved;
    struct exo_fault fault;

    /* Written by the kernel when the vCPU gains the CPU. */
    uint64_t slices;   /* slices begun by this environment so far */
    uint64_t preempts; /* of these, how many ended by the slice timer */

    /* Bits of `notify` are added by the kernel before EXO_UP_NOTIFY; exchange it with 0 to take them. */
    uint64_t notified;

    /* Written by the kernel before EXO_UP_CALL, private to the application after. */
    struct exo_incoming call;

    /* Written by the application, read once by gate_call: the time stamp at which it gives that call
     * up, 0: never. */
    uint64_t call_deadline;

    /* Written by the kernel before EXO_UP_READY: bit n % 64 of word n / 64 tells of the child in slot n
     * (EXO_ENV_SLOT) that it can run. */
    uint64_t ready[EXO_READY_WORDS];

    /* Written by the kernel before EXO_UP_REVOKE and EXO_UP_REPOSSESSED and with each revoke_take. */
    struct exo_revocation revocation;

    /* Written by the application, read when that changes. Not 0: tell by EXO_UP_CPUS, this environment and
     * all its vCPUs (EXO_ENV_SET_VCPU). */
    uint64_t wants_cpus;
    /* Written by the kernel, at any time: bit n says that positions of CPU n belong to the application. Its
     * vCPUs look here, in its own page. */
    uint64_t cpus;
};

_Static_assert(sizeof(struct exo_control) <= EXO_PAGE_SIZE, "the control page is one page");

#endif
