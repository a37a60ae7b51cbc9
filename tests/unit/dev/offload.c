/* SPDX-License-Identifier: MIT */
/*
 * offload.c - what a card is told of a packet: exactly what its head says, or nothing.
 */
#include "../tap.h"

#include "offload.h"

#include <string.h>

#define ALL (EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4 | EXO_OFFLOAD_SEGMENT6)

static uint8_t head[NIC_HEADER];

/* A frame of TCP (or another protocol) with no options. `tag`: in a VLAN. Where its transport begins. */
static uint32_t make(bool ip6, bool tag, uint8_t protocol)
{
    uint8_t *ip = head + (tag ? 18 : 14);

    memset(head, 0, sizeof(head));
    head[12] = tag ? 0x81 : ip6 ? 0x86 : 8;
    head[13] = ip6 && !tag ? 0xdd : 0;
    if (tag) {
        head[16] = ip6 ? 0x86 : 8;
        head[17] = ip6 ? 0xdd : 0;
    }
    ip[0] = ip6 ? 0x60 : 0x45;
    ip[ip6 ? 6 : 9] = protocol;
    ip[(ip6 ? 40 : 20) + 12] = 0x50;
    return (uint32_t)(ip - head) + (ip6 ? 40 : 20);
}

static struct offload told;

static bool read_as(uint32_t offloads, uint32_t head_length, uint32_t length, uint32_t flags)
{
    const struct piece piece = {.memory = head, .length = length};
    const struct packet p = {head, head_length, length, 1, (uint16_t)flags, &piece};

    return offload_read(&p, offloads, &told);
}

static bool cuts(uint32_t length, uint32_t flags)
{
    return read_as(ALL, NIC_HEADER, length, EXO_DESC_CHECKSUM | flags);
}

static void test_places(void)
{
    for (uint32_t kind = 0; kind < 8; kind++) {
        bool ip6 = kind & 1, tag = kind & 2, udp = kind & 4;
        uint32_t at = make(ip6, tag, udp ? 17 : 6);
        tap_ok(read_as(ALL, NIC_HEADER, 1000, EXO_DESC_CHECKSUM) && told.transport == at &&
                   told.checksum == (udp ? 6 : 16) && told.ip6 == ip6,
               "%s over IPv%u%s", udp ? "UDP" : "TCP", ip6 ? 6 : 4, tag ? " in a VLAN" : "");
        tap_ok(!read_as(0, NIC_HEADER, 1000, EXO_DESC_CHECKSUM),
               "not by a card that takes nothing");
        tap_ok(cuts(60000, 1000) == !udp && (udp || told.header == at + 20), "TCP can be cut");
        tap_ok(
            !read_as(EXO_OFFLOAD_CHECKSUM, NIC_HEADER, 3000, EXO_DESC_CHECKSUM | 1000) &&
                !read_as(EXO_OFFLOAD_CHECKSUM | (ip6 ? EXO_OFFLOAD_SEGMENT4 : EXO_OFFLOAD_SEGMENT6),
                         NIC_HEADER, 3000, EXO_DESC_CHECKSUM | 1000),
            "not by a card that does not cut this");
        bool whole = true;
        for (uint32_t length = 14; length <= NIC_HEADER; length++)
            whole &=
                read_as(ALL, length, length, EXO_DESC_CHECKSUM) == (length >= at + (udp ? 8 : 20));
        tap_ok(whole, "only if its header is there whole");
    }
}

static void test_flags(void)
{
    make(false, false, 6);
    tap_ok(read_as(ALL, NIC_HEADER, 1000, 0), "no flags are taken");
    tap_ok(!read_as(ALL, NIC_HEADER, 1000, 1000), "no cutting without the checksum");
    for (uint32_t bit = 11; bit < 16; bit++)
        tap_ok(cuts(1000, 1u << bit) == (bit == 14), "bit %u", bit);
    tap_ok(!cuts(3000, EXO_SEGMENT_MIN - 1) && cuts(3000, EXO_SEGMENT_MIN), "the least segment");
    tap_ok(cuts(3000, EXO_PACKET_MAX - 54) && !cuts(3000, EXO_PACKET_MAX - 53),
           "and the greatest, with its headers");
    tap_ok(!cuts(54, 1000) && cuts(55, 1000), "there is something to cut");
    head[46] = 0x80;
    tap_ok(cuts(3000, 1000) && told.header == 66, "TCP with options");
    head[46] = 0x40;
    tap_ok(!cuts(3000, 1000) && !cuts(1000, 0), "a TCP header that says it is too short");
    head[46] = 0xf0;
    tap_ok(read_as(ALL, 94, 94, EXO_DESC_CHECKSUM) && !read_as(ALL, 93, 93, EXO_DESC_CHECKSUM),
           "or longer than what is there");
}

static void test_others(void)
{
    static const struct {
        uint8_t at, value;
        const char *what;
    } wrong[] = {{20, 0x20, "a fragment, the first"},
                 {21, 1, "a fragment, a later one"},
                 {20, 0x1f, "one far behind"},
                 {14, 0x44, "a header that is too short"},
                 {14, 0x65, "of another version"},
                 {12, 0x86, "of an unknown type"},
                 {23, 1, "ICMP"},
                 {23, 0, "protocol 0"}};

    for (uint32_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        make(false, false, 6);
        head[wrong[i].at] = wrong[i].value;
        tap_ok(!cuts(1000, 0), "IPv4: %s", wrong[i].what);
    }
    make(false, false, 6);
    head[20] = 0x40;
    tap_ok(cuts(1000, 0), "that it may not be cut into fragments is no matter");
    head[14] = 0x4f;
    head[86] = 0x50;
    tap_ok(cuts(1000, 0) && told.transport == 74, "IPv4 with all of its options");
    make(true, false, 44);
    tap_ok(!cuts(1000, 0), "IPv6: an extension header");
    make(true, false, 6);
    head[14] = 0x40;
    tap_ok(!cuts(1000, 0), "of another version");
}

/* Whatever a head holds, a card writes only behind the ports of a header that is there. */
static void test_random(void)
{
    bool fair = true;
    uint32_t taken = 0;

    for (uint32_t round = 0; round < 300000; round++) {
        uint32_t at = make(round & 1, round & 2, round & 4 ? 17 : 6);
        uint32_t length = 14 + (uint32_t)(tap_random() % (NIC_HEADER - 13));
        for (uint32_t i = 0; i < round % 4; i++)
            head[12 + tap_random() % (at - 4)] = (uint8_t)tap_random();
        uint32_t flags = (uint32_t)tap_random() & (round & 8 ? 0xffff : 0x47ff);
        if (!read_as((uint32_t)tap_random() & 7, length, (uint32_t)tap_random() % 70000, flags) ||
            !flags)
            continue;
        taken++;
        fair &= told.transport >= 34 && told.transport + told.checksum + 2 <= length;
        fair &=
            !(flags & EXO_DESC_SEGMENT) ||
            (told.header <= length && told.header + (flags & EXO_DESC_SEGMENT) <= EXO_PACKET_MAX);
    }
    tap_ok(fair && taken > 1000, "no head makes a card write elsewhere (%u were taken)", taken);
}

int main(void)
{
    test_places();
    test_flags();
    test_others();
    test_random();
    return tap_done();
}
