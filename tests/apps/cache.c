/* SPDX-License-Identifier: MIT */
/*
 * cache.c - an application with memory that it could do without, whose pages are wanted back.
 *
 * usage: cache plain    its cache is discardable, and it leaves the rest to libos
 *        cache polite   it is asked, and frees as many pages as are wanted
 *        cache deaf     it is asked, and does nothing
 *        cache hoard    nothing of it is discardable
 *
 * It looks at all of its pages again and again: each holds its number or is gone, and nothing else.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "discard.h"

#define PAGE    4096u
#define PAGES   200u
#define MAGIC   0xcac4e00000000000ull
#define WAIT_US 20000
#define SPARE   16u /* to go on with */

static char *cache;

static volatile uint64_t *word(uint32_t page)
{
    return (volatile uint64_t *)(cache + page * PAGE) + 100;
}

static void free_pages(uint64_t pages, uint64_t ns)
{
    uint64_t freed = 0;

    printf("cache: asked for %" PRIu64 " pages, %" PRIu64 " ms are left\n", pages, ns / 1000000);
    pages += SPARE;
    for (uint32_t i = 0; i < PAGES && freed < pages; i++)
        if (*word(i)) {
            madvise(cache + i * PAGE, PAGE, MADV_DONTNEED);
            freed++;
        }
    printf("cache: gave %" PRIu64 " pages\n", freed);
}

static void do_nothing(uint64_t pages, uint64_t ns)
{
    printf("cache: asked for %" PRIu64 " pages, %" PRIu64 " ms are left, and deaf\n", pages,
           ns / 1000000);
}

static uint32_t told;

static void count_lost(void *address, size_t size)
{
    if ((char *)address < cache || (char *)address + size > cache + PAGES * PAGE || size % PAGE)
        printf("cache: told of memory that is not its own\n");
    told += (uint32_t)(size / PAGE);
    printf("cache: told that %u pages are lost\n", told);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "plain";
    uint32_t left = PAGES;

    cache = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (cache == MAP_FAILED)
        return 1;
    if (strcmp(mode, "hoard") != 0 && vm_discardable(cache, PAGES * PAGE))
        return 2;
    if (!strcmp(mode, "polite") && !libos_on_revoke(free_pages, count_lost))
        return 3;
    if (!strcmp(mode, "deaf") && !libos_on_revoke(do_nothing, count_lost))
        return 3;
    for (uint32_t i = 0; i < PAGES; i++)
        *word(i) = MAGIC + i;
    printf("cache: %u pages are filled\n", PAGES);
    for (;;) {
        uint32_t there = 0;
        for (uint32_t i = 0; i < PAGES; i++) {
            uint64_t value = *word(i);
            if (value && value != MAGIC + i)
                printf("cache: page %u holds what it never held\n", i);
            there += value != 0;
        }
        if (there != left)
            printf("cache: %u of %u pages are left\n", left = there, PAGES);
        usleep(WAIT_US);
    }
}
