/* SPDX-License-Identifier: MIT */
/*
 * packets.c - libnet and lwIP, from the ring to the sockets: what a network can send.
 *
 * Each input is a conversation with a listening TCP socket, a connection and a UDP socket: whole
 * frames of any bytes, frames of each protocol with any fields, calls of the application, time.
 * What lies behind a frame in its buffer is poison. After each input everything is closed and time
 * passes: then nothing may be left behind, so that inputs do not depend on those before.
 */
#include "target.h"

#include "../unit/net/sockets.h"

#include "libnet.h"
#include "ring.h"
#include "peer.h"
#include "world.h"

enum {
    PORT_TCP = 80,
    PORT_UDP = 7,
    PORT_PEER = 5000,
    OPS_MAX = 100,
    DATA_MAX = 1400,
    PATIENCE = 400,
};
#define SECOND 1000000000ull

/* With IPv6, too. */
uint32_t world_offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4 | EXO_OFFLOAD_SEGMENT6;
const char *world_address6 = "fd00::15/64", *world_gateway6 = "fd00::1";

static struct input input;
static struct peer_tcp live;
static uint8_t frame[1514], data[2048], buffer[4096];
static long listener, udp, tcp;
static bool in_pieces; /* a frame comes in two buffers, or is said to have come in one piece */

/* Bytes for a body; those of the input, then zeros. How many: less than `limit`. */
static size_t body(size_t limit)
{
    size_t size = take(&input, 2) % limit, given = size < input.left ? size : input.left;

    memcpy(data, input.at, given);
    memset(data + given, 0, size - given);
    input.at += given;
    input.left -= given;
    return size;
}

static void receive(size_t length)
{
    if (length < 14)
        length = 14;
    uint32_t first = in_pieces ? 1 + take_below(&input, (uint32_t)length) : (uint32_t)length;
    if (!world_receive_large(frame, (uint32_t)length, first,
                             in_pieces ? EXO_DESC_CHECKSUM | 1000 : 0))
        peer_run();
}

static void whole_frame(bool fix)
{
    size_t size = body(sizeof(frame) - 12);

    memset(frame, 0, sizeof(frame));
    memcpy(frame, "\x52\x54\x00\x00\x00\x01\x02\x02\x02\x02\x02\x02", 12);
    memcpy(frame + 12, data, size);
    if (fix)
        peer_fix_checksums(frame, 12 + size);
    receive(12 + size);
}

static void tcp_frame(void)
{
    struct peer_tcp t = {.address = live.address, .port = live.port, .remote = PORT_TCP};
    uint32_t how = take(&input, 1), flags = take(&input, 1);

    t.sent = live.sent + (how & 1 ? take(&input, 2) - 0x8000 : 0);
    t.heard = live.heard + (how & 2 ? take(&input, 2) - 0x8000 : 0);
    t.window = how & 4 ? (uint16_t)take(&input, 2) : 65535;
    if (how & 8)
        t.port = (uint16_t)(PORT_PEER + take(&input, 1));
    size_t size = body(DATA_MAX), length = peer_frame_tcp(frame, &t, (uint8_t)flags, data, size);
    if (how & 16) { /* what follows the header becomes options */
        frame[46] = (uint8_t)(take(&input, 1) & 0xf0);
        peer_fix_checksums(frame, length);
    }
    if (how & 32) {
        frame[14 + take_below(&input, 40)] ^= (uint8_t)take(&input, 1);
        if (how & 64)
            peer_fix_checksums(frame, length);
    }
    if (!(how & 1))
        live.sent += (uint32_t)size + !!(flags & SYN) + !!(flags & FIN);
    receive(length);
}

static void udp_frame(void)
{
    static const uint16_t ports[] = {PORT_UDP, 68, 67, 9};
    uint32_t how = take(&input, 1);
    size_t size = body(DATA_MAX);
    size_t length = peer_frame_udp(frame, how & 4 ? 67 : 1000, ports[how & 3], data, size);

    if (how & 8) {
        frame[14 + take_below(&input, 28)] ^= (uint8_t)take(&input, 1);
        peer_fix_checksums(frame, length);
    }
    if (how & 16)
        length = 14 + take_below(&input, (uint32_t)length - 13);
    receive(length);
}

/* Any protocol over IPv4; and pieces of datagrams. */
static void ip_frame(void)
{
    uint32_t protocol = take(&input, 1), how = take(&input, 1);
    size_t size = body(DATA_MAX);
    size_t length = peer_frame_ip(frame, protocol < 128 ? 1 : (uint8_t)(protocol - 127),
                                  how & 1 ? take(&input, 4) : PEER_ADDRESS, data, size);

    if (how & 2) { /* same identification, own offset */
        frame[18] = 0;
        frame[19] = (uint8_t)(how >> 2 & 3);
        frame[20] = (uint8_t)take(&input, 1);
        frame[21] = (uint8_t)take(&input, 1);
    }
    if (how & 16)
        frame[14] = (uint8_t)take(&input, 1);
    if (how & 32)
        frame[17] = (uint8_t)take(&input, 1);
    if (!(how & 64))
        peer_fix_checksums(frame, length);
    receive(length);
}

