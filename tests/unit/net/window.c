/* SPDX-License-Identifier: MIT */
/* window.c - how much of a connection is on its way in an application that was given 4 MiB for it, and what
 * happens when they are used up. */
#include <errno.h>
#include <stdlib.h>

#include "../tap.h"
#include "libnet.h"
#include "lwip/tcp.h"
#include "net.h"
#include "peer.h"
#include "sockets.h"
#include "world.h"

#define SECOND 1000000000ull
#define MANY   12
#define BYTES  (1 << 20)

const char *world_memory = "4096";

static struct peer_tcp peers[MANY];
static long fds[MANY];
static uint8_t pattern[2 * BYTES], buffer[2 * BYTES];
static size_t begins[MANY]; /* where in the pattern the stream of a peer is */

static uint32_t first_of(const struct peer_tcp *t)
{
    return 1000000u * t->port + 1;
}

static long server(uint16_t port)
{
    long fd = t_socket(SOCK_STREAM | SOCK_NONBLOCK);

    if (fd < 0 || t_bind(fd, 0, port) || t_listen(fd, 64))
        abort();
    return fd;
}

static long arrive(struct peer_tcp *t, uint16_t port, long listener, bool scales)
{
    t->scales = scales;
    peer_tcp_open(t, port, 80);
    peer_run();
    return t_accept(listener, NULL, SOCK_NONBLOCK);
}

/* From where it is acknowledged to `end`, as far as it is wanted; again and again, as a sender does. */
static void send_up_to(struct peer_tcp *t, const uint8_t *from, size_t end)
{
    for (int idle = 0; idle < 3; idle++) {
        size_t at = t->acked - first_of(t), wanted = t->room < end - at ? t->room : end - at;
        t->sent = t->acked;
        peer_tcp_send(t, from + at, wanted);
        peer_run();
        world_pass(SECOND / 2); /* it may wait as long with its answer */
        if (t->acked - first_of(t) > at)
            idle = 0;
    }
}

static void leave(struct peer_tcp *t, long fd)
{
    world_close((int)fd);
    peer_tcp_flags(t, RST | ACK);
    peer_run();
    peer_tcp_forget(t);
}

static void test_size(long listener)
{
    size_t sent = 0;
    long result, got = 0;

    fds[0] = arrive(&peers[0], 4000, listener, true);
    tap_ok(TCP_WND == NET_WINDOW_MOST, "4 MiB are enough for the largest window");
    peer_tcp_send(&peers[0], pattern, 1);
    peer_run();
    world_pass(SECOND / 2); /* until it acknowledges a small segment */
    tap_ok(peers[0].shift == TCP_RCV_SCALE && peers[0].room == TCP_WND - 16,
           "which is announced (%u bytes of it)", peers[0].room);
    send_up_to(&peers[0], pattern, 2 * BYTES);
    size_t held = peers[0].acked - first_of(&peers[0]);
    tap_ok(held > TCP_WND - 16, "and may be filled, though nothing is read (%zu bytes)", held);
    while ((result = t_recv(fds[0], buffer + got, 100000, 0)) > 0)
        got += result;
    tap_ok(got == (long)held && !memcmp(buffer, pattern, held), "what was acknowledged is read");
    send_up_to(&peers[0], pattern, held + 3000);
    tap_ok(t_recv(fds[0], buffer, 5000, 0) == 3000 && !memcmp(buffer, pattern + held, 3000),
           "then more comes");
    peers[0].silent = true;
    while ((result = t_send(fds[0], pattern + sent, sizeof(pattern) - sent, 0)) > 0)
        sent += (size_t)result;
    tap_ok(result == -EAGAIN && sent > BYTES * 9 / 10 && sent <= TCP_SND_BUF,
           "as much is taken to be sent (%zu bytes)", sent);
    peers[0].silent = false;
    for (int i = 0; i < 2000 && peers[0].count < sent; i++) {
        peer_tcp_flags(&peers[0], ACK);
        peer_run();
        world_pass(SECOND / 100);
    }
    tap_ok(peers[0].count == sent && !memcmp(peers[0].bytes, pattern, sent), "and arrives");
    leave(&peers[0], fds[0]);
    fds[0] = arrive(&peers[0], 4001, listener, false);
    peer_tcp_send(&peers[0], pattern, 1);
    peer_run();
    world_pass(SECOND / 2); /* until it acknowledges a small segment */
    tap_ok(peers[0].room == 65534, "a peer without scaling gets a window of 64 KiB (%u)",
           peers[0].room);
    leave(&peers[0], fds[0]);
}

