/* SPDX-License-Identifier: MIT */
/*
 * frames.c - what a network can throw at libnet: broken frames of every layer, from a generator
 * whose numbers repeat. What lies behind a frame in its buffer is poison, so reading past its end
 * is found.
 */
#include "sockets.h"

#include <stdlib.h>

#include "../tap.h"
#include "libnet.h"
#include "net.h"
#include "peer.h"
#include "world.h"

#define FRAMES 300000
#define EACH   5000 /* frames between two looks whether all still works */
#define SECOND 1000000000ull

enum { PORT_TCP = 80, PORT_UDP = 7, PORT_OTHER = 81 };

static uint8_t frame[1514], noise[1514], buffer[1 << 16];
static struct peer_tcp live, fresh; /* a connection that is attacked; one that must work */
static long listener, other, udp, tcp;

static uint32_t below(uint32_t limit)
{
    return (uint32_t)(tap_random() >> 33) % limit;
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void fill(uint8_t *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        at[i] = (uint8_t)(tap_random() >> 32);
}

/* --- the generator -------------------------------------------------------------------------- */

static size_t random_frame(void)
{
    size_t length = 14 + below(1501);

    fill(frame, length);
    if (below(2))
        memcpy(frame, "\x52\x54\x00\x00\x00\x01", 6);
    frame[12] = 0x08;
    frame[13] = below(3) ? 0x00 : 0x06;
    return length;
}

static size_t arp_frame(void)
{
    static const uint8_t good[28] = {0,  1, 8, 0, 6, 4, 0, 1, 2, 2, 2,  2, 2, 2,
                                     10, 0, 2, 9, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15};
    memset(frame, 0xff, 6);
    fill(frame + 6, 6);
    frame[12] = 0x08;
    frame[13] = 0x06;
    memcpy(frame + 14, good, sizeof(good));
    frame[21] = (uint8_t)(1 + below(2));
    if (below(2))
        frame[14 + below(28)] = (uint8_t)below(256);
    if (below(2))
        put32(frame + 28, below(2) ? HOST_ADDRESS : (uint32_t)tap_random());
    return below(2) ? 42 : 14 + below(60); /* often too short */
}

static size_t ip_frame(void)
{
    static const uint8_t protocols[] = {1, 2, 6, 17, 17, 6, 0, 255};
    size_t length = below(1400);

    return peer_frame_ip(frame, protocols[below(8)], (uint32_t)tap_random(), noise, length);
}

static size_t icmp_frame(void)
{
    size_t length = below(600);

    noise[0] = below(2) ? 8 : (uint8_t)below(20);
    noise[1] = 0;
    return peer_frame_ip(frame, 1, PEER_ADDRESS, noise, length);
}

static size_t udp_frame(void)
{
    static const uint16_t ports[] = {PORT_UDP, PORT_UDP, 68, 67, 9, 0};

    return peer_frame_udp(frame, ports[below(6)], ports[below(6)], noise, below(1400));
}

static size_t tcp_frame(void)
{
    struct peer_tcp t = {.address = live.address,
                         .port = live.port,
                         .remote = PORT_TCP,
                         .sent = live.sent,
                         .heard = live.heard,
                         .window = (uint16_t)tap_random()};

    if (below(4) == 0)
        t.port = (uint16_t)tap_random();
    if (below(3) == 0)
        t.sent += below(4) ? below(3000) - 1500 : (uint32_t)tap_random();
    if (below(3) == 0)
        t.heard += below(4) ? below(3000) - 1500 : (uint32_t)tap_random();
    size_t length = peer_frame_tcp(frame, &t, (uint8_t)(below(8) ? ACK | below(32) : below(256)),
                                   noise, below(3) ? below(1400) : 0);
    if (below(3) == 0) { /* options: any length of them, mostly of nonsense */
        frame[46] = (uint8_t)(below(16) << 4);
        fill(frame + 54, 40);
        if (below(2))
            frame[54] = (uint8_t)below(6);
    }
    return length;
}

static size_t dhcp_like_frame(void)
{
    size_t length = peer_frame_udp(frame, 67, 68, noise, 240 + below(300));

    put32(frame + 42 + 236, 0x63825363); /* the cookie: options follow */
    return length;
}

/* Pieces of datagrams that overlap, miss and repeat. */
static size_t fragment_frame(void)
{
    size_t length = peer_frame_ip(frame, 17, PEER_ADDRESS, noise, 8 * below(180));

    frame[18] = 0;
    frame[19] = (uint8_t)below(4);
    frame[20] = (uint8_t)(below(2) << 5 | below(4) >> 1);
    frame[21] = (uint8_t)below(256);
    return length;
}

/* Then something in it is changed, or its end cut off. */
static size_t spoil(size_t length)
{
    uint32_t kind = below(8);

    if (kind < 3) {
        for (uint32_t i = below(4); i < 4; i++)
            frame[14 + below(40)] ^= (uint8_t)(1u << below(8));
    } else if (kind == 3) {
        length = 14 + below((uint32_t)length - 13);
    } else if (kind == 4) {
        frame[14 + below((uint32_t)length - 13)] = (uint8_t)below(256);
    }
    if (below(4))
        peer_fix_checksums(frame, length);
    return length < 14 ? 14 : length;
}

static size_t any_frame(void)
{
    static size_t (*const kinds[])(void) = {random_frame,    arp_frame,     ip_frame,  icmp_frame,
                                            udp_frame,       tcp_frame,     tcp_frame, tcp_frame,
                                            dhcp_like_frame, fragment_frame};
    memset(frame, 0, sizeof(frame));
    fill(noise, 64);
    return spoil(kinds[below(10)]());
}

/* --- does it still work? -----------------------------------------------------------------------
 */

static void drain(void)
{
    long fd;

    while (t_recv(udp, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0)
        ;
    if (tcp >= 0)
        while (t_recv(tcp, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
            t_send(tcp, buffer, 100, MSG_DONTWAIT);
    while ((fd = t_accept(listener, NULL, 0)) >= 0)
        world_close((int)fd);
}

static void attack_connection(void)
{
    if (tcp >= 0)
        world_close((int)tcp);
    peer_tcp_forget(&live);
    peer_run();
    drain();
    peer_tcp_open(&live, (uint16_t)(1024 + below(60000)), PORT_TCP);
    peer_run();
    tcp = t_accept(listener, NULL, SOCK_NONBLOCK);
}

static bool works(void)
{
    static const char hello[] = "Is anybody there?";
    unsigned pongs = peer_pongs;
    bool good = true;

    peer_run();
    drain();
    world_pass(40 * SECOND); /* pieces of datagrams time out; they hold buffers */
    peer_arp_request();      /* whatever was said in our name */
    peer_ping(1, hello, sizeof(hello));
    peer_run();
    good &= peer_pongs == pongs + 1;
    peer_udp(900, PORT_UDP, hello, sizeof(hello));
    peer_run();
    good &= t_recv(udp, buffer, 100, MSG_DONTWAIT) == sizeof(hello);
    peer_tcp_open(&fresh, (uint16_t)(1024 + below(60000)), PORT_OTHER);
    peer_run();
    long fd = t_accept(other, NULL, 0);
    peer_tcp_send(&fresh, hello, sizeof(hello));
    peer_run();
    good &= fd >= 0 && t_recv(fd, buffer, 100, MSG_DONTWAIT) == sizeof(hello) &&
            t_send(fd, buffer, sizeof(hello), 0) == sizeof(hello);
    peer_run();
    good &= fresh.count == sizeof(hello) && !memcmp(fresh.bytes, hello, sizeof(hello));
    if (fd >= 0)
        world_close((int)fd);
    peer_tcp_flags(&fresh, RST | ACK);
    peer_run();
    peer_tcp_forget(&fresh);
    return good;
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void test_short_arp(void)
{
    struct net_stats before, after;

    net_stats(&before);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, "\x02\x02\x02\x02\x02\x02\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 16);
    for (uint32_t length = 14; length < 42; length++) {
        world_receive(frame, length);
        world_pass(1);
    }
    net_stats(&after);
    tap_ok(after.rx_malformed - before.rx_malformed == 28,
           "28 ARP frames that end early are dropped before they are read");
    frame[13] = 0x00;
    frame[14] = 0x45;
    for (uint32_t length = 14; length < 34; length++) {
        world_receive(frame, length);
        world_pass(1);
    }
    net_stats(&after);
    tap_ok(after.rx_malformed - before.rx_malformed == 48, "and 20 IPv4 ones");
    struct peer_tcp t = {.address = PEER_ADDRESS, .port = 999, .remote = PORT_TCP};
    uint32_t length = (uint32_t)peer_frame_tcp(frame, &t, SYN, NULL, 0);
    frame[length - 4] = frame[length - 3] = frame[length - 2] = 1;
    frame[length - 1] = 2; /* an option of which there is no more */
    peer_fix_checksums(frame, length);
    world_receive(frame, length);
    world_pass(1);
    net_stats(&after);
    tap_ok(after.rx_malformed - before.rx_malformed == 49,
           "and a segment whose last option ends early");
    frame[12] = 0x86;
    frame[13] = 0xdd;
    world_receive(frame, 60);
    world_pass(1);
    net_stats(&after);
    tap_ok(after.rx_foreign - before.rx_foreign == 1, "one of another protocol is counted as such");
}

int main(void)
{
    struct net_stats before, after;
    unsigned worked = 0, rounds = 0;

    if (!world_started())
        return 1;
    peer_start();
    test_short_arp();
    net_stats(&before);
    listener = t_socket(SOCK_STREAM | SOCK_NONBLOCK);
    other = t_socket(SOCK_STREAM | SOCK_NONBLOCK);
    udp = t_socket(SOCK_DGRAM);
    if (t_bind(other, 0, PORT_OTHER) || t_listen(other, 4) || t_bind(listener, 0, PORT_TCP) ||
        t_listen(listener, 16) || t_bind(udp, 0, PORT_UDP))
        return 1;
    tcp = -1;
    for (int i = 0; i < FRAMES; i++) {
        if (i % 500 == 0)
            attack_connection();
        if (i % EACH == 0) {
            rounds++;
            worked += works();
        }
        size_t length = any_frame();
        while (!world_receive(frame, (uint32_t)length))
            peer_run();
        if (i % 16 == 0)
            peer_run();
        if (i % 64 == 0)
            drain();
        if (i % 4096 == 0)
            world_pass(SECOND);
    }
    net_stats(&after);
    tap_ok(true, "%d broken frames (%lu dropped before lwIP, %lu foreign)", FRAMES,
           after.rx_malformed, after.rx_foreign);
    tap_ok(worked == rounds, "ping, UDP and TCP work all the while (%u of %u times)", worked,
           rounds);
    tap_ok(peer_bad_frames == 0, "nothing malformed was sent in answer (%u of %u)", peer_bad_frames,
           peer_frames);
    if (tcp >= 0)
        world_close((int)tcp);
    world_close((int)udp);
    world_close((int)listener);
    world_close((int)other);
    peer_tcp_forget(&live);
    world_pass(2000 * SECOND);
    net_stats(&after);
    tap_ok(after.sockets == before.sockets && after.rx_held == 0 && after.tx_flying == 0 &&
               after.memory_used == before.memory_used && after.tcp_active == 0,
           "nothing is left behind (sockets %u, held %u, memory %u to %u, connections %u)",
           after.sockets, after.rx_held, before.memory_used, after.memory_used, after.tcp_active);
    return tap_done();
}
