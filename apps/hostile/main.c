/* SPDX-License-Identifier: MIT */
/*
 * main.c - try one attack after another and print what came back; then die of the last.
 *
 * usage: hostile [spin]    with `spin` it spins for ever in the end, instead of dying
 */
#include "hostile.h"

#include <stdio.h>
#include <string.h>

static const char *const exceptions[32] = {
    [0] = "division error",
    [1] = "debug exception",
    [3] = "breakpoint",
    [4] = "overflow",
    [6] = "invalid instruction",
    [7] = "FPU not available",
    [8] = "double fault",
    [10] = "invalid TSS",
    [11] = "segment not present",
    [12] = "stack fault",
    [13] = "general protection fault",
    [14] = "page fault",
    [17] = "alignment check",
};

/* Where an attack that is ended by an exception goes on. */
uint64_t survive_sp;
int64_t survive(int64_t (*attack)(void));
extern char survive_here[];

__asm__(".text\n"
        "survive:\n\t"
        "push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
        "sub $8, %rsp\n\t"
        "mov %rsp, survive_sp(%rip)\n\t"
        "call *%rdi\n"
        "survive_here:\n\t"
        "movq $0, survive_sp(%rip)\n\t"
        "add $8, %rsp\n\t"
        "pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop %rbx\n\t"
        "ret\n");

static bool fault_hook(struct exo_context *context, const struct exo_fault *fault)
{
    if (!survive_sp)
        return false;
    context->rip = (uint64_t)survive_here;
    context->rsp = survive_sp;
    context->rax = (uint64_t)(BY_FAULT - (int64_t)fault->vector);
    context->rflags = 0x202; /* whatever the attack had set */
    return true;
}

int64_t raw_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c)
{
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c) /* some calls lose arguments */
                     : "a"(number)
                     : "rcx", "r8", "r9", "r10", "r11", "memory");
    return result;
}

bool let_through(int64_t result, int64_t *worst)
{
    if (result >= 0 || !*worst)
        *worst = result;
    return result >= 0;
}

static unsigned tried, refused, untried;

static void tell(const char *what, int64_t result)
{
    char how[64];

    if (result == NOT_TRIED) {
        untried++;
        printf("hostile: %s: not tried, this machine or application lacks what it takes\n", what);
        return;
    }
    tried++;
    if (result >= 0) {
        printf("hostile: SUCCEEDED %s (result %ld)\n", what, result);
        return;
    }
    refused++;
    if (result == BY_SILENCE)
        strcpy(how, "without effect");
    else if (result == BY_REMOVAL)
        strcpy(how, "the CPU was taken away");
    else if (result == BY_COUNTING)
        strcpy(how, "refused and counted");
    else if (result <= BY_FAULT && result > BY_FAULT - 32)
        snprintf(how, sizeof(how), "%s",
                 exceptions[BY_FAULT - result] ? exceptions[BY_FAULT - result] : "an exception");
    else
        snprintf(how, sizeof(how), "%s", exo_error_name(result));
    printf("hostile: %s: %s\n", what, how);
}

static void run(const struct attack *attacks)
{
    for (; attacks->what; attacks++)
        tell(attacks->what, survive(attacks->attack));
}

int main(int argc, char **argv)
{
    bool spin = argc > 1 && !strcmp(argv[1], "spin");

    libos_fault_hook = fault_hook;
    if (!stretch_make()) {
        printf("hostile: its quota is too small for tables of its own.\n");
        return 1;
    }
    run(memory_attacks);
    run(table_attacks);
    run(privileged_attacks);
    run(environment_attacks);
    run(batch_attacks);
    run(grant_attacks);
    run(revoke_attacks);
    run(gate_attacks);
    run(network_attacks);
    printf("hostile: %u attacks, %u refused, %u not tried\n", tried, refused, untried);
    fflush(stdout);
    if (spin) {
        printf("hostile: now it spins for ever.\n");
        fflush(stdout);
        for (;;)
            __asm__ volatile("");
    }
    printf("hostile: now it writes to the kernel with nobody to catch it.\n");
    fflush(stdout);
    libos_fault_hook = NULL;
    *(volatile char *)0xffffffff80000000 = 1;
    printf("hostile: SUCCEEDED writing to the kernel's text\n");
    return 0;
}
