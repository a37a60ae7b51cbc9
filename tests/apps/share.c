/* SPDX-License-Identifier: MIT */
/*
 * share.c - three applications share memory: one owns it, one may read, one may write.
 *
 * usage: share writer|reader|third. The owner takes it back while the others use it, frees the
 * frames and takes them again: nobody else sees what it then writes. The reader dies of a last look.
 */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "probe.h"

#define PAGES   3u
#define NUMBER  5u
#define WORDS   (PAGES * EXO_PAGE_SIZE / 8)
#define PATTERN 0x1234567800000000ull
#define THIRD   0x7468697264ull
#define SECRET  0x736563726574ull
#define TICK    10000000ull /* 10 ms */
#define LONG    (3000 * TICK)
#define READING 1ull /* bits that are notified */
#define WRITTEN 2ull

static volatile uint64_t *shared_by(env_t owner, uint32_t perm)
{
    uint32_t pages;
    void *address;

    while (!(address = share_map(owner, NUMBER, perm, &pages)))
        notify_wait(TICK);
    check(pages == PAGES, "all pages are mapped");
    return address;
}

static void wait_for(uint64_t wanted)
{
    uint64_t seen = 0;

    while (!(seen & wanted)) {
        uint64_t bits = notify_wait(LONG);
        if (!bits)
            break;
        seen |= bits;
    }
    check(seen & wanted, wanted == READING ? "the reader reads" : "the third has written");
}

static void tell(env_t whom, uint64_t bits)
{
    while (exo_notify(whom, bits) == -EXO_E_OWNER) /* it has not allowed us yet */
        notify_wait(TICK);
}

/* The frames, back in the kernel's hands and taken again, hold a secret of ours. */
static void reuse(const uint32_t frame[PAGES])
{
    bool gone = true, mine = true;

    for (uint32_t i = 0; i < PAGES; i++) {
        frame_t f = {frame[i]};
        gone &= exo_info(EXO_INFO_FRAME, f.n, EXO_FRAME_TYPE) == -EXO_E_OWNER;
        mine &= exo_page_alloc((env_t){EXO_ENV_SELF}, f, EXO_DATA) == f.n;
        critical_enter();
        volatile uint64_t *window = vm_window(f);
        mine &= window && !window[0];
        if (window)
            window[0] = SECRET;
        vm_window((frame_t){EXO_FRAME_NONE});
        critical_exit();
    }
    check(gone, "the frames are free");
    check(mine, "they come back zeroed");
}

static int writer(void)
{
    env_t reader = peer_await("reader", TICK), third = peer_await("third", TICK);
    uint64_t *words = mmap(NULL, PAGES * EXO_PAGE_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t frame[PAGES];

    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = PATTERN + i;
    for (uint32_t i = 0; i < PAGES; i++) {
        critical_enter();
        frame[i] = vm_frame((uint64_t)words + i * EXO_PAGE_SIZE).n;
        critical_exit();
    }
    exo_notify_allow(reader, 1);
    exo_notify_allow(third, 1);
    check(share_offer(third, NUMBER, words, PAGES, EXO_WRITE) == 0, "offered to the third");
    wait_for(WRITTEN);
    check(*(volatile uint64_t *)words == THIRD, "what the third wrote is here");
    check(share_offer(reader, NUMBER, words, PAGES, EXO_READ) == 0, "offered to the reader");
    wait_for(READING);
    check(exo_page_free((frame_t){frame[0]}) == -EXO_E_BUSY, "what is shared is not freed");
    check(share_take_back(reader, NUMBER) == PAGES, "taken back from the reader");
    check(share_take_back(third, NUMBER) == PAGES, "taken back from the third");
    munmap(words, PAGES * EXO_PAGE_SIZE);
    reuse(frame);
    tell(reader, 1);
    return failed;
}

static int reader(void)
{
    env_t owner = peer_await("writer", TICK);
    uint32_t pages, wrong = 0;
    uint64_t word = 0, seen;

    volatile uint64_t *words = shared_by(owner, EXO_READ);
    exo_notify_allow(owner, 1);
    for (uint32_t i = 1; i < WORDS; i++)
        wrong += words[i] != PATTERN + i;
    check(!wrong && words[0] == THIRD, "the reader sees what both wrote");
    check(!share_map(owner, NUMBER, EXO_WRITE, &pages), "what is mapped cannot be mapped again");
    check(!probe_write(words, 1) && probe_fault.error == 7, "it cannot write");
    check(words[0] == THIRD, "nothing was written");
    tell(owner, READING);
    while (probe_read(words, &seen))
        word = seen;
    check(word == THIRD, "until it was taken back it saw nothing else");
    critical_enter();
    check(vm_why((uint64_t)words, probe_fault.error) == VM_TAKEN_BACK,
          "libos knows why it faulted");
    critical_exit();
    notify_wait(LONG); /* by now the frames hold a secret */
    check(!probe_read(words, &seen) && !probe_read(words + WORDS - 1, &seen), "it sees no secret");
    check(!share_map(owner, NUMBER, EXO_READ, &pages), "nothing is offered any more");
    libos_fault_hook = NULL;
    if (failed)
        return 1;
    return (int)words[0]; /* and now it dies */
}

static int third(void)
{
    env_t owner = peer_await("writer", TICK);
    volatile uint64_t *words = shared_by(owner, EXO_WRITE);

    words[0] = THIRD;
    tell(owner, WRITTEN);
    while (probe_write(words + 1, PATTERN + 1))
        ;
    check(probe_fault.error == 6, "it can write until that is taken back");
    share_unmap(owner, NUMBER, (void *)words, PAGES);
    critical_enter();
    check(vm_why((uint64_t)words, 6) == VM_UNKNOWN, "it has given the addresses back");
    critical_exit();
    return failed;
}

int main(int argc, char **argv)
{
    const char *role = argc > 1 ? argv[1] : "";

    libos_fault_hook = probe_hook;
    int status = !strcmp(role, "writer") ? writer() : !strcmp(role, "reader") ? reader() : third();
    return status;
}
