/* SPDX-License-Identifier: MIT */
/*
 * segments.c - checksums of TCP that a card completes, and segments that it cuts (exo/abi/ring.h).
 *
 * lwIP makes segments as the wire has them, one behind the other. Where the card cuts, the next one is
 * put behind the last one, as long as the kernel has not been told of that: headers that say the same,
 * and bytes that follow on. The card makes of it the segments that lwIP had made, but for the flag PSH,
 * which the last one gets.
 *
 *   G1  what is open was not told to the kernel, and its headers and descriptors are right at any time
 *   G2  all of its segments but the last are of one length; a shorter one, other headers, a gap, or too
 *       few buffers begin a new packet
 *
 * Layouts: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP).
 */
#include "segments.h"

#include <string.h>

#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/tcp.h"
#include "lwipopts.h"

#include "bytes.h"
#include "rings.h"

enum { ETHERNET = 14, IP4 = 20, IP6 = 40, PROTOCOL_TCP = 6 };
#define FRAGMENT 0x3fffu /* more follow, or a place */

static struct {
    bool open;
    bool ip6;
    uint8_t *frame, *end; /* its first buffer; where its last one is filled up to */
    struct exo_desc *first, *last;
    uint32_t buffers;
    uint32_t at, header;      /* where that of TCP begins, and where it ends */
    uint32_t segment, length; /* bytes of payload: of each but the last, of all */
    uint64_t kicks;           /* of then */
} large;

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint32_t word32(const uint8_t *at)
{
    return (uint32_t)word16(at) << 16 | word16(at + 2);
}

/* Where the header of TCP begins in a frame of so many bytes; 0: it has none, or is a fragment. */
static uint32_t tcp_at(const uint8_t *frame, uint32_t length)
{
    const uint8_t *ip = frame + ETHERNET;
    uint32_t type = length >= ETHERNET + IP4 + TCP_HLEN ? word16(frame + 12) : 0, at = 0;

    if (type == ETHTYPE_IP && ip[9] == PROTOCOL_TCP && !(word16(ip + 6) & FRAGMENT))
        at = ETHERNET + (ip[0] & 15u) * 4;
    if (type == ETHTYPE_IPV6 && ip[6] == PROTOCOL_TCP)
        at = ETHERNET + IP6;
    return at + TCP_HLEN <= length ? at : 0;
}

/* RFC 9293, 3.1: what the card adds up with the rest; `length` is of the TCP segment, header and all. */
static void put_pseudo_sum(uint8_t *frame, uint32_t at, uint32_t length)
{
    bool ip6 = word16(frame + 12) == ETHTYPE_IPV6;
    uint32_t sum = net_checksum(frame + ETHERNET + (ip6 ? 8 : 12), ip6 ? 32 : 8);
    uint8_t rest[4];

    put16(rest, PROTOCOL_TCP);
    put16(rest + 2, length);
    sum += net_checksum(rest, 4);
    sum = (sum & 0xffff) + (sum >> 16);
    uint16_t word = (uint16_t)((sum & 0xffff) + (sum >> 16));
    memcpy(frame + at + 16, &word, sizeof(word));
}

void segments_send(uint8_t *frame, uint32_t length)
{
    uint32_t offloads = rings_offloads(), at = tcp_at(frame, length);

    large.open = false;
    if (!(offloads & EXO_OFFLOAD_CHECKSUM) || !at) {
        rings_send(length, 0);
        return;
    }
    uint32_t header = at + (frame[at + 12] >> 4) * 4u;
    bool ip6 = word16(frame + 12) == ETHTYPE_IPV6;
    /* Behind what IP counts there may be zeros, to fill up a short frame. */
    uint32_t end = ETHERNET + (ip6 ? IP6 + word16(frame + 18) : word16(frame + 16));
    put_pseudo_sum(frame, at, end - at);
    struct exo_desc *desc = rings_send(length, EXO_DESC_CHECKSUM);

    large.open = offloads & (ip6 ? EXO_OFFLOAD_SEGMENT6 : EXO_OFFLOAD_SEGMENT4) && end == length &&
                 length - header >= EXO_SEGMENT_MIN && !(frame[at + 13] & ~(TCP_ACK | TCP_PSH));
    large.ip6 = ip6;
    large.frame = frame;
    large.end = frame + length;
    large.first = large.last = desc;
    large.buffers = 1;
    large.at = at;
    large.header = header;
    large.segment = large.length = length - header;
    large.kicks = rings_stats.kicks;
}

