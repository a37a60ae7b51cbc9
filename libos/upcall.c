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

#define CRITICAL_STACK 3072 /* the most that code between critical_enter and _exit needs */

extern char resume_from[], resume_spared[], resume_flags[], resume_to[];
extern uint64_t resume_frame[3], resume_spare[3]; /* rip, flags, rsp; rax, rcx, r11 */
_Noreturn void upcall(uint32_t reasons);

bool (*libos_fault_hook)(struct exo_context *context, const struct exo_fault *fault);
bool (*libos_foreign_hook)(struct exo_context *context);

void critical_enter(void)
{
    (void)*((volatile char *)__builtin_frame_address(0) - CRITICAL_STACK);
    control->disabled = 1;
    __asm__ volatile("" : : : "memory");
}

void critical_exit(void)
{
    if (thread_must_switch())
        thread_give_way();
    __asm__ volatile("" : : : "memory");
    control->disabled = 0;
    if (control->pending)
        exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_ABI); /* any call delivers what was withheld */
}

/* U2: make *context what resume_full was about to go on with. */
static void unwind_resume(struct exo_context *context)
{
    if (context->rip < (uint64_t)resume_from || context->rip >= (uint64_t)resume_to)
        return;
    if (context->rip >= (uint64_t)resume_spared && context->rip < (uint64_t)resume_flags) {
        context->rax = resume_spare[0];
        context->rcx = resume_spare[1];
        context->r11 = resume_spare[2];
    }
    context->rip = resume_frame[0];
    context->rflags = resume_frame[1];
    context->rsp = resume_frame[2];
}

void upcall(uint32_t reasons)
{
    struct exo_context *context = (struct exo_context *)&control->saved;

    unwind_resume(context);
    const int id = thread_current ? thread_current->id : 0;
    trace_event(EXO_TRACE_UPCALL, 0, id, reasons);
    if (reasons & EXO_UP_FAULT) {
        const struct exo_fault fault = {control->fault.vector, control->fault.error,
                                        control->fault.address};
        if ((fault.vector != 14 || !vm_fault(fault.address, fault.error)) &&
            (!libos_fault_hook || !libos_fault_hook(context, &fault)))
            crash(context, &fault);
    }
    if (reasons & EXO_UP_FOREIGN && (!libos_foreign_hook || !libos_foreign_hook(context)))
        context->rax = (uint64_t)-EXO_E_CALL;
    thread_events(reasons & ~(uint32_t)(EXO_UP_FAULT | EXO_UP_FOREIGN));
    gate_flush();
    if (thread_must_switch())
        thread_preempt();
    trace_event(EXO_TRACE_RESUME, 0, id, 0);
    resume_full(context);
}
