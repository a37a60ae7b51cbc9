/* SPDX-License-Identifier: MIT */
/*
 * offload.c - a card that completes checksums and cuts segments, and packets that come in one piece.
 */
#include "ring.h"
#include "sockets.h"

#include <errno.h>
#include <stdlib.h>

#include "../tap.h"
#include "card.h"
#include "libnet.h"
#include "pairs.h"
#include "peer.h"
#include "raw.h"
#include "world.h"

#define SECOND    1000000000ull
#define FRAME_MAX (EXO_PACKET_BUFFERS * EXO_BUFFER_SIZE)
#define HEADERS   54u
#define CUT       (EXO_DESC_CHECKSUM | 1460u)

uint32_t world_offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4;

static struct peer_tcp a, b;
static uint8_t pattern[1 << 17], buffer[1 << 17], frame[FRAME_MAX];
static struct net_stats before;

static void begin(void)
{
    net_stats(&before);
    card_cut = card_completed = 0;
}

static void end(const char *what)
{
    peer_tcp_forget(&a);
    peer_tcp_forget(&b);
    left_nothing(what, &before);
}

static void part(struct peer_tcp *t, long fd)
{
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(t, FIN | ACK);
    peer_run();
}

static bool same(const struct peer_tcp *t, size_t count)
{
    return t->count == count && !memcmp(t->bytes, pattern, count);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void test_cut(void)
{
    struct net_stats now, then;

    begin();
    long fd = pair(&a, 80);
    net_stats(&then);
    t_send(fd, pattern, 30000, 0);
    net_stats(&now);
    uint64_t packets = now.tx_packets - then.tx_packets;
    peer_run();
    tap_ok(same(&a, 30000), "30,000 bytes arrive, in segments");
    tap_ok(card_cut && packets < 8 && a.segments >= 21,
           "in %u packets the card had %u segments to cut", (unsigned)packets, a.segments);
    part(&a, fd);
    end("cut");
}

/* Segments of two connections in turn, and short ones: what does not follow begins a packet. */
static void test_mixed(void)
{
    begin();
    long fd = pair(&a, 81), other = pair(&b, 82);
    size_t sent = 0;
    for (size_t size = 1; sent + size < 40000; size = size * 3 % 2999 + 1) {
        t_send(fd, pattern + sent, size, 0);
        t_send(other, pattern + sent, size, 0);
        sent += size;
        if (size % 4 == 0)
            peer_run();
    }
    peer_run();
    tap_ok(same(&a, sent) && same(&b, sent), "two streams in turn stay apart");
    part(&a, fd);
    part(&b, other);
    end("mixed");
}

/* What is lost comes again, byte for byte, whatever it was put together with. */
static void test_again(void)
{
    begin();
    long fd = pair(&a, 83);
    uint32_t heard = a.heard;
    a.silent = true;
    t_send(fd, pattern, 20000, 0);
    peer_run();
    a.count = 0; /* the peer forgets all of it */
    a.heard = heard;
    a.silent = false;
    world_pass(20 * SECOND);
    peer_run();
    tap_ok(same(&a, 20000), "all of it is sent again");
    part(&a, fd);
    end("again");
}

/* Few buffers are free: what does not fit waits, and nothing is cut off. */
static void test_few_buffers(void)
{
    begin();
    long fd = pair(&a, 84);
    t_set_int(fd, IPPROTO_TCP, 1, 1);
    world_hold_sent(true);
    size_t sent = 0;
    for (unsigned i = 0; i < 60; i++) {
        long result = t_send(fd, pattern + sent, 1700, MSG_DONTWAIT);
        sent += result > 0 ? (size_t)result : 0;
        peer_run();
    }
    world_hold_sent(false);
    world_pass(20 * SECOND);
    peer_run();
    tap_ok(sent > 60000 && same(&a, sent), "%zu bytes through a card that holds its buffers", sent);
    part(&a, fd);
    end("few buffers");
}

/* To its own address nothing passes the card: no checksum is made, and none is missed. */
static void test_own_address(void)
{
    begin();
    long listener = t_socket(SOCK_STREAM), client = t_socket(SOCK_STREAM);
    t_bind(listener, 0, 85);
    t_listen(listener, 1);
    tap_ok(!t_connect(client, HOST_ADDRESS, 85), "a connection to one's own address");
    long fd = t_accept(listener, NULL, 0);
    t_send(client, pattern, 5000, 0);
    size_t got = 0;
    for (unsigned i = 0; i < 20 && got < 5000; i++) {
        long result = t_recv(fd, buffer + got, sizeof(buffer), MSG_DONTWAIT);
        got += result > 0 ? (size_t)result : 0;
        world_pass(SECOND / 10);
    }
    tap_ok(got == 5000 && !memcmp(buffer, pattern, got), "carries its bytes");
    world_close((int)client);
    world_close((int)fd);
    world_close((int)listener);
    end("own address");
}

/* --- receiving -------------------------------------------------------------------------------- */

/* A packet of the connection's with so much of the pattern, its checksums right. */
static uint32_t large(struct peer_tcp *t, uint32_t count)
{
    peer_frame_tcp(frame, t, ACK | PSH, NULL, 0);
    memcpy(frame + HEADERS, pattern, count);
    frame[16] = (uint8_t)((count + 40) >> 8);
    frame[17] = (uint8_t)(count + 40);
    peer_fix_checksums(frame, HEADERS + count);
    return HEADERS + count;
}

static bool comes(long fd, struct peer_tcp *t, uint32_t count)
{
    size_t got = 0;

    for (long result = 1; result > 0 && got <= count;) {
        result = t_recv(fd, buffer + got, sizeof(buffer) - got, MSG_DONTWAIT);
        got += result > 0 ? (size_t)result : 0;
    }
    if (got)
        t->sent += (uint32_t)got;
    peer_run();
    return got == count && !memcmp(buffer, pattern, count);
}

static void test_large(void)
{
    static const uint32_t sizes[] = {1500, 2036 - HEADERS, 2037 - HEADERS, 10000, 60000};

    begin();
    long fd = pair(&a, 86);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint32_t length = large(&a, sizes[i]);
        frame[50] ^= 0x55; /* in the checksum */
        tap_ok(world_receive_large(frame, length, length < 2036 ? length : 2036, CUT) &&
                   comes(fd, &a, sizes[i]),
               "%u bytes in one piece", sizes[i]);
    }
    part(&a, fd);
    end("large");
}

