/* SPDX-License-Identifier: MIT */
/* libos.h - what the files of this folder need of each other, and libnet and applications of them.
 */
#ifndef LIBOS_H
#define LIBOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"
#include "exo_stubs.h"
#include "info.h"
#include "policy.h"
#include "start.h"
#include "vcpu.h"

/* The control page of the environment, where every parent puts it, which is that of its first vCPU; each
 * has one of its own for upcalls (vcpu.h). */
#define control ((volatile struct exo_control *)EXO_CONTROL_ADDRESS)

extern const struct exo_start *libos_start_info;

/* --- start.c */
const char *libos_name(void);                /* the application's name */
const char *libos_setting(const char *name); /* environment string, NULL if it is not there */

/* --- image.c */
void image_relocate(const struct exo_start *start); /* before anything else of C */
void image_protect(void);                           /* critical, after vm_init */
/* Do these bytes lie in what the program may only read? Then they stay what they are. */
bool image_constant(const void *at, size_t bytes);
const char *image_fault(void); /* why it must not run, as the rest of a sentence; NULL: it may */

/* --- upcall.c: upcalls off. What happens inside must be in memory: no fault may come. */
void critical_enter(void);
void critical_exit(void);
/* Without the lock of vcpu.h: for what is this vCPU's alone. No thread's state changes in between. */
#define CRITICAL_STACK 3072 /* the most that code in between needs */
#define UPCALLS        static inline __attribute__((always_inline))
UPCALLS void upcalls_off(void)
{
    (void)*((volatile char *)__builtin_frame_address(0) - CRITICAL_STACK);
    VCPU->page.disabled = 1;
    __asm__ volatile("" : : : "memory");
}
UPCALLS void upcalls_on(void)
{
    __asm__ volatile("" : : : "memory");
    VCPU->page.disabled = 0;
    if (VCPU->page.pending)
        exo_poll(); /* what was withheld comes */
}

/* The same in line, where it matters. critical_end is for where no thread can have become READY. */
static inline void critical_begin(void)
{
    upcalls_off();
    vcpu_lock();
}
static inline void critical_end(void)
{
    vcpu_unlock();
    upcalls_on();
}

/* Words that go up with EXO_UP_QUEUE, _CHILD or _CHANNEL, and _NOTIFY; threads wait for them to
 * change (futex.c). */
extern uint32_t libos_queue_events, libos_child_events, libos_notify_events;

/* --- console.c */
void console_init(void);                             /* critical, before the first line */
void console_write(const char *text, size_t length); /* any thread; whole lines go out at once */
void console_flush(void);
void console_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- vm.c, table.c, resident.c: this application's address space */
enum { VM_NONE = 4 };         /* as a permission: reserved, every access faults */
enum { VM_DISCARDABLE = 16 }; /* with EXO_WRITE: its pages may go at any time (discard.h) */
enum { VM_SHARED = 8 };       /* likewise: others' pages are mapped here, and no page on demand */
void vm_init(void);
void vm_wipe_start(uint64_t offset, uint64_t length); /* zero that part of the start page */
bool vm_fault(uint64_t address, uint64_t error);      /* true: mended */
/* Reserve pages; `hint` is where if `fixed`, else nothing. -EACCES: writable and executable. */
long vm_map(uint64_t hint, uint64_t size, uint32_t perm, bool fixed);
long vm_unmap(uint64_t address, uint64_t size);
long vm_protect(uint64_t address, uint64_t size, uint32_t perm);
long vm_discard(uint64_t address, uint64_t size);
/* In a VM_SHARED range; false: refused, or memory for tables is out. */
bool vm_map_frame(uint64_t address, frame_t frame, uint32_t perm);
bool vm_map_grant(uint64_t address, grant_t grant, uint32_t perm);
bool vm_mapped(uint64_t address);
frame_t vm_frame(uint64_t address); /* EXO_FRAME_NONE if not mapped */
/* `pages` new frames of `type`, mapped at once and for ever, writable, with a page that is never
 * mapped on either side. NULL: quota or memory is out. */
void *vm_alloc(uint32_t pages, uint32_t type);
/* Show a frame of ours at one fixed address, writable, in place of the one shown before. NULL: it
 * cannot be mapped. EXO_FRAME_NONE: show none. */
void *vm_window(frame_t frame);
/* discard.c: mark a stretch of one writable mapping; find up to `most` pages of such that are there. */
struct exo_preferred;
long vm_set_discardable(uint64_t address, uint64_t size);
uint32_t vm_discardable_pages(struct exo_preferred *list, uint64_t *addresses, uint32_t most);
extern uint64_t vm_faults; /* pages given on demand */
enum vm_why {
    VM_UNKNOWN,
    VM_GUARD,
    VM_RESIDENT_GUARD,
    VM_BESIDE, /* the page before or after something mapped on demand */
    VM_PERMISSION,
    VM_OUT_OF_MEMORY,
    VM_TAKEN_BACK
};
enum vm_why vm_why(uint64_t address, uint64_t error);

