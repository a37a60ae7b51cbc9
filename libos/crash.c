/* SPDX-License-Identifier: MIT */
/*
 * crash.c - the last words of this application, in a form that tools/freehold can symbolise.
 *
 * Lines: "crash: <reason>", "crash: <registers>" ..., "backtrace: +0x... 0x...". Behind a + is how far
 * from the image's base it is, which the next start draws anew: as the symbols have it.
 */
#include "libos.h"

#define BACKTRACE 24

_Noreturn void libos_heap_corrupt(void);

/* The linker's, of libos/musl/heap.h; weak, as a program that frees nothing has none. */
extern const uint8_t __start_heap_code[] __attribute__((weak));
extern const uint8_t __stop_heap_code[] __attribute__((weak));

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
        [VM_RESIDENT_GUARD] = "that page is a guard: rings, buffers or thread records were overrun",
        [VM_BESIDE] =
            "nothing is mapped there; a large block or mapping right beside it was overrun",
        [VM_PERMISSION] = "its permission forbids that",
        [VM_TAKEN_BACK] = "another application shared that page and has taken it back",
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

static const char *sign_of(uint64_t code)
{
    return code - libos_start_info->image_base < EXO_IMAGE_SIZE ? "+" : "";
}

/* As sign_of() tells it. */
static uint64_t place_of(uint64_t code)
{
    return *sign_of(code) ? code - libos_start_info->image_base : code;
}

extern const uint8_t __executable_start[], etext[]; /* the linker's */

/* Does the code before this address end in a call (Intel SDM vol. 2, CALL: E8, FF /2)? */
static bool follows_call(uint64_t address)
{
    const uint8_t *code = (const uint8_t *)address;

    if (address < (uint64_t)__executable_start + EXO_PAGE_SIZE || address >= (uint64_t)etext)
        return false;
    if (code[-5] == 0xe8)
        return true;
    for (int length = 2; length <= 7; length++)
        if (code[-length] == 0xff && (code[-length + 1] >> 3 & 7) == 2)
            return true;
    return false;
}

/*
 * A function that calls nobody may have no frame, and a call of a bad pointer never made one: then
 * the word on top of the stack is where it was called from.
 */
static void tell_caller_of_leaf(const struct exo_context *c)
{
    if (c->rsp % 8 || !vm_mapped(c->rsp))
        return;
    uint64_t caller = *(const uint64_t *)c->rsp;
    if (follows_call(caller))
        console_printf(" %s0x%lx", sign_of(caller), place_of(caller));
}

/* Along the frame pointers, believing none of them. */
static void tell_backtrace(const struct exo_context *c)
{
    uint64_t frame = c->rbp;

    console_printf("backtrace: %s0x%lx", sign_of(c->rip), place_of(c->rip));
    tell_caller_of_leaf(c);
    for (int i = 0; i < BACKTRACE; i++) {
        if (frame % 8 || !vm_mapped(frame) || !vm_mapped(frame + 8))
            break;
        const uint64_t *words = (const uint64_t *)frame;
        if (!words[1])
            break;
        console_printf(" %s0x%lx", sign_of(words[1]), place_of(words[1]));
        if (words[0] <= frame)
            break;
        frame = words[0];
    }
    console_printf("\n");
}

static const char *thread_name(void)
{
    return thread_current ? thread_current->name : "start-up";
}

/* What lies beside a block is believed only after it was looked at, and may lead anywhere. */
static bool is_of_heap(uint64_t rip, const struct exo_fault *fault)
{
    return rip >= (uint64_t)__start_heap_code && rip < (uint64_t)__stop_heap_code &&
           (fault->vector != 14 || vm_why(fault->address, fault->error) != VM_OUT_OF_MEMORY);
}

static void tell_fault(const struct exo_fault *fault)
{
    if (fault->vector == 14)
        tell_page_fault(fault);
    else
        console_printf("crash: %s (vector %lu, error 0x%lx)\n", name_of(fault->vector),
                       fault->vector, fault->error);
}

static void tell_reason(enum crash_reason reason, uint64_t rip)
{
    switch (reason) {
    case CRASH_ABORT:
        console_printf("crash: abort() was called\n");
        break;
    case CRASH_STACK:
        console_printf("crash: the stack of %s was overrun in the function at %s0x%lx\n",
                       thread_name(), sign_of(rip), place_of(rip));
        break;
    case CRASH_HEAP:
        console_printf("crash: the heap is corrupt: a block was freed twice, was overrun, or never "
                       "came from malloc()\n");
        break;
    case CRASH_FAULT:
        break;
    }
}

static _Noreturn void tell(const struct exo_context *context, const struct exo_fault *fault,
                           enum crash_reason reason)
{
    VCPU->page.disabled = 1;
    canary_no_thread(); /* what prints has canaries, and fs may be part of the fault */
    console_flush();    /* a line that was not complete stays apart */
    if (fault && is_of_heap(context->rip, fault))
        reason = CRASH_HEAP;
    tell_reason(reason, context->rip);
    if (fault)
        tell_fault(fault);
    console_printf("crash: in %s, policy %s\n", thread_name(),
                   thread_policy ? thread_policy->name : "none");
    if (fault)
        tell_registers(context);
    tell_backtrace(context);
    libos_exit(128 + (fault ? (uint32_t)fault->vector : 6));
}

void crash(const struct exo_context *context, const struct exo_fault *fault)
{
    tell(context, fault, CRASH_FAULT);
}

static struct {
    struct exo_context context;
    enum crash_reason reason;
} found; /* not on a stack: that may be what is broken */

static void tell_found(void *unused)
{
    (void)unused;
    tell(&found.context, NULL, found.reason);
}

void crash_here(enum crash_reason reason, uint64_t return_address, uint64_t frame)
{
    bool off = VCPU->page.disabled;

    if (!off)
        critical_enter();
    found.context = (struct exo_context){.rip = return_address - 1, .rbp = frame};
    found.reason = reason;
    if (off)
        tell_found(NULL); /* the frames to tell of may lie on the stack of upcalls */
    run_on(VCPU->stack, tell_found, NULL);
}

void libos_heap_corrupt(void)
{
    crash_here(CRASH_HEAP, (uint64_t)__builtin_return_address(0),
               *(uint64_t *)__builtin_frame_address(0));
}