/* Any protocol over IPv6, to this host or to a group of its, from a neighbour or not, its sum right or not. */
static void ip6_frame(void)
{
    static const uint8_t protocols[] = {58, 58, 58, 6, 17, 0, 44, 60};
    static const uint8_t header[54] = {0x52, 0x54, 0,    0,          0,           1,
                                       2,    2,    2,    2,          2,           2,
                                       0x86, 0xdd, 0x60, [21] = 255, [22] = 0xfd, [37] = 2};
    uint32_t how = take(&input, 1), total = 0;
    size_t size = body(DATA_MAX);

    memcpy(frame, header, sizeof(header));
    memcpy(frame + 38, how & 8 ? "\xff\x02" : "\xfd\0", 2);
    memset(frame + 40, 0, 14);
    frame[53] = how & 8 ? 1 : 0x15;
    frame[18] = (uint8_t)(size >> 8);
    frame[19] = (uint8_t)size;
    frame[20] = protocols[how & 7];
    memcpy(frame + 54, data, size);
    uint8_t *sum = frame + 54 + (frame[20] == 6 ? 16 : frame[20] == 17 ? 6 : 2);
    if (!(how & 16) && size > 17) { /* RFC 8200, section 8.1 */
        sum[0] = sum[1] = 0;
        total = (uint32_t)size + frame[20];
        for (size_t i = 22; i < 54 + size; i++)
            total += i % 2 ? frame[i] : (uint32_t)frame[i] << 8;
        total = (total & 0xffff) + (total >> 16);
        total = ~((total & 0xffff) + (total >> 16));
        sum[0] = (uint8_t)(total >> 8);
        sum[1] = (uint8_t)total;
    }
    if (how & 32)
        frame[14 + take_below(&input, 40)] ^= (uint8_t)take(&input, 1);
    receive(54 + size - (how & 64 ? take_below(&input, (uint32_t)size + 1) : 0));
}

static void arp_frame(void)
{
    size_t size = body(60);

    memset(frame, 0xff, 6);
    memcpy(frame + 6, "\x02\x02\x02\x02\x02\x02\x08\x06\x00\x01\x08\x00\x06\x04", 14);
    memcpy(frame + 20, data, size);
    receive(20 + size);
}

static void application(uint32_t what)
{
    long fd;

    switch (what % 8) {
    case 0:
        t_recv(udp, buffer, sizeof(buffer), MSG_DONTWAIT);
        break;
    case 1:
        if (tcp >= 0)
            t_recv(tcp, buffer, 1 + take(&input, 1) * 16, MSG_DONTWAIT);
        break;
    case 2:
        if (tcp >= 0)
            t_send(tcp, buffer, 1 + take(&input, 1) * 16, MSG_DONTWAIT);
        break;
    case 3:
        fd = t_accept(listener, NULL, SOCK_NONBLOCK);
        if (fd >= 0 && tcp >= 0)
            world_close((int)fd);
        else if (fd >= 0)
            tcp = fd;
        break;
    case 4:
        if (tcp >= 0)
            t_shutdown(tcp, (int)take_below(&input, 3));
        break;
    case 5:
        if (tcp >= 0)
            world_close((int)tcp);
        tcp = -1;
        break;
    case 6:
        world_pass((uint64_t)take(&input, 1) * 40000000);
        break;
    default:
        world_hold_sent(what & 8);
        break;
    }
}

static void op(void)
{
    uint32_t what = take(&input, 1);

    in_pieces = what & 64;
    switch (what % 8) {
    case 0:
        whole_frame(what & 8);
        break;
    case 1:
    case 2:
        tcp_frame();
        break;
    case 3:
        udp_frame();
        break;
    case 4:
        if (what & 128)
            ip6_frame();
        else
            ip_frame();
        break;
    case 5:
        arp_frame();
        break;
    case 6:
        peer_run();
        break;
    default:
        application(what / 8);
        break;
    }
}

static void begin(void)
{
    listener = fd_socket_call(SYS_socket, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0, 0, 0, 0);
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT_TCP)};
    udp = t_socket(SOCK_DGRAM);
    MUST(!fd_socket_call(SYS_bind, listener, (long)&any, sizeof(any), 0, 0, 0) &&
             !t_listen(listener, 4) && !t_bind(udp, 0, PORT_UDP),
         "the sockets of the inputs before are still open");
    peer_tcp_open(&live, PORT_PEER, PORT_TCP);
    peer_run();
    tcp = t_accept(listener, NULL, SOCK_NONBLOCK);
    MUST(tcp >= 0, "no connection can be made");
}

static void end(const struct net_stats *before)
{
    struct net_stats now;

    world_hold_sent(false);
    peer_run();
    if (tcp >= 0)
        world_close((int)tcp);
    world_close((int)listener);
    world_close((int)udp);
    peer_tcp_forget(&live);
    for (unsigned i = 0; i < PATIENCE; i++) {
        net_stats(&now);
        if (now.sockets == before->sockets && !now.rx_held && !now.tx_flying && !now.tcp_active &&
            !now.tcp_waiting && now.memory_used == before->memory_used)
            return;
        world_pass(10 * SECOND);
    }
    MUST(false, "left behind: sockets %u, held %u, flying %u, connections %u, memory %u to %u",
         now.sockets, now.rx_held, now.tx_flying, now.tcp_active, before->memory_used,
         now.memory_used);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool started;
    struct net_stats before;

    if (!started) {
        MUST(world_started(), "libnet has not started");
        peer_start();
        started = true;
    }
    input = (struct input){bytes, size};
    net_stats(&before);
    begin();
    for (uint32_t i = 0; i < OPS_MAX && input.left; i++)
        op();
    end(&before);
    MUST(peer_bad_frames == 0, "something malformed was sent in answer");
    return 0;
}
