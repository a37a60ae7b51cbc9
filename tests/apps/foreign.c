/* SPDX-License-Identifier: MIT */
/*
 * foreign.c - lives as if on another kernel: raw Linux system calls, whose numbers lie above ours.
 *
 * A binary for Linux says 1 for write and 39 for getpid. Here they are BASE higher, so that they
 * cannot be mistaken for calls of the kernel below.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libos.h"

#define BASE         0x10000u
#define LINUX_WRITE  (BASE + 1)
#define LINUX_GETPID (BASE + 39)

static volatile unsigned served; /* counted behind the back of the code that makes the calls */
static unsigned checks_failed;

static int64_t emulate_write(uint64_t fd, uint64_t address, uint64_t length)
{
    char text[128];

    if (fd != 1)
        return -EBADF;
    if (length >= sizeof(text))
        return -EINVAL;
    /* Upcalls are off: a fault here would be the end of us. */
    if (!vm_mapped(address) || !vm_mapped(address + length))
        return -EFAULT;
    memcpy(text, (const char *)address, length);
    text[length] = 0;
    console_printf("%s", text);
    return (int64_t)length;
}

static bool linux_call(struct exo_context *c)
{
    served++;
    switch (c->rax) {
    case LINUX_WRITE:
        c->rax = (uint64_t)emulate_write(c->rdi, c->rsi, c->rdx);
        return true;
    case LINUX_GETPID:
        c->rax = 42;
        return true;
    default:
        return false;
    }
}

/* The registers that a SYSCALL must keep go in with known values and are looked at after. */
static int64_t raw(uint64_t number, uint64_t a, uint64_t b, uint64_t c, bool *kept)
{
    register uint64_t r8 __asm__("r8") = 0x8888, r9 __asm__("r9") = 0x9999;
    register uint64_t r10 __asm__("r10") = 0xaaaa, r12 __asm__("r12") = 0xcccc;
    register uint64_t r15 __asm__("r15") = 0xffff;
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r8), "+r"(r9), "+r"(r10),
                       "+r"(r12), "+r"(r15)
                     : "0"(number)
                     : "rcx", "r11", "memory");
    *kept = r8 == 0x8888 && r9 == 0x9999 && r10 == 0xaaaa && r12 == 0xcccc && r15 == 0xffff;
    return result;
}

static void check(const char *what, int64_t result, int64_t expected, bool kept)
{
    bool held = result == expected && kept;

    printf("%s %s: %ld\n", held ? "ok" : "not ok", what, result);
    checks_failed += !held;
}

int main(void)
{
    static const char text[] = "written by a system call of Linux\n";
    bool kept;
    int64_t result = raw(LINUX_GETPID, 0, 0, 0, &kept);

    check("without a hook there is no such call", result, -EXO_E_CALL, kept);
    libos_foreign_hook = linux_call;
    result = raw(LINUX_WRITE, 1, (uint64_t)text, sizeof(text) - 1, &kept);
    check("write", result, sizeof(text) - 1, kept);
    result = raw(LINUX_WRITE, 7, (uint64_t)text, 1, &kept);
    check("write to a descriptor that is not open", result, -EBADF, kept);
    result = raw(LINUX_WRITE, 1, 8, 1, &kept);
    check("write from page 0", result, -EFAULT, kept);
    result = raw(LINUX_GETPID, 0, 0, 0, &kept);
    check("getpid", result, 42, kept);
    result = raw(BASE + 999, 0, 0, 0, &kept);
    check("a number that the hook does not know", result, -EXO_E_CALL, kept);
    critical_enter();
    result = raw(LINUX_GETPID, 0, 0, 0, &kept);
    critical_exit();
    check("with upcalls off", result, -EXO_E_CALL, kept);
    check("calls that the hook saw", served, 5, true);
    unsigned before = served;
    for (unsigned i = 0; i < 10000; i++)
        if (raw(LINUX_GETPID, i, i, i, &kept) != 42 || !kept)
            checks_failed++;
    check("10000 calls in a row", served - before, 10000, true);
    printf("foreign: %u failed\n", checks_failed);
    return checks_failed != 0;
}
