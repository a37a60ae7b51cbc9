/* SPDX-License-Identifier: MIT */
/* peer.c - the other end of the wire (peer.h). */
#include "peer.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

#define PEERS      1024
#define PEER_SHIFT 7

enum { ETHERNET = 14, IPV4 = 20, UDP_HEADER = 8, TCP_HEADER = 20 };
enum { ICMP = 1, TCP = 6, UDP = 17 };

static const uint8_t peer_mac[6] = {0x52, 0x55, 0x0a, 0x00, 0x02, 0x02};

unsigned peer_arp_replies, peer_pongs, peer_bad_frames, peer_frames;
struct peer_datagram peer_datagram;
bool peer_refuses;

static struct peer_tcp *tcps[PEERS];

/* Frames on their way to libnet. */
static struct frame {
    struct frame *next;
    size_t length;
    uint8_t bytes[1514];
} * first, **last = &first;

/* --- words and sums ------------------------------------------------------------------------- */

static uint32_t get(const uint8_t *at, int bytes)
{
    uint32_t value = 0;

    while (bytes--)
        value = value << 8 | *at++;
    return value;
}

static void put(uint8_t *at, int bytes, uint32_t value)
{
    while (bytes--)
        *at++ = (uint8_t)(value >> 8 * bytes);
}

/* RFC 1071, byte by byte. */
static uint32_t sum(uint32_t start, const uint8_t *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        start += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    return start;
}

static uint16_t fold(uint32_t value)
{
    while (value >> 16)
        value = (value & 0xffff) + (value >> 16);
    return (uint16_t)value;
}

static uint16_t transport_sum(const uint8_t *ip, const uint8_t *body, size_t length)
{
    return fold(sum(sum(ip[9] + (uint32_t)length, ip + 12, 8), body, length));
}

static void send_frame(const uint8_t *frame, size_t length)
{
    struct frame *f = malloc(sizeof(*f));

    f->next = NULL;
    f->length = length;
    memcpy(f->bytes, frame, length);
    *last = f;
    last = &f->next;
}

/* --- building --------------------------------------------------------------------------------- */

size_t peer_frame_ip(uint8_t *frame, uint8_t protocol, uint32_t from, const void *body,
                     size_t length)
{
    static uint16_t id;
    uint8_t *ip = frame + ETHERNET;

    memset(frame, 0, ETHERNET + IPV4);
    put(frame, 2, WORLD_MAC >> 32);
    put(frame + 2, 4, (uint32_t)WORLD_MAC);
    memcpy(frame + 6, peer_mac, 6);
    put(frame + 12, 2, 0x0800);
    ip[0] = 0x45;
    put(ip + 2, 2, (uint32_t)(IPV4 + length));
    put(ip + 4, 2, ++id);
    ip[8] = 64;
    ip[9] = protocol;
    put(ip + 12, 4, from);
    put(ip + 16, 4, HOST_ADDRESS);
    memcpy(ip + IPV4, body, length);
    peer_fix_checksums(frame, ETHERNET + IPV4 + length);
    return ETHERNET + IPV4 + length;
}

void peer_fix_checksums(uint8_t *frame, size_t length)
{
    uint8_t *ip = frame + ETHERNET;
    size_t header = (size_t)(ip[0] & 15) * 4;

    if (length < ETHERNET + IPV4 || header < IPV4 || ETHERNET + header > length)
        return;
    put(ip + 10, 2, 0);
    put(ip + 10, 2, (uint16_t)~fold(sum(0, ip, header)));
    uint8_t *body = ip + header;
    size_t size = length - ETHERNET - header;
    size_t at = ip[9] == TCP ? 16 : ip[9] == UDP ? 6 : 2;
    if (size < at + 2 || (ip[9] != TCP && ip[9] != UDP && ip[9] != ICMP))
        return;
    put(body + at, 2, 0);
    uint16_t value = ip[9] == ICMP ? fold(sum(0, body, size)) : transport_sum(ip, body, size);
    put(body + at, 2, (uint16_t)~value);
}

