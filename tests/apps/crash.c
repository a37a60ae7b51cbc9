/* SPDX-License-Identifier: MIT */
/*
 * crash.c - a program that must die, in the way that argv[1] names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libos.h"

static volatile bool deeper = true; /* the compiler must not see that it never ends */

static int depth(int n)
{
    volatile char room[512];

    room[0] = (char)n;
    return deeper ? n + depth(n + 1) + room[0] : n;
}

static void overflow(void)
{
    printf("%d\n", depth(0));
}

/* Addresses that the compiler must not know. */
static volatile uint64_t page_0 = 8, kernel_text = 0xffffffff80000000;

static void null(void)
{
    *(volatile int *)page_0 = 1;
}

static void text(void)
{
    *(volatile char *)(uint64_t)&text = 0;
}

static void data(void)
{
    static char code[] = {(char)0xc3};

    ((void (*)(void))(uint64_t)code)();
}

static void kernel(void)
{
    *(volatile char *)kernel_text = 0;
}

static void privileged(void)
{
    __asm__ volatile("hlt");
}

static void memory(void)
{
    for (;;) {
        char *block = malloc(1 << 20);
        if (!block)
            return;
        memset(block, 1, 1 << 20);
    }
}

/* A fault where none may come: upcalls are off, so libos cannot say anything either. */
static void critical(void)
{
    control->disabled = 1;
    *(volatile int *)page_0 = 1;
}

static void entry(void)
{
    control->upcall_entry = 0;
    *(volatile int *)page_0 = 1;
}

static void status(void)
{
    exit(3);
}

static const struct {
    const char *name;
    void (*die)(void);
} ways[] = {
    {"null", null},
    {"overflow", overflow},
    {"text", text},
    {"data", data},
    {"kernel", kernel},
    {"abort", abort},
    {"privileged", privileged},
    {"memory", memory},
    {"critical", critical},
    {"entry", entry},
    {"status", status},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
        if (!strcmp(ways[i].name, argv[1])) {
            printf("dies by %s\n", argv[1]);
            ways[i].die();
            printf("survived %s\n", argv[1]);
        }
    return 1;
}
