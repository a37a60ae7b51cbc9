/* SPDX-License-Identifier: MIT */
/*
 * upcall.c - what the kernel tells this application, and the stretches in which it must not.
 *
 *   U1  while `disabled` is set only memory that is always mapped is touched: a fault then would be
 *       the end (control.h); critical_enter touches the stack that will be needed
 *   U2  an upcall that interrupts resume_full goes on with what was to be resumed
 */
#include "libos.h"
#include "offsets.h"
#include "switching.h"
#include "trace.h"

#define AT(type, field, offset)                                                                    \
    _Static_assert(__builtin_offsetof(struct type, field) == (offset), "offsets.h says so")
AT(exo_context, rax, RAX);
AT(exo_context, r15, R15);
AT(exo_context, rip, RIP);
AT(exo_context, rflags, RFLAGS);
AT(exo_context, rsp, RSP);
AT(exo_control, disabled, DISABLED);
AT(exo_control, pending, PENDING);
AT(exo_control, slices, SLICES);
_Static_assert(CONTROL == EXO_CONTROL_ADDRESS && STACK_TOP == EXO_STACK_TOP, "start.h says so");
_Static_assert(CALL_INFO == EXO_CALL_INFO, "calls.toml says so");

#define PAGE_FAULT 14 /* Intel SDM vol. 3, table 6-1 */

extern char resume_from[], resume_spared[], resume_flags[], resume_to[];
extern uint64_t resume_frame[3], resume_spare[3]; /* rip, flags, rsp; rax, rcx, r11 */
_Noreturn void upcall(uint32_t reasons);

bool (*libos_fault_hook)(struct exo_context *context, const struct exo_fault *fault);
bool (*libos_foreign_hook)(struct exo_context *context);

void critical_enter(void)
{
    critical_begin();
}

void critical_exit(void)
{
    if (thread_must_switch())
        thread_give_way();
    critical_end();
}

/* U2: make *context what resume_full was about to go on with. */
static void unwind_resume(struct exo_context *context)
{
    if (context->rip >= (uint64_t)resume_spared && context->rip < (uint64_t)resume_flags) {
        context->rax = resume_spare[0];
        context->rcx = resume_spare[1];
        context->r11 = resume_spare[2];
    }
    context->rip = resume_frame[0];
    context->rflags = resume_frame[1];
    context->rsp = resume_frame[2];
}

static void fault(struct exo_context *context)
{
    const struct exo_fault *what = (const struct exo_fault *)&control->fault; /* ours by now */

    if ((what->vector != PAGE_FAULT || !vm_fault(what->address, what->error)) &&
        (!libos_fault_hook || !libos_fault_hook(context, what)))
        crash(context, what);
}

/* Twice in each upcall: a compare and a branch. */
__attribute__((always_inline)) static inline void trace(enum exo_trace_kind kind, uint32_t reasons)
{
    if (trace_ring)
        trace_event(kind, 0, thread_current ? thread_current->id : 0, reasons);
}

void upcall(uint32_t reasons)
{
    struct exo_context *context = (struct exo_context *)&control->saved;

    if (context->rip - (uint64_t)resume_from < (uint64_t)(resume_to - resume_from))
        unwind_resume(context);
    trace(EXO_TRACE_UPCALL, reasons);
    if (reasons & EXO_UP_FAULT)
        fault(context);
    reasons &= ~(uint32_t)EXO_UP_FAULT;
    if (reasons & EXO_UP_FOREIGN && (!libos_foreign_hook || !libos_foreign_hook(context)))
        context->rax = (uint64_t)-EXO_E_CALL;
    reasons &= ~(uint32_t)EXO_UP_FOREIGN;
    if (reasons) {
        thread_events(reasons);
        gate_flush();
    }
    if (thread_must_switch())
        thread_preempt();
    trace(EXO_TRACE_RESUME, 0);
    resume_full(context);
}
