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
_Static_assert(CALL_POLL == EXO_CALL_POLL, "calls.toml says so");

#define PAGE_FAULT 14 /* Intel SDM vol. 3, table 6-1 */
#define PRESENT    1  /* of its error code, vol. 3, 4.7 */

extern char resume_from[], resume_spared[], resume_flags[], resume_to[];
_Noreturn void upcall(uint32_t reasons);

bool (*libos_fault_hook)(struct exo_context *context, const struct exo_fault *fault);
bool (*libos_foreign_hook)(struct exo_context *context);

void critical_enter(void)
{
    critical_begin();
}

void critical_over(void);
void critical_over(void)
{
    critical_end();
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
        context->rax = VCPU->resume_spare[0];
        context->rcx = VCPU->resume_spare[1];
        context->r11 = VCPU->resume_spare[2];
    }
    context->rip = VCPU->resume_frame[0];
    context->rflags = VCPU->resume_frame[1];
    context->rsp = VCPU->resume_frame[2];
}

/* Another vCPU was quicker to map the page. */
static bool mended_elsewhere(const struct exo_fault *what)
{
    return vcpus_many && what->vector == PAGE_FAULT && !(what->error & PRESENT) &&
           vm_mapped(what->address);
}

static void fault(struct exo_context *context, const struct exo_fault *what)
{
    if ((what->vector != PAGE_FAULT || !vm_fault(what->address, what->error)) &&
        (!libos_fault_hook || !libos_fault_hook(context, what)) && !mended_elsewhere(what))
        crash(context, what);
}

static void other_reasons(struct exo_context *context, uint32_t reasons)
{
    if (reasons & EXO_UP_FOREIGN && (!libos_foreign_hook || !libos_foreign_hook(context)))
        context->rax = (uint64_t)-EXO_E_CALL;
    if (reasons & ~(uint32_t)(EXO_UP_FAULT | EXO_UP_FOREIGN)) {
        thread_events(reasons);
        gate_flush();
    }
}

/* Of what is traced, or has other vCPUs beside it. */
static void enter(uint32_t reasons)
{
    vcpu_lock();
    trace_event(EXO_TRACE_UPCALL, 0, thread_current ? thread_current->id : 0, reasons);
}

static void leave(void)
{
    trace_event(EXO_TRACE_RESUME, 0, thread_current ? thread_current->id : 0, 0);
    vcpu_unlock();
}

void upcall(uint32_t reasons)
{
    struct vcpu *self = vcpu_self();
    struct exo_context *context = &self->page.saved;

    if (context->rip - (uint64_t)resume_from < (uint64_t)(resume_to - resume_from))
        unwind_resume(context);
    if (self->watched)
        enter(reasons);
    if (reasons & EXO_UP_FAULT)
        fault(context, &self->page.fault);
    if (reasons & ~(uint32_t)EXO_UP_FAULT)
        other_reasons(context, reasons);
    if (self->switch_due && self->current)
        thread_preempt();
    if (self->watched)
        leave();
    resume_full(context);
}
