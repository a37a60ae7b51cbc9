/* SPDX-License-Identifier: MIT */
/*
 * crash.c - the last words of this application, in a form that tools/freehold can symbolise.
 *
 * Lines: "crash: <reason>", "crash: <registers>" ..., "backtrace: 0x... 0x...".
 */
#include "libos.h"

#define BACKTRACE 24

static const char *const exceptions[] = {
    [0] = "division error",      [1] = "debug exception",
    [3] = "breakpoint",          [4] = "overflow",
    [6] = "invalid instruction", [7] = "FPU not available",
    [12] = "stack fault",        [13] = "general protection fault",
    [14] = "page fault",         [16] = "FPU error",
    [17] = "alignment check",    [19] = "SIMD floating-point exception",
};

static const char *name_of(uint64_t vector)
{
    const char *name =
        vector < sizeof(exceptions) / sizeof(exceptions[0]) ? exceptions[vector] : NULL;

    return name ? name : "exception";
}

static void tell_page_fault(const struct exo_fault *fault)
{
    const char *access = fault->error & 16 ? "executing" : fault->error & 2 ? "writing" : "reading";
    static const char *const why[] = {
        [VM_UNKNOWN] = "nothing is mapped there",
        [VM_GUARD] = "that page is a guard: most likely a stack overflow",
        [VM_PERMISSION] = "its permission forbids that",
        [VM_OUT_OF_MEMORY] = "the application's quota of pages is used up",
    };

    console_printf("crash: page fault %s 0x%lx (error 0x%lx): %s\n", access, fault->address,
                   fault->error, why[vm_why(fault->address, fault->error)]);
}

static void tell_registers(const struct exo_context *c)
{
    console_printf("crash: rip=%016lx rsp=%016lx flags=%08lx\n", c->rip, c->rsp, c->rflags);
    console_printf("crash: rax=%016lx rbx=%016lx rcx=%016lx\n", c->rax, c->rbx, c->rcx);
    console_printf("crash: rdx=%016lx rsi=%016lx rdi=%016lx\n", c->rdx, c->rsi, c->rdi);
    console_printf("crash: rbp=%016lx  r8=%016lx  r9=%016lx\n", c->rbp, c->r8, c->r9);
    console_printf("crash: r10=%016lx r11=%016lx r12=%016lx\n", c->r10, c->r11, c->r12);
    console_printf("crash: r13=%016lx r14=%016lx r15=%016lx\n", c->r13, c->r14, c->r15);
}

/* Along the frame pointers, believing none of them. */
static void tell_backtrace(const struct exo_context *c)
{
    uint64_t frame = c->rbp;

    console_printf("backtrace: 0x%lx", c->rip);
    for (int i = 0; i < BACKTRACE; i++) {
        if (frame % 8 || !vm_mapped(frame) || !vm_mapped(frame + 8))
            break;
        const uint64_t *words = (const uint64_t *)frame;
        if (!words[1])
            break;
        console_printf(" 0x%lx", words[1]);
        if (words[0] <= frame)
            break;
        frame = words[0];
    }
    console_printf("\n");
}

void crash(const struct exo_context *context, const struct exo_fault *fault)
{
    control->disabled = 1;
    console_printf("\n");
    if (!fault)
        console_printf("crash: abort() was called\n");
    else if (fault->vector == 14)
        tell_page_fault(fault);
    else
        console_printf("crash: %s (vector %lu, error 0x%lx)\n", name_of(fault->vector),
                       fault->vector, fault->error);
    console_printf("crash: in %s, policy %s\n", thread_current ? thread_current->name : "start-up",
                   thread_policy ? thread_policy->name : "none");
    tell_registers(context);
    tell_backtrace(context);
    libos_exit(128 + (fault ? (uint32_t)fault->vector : 6));
}
