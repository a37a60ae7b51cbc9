/* SPDX-License-Identifier: MIT */
/*
 * crash.c - a program that must die, in the way that argv[1] names.
 */
#include <pthread.h>
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

static void *overflow_never(void *unused)
{
    return unused;
}

/* The same on a stack that pthread_create made. */
static void *overflow_there(void *unused)
{
    overflow();
    return unused;
}

static void thread_overflow(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, overflow_there, NULL);
    pthread_join(thread, NULL);
}

/* A frame larger than any guard: each of its pages is touched on the way, so it cannot be leapt. */
static volatile size_t large = 3 << 20;

static void leap(void)
{
    volatile char *room = __builtin_alloca(large);

    room[0] = 1;
}

/* The first stack, on which upcalls run. */
static void overflow_in_upcall(void *unused)
{
    (void)unused;
    overflow();
}

static void upcall_overflow(void)
{
    control->disabled = 1;
    run_on(EXO_STACK_TOP - 16, overflow_in_upcall, NULL);
}

/* One word more than there is room for: past the array lies the canary. */
static volatile size_t written = 5;

static __attribute__((noinline)) void smash(void)
{
    uint64_t room[4];
    volatile uint64_t *at = room;

    for (size_t i = 0; i < written; i++)
        at[i] = 0x4141414141414141;
}

static void *smash_there(void *unused)
{
    smash();
    return unused;
}

static void thread_smash(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, smash_there, NULL);
    pthread_join(thread, NULL);
}

/* The heap; what is freed must not be known to the compiler. */
static void *volatile block;

static void double_free(void)
{
    block = malloc(100);
    free(block);
    free(block);
}

static void heap_overrun(void)
{
    block = malloc(100);
    ((volatile char *)block)[100] = 1;
    free(block);
}

static void wild_free(void)
{
    block = (char *)malloc(100) + 8;
    free(block);
}

/* A block of this size has pages of its own. */
#define LARGE (256u << 10)

static void above_block(void)
{
    block = malloc(LARGE);
    ((volatile char *)block)[LARGE - 1] = 1;
    ((volatile char *)block)[LARGE + EXO_PAGE_SIZE] = 1;
}

static void below_block(void)
{
    block = malloc(LARGE);
    ((volatile char *)block)[-(long)EXO_PAGE_SIZE] = 1;
}

static volatile char *resident(uint32_t type)
{
    critical_enter();
    volatile char *page = vm_alloc(1, type);
    volatile char *other = vm_alloc(1, type);
    critical_exit();
    if (!page || !other)
        exit(9);
    page[0] = page[EXO_PAGE_SIZE - 1] = other[0] = 1; /* these are there */
    return page;
}

static void above_ring(void)
{
    resident(EXO_RING)[EXO_PAGE_SIZE] = 1;
}

static void below_ring(void)
{
    resident(EXO_RING)[-1] = 1;
}

static void record(void)
{
    volatile char *end = (char *)((uint64_t)thread_current | (EXO_PAGE_SIZE - 1));

    end[0] = 0;
    end[1] = 0;
}

/* Addresses that the compiler must not know. */
static volatile uint64_t page_0 = 8, kernel_text = 0xffffffff80000000;

static void null(void)
{
    *(volatile int *)page_0 = 1;
}

/* Not by a jump: the backtrace is to show who called. */
static inline __attribute__((always_inline)) void call(uint64_t address)
{
    ((void (*)(void))address)();
    __asm__ volatile("");
}

static void read_null(void)
{
    (void)*(volatile int *)page_0;
}

static void jump_null(void)
{
    call(page_0);
}

static void text(void)
{
    *(volatile char *)(uint64_t)&text = 0;
}

static void data(void)
{
    static char code[] = {(char)0xc3};

    call((uint64_t)code);
}

static void stack_code(void)
{
    volatile char code[] = {(char)0xc3};

    call((uint64_t)code);
}

static void heap_code(void)
{
    volatile char *code = malloc(1);

    code[0] = (char)0xc3;
    call((uint64_t)code);
}

/* A table that the linker fills in as well as text: nothing writes either. */
static const char letters[] = "letters";
static const char *const table[] = {letters, letters + 1};

static void rodata(void)
{
    *(volatile char *)(uint64_t)letters = 0;
}

static void relro(void)
{
    *(volatile char *)(uint64_t)table = 0;
}

static void jump_kernel(void)
{
    call(kernel_text);
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

/* Where things are: another place at each start, but for the image. */
static void layout(void)
{
    const uint8_t *seed = libos_start_info->seed, *end = seed + sizeof(libos_start_info->seed);
    volatile char here = 0;
    void *heap = malloc(100);
    pthread_t thread;

    pthread_create(&thread, NULL, overflow_never, NULL);
    while (seed < end && !*seed)
        seed++;
    printf("layout: stack %p heap %p thread %p resident %p image %p seed %s\n", (void *)&here, heap,
           (void *)thread, (void *)thread_current, (void *)&deeper, seed < end ? "told" : "gone");
    exit(3);
}

static const struct {
    const char *name;
    void (*die)(void);
} ways[] = {
    {"null", null},
    {"read-null", read_null},
    {"jump-null", jump_null},
    {"smash", smash},
    {"thread-smash", thread_smash},
    {"double-free", double_free},
    {"heap-overrun", heap_overrun},
    {"wild-free", wild_free},
    {"above-block", above_block},
    {"below-block", below_block},
    {"rodata", rodata},
    {"relro", relro},
    {"stack-code", stack_code},
    {"heap-code", heap_code},
    {"jump-kernel", jump_kernel},
    {"overflow", overflow},
    {"thread-overflow", thread_overflow},
    {"leap", leap},
    {"upcall-overflow", upcall_overflow},
    {"above-ring", above_ring},
    {"below-ring", below_ring},
    {"record", record},
    {"text", text},
    {"data", data},
    {"kernel", kernel},
    {"abort", abort},
    {"privileged", privileged},
    {"memory", memory},
    {"critical", critical},
    {"entry", entry},
    {"status", status},
    {"layout", layout},
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