static void test_checked(void)
{
    begin();
    long fd = pair(&a, 87), udp = t_socket(SOCK_DGRAM);
    t_bind(udp, 0, 88);
    uint32_t length = large(&a, 5000);
    tap_ok(world_receive_large(frame, length, 2036, 1460) && comes(fd, &a, 5000),
           "what the card did not look at lwIP does");
    length = large(&a, 5000);
    frame[3000] ^= 1;
    world_receive_large(frame, length, 2036, 1460);
    tap_ok(comes(fd, &a, 0), "and finds a wrong byte");
    length = (uint32_t)peer_frame_udp(frame, 9, 88, pattern, 300);
    frame[40] ^= 0x55;
    world_receive_large(frame, length, length, EXO_DESC_CHECKSUM);
    tap_ok(t_recv(udp, buffer, 2000, MSG_DONTWAIT) == 300, "a datagram that the card found good");
    world_receive(frame, length);
    tap_ok(t_recv(udp, buffer, 2000, MSG_DONTWAIT) == -EAGAIN, "of the next one nothing is known");
    world_close((int)udp);
    part(&a, fd);
    end("checked");
}

/* What a card says of a fragment is not about what is put together of it. */
static void test_fragments(void)
{
    static uint8_t whole[2000];

    begin();
    long udp = t_socket(SOCK_DGRAM);
    t_bind(udp, 0, 89);
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        uint32_t length = (uint32_t)peer_frame_udp(whole, 9, 89, pattern, 1200);
        whole[40] ^= (uint8_t)wrong;
        for (unsigned i = 0; i < 2; i++) {
            uint32_t size = i ? length - 34 - 800 : 800;
            peer_frame_ip(frame, 17, PEER_ADDRESS, whole + 34 + i * 800, size);
            frame[19] = (uint8_t)(7 + wrong);
            frame[20] = i ? 0 : 0x20;
            frame[21] = i ? 100 : 0;
            memset(frame + 24, 0, 2);
            uint32_t sum = 0;
            for (unsigned j = 14; j < 34; j += 2)
                sum += (uint32_t)frame[j] << 8 | frame[j + 1];
            sum = ~((sum & 0xffff) + (sum >> 16));
            frame[24] = (uint8_t)(sum >> 8);
            frame[25] = (uint8_t)sum;
            memcpy(frame + 34, whole + 34 + i * 800, size);
            world_receive_large(frame, 34 + size, 34 + size, EXO_DESC_CHECKSUM);
        }
        long got = t_recv(udp, buffer, 2000, MSG_DONTWAIT);
        tap_ok(wrong ? got == -EAGAIN : got == 1200, "a datagram in fragments, its checksum %s",
               wrong ? "wrong" : "right");
    }
    world_close((int)udp);
    end("fragments");
}

static bool refused(uint32_t length, uint32_t first)
{
    struct net_stats then, now;

    net_stats(&then);
    world_receive_large(frame, length, first, CUT);
    peer_run();
    net_stats(&now);
    return now.rx_held == then.rx_held && now.rx_malformed == then.rx_malformed + 1;
}

static void test_malformed(void)
{
    begin();
    long fd = pair(&a, 90);
    uint32_t length = large(&a, 5000);
    tap_ok(refused(length, 255), "headers that may not be in the first buffer");
    tap_ok(refused(length, 13) && refused(length, 1), "or are not");
    frame[23] = 17;
    tap_ok(refused(length, 2036), "what is not TCP");
    frame[12] = 0x86;
    frame[13] = 0xdd;
    tap_ok(refused(length, 2036), "or is IPv6, which this application has not");
    large(&a, 60000);
    memset(frame + 16, 0xff, 2);
    struct net_stats then, now;
    net_stats(&then);
    world_receive_large(frame, FRAME_MAX - 100, 2036, CUT);
    peer_run();
    net_stats(&now);
    tap_ok(now.rx_held == then.rx_held, "more than a packet can have goes back");
    length = large(&a, 5000);
    world_receive_large(frame, length, 2036, CUT);
    tap_ok(comes(fd, &a, 5000), "the next one comes");
    part(&a, fd);
    end("malformed");
}

/* More than there is memory for: packets are lost whole, buffers are not. */
static void test_flood(void)
{
    begin();
    long fd = pair(&a, 91);
    for (unsigned i = 0; i < 200; i++) {
        uint32_t length = large(&a, 30000);
        world_receive_large(frame, length, 2036, CUT);
        world_receive_large(frame, length, 2036, CUT);
        if (comes(fd, &a, 30000))
            continue;
        tap_ok(false, "round %u", i);
        break;
    }
    tap_ok(true, "200 times 30,000 bytes, each twice");
    part(&a, fd);
    end("flood");
}

int main(void)
{
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(tap_random() >> 32);
    tap_ok(world_started(), "the network starts");
    peer_start();
    test_cut();
    test_mixed();
    test_again();
    test_few_buffers();
    test_own_address();
    test_large();
    test_checked();
    test_fragments();
    test_malformed();
    test_flood();
    return tap_done();
}