size_t peer_frame_udp(uint8_t *frame, uint16_t from, uint16_t to, const void *bytes, size_t length)
{
    uint8_t body[1480];

    put(body, 2, from);
    put(body + 2, 2, to);
    put(body + 4, 2, (uint32_t)(UDP_HEADER + length));
    put(body + 6, 2, 0);
    memcpy(body + UDP_HEADER, bytes, length);
    return peer_frame_ip(frame, UDP, PEER_ADDRESS, body, UDP_HEADER + length);
}

size_t peer_frame_tcp(uint8_t *frame, const struct peer_tcp *t, uint8_t flags, const void *bytes,
                      size_t length)
{
    uint8_t body[1480] = {0};
    size_t header = !(flags & SYN) ? TCP_HEADER : t->scales ? TCP_HEADER + 8 : TCP_HEADER + 4;

    put(body, 2, t->port);
    put(body + 2, 2, t->remote);
    put(body + 4, 4, t->sent);
    put(body + 8, 4, flags & ACK ? t->heard : 0);
    body[12] = (uint8_t)(header / 4 << 4);
    body[13] = flags;
    put(body + 14, 2, t->window);
    if (flags & SYN) { /* the option for the largest segment */
        body[20] = 2;
        body[21] = 4;
        put(body + 22, 2, 1460);
        if (t->scales)
            put(body + 24, 4, 0x01030300 | PEER_SHIFT);
    }
    if (length)
        memcpy(body + header, bytes, length);
    return peer_frame_ip(frame, TCP, t->address, body, header + length);
}

/* --- speaking --------------------------------------------------------------------------------- */

void peer_arp_request(void)
{
    uint8_t frame[42] = {0};

    memset(frame, 0xff, 6);
    memcpy(frame + 6, peer_mac, 6);
    put(frame + 12, 2, 0x0806);
    put(frame + 14, 4, 0x00010800);
    put(frame + 18, 4, 0x06040001);
    memcpy(frame + 22, peer_mac, 6);
    put(frame + 28, 4, PEER_ADDRESS);
    put(frame + 38, 4, HOST_ADDRESS);
    send_frame(frame, sizeof(frame));
}

void peer_ping(uint16_t sequence, const void *bytes, size_t length)
{
    uint8_t body[1480] = {8}, frame[1514];

    put(body + 6, 2, sequence);
    memcpy(body + 8, bytes, length);
    send_frame(frame, peer_frame_ip(frame, ICMP, PEER_ADDRESS, body, 8 + length));
}

void peer_udp(uint16_t from, uint16_t to, const void *bytes, size_t length)
{
    uint8_t frame[1514];

    send_frame(frame, peer_frame_udp(frame, from, to, bytes, length));
}

static void send_segment(const struct peer_tcp *t, uint8_t flags, const void *bytes, size_t length)
{
    uint8_t frame[1514];

    send_frame(frame, peer_frame_tcp(frame, t, flags, bytes, length));
}

static void enlist(struct peer_tcp *t)
{
    for (int i = 0; i < PEERS; i++)
        if (!tcps[i]) {
            tcps[i] = t;
            return;
        }
    abort();
}

void peer_tcp_open(struct peer_tcp *t, uint16_t port, uint16_t remote)
{
    uint32_t address = t->address ? t->address : PEER_ADDRESS;
    bool scales = t->scales;

    memset(t, 0, offsetof(struct peer_tcp, bytes));
    t->count = t->segments = t->probes = 0;
    t->address = address;
    t->scales = scales;
    t->port = port;
    t->remote = remote;
    t->window = 65535;
    t->sent = 1000000u * port;
    enlist(t);
    send_segment(t, SYN, NULL, 0);
    t->sent++;
}

void peer_tcp_listen(struct peer_tcp *t, uint16_t port)
{
    memset(t, 0, sizeof(*t));
    t->address = PEER_ADDRESS;
    t->port = port;
    t->window = 65535;
    t->sent = 77;
    enlist(t);
}

