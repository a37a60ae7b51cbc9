/* SPDX-License-Identifier: MIT */
/*
 * pools.c - lwIP's objects of fixed size: connections, segments, references to what is sent ...
 *
 *   P1  a slot is with lwIP or in the free list of its pool, and memory that became a pool's stays so:
 *       a pointer that came too late still points to an object of its kind
 *   P2  no pool has more slots than its number in lwipopts.h; all pools together take at most
 *       net_pools_limit bytes
 *
 * This takes the place of lwIP's memp.c, whose pools are arrays of the largest size that they may
 * ever have: an application that serves ten thousand connections and one that serves ten are linked
 * with the same library, and each shall pay for what it uses. All of it under net_lock.
 */
#include <stdlib.h>

/* memp_std.h wants the type of each object. */
#include "lwip/ip4_frag.h"
#include "lwip/memp.h"
#include "lwip/netif.h"
#include "lwip/priv/nd6_priv.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/etharp.h"
#include "lwip/etharp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ppp/ppp_opts.h"

#include "net.h"

#define CHUNK 4000u /* at a time: a page, less what the allocator keeps in it */

struct slot {
    struct slot *next;
};

static const struct {
    uint16_t size, most;
} kinds[MEMP_MAX] = {
#define LWIP_MEMPOOL(name, count, bytes, description) {LWIP_MEM_ALIGN_SIZE(bytes), count},
#include "lwip/priv/memp_std.h"
};

static struct pool {
    struct slot *free;
    uint32_t slots; /* in all */
} pools[MEMP_MAX];

size_t net_pools_used, net_pools_limit = 256 * 1024;

void memp_init(void)
{
}

/* When memp_malloc() has none, lwIP ends the oldest connection in TIME_WAIT and asks again. A server
 * that closes first has thousands of them, and lwIP walks their list: so they give way early. */
static bool should_give_way(memp_t type)
{
    return type == MEMP_TCP_PCB && tcp_tw_pcbs && pools[type].slots >= NET_TIME_WAIT_SPARED;
}

static bool grow(memp_t type)
{
    struct pool *pool = &pools[type];
    uint32_t size = kinds[type].size, left = kinds[type].most - pool->slots;
    uint32_t count = left < CHUNK / size ? left : CHUNK / size;

    if (!count || count * size > net_pools_limit - net_pools_used || should_give_way(type))
        return false;
    char *memory = malloc((size_t)count * size);
    if (!memory)
        return false;
    for (uint32_t i = count; i-- > 0;) {
        struct slot *slot = (struct slot *)(memory + (size_t)i * size);
        slot->next = pool->free;
        pool->free = slot;
    }
    pool->slots += count;
    net_pools_used += count * size;
    return true;
}

void *memp_malloc(memp_t type)
{
    struct pool *pool = &pools[type];

    if (!pool->free && !grow(type))
        return NULL;
    struct slot *slot = pool->free;
    pool->free = slot->next;
    return slot;
}

uint32_t net_pools_slots(int kind)
{
    return pools[kind].slots;
}

void memp_free(memp_t type, void *object)
{
    struct slot *slot = object;

    if (!slot)
        return;
    if (type == MEMP_TCP_PCB)
        ((struct tcp_pcb *)object)->next = NULL; /* F1, front.c */
    slot->next = pools[type].free;
    pools[type].free = slot;
}