/* The first of many segments is lost and comes last. */
static void test_order(long listener)
{
    enum { COUNT = 300 };
    struct peer_tcp *t = &peers[0];
    long got = 0, result;

    fds[0] = arrive(t, 4002, listener, true);
    t->sent += 1460;
    peer_tcp_send(t, pattern + 1460, (COUNT - 1) * 1460);
    peer_run();
    tap_ok(t->acked == first_of(t), "behind a lost segment nothing is acknowledged");
    t->sent = first_of(t);
    peer_tcp_send(t, pattern, 1460);
    peer_run();
    world_pass(SECOND / 2);
    tap_ok(t->acked == first_of(t) + COUNT * 1460,
           "when it comes all are, none of %d has to come again (%u bytes)", COUNT,
           t->acked - first_of(t));
    while ((result = t_recv(fds[0], buffer + got, 100000, 0)) > 0)
        got += result;
    tap_ok(got == COUNT * 1460 && !memcmp(buffer, pattern, COUNT * 1460), "in order");
    leave(t, fds[0]);
}

/* Peers send what nobody reads and read nothing of what they are sent, until memory is out. */
static void exhaust(size_t *sent, size_t *acked)
{
    long result;

    for (int i = 0; i < MANY; i++) {
        begins[i] = (size_t)i * 7919;
        peers[i].silent = true;
        send_up_to(&peers[i], pattern + begins[i], BYTES);
        acked[i] = peers[i].acked - first_of(&peers[i]);
        for (sent[i] = 0;; sent[i] += (size_t)result)
            if ((result = t_send(fds[i], pattern + begins[i] + sent[i], BYTES - sent[i], 0)) <= 0)
                break;
        tap_ok(result == -EAGAIN && !(t_poll(fds[i]) & POLLOUT),
               "connection %d: EAGAIN after %zu bytes, %zu taken in", i, sent[i], acked[i]);
    }
}

static void test_exhausted(long listener)
{
    size_t sent[MANY], acked[MANY], got[MANY] = {0};
    struct net_stats stats;
    struct peer_tcp *late = calloc(1, sizeof(*late));
    bool right = true, all = true;

    for (int i = 0; i < MANY; i++)
        fds[i] = arrive(&peers[i], (uint16_t)(5000 + i), listener, true);
    exhaust(sent, acked);
    net_stats(&stats);
    tap_ok(stats.memory_used > stats.memory_limit / 2 && stats.memory_used <= stats.memory_limit,
           "memory is used up to where shares begin, not beyond its limit (%u of %u)",
           stats.memory_used, stats.memory_limit);
    long fd = arrive(late, 6000, listener, true);
    tap_ok(fd >= 0 && t_send(fd, pattern, 100, 0) == 100, "who comes later has a share");
    peer_run();
    peer_tcp_send(late, pattern, 100);
    peer_run();
    tap_ok(late->count == 100 && t_recv(fd, buffer, 1000, 0) == 100, "and is served");
    leave(late, fd);
    free(late);
    peer_ping(1, pattern, 100);
    peer_run();
    tap_ok(peer_pongs == 1, "a ping is answered");

    for (int i = 0; i < MANY; i++) {
        long result;
        for (int round = 0; round < 10000 && got[i] < BYTES; round++) {
            while ((result = t_recv(fds[i], buffer, 100000, 0)) > 0) {
                right &= !memcmp(buffer, pattern + begins[i] + got[i], (size_t)result);
                got[i] += (size_t)result;
            }
            right &= round > 0 || got[i] >= acked[i];
            send_up_to(&peers[i], pattern + begins[i], BYTES);
        }
        all &= got[i] == BYTES;
    }
    tap_ok(right && all,
           "nothing that was acknowledged is lost, and the rest comes when there is room");
    for (int i = 0; i < MANY; i++)
        peers[i].silent = false;
    for (int i = 0; i < MANY; i++)
        for (int round = 0; round < 5000 && peers[i].count < sent[i]; round++) {
            peer_tcp_flags(&peers[i], ACK);
            peer_run();
            world_pass(SECOND / 100);
        }
    for (int i = 0; i < MANY; i++)
        right &= peers[i].count == sent[i] &&
                 !memcmp(peers[i].bytes, pattern + begins[i], sent[i]) && t_poll(fds[i]) & POLLOUT;
    tap_ok(right, "all that was taken to be sent arrives");
    for (int i = 0; i < MANY; i++)
        leave(&peers[i], fds[i]);
}

int main(void)
{
    struct net_stats before, now;

    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(tap_random() >> 32);
    tap_ok(world_started(), "the network starts");
    peer_start();
    net_stats(&before);
    long listener = server(80);
    test_size(listener);
    test_order(listener);
    test_exhausted(listener);
    world_close((int)listener);
    world_pass(200 * SECOND);
    net_stats(&now);
    tap_ok(now.memory_used == before.memory_used && now.sockets == 0 && now.rx_held == 0 &&
               now.tcp_active == 0 && peer_bad_frames == 0,
           "nothing is left behind (%u bytes)", now.memory_used - before.memory_used);
    return tap_done();
}
