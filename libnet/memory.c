/* SPDX-License-Identifier: MIT */
/*
 * memory.c - memory of no fixed size for lwIP, with a limit.
 *
 * The heap gives pages on demand and ends the application when its quota is used up, so "no memory"
 * must be said here, before: then TCP waits, and a packet is dropped and counted.
 */
#include <stdlib.h>
#include <string.h>

#include "lwipopts.h"
#include "net.h"

size_t net_memory_used, net_memory_limit = 256 * 1024;

/* Before each piece: its size. Keeps the alignment of 16 that malloc gave. */
struct head {
    size_t size, unused;
};

void *net_memory_alloc(size_t size)
{
    size_t total = size + sizeof(struct head);

    if (total < size || total > net_memory_limit - net_memory_used)
        return NULL;
    struct head *head = malloc(total);
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
    net_memory_used -= head->size;
    free(head);
}

bool net_memory_low(void)
{
    return net_memory_used > net_memory_limit / 8 * 7;
}

/*
 * Half is for who comes first. The rest is divided: a socket that has its share gets no more, so
 * peers that do not read or applications that do not receive cannot take it all.
 */
bool net_memory_may_hold(size_t held, size_t more)
{
    return net_memory_used + more <= net_memory_limit / 2 ||
           held + more <= net_memory_limit / 4 / (net_sockets_open + 1);
}