void peer_tcp_send(struct peer_tcp *t, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;

    while (length) {
        size_t count = length < 1460 ? length : 1460;
        send_segment(t, ACK | PSH, at, count);
        t->sent += (uint32_t)count;
        at += count;
        length -= count;
    }
}

void peer_tcp_flags(struct peer_tcp *t, uint8_t flags)
{
    send_segment(t, flags, NULL, 0);
    t->sent += (flags & FIN) != 0;
}

void peer_tcp_forget(struct peer_tcp *t)
{
    for (int i = 0; i < PEERS; i++)
        if (tcps[i] == t)
            tcps[i] = NULL;
}

/* --- hearing ---------------------------------------------------------------------------------- */

static void hear_arp(const uint8_t *arp, size_t length)
{
    uint8_t frame[42] = {0};

    if (length < 28 || get(arp, 4) != 0x00010800 || get(arp + 4, 2) != 0x0604) {
        peer_bad_frames++;
        return;
    }
    if (get(arp + 6, 2) == 2) {
        peer_arp_replies += get(arp + 14, 4) == HOST_ADDRESS;
        return;
    }
    /* Every address of the subnet but libnet's own is here. */
    if (get(arp + 24, 4) == HOST_ADDRESS)
        return;
    memcpy(frame, arp + 8, 6);
    memcpy(frame + 6, peer_mac, 6);
    put(frame + 12, 2, 0x0806);
    put(frame + 14, 4, 0x00010800);
    put(frame + 18, 4, 0x06040002);
    memcpy(frame + 22, peer_mac, 6);
    memcpy(frame + 28, arp + 24, 4);
    memcpy(frame + 32, arp + 8, 10);
    send_frame(frame, sizeof(frame));
}

static void hear_icmp(const uint8_t *icmp, size_t length)
{
    peer_bad_frames += fold(sum(0, icmp, length)) != 0xffff;
    peer_pongs += length >= 8 && icmp[0] == 0;
}

static void hear_udp(const uint8_t *ip, const uint8_t *udp, size_t length)
{
    if (length < UDP_HEADER || get(udp + 4, 2) != length ||
        transport_sum(ip, udp, length) != 0xffff) {
        peer_bad_frames++;
        return;
    }
    peer_datagram.count++;
    peer_datagram.from = (uint16_t)get(udp, 2);
    peer_datagram.to = (uint16_t)get(udp + 2, 2);
    peer_datagram.length = length - UDP_HEADER;
    memcpy(peer_datagram.bytes, udp + UDP_HEADER, length - UDP_HEADER);
}

static struct peer_tcp *tcp_of(uint32_t address, uint16_t port, uint16_t remote, bool syn)
{
    for (int i = 0; i < PEERS; i++)
        if (tcps[i] && tcps[i]->port == port && tcps[i]->address == address &&
            (tcps[i]->remote == remote || (syn && !tcps[i]->remote)))
            return tcps[i];
    return NULL;
}

static void hear_segment(struct peer_tcp *t, uint8_t flags, uint32_t sequence, const uint8_t *data,
                         size_t length)
{
    if (flags & RST) {
        t->got_rst = true;
        return;
    }
    if (flags & SYN) {
        t->got_syn = true;
        t->heard = sequence + 1;
        if (!(flags & ACK)) {
            send_segment(t, SYN | ACK, NULL, 0);
            t->sent++;
        } else if (!t->silent) {
            send_segment(t, ACK, NULL, 0);
        }
        return;
    }
    /* Take what continues what came; forget the rest. */
    uint32_t old = t->heard - sequence;
    if (old <= length && length - old > 0 && t->window) {
        size_t fresh = length - old;
        if (t->count + fresh > sizeof(t->bytes))
            abort();
        memcpy(t->bytes + t->count, data + old, fresh);
        t->count += fresh;
        t->heard += (uint32_t)fresh;
        t->segments++;
    }
    if (flags & FIN && sequence + length == t->heard && !t->got_fin) {
        t->got_fin = true;
        t->heard++;
    }
    bool probe = !length && sequence + 1 == t->heard && !(flags & FIN);
    t->probes += probe;
    if ((length || flags & FIN || probe) && !t->silent)
        send_segment(t, ACK, NULL, 0);
}