/* Do the headers of a segment say what those of the open packet say, and do its bytes follow? */
static bool follows(const uint8_t *next)
{
    const uint8_t *frame = large.frame, *ip = frame + ETHERNET, *next_ip = next + ETHERNET;
    const uint8_t *tcp = frame + large.at, *next_tcp = next + large.at;
    bool same = large.ip6 ? !memcmp(ip, next_ip, 4) && !memcmp(ip + 6, next_ip + 6, 34)
                          : !memcmp(ip, next_ip, 2) && !memcmp(ip + 6, next_ip + 6, 4) &&
                                !memcmp(ip + 12, next_ip + 12, large.at - ETHERNET - 12);

    /* Not compared: lengths, checksums, IPv4's identification, which the card counts up itself. */
    return same && !memcmp(frame, next, ETHERNET) && !memcmp(tcp, next_tcp, 4) &&
           word32(next_tcp + 4) == word32(tcp + 4) + large.length &&
           !memcmp(tcp + 8, next_tcp + 8, 5) && !((tcp[13] ^ next_tcp[13]) & ~TCP_PSH) &&
           !memcmp(tcp + 14, next_tcp + 14, 2) &&
           !memcmp(tcp + 18, next_tcp + 18, large.header - large.at - 18);
}

/* Its headers tell of `payload` bytes more, and have the flags of the segment that these are of, too. */
static void grow(uint32_t payload, uint8_t flags)
{
    uint8_t *ip = large.frame + ETHERNET;

    large.length += payload;
    large.frame[large.at + 13] |= flags;
    if (large.ip6) {
        put16(ip + 4, large.header - large.at + large.length);
    } else {
        put16(ip + 2, large.header - ETHERNET + large.length);
        put16(ip + 10, 0);
        uint16_t sum = (uint16_t)~net_checksum(ip, (int)large.at - ETHERNET);
        memcpy(ip + 10, &sum, sizeof(sum));
    }
    put_pseudo_sum(large.frame, large.at, large.header - large.at + large.length);
    large.first->flags =
        (uint16_t)((large.first->flags & EXO_DESC_MORE) | EXO_DESC_CHECKSUM | large.segment);
}

bool segments_join(const struct pbuf *p)
{
    if (!large.open || large.kicks != rings_stats.kicks || p->len < large.header)
        return false;
    uint32_t payload = p->tot_len - large.header;
    uint32_t room = EXO_BUFFER_SIZE - large.last->length;
    uint32_t more = payload > room ? (payload - room + EXO_BUFFER_SIZE - 1) / EXO_BUFFER_SIZE : 0;
    if (!payload || payload > large.segment || large.length % large.segment ||
        large.header + large.length + payload > UINT16_MAX ||
        large.buffers + more > EXO_PACKET_BUFFERS || !follows(p->payload) || !rings_have(more))
        return false;

    uint32_t done = payload < room ? payload : room, offset = large.header;
    pbuf_copy_partial(p, large.end, (u16_t)done, (u16_t)offset);
    large.last->length = (uint16_t)(large.last->length + done);
    large.end += done;
    rings_stats.tx_bytes += done;
    while (done < payload) {
        uint32_t part = payload - done < EXO_BUFFER_SIZE ? payload - done : EXO_BUFFER_SIZE;
        uint8_t *to = rings_send_buffer();
        pbuf_copy_partial(p, to, (u16_t)part, (u16_t)(offset + done));
        large.last = rings_send_more(part);
        large.end = to + part;
        large.buffers++;
        done += part;
    }
    grow(payload, ((const uint8_t *)p->payload)[large.at + 13]);
    return true;
}

bool segments_whole(const uint8_t *frame, uint32_t length)
{
    return length < ETHERNET + IP4 || word16(frame + 12) != ETHTYPE_IP ||
           !(word16(frame + ETHERNET + 6) & FRAGMENT);
}
