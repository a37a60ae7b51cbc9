/* SPDX-License-Identifier: MIT */
/*
 * front.c - bring a connection to the front of lwIP's list before lwIP looks for it there.
 *
 * lwIP finds the connection of a segment by walking tcp_active_pcbs, and moves what it found to the
 * front. Of a thousand that take turns, that is the last of the list each time. Here a table by hash
 * leads to the connection, and the connection to the one before it in the list; so it can be moved to
 * the front in a few steps, and lwIP finds it first.
 *
 *   F1  table and `before` are guesses, since lwIP changes its list without telling. One is used only
 *       if the connection is active, has the segment's addresses and ports, and the one before it,
 *       or the list's head, does point to it. A slot that was given back points to nothing (pools.c)
 *   F2  a walk over the list, where guesses failed, corrects those that it passes
 *
 * Under net_lock, and never while lwIP itself is on its way through the list.
 */
#include <stdlib.h>
#include <string.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip6.h"

#include "bytes.h"
#include "net.h"

#define FEW 16u /* that many are walked as quickly */

struct name {
    uint32_t words; /* of an address: 1 or 4 */
    const uint8_t *local, *remote;
    uint16_t local_port, remote_port;
};

struct net_front_stats net_front_stats;

static struct tcp_pcb **table;
static uint32_t size; /* a power of two */

static void **before(struct tcp_pcb *pcb)
{
    return &pcb->ext_args[0].data;
}

static uint32_t word32(const uint8_t *at)
{
    uint32_t word;

    memcpy(&word, at, 4);
    return word;
}

/*
 * Of a frame that net_frame_ok() found good, so that no header of IPv6 lies before TCP's. False: it is no TCP, or
 * a fragment, or a newcomer's.
 */
static bool read_name(const uint8_t *frame, uint32_t length, struct name *name)
{
    const uint8_t *ip = frame + SIZEOF_ETH_HDR, *tcp;
    uint16_t type = word16(frame + 12);

    if (type == ETHTYPE_IP && ip[9] == IP_PROTO_TCP && !(word16(ip + 6) & 0x3fff)) {
        tcp = ip + (ip[0] & 15) * 4;
        *name = (struct name){.words = 1, .local = ip + 16, .remote = ip + 12};
    } else if (type == ETHTYPE_IPV6 && ip[6] == IP_PROTO_TCP) {
        tcp = ip + IP6_HLEN;
        *name = (struct name){.words = 4, .local = ip + 24, .remote = ip + 8};
    } else {
        return false;
    }
    if (tcp + TCP_HLEN > frame + length || (tcp[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        return false;
    name->local_port = word16(tcp + 2);
    name->remote_port = word16(tcp);
    return true;
}

static bool is(const ip_addr_t *address, const uint8_t *wanted, uint32_t words)
{
    const uint32_t *has = ip_2_ip6(address)->addr; /* that of IPv4 is its first word */

    if ((IP_IS_V6_VAL(*address) ? 4u : 1u) != words || has[0] != word32(wanted))
        return false;
    return words == 1 || !memcmp(has + 1, wanted + 4, 12);
}

static bool matches(const struct tcp_pcb *pcb, const struct name *name)
{
    return pcb->remote_port == name->remote_port && pcb->local_port == name->local_port &&
           is(&pcb->remote_ip, name->remote, name->words) &&
           is(&pcb->local_ip, name->local, name->words);
}

static struct tcp_pcb **slot_of(const struct name *name)
{
    uint32_t hash = (uint32_t)name->remote_port << 16 ^ name->local_port;

    for (uint32_t i = 0; i < name->words; i++)
        hash ^= word32(name->remote + 4 * i);
    hash *= 0x9e3779b1u; /* Knuth's multiplicative hashing */
    return &table[hash >> 16 & (size - 1)];
}

/* Is it active, and is `first` (NULL: the list's head) what points to it? */
static bool stands_behind(const struct tcp_pcb *pcb, const struct tcp_pcb *first)
{
    return pcb->state != CLOSED && pcb->state != LISTEN && pcb->state != TIME_WAIT &&
           (first ? first->next : tcp_active_pcbs) == pcb;
}

static void move(struct tcp_pcb *pcb, struct tcp_pcb *first)
{
    if (!first)
        return;
    first->next = pcb->next;
    if (pcb->next)
        *before(pcb->next) = first;
    pcb->next = tcp_active_pcbs;
    *before(tcp_active_pcbs) = pcb;
    *before(pcb) = NULL;
    tcp_active_pcbs = pcb;
}

static void walk(const struct name *name)
{
    struct tcp_pcb *first = NULL, *pcb = tcp_active_pcbs;

    net_front_stats.walked++;
    for (; pcb && !matches(pcb, name); first = pcb, pcb = pcb->next)
        *before(pcb) = first;
    if (!pcb)
        return; /* nobody's */
    move(pcb, first);
    *slot_of(name) = pcb;
}

/* Room for each connection that there may be by now. False: there are few, or there is no memory. */
static bool have_table(void)
{
    uint32_t slots = net_pools_slots(MEMP_TCP_PCB), wanted = size ? size : 2 * FEW;

    if (slots <= FEW)
        return false;
    while (wanted < 2 * slots)
        wanted *= 2;
    if (wanted == size)
        return true;
    struct tcp_pcb **new = calloc(wanted, sizeof(struct tcp_pcb *));
    if (!new)
        return size;
    free(table);
    table = new;
    size = wanted;
    return true;
}

void net_front(const uint8_t *frame, uint32_t length)
{
    struct name name;

    if (!read_name(frame, length, &name) || !have_table())
        return;
    struct tcp_pcb *pcb = *slot_of(&name);
    if (pcb && matches(pcb, &name)) {
        struct tcp_pcb *first = pcb == tcp_active_pcbs ? NULL : *before(pcb);
        if (stands_behind(pcb, first)) {
            net_front_stats.found++;
            move(pcb, first);
            return;
        }
    }
    walk(&name);
}