/* RFC 7323, section 2.2: 0 if the option is not there. */
static uint8_t shift_of(const uint8_t *tcp, size_t header)
{
    for (size_t at = TCP_HEADER; at + 2 < header && tcp[at]; at += tcp[at] == 1 ? 1 : tcp[at + 1])
        if (tcp[at] == 3)
            return tcp[at + 2];
    return 0;
}

static void hear_tcp(const uint8_t *ip, const uint8_t *tcp, size_t length)
{
    size_t header = length >= TCP_HEADER ? (size_t)(tcp[12] >> 4) * 4 : 0;

    if (header < TCP_HEADER || header > length || transport_sum(ip, tcp, length) != 0xffff) {
        peer_bad_frames++;
        return;
    }
    uint16_t remote = (uint16_t)get(tcp, 2), port = (uint16_t)get(tcp + 2, 2);
    uint32_t sequence = get(tcp + 4, 4);
    struct peer_tcp *t = tcp_of(get(ip + 16, 4), port, remote, tcp[13] & SYN);
    if (t) {
        t->remote = remote;
        if (tcp[13] & SYN)
            t->shift = t->scales ? shift_of(tcp, header) : 0;
        t->acked = get(tcp + 8, 4);
        t->room = get(tcp + 14, 2) << (tcp[13] & SYN ? 0 : t->shift);
        hear_segment(t, tcp[13], sequence, tcp + header, length - header);
    } else if (peer_refuses && tcp[13] & SYN) {
        struct peer_tcp nobody = {
            .address = get(ip + 16, 4), .port = port, .remote = remote, .heard = sequence + 1};
        send_segment(&nobody, RST | ACK, NULL, 0);
    }
}

static void hear(const uint8_t *frame, uint32_t length)
{
    const uint8_t *ip = frame + ETHERNET;

    peer_frames++;
    peer_bad_frames += length < 60; /* Ethernet's least */
    if (get(frame + 6, 2) != WORLD_MAC >> 32 || get(frame + 8, 4) != (uint32_t)WORLD_MAC) {
        peer_bad_frames++;
        return;
    }
    if (get(frame + 12, 2) == 0x0806) {
        hear_arp(ip, length - ETHERNET);
        return;
    }
    if (get(frame + 12, 2) == 0x86dd)
        return; /* not spoken here */
    size_t total = length >= ETHERNET + IPV4 ? get(ip + 2, 2) : 0;
    size_t header = (size_t)(ip[0] & 15) * 4; /* an answer to a ping keeps its options */
    if (get(frame + 12, 2) != 0x0800 || ip[0] >> 4 != 4 || header < IPV4 || total < header ||
        total > length - ETHERNET || fold(sum(0, ip, header)) != 0xffff) {
        peer_bad_frames++;
        return;
    }
    for (size_t i = ETHERNET + total; i < length; i++)
        peer_bad_frames += frame[i] != 0; /* what else the buffer held is nobody's business */
    if (get(ip + 6, 2) & 0x3fff)
        return; /* a fragment */
    if (ip[9] == ICMP)
        hear_icmp(ip + header, total - header);
    else if (ip[9] == UDP)
        hear_udp(ip, ip + header, total - header);
    else if (ip[9] == TCP)
        hear_tcp(ip, ip + header, total - header);
}

/* --- both ways -------------------------------------------------------------------------------- */

static bool deliver(void)
{
    struct frame *f = first;

    if (!f || !world_receive(f->bytes, (uint32_t)f->length))
        return false;
    first = f->next;
    if (!first)
        last = &first;
    free(f);
    return true;
}

static void deliver_all(void)
{
    while (deliver())
        ;
}

void peer_start(void)
{
    world_sent = hear;
    world_step = deliver_all;
}

void peer_run(void)
{
    for (int idle = 0; idle < 2; idle++) {
        while (deliver())
            idle = 0;
        world_pass(1);
        if (first)
            idle = -1;
    }
}
