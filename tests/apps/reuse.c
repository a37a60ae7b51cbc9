/* SPDX-License-Identifier: MIT */
/*
 * reuse.c - a page is taken back, freed and used again while programs on other CPUs read it.
 *
 * usage: reuse owner ROUNDS READER...  |  reuse reader ROUNDS BIT
 *
 * In each round the owner offers a page that holds GOOD, waits until all readers read it, takes it back,
 * frees the frame and takes the same frame again, to write BAD into it. A reader reads until it faults: it
 * must never see BAD, however it is timed, for its CPU must have forgotten the page by then.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "probe.h"

#define NUMBER(round)                                                                              \
    (7u + (round) % 2) /* who ends its share of one round late ends none of the next */
#define GOOD    0x600d600d600d600dull
#define BAD     0x0bad0bad0bad0badull
#define TICK    1000000ull /* 1 ms */
#define READERS 3

static int reused;

/* The frame is the kernel's again: take it, and have it hold what nobody else may see. A reader that
 * wanted memory may have been quicker. */
static bool take_again(uint32_t frame)
{
    if (exo_page_alloc((env_t){EXO_ENV_SELF}, (frame_t){frame}, EXO_DATA) != frame)
        return true;
    reused++;
    critical_enter();
    volatile uint64_t *window = vm_window((frame_t){frame});
    for (uint32_t i = 0; window && i < EXO_PAGE_SIZE / 8; i++)
        window[i] = BAD;
    vm_window((frame_t){EXO_FRAME_NONE});
    critical_exit();
    return exo_page_free((frame_t){frame}) == 0;
}

static bool round_of(const env_t *readers, int count, uint32_t number)
{
    uint64_t *words =
        mmap(NULL, EXO_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t seen = 0, all = (1ull << count) - 1;
    bool fine = true;

    for (uint32_t i = 0; i < EXO_PAGE_SIZE / 8; i++)
        words[i] = GOOD;
    critical_enter();
    uint32_t frame = vm_frame((uint64_t)words).n;
    critical_exit();
    for (int i = 0; i < count; i++)
        fine &= share_offer(readers[i], number, words, 1, EXO_READ) == 0;
    while (seen != all)
        seen |= notify_wait(1000 * TICK);
    for (int i = 0; i < count; i++)
        fine &= share_take_back(readers[i], number) == 1;
    munmap(words, EXO_PAGE_SIZE);
    return take_again(frame) && fine;
}

static int owner(int rounds, char **names, int count)
{
    env_t readers[READERS];
    bool fine = true;

    for (int i = 0; i < count; i++) {
        readers[i] = peer_await(names[i], TICK);
        exo_notify_allow(readers[i], 1);
    }
    for (int i = 0; i < rounds; i++)
        fine &= round_of(readers, count, NUMBER((uint32_t)i));
    check(fine, "each page was offered, taken back and freed");
    check(reused > rounds / 2, "most of them were used again");
    return failed;
}

static int reader(int rounds, uint64_t bit)
{
    env_t from = peer_await("owner", TICK);
    uint64_t reads = 0, wrong = 0, word = 0;

    for (int i = 0; i < rounds; i++) {
        uint32_t pages, number = NUMBER((uint32_t)i);
        volatile uint64_t *words;
        while (!(words = share_map(from, number, EXO_READ, &pages)))
            notify_wait(TICK / 10);
        while (exo_notify(from, bit) == -EXO_E_OWNER) /* it has not allowed us yet */
            notify_wait(TICK);
        for (; probe_read(words, &word); reads++)
            wrong += word != GOOD;
        share_unmap(from, number, (void *)words, pages);
    }
    printf("%" PRIu64 " reads in %d rounds, %" PRIu64 " of what was not there any more\n", reads,
           rounds, wrong);
    check(!wrong, "nothing is seen of the next owner");
    return failed;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    libos_fault_hook = probe_hook;
    if (!strcmp(argv[1], "owner") && argc - 3 <= READERS)
        return owner(atoi(argv[2]), argv + 3, argc - 3);
    return reader(atoi(argv[2]), strtoull(argv[3], NULL, 0));
}
