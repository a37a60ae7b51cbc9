/* SPDX-License-Identifier: MIT */
/*
 * tuple.c - what a packet is, as far as a filter can ask (exo/abi/filter.h).
 *
 *   T1  nothing outside of the first `length` bytes is read, in a fixed number of steps
 *   T2  a field that these bytes do not show is as if the packet had none
 *   T3  the same function reads what is received and what is sent, from memory of the kernel's own
 *
 * Layouts: IEEE 802.1Q (tags), RFC 791 (IPv4), RFC 826 (ARP), RFC 8200 (IPv6), RFC 4861 section 4.4
 * (neighbour advertisements, type 136 of ICMPv6), RFC 768 and 9293 (UDP and TCP, which both begin with the
 * ports: source, destination).
 */
#include "packet_filter.h"

#define ETHERNET      14u
#define TAG           4u
#define TYPE_TAG      0x8100u /* IEEE 802.1Q */
#define TYPE_TAG_OUT  0x88a8u /* IEEE 802.1ad */
#define IP4           20u
#define IP6           40u
#define ARP           28u
#define ADVERTISEMENT 24u
#define FRAGMENT_MASK 0x1fffu /* a fragment's place, in eights of bytes */

static uint16_t word_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* `room`: what is there from the header of TCP or UDP on. */
static void read_ports(struct exo_tuple *t, const uint8_t *at, uint32_t room)
{
    if (room < 4 || (t->protocol != EXO_PROTOCOL_TCP && t->protocol != EXO_PROTOCOL_UDP))
        return;
    t->ports = 1;
    t->remote_port = word_at(at);
    t->local_port = word_at(at + 2);
}

static void read_ip4(struct exo_tuple *t, const uint8_t *ip, uint32_t room)
{
    uint32_t header = (ip[0] & 15u) * 4, end = word_at(ip + 2);

    if (ip[0] >> 4 != 4 || header < IP4 || header > room)
        return;
    t->family = 4;
    t->protocol = ip[9];
    __builtin_memcpy(t->remote, ip + 12, 4);
    __builtin_memcpy(t->local, ip + 16, 4);
    if (end > header && !(word_at(ip + 6) & FRAGMENT_MASK))
        read_ports(t, ip + header, (end < room ? end : room) - header);
}

static void read_ip6(struct exo_tuple *t, const uint8_t *ip, uint32_t room)
{
    uint32_t payload = word_at(ip + 4);

    if (ip[0] >> 4 != 6)
        return;
    t->family = 6;
    t->protocol = ip[6];
    /* An advertisement of neighbour discovery speaks for its target, whoever sends it. */
    bool speaks =
        t->protocol == EXO_PROTOCOL_ICMP6 && room >= IP6 + ADVERTISEMENT && ip[IP6] == 136;
    __builtin_memcpy(t->remote, speaks ? ip + IP6 + 8 : ip + 8, 16);
    __builtin_memcpy(t->local, ip + 24, 16);
    read_ports(t, ip + IP6, payload < room - IP6 ? payload : room - IP6);
}

static void read_arp(struct exo_tuple *t, const uint8_t *arp)
{
    /* Ethernet, IPv4, and the lengths of their addresses. */
    static const uint8_t kind[6] = {0, 1, EXO_ETHERTYPE_IP4 >> 8, 0, 6, 4};

    if (__builtin_memcmp(arp, kind, sizeof(kind)) != 0)
        return;
    t->family = 4;
    __builtin_memcpy(t->remote, arp + 14, 4);
    __builtin_memcpy(t->local, arp + 24, 4);
}

void tuple_read(struct exo_tuple *t, const uint8_t *head, uint32_t length)
{
    uint32_t at = ETHERNET;

    *t = (struct exo_tuple){.mac = mac_at(head), .ethertype = word_at(head + 12)};
    if (t->ethertype == TYPE_TAG || t->ethertype == TYPE_TAG_OUT) {
        t->vlan = EXO_VLAN_TAGGED;
        if (length < ETHERNET + TAG)
            return;
        t->vlan |= word_at(head + ETHERNET) & 0xfff;
        t->ethertype = word_at(head + ETHERNET + 2);
        at += TAG;
    }
    uint32_t room = length - at;
    if (t->ethertype == EXO_ETHERTYPE_IP4 && room >= IP4)
        read_ip4(t, head + at, room);
    else if (t->ethertype == EXO_ETHERTYPE_IP6 && room >= IP6)
        read_ip6(t, head + at, room);
    else if (t->ethertype == EXO_ETHERTYPE_ARP && room >= ARP)
        read_arp(t, head + at);
}

