/* SPDX-License-Identifier: MIT */
/*
 * card.c - see card.h. Layouts: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP), RFC 1071 (the sum).
 */
#include "card.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ring.h"

unsigned card_completed, card_cut;

static uint32_t get(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static void put(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t add(uint32_t sum, const uint8_t *at, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void must(bool good, const char *what)
{
    if (good)
        return;
    printf("Bail out! The card was given %s.\n", what);
    exit(1);
}

/* One frame of the wire: `at` is where TCP begins, its checksum field holds the pseudo header's sum. */
static void finish(uint8_t *frame, uint32_t length, uint32_t at,
                   void (*to)(const uint8_t *frame, uint32_t length))
{
    put(frame + at + 16, ~fold(add(0, frame + at, length - at)));
    to(frame, length);
}

void card_send(const uint8_t *packet, uint32_t length, uint32_t flags,
               void (*to)(const uint8_t *frame, uint32_t length))
{
    static uint8_t frame[EXO_PACKET_LONG];
    uint32_t segment = flags & EXO_DESC_SEGMENT;

    must(length <= (segment ? EXO_PACKET_LONG : EXO_PACKET_MAX), "a packet that is too long");
    must(!segment || (flags & EXO_DESC_CHECKSUM && segment >= EXO_SEGMENT_MIN), "strange flags");
    if (!(flags & EXO_DESC_CHECKSUM)) {
        to(packet, length);
        return;
    }
    bool ip6 = get(packet + 12) == 0x86dd;
    const uint8_t *ip = packet + 14;
    must(ip6 ? ip[6] == 6 : get(packet + 12) == 0x800 && ip[9] == 6 && !(get(ip + 6) & 0x3fff),
         "no TCP to complete");
    uint32_t at = ip6 ? 54 : 14 + (ip[0] & 15u) * 4, header = at + (packet[at + 12] >> 4) * 4u;
    uint32_t total = ip6 ? 40 + get(ip + 4) : get(ip + 2), end = 14 + total;
    uint32_t addresses = ip6 ? add(0, ip + 8, 32) : add(0, ip + 12, 8);
    must(header <= end && (segment ? end == length : end <= length),
         "a length that is not its own");
    must(ip6 || fold(add(0, ip, at - 14)) == 0xffff, "a wrong checksum of IPv4");
    must(get(packet + at + 16) == fold(addresses + 6 + end - at),
         "a wrong sum of the pseudo header");
    card_completed++;
    card_cut += segment && length - header > segment;
    if (!segment)
        segment = EXO_PACKET_MAX;
    uint32_t sequence = get(packet + at + 4) << 16 | get(packet + at + 6), number = 0, done = 0;
    do {
        uint32_t rest = length - header - done, part = rest < segment ? rest : segment;
        memcpy(frame, packet, header);
        memcpy(frame + header, packet + header + done, part);
        if (length > EXO_PACKET_MAX || flags & EXO_DESC_SEGMENT) {
            put(frame + (ip6 ? 18 : 16), header + part - (ip6 ? 54 : 14));
            if (!ip6) {
                put(frame + 18, get(ip + 4) + number++);
                put(frame + 24, 0);
                put(frame + 24, ~fold(add(0, frame + 14, at - 14)));
            }
            put(frame + at + 4, (sequence + done) >> 16);
            put(frame + at + 6, sequence + done);
            if (part < rest)
                frame[at + 13] &= (uint8_t)~9; /* FIN and PSH are for the last one */
            put(frame + at + 16, fold(addresses + 6 + header + part - at));
        }
        done += part;
        finish(frame, header + part, at, to);
    } while (done < length - header);
}
