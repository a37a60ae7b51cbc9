/* SPDX-License-Identifier: MIT */
/* probe.h - accesses to memory that another application may have taken back. For one file of a program. */
#ifndef TESTS_APPS_PROBE_H
#define TESTS_APPS_PROBE_H

#include "event.h"
#include "libos.h"
#include "share.h"

/* One access each; false if it faulted, and then probe_fault says how. With libos_fault_hook = probe_hook. */
bool probe_read(const volatile uint64_t *from, uint64_t *to);
bool probe_write(volatile uint64_t *to, uint64_t word);
extern char probe_failed[];
__asm__(".text\n"
        "probe_read:\n\tmov (%rdi), %rax\n\tmov %rax, (%rsi)\n\tmov $1, %eax\n\tret\n"
        "probe_write:\n\tmov %rsi, (%rdi)\n\tmov $1, %eax\n\tret\n"
        "probe_failed:\n\txor %eax, %eax\n\tret\n");
static struct exo_fault probe_fault;

static bool probe_hook(struct exo_context *context, const struct exo_fault *fault)
{
    if (context->rip != (uint64_t)probe_read && context->rip != (uint64_t)probe_write)
        return false;
    probe_fault = *fault;
    context->rip = (uint64_t)probe_failed;
    return true;
}

/* The application of that name, as soon as it runs; looks for it each `ticks`. */
static env_t peer_await(const char *name, uint64_t ticks)
{
    env_t found;

    while (!(found = peer_find(name)).n)
        notify_wait(ticks);
    return found;
}

#endif