void tuple_turn(struct exo_tuple *t, uint64_t source)
{
    struct exo_tuple old = *t;

    t->mac = source;
    t->local_port = old.remote_port;
    t->remote_port = old.local_port;
    __builtin_memcpy(t->local, old.remote, sizeof(t->local));
    __builtin_memcpy(t->remote, old.local, sizeof(t->remote));
}

/* --- comparing: tuples as words ------------------------------------------------------ */

#define WORDS (sizeof(struct exo_tuple) / 8)
typedef uint64_t __attribute__((may_alias)) word_t;

#define WORD(tuple, i) (((const word_t *)(tuple))[i])

/* Do two tuples differ in a bit that is in both masks? Most that do, do so in the first word, the MAC.
 * With `a` itself as the masks: has `a` a bit that is not in `b`? */
static bool differ(const struct exo_tuple *a, const struct exo_tuple *b,
                   const struct exo_tuple *mask, const struct exo_tuple *mask_too)
{
    for (uint32_t i = 0; i < WORDS; i++)
        if ((WORD(a, i) ^ WORD(b, i)) & WORD(mask, i) & WORD(mask_too, i))
            return true;
    return false;
}

bool tuple_matches(const struct exo_tuple *tuple, const struct exo_filter *filter)
{
    return !differ(tuple, &filter->value, &filter->mask, &filter->mask);
}

bool filter_overlaps(const struct exo_filter *a, const struct exo_filter *b)
{
    return !differ(&a->value, &b->value, &a->mask, &b->mask);
}

bool filter_within(const struct exo_filter *inner, const struct exo_filter *outer)
{
    return !differ(&outer->mask, &inner->mask, &outer->mask, &outer->mask) &&
           !differ(&inner->value, &outer->value, &outer->mask, &outer->mask);
}

/* --- canonical filters --------------------------------------------------------------- */

static bool whole(uint32_t mask, uint32_t all)
{
    return !mask || mask == all;
}

static bool any_bit(const uint8_t *bytes, uint32_t from)
{
    uint8_t bits = 0;

    for (uint32_t i = from; i < 16; i++)
        bits |= bytes[i];
    return bits;
}

static bool mac_good(const struct exo_filter *f, bool open)
{
    if (!f->mask.mac)
        return open;
    return f->mask.mac == EXO_MAC_ALL && f->value.mac && !mac_is_group(f->value.mac);
}

static bool addresses_good(const struct exo_filter *f)
{
    uint32_t from = f->value.family == 6 ? 16 : f->value.family == 4 ? 4 : 0;

    return !any_bit(f->mask.local, from) && !any_bit(f->mask.remote, from);
}

static bool ports_good(const struct exo_filter *f)
{
    bool asked = f->mask.local_port | f->mask.remote_port;

    return f->mask.ports == asked && f->value.ports == asked &&
           (!asked || f->value.protocol == EXO_PROTOCOL_TCP ||
            f->value.protocol == EXO_PROTOCOL_UDP);
}

bool filter_canonical(const struct exo_filter *f, bool open)
{
    const struct exo_tuple *value = &f->value, *mask = &f->mask;

    if (differ(value, mask, value, value) || mask->zero || mask->zero_too || !mac_good(f, open) ||
        !whole(mask->vlan, EXO_VLAN_ALL) || !whole(mask->ethertype, 0xffff) ||
        !whole(mask->family, 0xff) || !whole(mask->protocol, 0xff))
        return false;
    if ((value->vlan && !(value->vlan & EXO_VLAN_TAGGED)) ||
        (value->family != 0 && value->family != 4 && value->family != 6))
        return false;
    if (mask->protocol && (!value->protocol || !value->family))
        return false;
    return addresses_good(f) && ports_good(f);
}
