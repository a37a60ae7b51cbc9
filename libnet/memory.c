/* SPDX-License-Identifier: MIT */
/*
 * memory.c - memory of no fixed size for lwIP, with a limit.
 *
 * The heap gives pages on demand and ends the application when its quota is used up, so "no memory"
 * must be said here, before: then TCP waits, and a packet is dropped and counted.
 *
 * What is given back is kept for the next who wants as much: each packet sent takes a piece or two, and
 * the C library's allocator takes longer for them than TCP for the packet.
 */
#include <stdlib.h>
#include <string.h>

#include "lwipopts.h"
#include "net.h"

#ifdef LIBOS_ON_HOST /* the tests: whoever uses a kept piece is caught */
#include <sanitizer/asan_interface.h>
#define POISON(piece, size)   __asan_poison_memory_region(piece, size)
#define UNPOISON(piece, size) __asan_unpoison_memory_region(piece, size)
#else
#define POISON(piece, size)
#define UNPOISON(piece, size)
#endif

#define STEP      128u /* pieces are multiples of it ... */
#define STEPS     16u  /* ... of up to so many: a packet and what describes it */
#define KEPT_PART 8u   /* of the limit may be kept */

size_t net_memory_used, net_memory_limit = 256 * 1024;

/* Before each piece. Keeps the alignment of 16 that malloc gave. */
struct head {
    size_t size;
    struct head *next; /* while kept */
};

static struct head *kept[STEPS + 1]; /* by size in steps */
static size_t kept_bytes;

static struct head *take_kept(size_t steps)
{
    struct head *head = steps <= STEPS ? kept[steps] : NULL;

    if (!head)
        return NULL;
    kept[steps] = head->next;
    kept_bytes -= head->size;
    UNPOISON(head + 1, head->size - sizeof(*head));
    return head;
}

void *net_memory_alloc(size_t size)
{
    size_t steps = (size + sizeof(struct head) + STEP - 1) / STEP, total = steps * STEP;

    if (total < size || total > net_memory_limit - net_memory_used)
        return NULL;
    struct head *head = take_kept(steps);
    if (!head)
        head = malloc(total);
    if (!head)
        return NULL;
    head->size = total;
    net_memory_used += total;
    return head + 1;
}

void *net_memory_zeroed(size_t count, size_t size)
{
    size_t total;
    void *memory = __builtin_mul_overflow(count, size, &total) ? NULL : net_memory_alloc(total);

    return memory ? memset(memory, 0, total) : NULL;
}

void net_memory_free(void *memory)
{
    struct head *head = (struct head *)memory - 1;

    if (!memory)
        return;
    size_t size = head->size;
    net_memory_used -= size;
    if (size > STEPS * STEP || kept_bytes + size > net_memory_limit / KEPT_PART) {
        free(head);
        return;
    }
    head->next = kept[size / STEP];
    kept[size / STEP] = head;
    kept_bytes += size;
    POISON(head + 1, size - sizeof(*head));
}

bool net_memory_low(void)
{
    return net_memory_used > net_memory_limit / 8 * 7;
}

/*
 * Half is for who comes first. A third is divided: a socket that has its share, of half a third each way, gets no
 * more, so peers that do not read or applications that do not receive cannot take it all. What lies between that
 * and where memory is low is for headers and for what describes the pieces, some eighth of them.
 */
bool net_memory_may_hold(size_t held, size_t more)
{
    return net_memory_used + more <= net_memory_limit / 2 ||
           held + more <= net_memory_limit / 6 / (net_sockets_open + 1);
}
