/* SPDX-License-Identifier: MIT */
/*
 * offload.c - see offload.h. An application says what it wants; where it applies is found here.
 *
 *   O1  nothing is read but the head, which is in kernel memory, in a fixed number of steps
 *   O2  a card is told to write nowhere but into the checksum of a TCP or UDP header that is there
 *       whole: addresses and ports stay as they were checked
 *   O3  no piece into which a packet is cut is longer than EXO_PACKET_MAX, nor are there more than some
 *       hundreds
 *
 * Layouts: IEEE 802.1Q (tags), RFC 791 (IPv4), RFC 8200 (IPv6), RFC 768 (UDP), RFC 9293 (TCP).
 */
#include "offload.h"

#include "filter.h"

#define ETHERNET  14u
#define TAG       4u
#define TYPE_TAG  0x8100u
#define IP4       20u
#define IP6       40u
#define UDP       8u
#define TCP       20u
#define FRAGMENTS 0x3fffu /* more of them follow, or a place: it is one */

static uint32_t word_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

/* Find the header of TCP or UDP: its protocol, 0 if there is none. */
static uint32_t find_transport(const uint8_t *head, uint32_t length, struct offload *o)
{
    uint32_t at = ETHERNET, type = word_at(head + 12);

    if (type == TYPE_TAG && length >= ETHERNET + TAG) {
        type = word_at(head + ETHERNET + 2);
        at += TAG;
    }
    const uint8_t *ip = head + at;
    o->ip6 = type == EXO_ETHERTYPE_IP6;
    if (o->ip6) {
        o->transport = at + IP6;
        return length >= at + IP6 && ip[0] >> 4 == 6 ? ip[6] : 0;
    }
    if (type != EXO_ETHERTYPE_IP4 || length < at + IP4 || ip[0] >> 4 != 4 ||
        (ip[0] & 15u) * 4 < IP4 || (word_at(ip + 6) & FRAGMENTS))
        return 0;
    o->transport = at + (ip[0] & 15u) * 4;
    return ip[9];
}

static bool cut_ok(const struct packet *p, uint32_t offloads, const struct offload *o)
{
    uint32_t segment = p->flags & EXO_DESC_SEGMENT;
    uint32_t asked = o->ip6 ? EXO_OFFLOAD_SEGMENT6 : EXO_OFFLOAD_SEGMENT4;

    return (offloads & asked) && segment >= EXO_SEGMENT_MIN &&
           o->header + segment <= EXO_PACKET_MAX && p->length > o->header;
}

bool offload_read(const struct packet *p, uint32_t offloads, struct offload *o)
{
    *o = (struct offload){0};
    if (!(offloads & EXO_OFFLOAD_CHECKSUM) || (p->flags & ~(EXO_DESC_CHECKSUM | EXO_DESC_SEGMENT)))
        return false;
    if (!p->flags)
        return true; /* in several pieces, and that is all */
    uint32_t protocol = find_transport(p->head, p->head_length, o);
    if (!(p->flags & EXO_DESC_CHECKSUM))
        return false;
    if (protocol == EXO_PROTOCOL_UDP && !(p->flags & EXO_DESC_SEGMENT)) {
        o->checksum = 6;
        return o->transport + UDP <= p->head_length;
    }
    if (protocol != EXO_PROTOCOL_TCP || o->transport + TCP > p->head_length)
        return false;
    o->checksum = 16;
    o->header = o->transport + (p->head[o->transport + 12] >> 4) * 4u;
    if (o->header < o->transport + TCP || o->header > p->head_length)
        return false;
    return !(p->flags & EXO_DESC_SEGMENT) || cut_ok(p, offloads, o);
}
