/* SPDX-License-Identifier: MIT */
/*
 * filter.h - which packets belong to a network queue.
 *
 * Of each packet the kernel makes a tuple, the same for all cards and both ways: "local" is where a
 * packet that is received goes to, and where one that is sent comes from. A filter compares it: a
 * packet matches when (tuple ^ value) & mask is zero everywhere. A queue receives what matches one
 * of its filters and may send nothing else. No two filters of a card match one packet.
 *
 * The tuple (EtherTypes: IEEE 802; IPv4: RFC 791, ARP: RFC 826, IPv6: RFC 8200):
 *   mac        local MAC
 *   vlan       0 without a VLAN tag, else EXO_VLAN_TAGGED and the 12 bits of the VLAN's number; of
 *              several tags the first
 *   ethertype  behind that tag
 *   family     4: IPv4 with a whole header, or ARP for IPv4 over Ethernet; 6: IPv6 with a whole
 *              header; 0: anything else, and then the fields below are 0
 *   protocol   of IPv4, or the next header of IPv6, whose extension headers are not walked; 0: ARP
 *   ports      1: the packet is TCP or UDP and shows its ports, which later fragments do not, nor
 *              packets that end before them; 0: it has none, and then both are 0
 *   local, remote  addresses; an IPv4 one is the first four bytes. Of ARP the sender's and the
 *              target's protocol address; of a neighbour advertisement (RFC 4861) its target stands for
 *              whom it comes from: nobody can claim an address that is not his
 * All numbers are in host order, addresses are bytes in network order. What the first 128 bytes
 * of a packet do not show it does not have.
 *
 * Canonical is a filter with
 *   - no bit of `value` outside `mask`, and nothing in `zero`,
 *   - mac: all 48 bits, unicast and not zero. (Only an allowance may leave it open.)
 *   - vlan, ethertype, family, protocol: all bits of the field or none,
 *   - local, remote: only with family 4 (the first four bytes) or 6,
 *   - protocol: only with family 4 or 6, and not 0,
 *   - ports: the bit in value and mask if one of the ports has a mask, in neither if none has; only
 *     with protocol TCP or UDP.
 * Addresses and ports may have any mask: a prefix, a block of ports.
 *
 * To a packet for a group (broadcast, multicast) two rules apply in place of the fields that name
 * no station there: every `mac` matches, and, unless it is ARP, every `local`.
 */
#ifndef EXO_ABI_FILTER_H
#define EXO_ABI_FILTER_H

#include "types.h"

struct exo_tuple {
    uint64_t mac; /* first octet in bits 47..40 */
    uint16_t vlan;
    uint16_t ethertype;
    uint8_t family;
    uint8_t protocol;
    uint8_t ports;
    uint8_t zero;
    uint16_t local_port, remote_port;
    uint32_t zero_too;
    uint8_t local[16], remote[16];
};

struct exo_filter {
    struct exo_tuple value, mask;
};

#define EXO_FILTERS_MAC    16u /* filters of one MAC on one card */
#define EXO_FILTERS_QUEUE  16u /* filters of one queue */
#define EXO_ALLOWANCES     8u  /* what one environment was allowed (env_set) */

#define EXO_VLAN_TAGGED    0x1000u
#define EXO_VLAN_ALL       0x1fffu /* its whole mask */
#define EXO_MAC_ALL        0xffffffffffffull
#define EXO_ETHERTYPE_IP4  0x0800u
#define EXO_ETHERTYPE_ARP  0x0806u
#define EXO_ETHERTYPE_IP6  0x86ddu
#define EXO_PROTOCOL_TCP   6u
#define EXO_PROTOCOL_UDP   17u
#define EXO_PROTOCOL_ICMP6 58u

_Static_assert(sizeof(struct exo_tuple) == 56, "no hidden padding");
_Static_assert(sizeof(struct exo_filter) == 112, "no hidden padding");

#endif