/* --- cpu_clock.c: time stamps that stand still while this application does not have the CPU */
uint64_t cpu_clock(void); /* critical; that of this vCPU */

/* --- scheduling.c */
extern uint64_t sched_quantum; /* sched_quantum_ns in ticks */
void thread_init(void);
struct thread *thread_find(int id);               /* NULL: there is none */
bool thread_look_due(uint64_t own);               /* is it time for thread_look? */
void thread_look(uint64_t own);                   /* on the resident stack, no thread runs */
void thread_policy_faulty(struct thread *picked); /* the same; replaces the policy */

/* --- thread.c */
extern struct thread *thread_all; /* linked by all_next */
extern const struct sched *thread_policy;
struct thread *thread_create(void (*entry)(void *), void *argument, uint64_t stack_low,
                             uint64_t stack_high, uint64_t fs_base);
_Noreturn void thread_schedule(void); /* on the resident stack, upcalls off */
bool thread_block(const void *address, uint32_t bits, uint64_t wake_at); /* critical; true: woken */
unsigned thread_wake(const void *address, uint32_t bits, unsigned count); /* critical */
void thread_wake_one(struct thread *thread); /* critical; it is BLOCKED */
/* Critical: of those that are BLOCKED for `address`, the one that came after `after`, NULL: the first. */
struct thread *thread_waiting(const void *address, const struct thread *after);
void thread_give_way(void); /* critical: the policy says anew who runs */
void thread_charge(void);   /* critical: ran_ns of the RUNNING one is up to date */
uint64_t thread_ran_ns(void);
_Noreturn void thread_exit(void);
void thread_events(uint32_t reasons); /* critical */
void thread_preempt(void); /* upcall: current's registers are in `saved` of the control page */
unsigned thread_count(void);

/* --- gate.c */
void gate_incoming(void); /* critical: `call` in the control page is to be answered */
void gate_flush(void);    /* critical: send the answer that gate_incoming left, if any */
uint32_t gate_wait(uint64_t deadline); /* critical: the same, and the call `wait`, at once */

/* --- entry.S */
void upcall_entry(void);
void switch_out(struct thread_saved *saved); /* returns when switched in again */
_Noreturn void switch_in(const struct thread_saved *saved);
_Noreturn void resume_full(const struct exo_context *context);
_Noreturn void run_on(uint64_t stack, void (*function)(void *), void *argument);

/* --- time.c */
uint64_t time_tsc(void);
uint64_t time_ns(void);
uint64_t time_ticks(uint64_t ns);            /* at most half of all that there are */
uint64_t time_deadline(uint64_t timeout_ns); /* time stamp that far from now, never 0 */
uint64_t time_ns_of(uint64_t ticks);

/* --- canary.c */
void canary_init(void);      /* critical, after random_init */
void canary_no_thread(void); /* while no thread's record is to be trusted or there is none */
uint64_t canary_fs(void);    /* fs for a thread that musl has given none yet */

/* --- crash.c */
enum crash_reason { CRASH_FAULT, CRASH_ABORT, CRASH_STACK, CRASH_HEAP };
_Noreturn void crash(const struct exo_context *context, const struct exo_fault *fault);
/* No fault: the caller of the caller is what is wrong. On any stack, upcalls on or off. */
_Noreturn void crash_here(enum crash_reason reason, uint64_t return_address, uint64_t frame);

/* --- futex_pi.c: 0, -EDEADLK, -ESRCH (the word names no thread), -ETIMEDOUT; -EAGAIN; -EPERM */
long futex_lock_pi(uint32_t *word, uint64_t wake_at);
long futex_trylock_pi(uint32_t *word);
long futex_unlock_pi(uint32_t *word);

/* --- futex.c, random.c, fd.c */
long futex_call(uint32_t *word, int op, uint32_t value, uint64_t timeout_ns, bool timed,
                uint32_t value3);
void random_init(void); /* critical, before any other */
void random_bytes(void *to, size_t length);
void random_bytes_critical(void *to, size_t length);
_Noreturn void libos_exit(uint32_t status);
long fd_call(long n, long a, long b, long c, long d, long e, long f, bool *known);

/* If set, called with EXO_UP_REVOKE and _REPOSSESSED; critical. */
extern void (*libos_revoke_hook)(uint32_t reasons);

/* If set, called for a fault that nothing mends, before the crash. True: go on with *context. */
extern bool (*libos_fault_hook)(struct exo_context *context, const struct exo_fault *fault);
/*
 * If set, called for a call number outside the kernel's table (context->rax). True: go on with
 * *context, of which it may change anything; else rax becomes -EXO_E_CALL. Like the one above it
 * runs with upcalls off: only memory that is mapped (vm_mapped) may be touched.
 */
extern bool (*libos_foreign_hook)(struct exo_context *context);

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#endif
