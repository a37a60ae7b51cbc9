/* SPDX-License-Identifier: MIT */
/* sockets.c - BSD sockets over lwIP and the rings, against a peer written from the RFCs. */
#include "sockets.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "../tap.h"
#include "file.h"
#include "libnet.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/udp.h"
#include "net.h"
#include "pairs.h"
#include "peer.h"
#include "raw.h"
#include "world.h"

#define SECOND 1000000000ull
#define MS     1000000ull

static struct peer_tcp a, b;
static uint8_t pattern[1 << 18], buffer[1 << 18];
static struct net_stats before;

/* Every test leaves nothing behind: no socket, no buffer, no memory but what TIME_WAIT needs. */
static void begin(void)
{
    net_stats(&before);
}

static void end(const char *what)
{
    peer_tcp_forget(&a);
    peer_tcp_forget(&b);
    left_nothing(what, &before);
}

static bool same(const struct peer_tcp *t, size_t count)
{
    return t->count == count && !memcmp(t->bytes, pattern, count);
}

static void test_link(void)
{
    begin();
    peer_arp_request();
    peer_run();
    tap_ok(peer_arp_replies == 1, "an ARP request is answered");
    peer_ping(1, pattern, 1000);
    peer_run();
    tap_ok(peer_pongs == 1, "a ping is answered");
    end("link");
}

static void test_udp(void)
{
    struct sockaddr_in from;
    long fd = -1;

    begin();
    fd = t_socket(SOCK_DGRAM);
    tap_ok(t_bind(fd, 0, 7) == 0, "a datagram socket is bound");
    tap_ok(t_recv(fd, buffer, 10, MSG_DONTWAIT) == -EAGAIN, "there is nothing to receive");
    tap_ok((t_poll(fd) & (POLLIN | POLLOUT)) == POLLOUT, "it is writable and not readable");
    peer_udp(900, 7, pattern, 1000);
    tap_ok(t_recvfrom(fd, buffer, sizeof(buffer), 0, &from) == 1000 &&
               !memcmp(buffer, pattern, 1000) && ntohs(from.sin_port) == 900 &&
               ntohl(from.sin_addr.s_addr) == PEER_ADDRESS,
           "a blocking receive waits for a datagram and names its sender");
    tap_ok(t_sendto(fd, pattern, 500, 0, PEER_ADDRESS, 900) == 500, "one is sent back");
    peer_run();
    tap_ok(peer_datagram.count == 1 && peer_datagram.length == 500 && peer_datagram.from == 7 &&
               peer_datagram.to == 900 && !memcmp(peer_datagram.bytes, pattern, 500),
           "and arrives");
    peer_udp(901, 7, pattern, 100);
    peer_udp(901, 7, pattern + 1, 50);
    peer_run();
    tap_ok(t_poll(fd) & POLLIN, "it is readable");
    tap_ok(t_recv(fd, buffer, 10, MSG_PEEK) == 10, "MSG_PEEK leaves it there");
    tap_ok(t_recv(fd, buffer, 10, MSG_TRUNC) == 100, "MSG_TRUNC tells the whole length");
    tap_ok(t_recv(fd, buffer, 100, 0) == 50 && buffer[0] == pattern[1], "the rest of it is lost");
    tap_ok(t_send(fd, pattern, 1, 0) == -EDESTADDRREQ, "without an address it cannot be sent");
    tap_ok(t_connect(fd, PEER_ADDRESS, 902) == 0 && t_send(fd, pattern, 3, 0) == 3, "connected");
    peer_udp(903, 7, pattern, 100);
    peer_udp(902, 7, pattern, 20);
    peer_run();
    tap_ok(t_recv(fd, buffer, 100, MSG_DONTWAIT) == 20, "only the peer is heard when connected");
    tap_ok(t_sendto(fd, pattern, 70000, 0, PEER_ADDRESS, 1) == -EMSGSIZE, "one too large");
    tap_ok(t_sendto(fd, pattern, 10, 0, 0xffffffff, 1) == -EACCES, "no broadcast unasked");
    world_close((int)fd);
    end("UDP");
}

static void test_udp_limit(void)
{
    long fd, received = 0;
    struct net_stats stats;

    begin();
    fd = t_socket(SOCK_DGRAM);
    t_bind(fd, 0, 7);
    for (int i = 0; i < 500; i++) {
        peer_udp(900, 7, pattern, 1000);
        peer_run();
    }
    net_stats(&stats);
    tap_ok(stats.udp_dropped - before.udp_dropped > 400, "what is not read is dropped and counted");
    peer_ping(2, pattern, 10);
    peer_run();
    tap_ok(peer_pongs == 2, "others are not hindered");
    while (t_recv(fd, buffer, 2000, MSG_DONTWAIT) == 1000)
        received++;
    tap_ok(received + (long)(stats.udp_dropped - before.udp_dropped) == 500,
           "received and dropped are all");
    world_close((int)fd);
    end("UDP's limit");
}

static void test_stream(void)
{
    struct sockaddr_in from;
    long listener, fd;

    begin();
    listener = server(80, 8);
    peer_tcp_open(&a, 4000, 80);
    fd = t_accept(listener, &from, SOCK_NONBLOCK);
    tap_ok(fd >= 0 && ntohs(from.sin_port) == 4000 && a.got_syn, "a connection is accepted");
    tap_ok(t_recv(fd, buffer, 10, 0) == -EAGAIN, "nothing to read");
    tap_ok((t_poll(fd) & (POLLIN | POLLOUT | POLLHUP | POLLRDHUP)) == POLLOUT, "only writable");
    peer_tcp_send(&a, pattern, 5000);
    peer_run();
    tap_ok(t_poll(fd) & POLLIN, "readable");
    tap_ok(t_recv(fd, buffer, 100, MSG_PEEK) == 100 && !memcmp(buffer, pattern, 100), "peek");
    tap_ok(t_recv(fd, buffer, 1470, 0) == 1470 && t_recv(fd, buffer + 1470, 9000, 0) == 3530 &&
               !memcmp(buffer, pattern, 5000),
           "bytes come in order across segments");
    tap_ok(t_send(fd, pattern, 3000, 0) == 3000, "send");
    peer_run();
    tap_ok(same(&a, 3000), "and the peer has them");
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    tap_ok((t_poll(fd) & (POLLIN | POLLRDHUP | POLLOUT | POLLHUP)) ==
               (POLLIN | POLLRDHUP | POLLOUT),
           "the peer's end shows");
    tap_ok(t_recv(fd, buffer, 10, 0) == 0, "end of file");
    tap_ok(t_send(fd, pattern + 3000, 10, 0) == 10, "our side is still open");
    peer_run();
    tap_ok(same(&a, 3010), "and what it sends arrives");
    world_close((int)fd);
    peer_run();
    tap_ok(a.got_fin && !a.got_rst, "close ends it in order");
    world_close((int)listener);
    end("stream");
}

static void test_vectors(void)
{
    const struct iovec parts[2] = {{buffer, 10}, {buffer + 10, 100}};
    long fd;

    begin();
    fd = pair(&a, 81);
    peer_tcp_send(&a, pattern, 10);
    tap_ok(world_call(SYS_readv, fd, (long)parts, 2, 0) == 10,
           "readv() whose first part is filled does not wait for more");
    tap_ok(world_call(SYS_writev, fd, (long)parts, 2, 0) == 110, "writev() sends all parts");
    peer_run();
    tap_ok(a.count == 110 && a.segments == 1, "in one segment");
    peer_tcp_send(&a, pattern, 100);
    peer_run();
    peer_tcp_send(&a, pattern + 100, 100);
    tap_ok(t_recv(fd, buffer, 200, MSG_WAITALL) == 200 && !memcmp(buffer, pattern, 200),
           "MSG_WAITALL waits for all");
    int waiting = 0;
    peer_tcp_send(&a, pattern, 77);
    peer_run();
    tap_ok(world_call(SYS_ioctl, fd, FIONREAD, (long)&waiting, 0) == 0 && waiting == 77,
           "FIONREAD counts");
    world_close((int)fd);
    peer_run();
    tap_ok(a.got_rst, "close with unread data resets");
    end("vectors");
}

static void test_bulk(void)
{
    size_t sent = 0;
    long fd, result;

    begin();
    fd = pair(&a, 82);
    t_nonblock(fd);
    a.silent = true;
    while ((result = t_send(fd, pattern + sent, sizeof(pattern) - sent, 0)) > 0)
        sent += (size_t)result;
    tap_ok(result == -EAGAIN && sent > 20000 && sent < sizeof(pattern),
           "a send that is not acknowledged ends with EAGAIN after %zu bytes", sent);
    tap_ok(!(t_poll(fd) & POLLOUT), "and the socket is not writable");
    a.silent = false;
    peer_tcp_flags(&a, ACK);
    while (sent < sizeof(pattern)) {
        peer_run();
        if (!(t_poll(fd) & POLLOUT))
            world_pass(10 * MS);
        result = t_send(fd, pattern + sent, sizeof(pattern) - sent, 0);
        if (result > 0)
            sent += (size_t)result;
        else if (result != -EAGAIN)
            break;
    }
    peer_run();
    tap_ok(same(&a, sizeof(pattern)), "all of it arrives when it is acknowledged");
    /* The other way, more than the window. */
    size_t got = 0, given = 0;
    while (got < sizeof(pattern)) {
        for (; given < sizeof(pattern) && given - got < 40000; given += 1024)
            peer_tcp_send(&a, pattern + given, 1024);
        peer_run();
        result = t_recv(fd, buffer + got, 7000, 0);
        if (result <= 0)
            break;
        got += (size_t)result;
    }
    tap_ok(got == sizeof(pattern) && !memcmp(buffer, pattern, got), "and so the other way");
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("bulk");
}

/* A file of the image goes out from where it lies, after a head that does not; once more when it is lost. */
static void test_constant(void)
{
    enum { HEAD = 100, FILE_BYTES = 50000 };
    struct iovec parts[2] = {{buffer, HEAD}, {pattern + HEAD, FILE_BYTES}};
    size_t used;

    begin();
    memcpy(buffer, pattern, HEAD);
    world_constant = pattern + HEAD;
    world_constant_bytes = FILE_BYTES;
    long fd = pair(&a, 94);
    t_nonblock(fd);
    peer_run();
    used = net_memory_used;
    a.silent = true;
    tap_ok(world_call(SYS_writev, fd, (long)parts, 2, 0) == HEAD + FILE_BYTES,
           "a head and a file are taken");
    memset(buffer, 0, HEAD);
    tap_ok(net_memory_used - used < FILE_BYTES / 5,
           "the file takes memory for its headers alone (%zu bytes)", net_memory_used - used);
    peer_run();
    a.heard = a.heard - (uint32_t)a.count; /* as if none of it had come */
    a.count = 0;
    a.silent = false;
    for (int i = 0; i < 200 && a.count < HEAD + FILE_BYTES; i++) {
        world_pass(SECOND / 10);
        peer_run();
    }
    tap_ok(same(&a, HEAD + FILE_BYTES), "what was lost is sent again, head and file (%zu bytes)",
           a.count);
    used = net_memory_used;
    a.silent = true;
    tap_ok(t_send(fd, pattern + HEAD + 1, FILE_BYTES, 0) == FILE_BYTES &&
               net_memory_used - used > FILE_BYTES,
           "what goes beyond the file by a byte is copied");
    a.silent = false;
    peer_tcp_flags(&a, ACK);
    for (int i = 0; i < 200 && a.count < HEAD + 2 * FILE_BYTES; i++) {
        world_pass(SECOND / 10);
        peer_run();
    }
    tap_ok(a.count == HEAD + 2 * FILE_BYTES &&
               !memcmp(a.bytes + HEAD + FILE_BYTES, pattern + HEAD + 1, FILE_BYTES),
           "and arrives");
    world_constant_bytes = 0;
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("constant");
}

static void test_sendfile(void)
{
    enum { FILE_BYTES = 100000, CHUNK = 30000 };
    int64_t offset = CHUNK;
    size_t used, sent;
    struct stat st;

    begin();
    world_constant = pattern;
    world_constant_bytes = FILE_BYTES;
    int file = file_open(pattern, FILE_BYTES);
    long fd = pair(&a, 98);
    t_nonblock(fd);
    peer_run();
    tap_ok(world_call(SYS_fstat, file, (long)&st, 0, 0) == 0 && S_ISREG(st.st_mode) &&
               st.st_size == FILE_BYTES,
           "a file in memory has a size");
    tap_ok(world_call(SYS_read, file, (long)buffer, 100, 0) == 100 &&
               !memcmp(buffer, pattern, 100) &&
               world_call(SYS_lseek, file, -10, SEEK_END, 0) == FILE_BYTES - 10 &&
               world_call(SYS_read, file, (long)buffer, 100, 0) == 10 &&
               buffer[9] == pattern[FILE_BYTES - 1] &&
               world_call(SYS_read, file, (long)buffer, 100, 0) == 0,
           "is read to its end");
    tap_ok(world_call(SYS_pread64, file, (long)buffer, 100, FILE_BYTES - 5) == 5 &&
               world_call(SYS_pread64, file, (long)buffer, 100, 1L << 62) == 0 &&
               world_call(SYS_pread64, file, (long)buffer, 100, -1) == -EINVAL &&
               world_call(SYS_lseek, file, -1, SEEK_SET, 0) == -EINVAL &&
               world_call(SYS_lseek, file, INT64_MAX, SEEK_CUR, 0) == -EINVAL &&
               world_call(SYS_write, file, (long)buffer, 1, 0) == -EBADF,
           "and not beyond it, nor before, nor written");
    used = net_memory_used;
    a.silent = true;
    tap_ok(world_call(SYS_sendfile, fd, file, (long)&offset, CHUNK) == CHUNK &&
               offset == 2 * CHUNK && world_call(SYS_lseek, file, 0, SEEK_CUR, 0) == FILE_BYTES &&
               net_memory_used - used < CHUNK / 5,
           "sendfile() from an offset, without a copy");
    a.silent = false;
    peer_tcp_flags(&a, ACK);
    world_call(SYS_lseek, file, 2 * CHUNK, SEEK_SET, 0);
    for (sent = CHUNK; sent < FILE_BYTES - CHUNK;) {
        long result = world_call(SYS_sendfile, fd, file, 0, FILE_BYTES);
        sent += result > 0 ? (size_t)result : 0;
        world_pass(SECOND / 10);
        peer_run();
        if (result <= 0 && result != -EAGAIN)
            break;
    }
    peer_run();
    tap_ok(sent == FILE_BYTES - CHUNK && a.count == sent &&
               !memcmp(a.bytes, pattern + CHUNK, sent) &&
               world_call(SYS_sendfile, fd, file, 0, 10) == 0,
           "and from where it stands, to its end");
    tap_ok(world_call(SYS_sendfile, fd, fd, 0, 10) == -EINVAL &&
               world_call(SYS_lseek, fd, 0, 0, 0) == -ESPIPE &&
               world_call(SYS_sendfile, 999, file, 0, 10) == -EBADF &&
               world_call(SYS_sendfile, fd, 999, 0, 10) < 0,
           "what is no file, or no descriptor, is refused");
    world_constant_bytes = 0;
    world_close(file);
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("sendfile");
}

static void test_ends(void)
{
    const struct linger hard = {1, 0};
    long fd;

    begin();
    fd = pair(&a, 83);
    peer_tcp_send(&a, pattern, 10);
    peer_tcp_flags(&a, RST | ACK);
    peer_run();
    tap_ok((t_poll(fd) & (POLLERR | POLLHUP | POLLIN)) == (POLLERR | POLLHUP | POLLIN),
           "a reset shows in poll()");
    tap_ok(t_recv(fd, buffer, 100, 0) == 10, "what came before it can be read");
    tap_ok(t_recv(fd, buffer, 10, 0) == -ECONNRESET, "then the reset");
    tap_ok(t_recv(fd, buffer, 10, 0) == 0 && t_send(fd, pattern, 1, 0) == -EPIPE,
           "then nothing more");
    world_close((int)fd);
    peer_tcp_forget(&a);

    fd = pair(&a, 83);
    tap_ok(t_shutdown(fd, SHUT_WR) == 0 && t_send(fd, pattern, 1, 0) == -EPIPE,
           "no send after shutdown");
    peer_run();
    tap_ok(a.got_fin, "the peer sees the end");
    peer_tcp_send(&a, pattern, 100);
    tap_ok(t_recv(fd, buffer, 100, 0) == 100, "and may go on sending");
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    tap_ok(t_poll(fd) & POLLHUP && t_recv(fd, buffer, 10, 0) == 0, "until it ends too");
    world_pass(100 * SECOND); /* lwIP frees the connection while the socket is open */
    tap_ok(t_recv(fd, buffer, 10, 0) == 0 && t_shutdown(fd, SHUT_RDWR) == 0 &&
               t_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) == -EINVAL,
           "the socket outlives the connection");
    world_close((int)fd);
    peer_tcp_forget(&a);

    fd = pair(&a, 83);
    t_set(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    t_send(fd, pattern, 100, 0);
    world_close((int)fd);
    peer_run();
    tap_ok(a.got_rst && !a.got_fin, "SO_LINGER of 0 resets");
    peer_tcp_forget(&a);

    /* Both send FIN before they hear the other's. */
    fd = pair(&a, 83);
    a.silent = true;
    t_shutdown(fd, SHUT_WR);
    a.heard--; /* as if it had not come */
    a.got_fin = false;
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    a.heard++;
    peer_tcp_flags(&a, ACK);
    peer_run();
    world_pass(100 * SECOND);
    tap_ok(t_recv(fd, buffer, 10, 0) == 0 && (t_poll(fd) & POLLHUP), "a close at the same time");
    world_close((int)fd);
    peer_tcp_forget(&a);

    fd = pair(&a, 83);
    a.window = 0;
    peer_tcp_flags(&a, ACK);
    peer_run();
    t_send(fd, pattern, 3000, 0);
    world_close((int)fd);
    peer_run();
    tap_ok(a.count == 0 && !a.got_fin, "a closed window holds data back after close");
    a.window = 65535;
    peer_tcp_flags(&a, ACK);
    for (int i = 0; i < 50; i++) {
        peer_run();
        world_pass(100 * MS);
    }
    tap_ok(same(&a, 3000) && a.got_fin, "and once it opens all is sent, though closed");
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("ends");
}

/* RFC 6298: a peer that acknowledges a little later each time makes us wait longer and longer. */
static void test_slow_and_gone(void)
{
    struct net_stats now;

    begin();
    long fd = pair(&a, 93);
    a.silent = true;
    for (uint64_t wait = SECOND / 2; wait < 100 * SECOND; wait += wait / 2) {
        t_send(fd, pattern, 1, 0);
        world_pass(wait);
        peer_run();
        peer_tcp_flags(&a, ACK);
        peer_run();
    }
    world_close((int)fd);
    world_pass(900 * SECOND);
    net_stats(&now);
    tap_ok(now.tcp_active == 0, "what is closed is given up within a quarter of an hour");
    a.silent = false;
    end("slow and gone");
}

static void test_connect(void)
{
    const struct timeval half = {0, 500000};
    uint64_t start;
    long fd;

    begin();
    peer_tcp_listen(&a, 8080);
    fd = t_socket(SOCK_STREAM);
    tap_ok(t_connect(fd, PEER_ADDRESS, 8080) == 0 && a.remote >= 49152, "connect waits for it");
    tap_ok(t_connect(fd, PEER_ADDRESS, 8080) == -EISCONN, "once");
    tap_ok(t_send(fd, pattern, 10, 0) == 10, "send");
    peer_run();
    tap_ok(same(&a, 10), "and it arrives");
    start = world_now;
    t_set(fd, SOL_SOCKET, SO_RCVTIMEO, &half, sizeof(half));
    tap_ok(t_recv(fd, buffer, 10, 0) == -EAGAIN && world_now - start >= SECOND / 2 &&
               world_now - start < SECOND,
           "SO_RCVTIMEO ends a receive after its time");
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    peer_tcp_forget(&a);

    peer_refuses = true;
    fd = t_socket(SOCK_STREAM);
    tap_ok(t_connect(fd, PEER_ADDRESS, 9) == -ECONNREFUSED, "a refusal");
    world_close((int)fd);
    fd = t_socket(SOCK_STREAM | SOCK_NONBLOCK);
    tap_ok(t_connect(fd, PEER_ADDRESS, 9) == -EINPROGRESS, "in progress");
    tap_ok(t_connect(fd, PEER_ADDRESS, 9) == -EALREADY, "already");
    peer_run();
    tap_ok((t_poll(fd) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP) &&
               t_get_int(fd, SOL_SOCKET, SO_ERROR) == ECONNREFUSED &&
               t_get_int(fd, SOL_SOCKET, SO_ERROR) == 0,
           "SO_ERROR tells once");
    world_close((int)fd);
    peer_refuses = false;
    fd = t_socket(SOCK_STREAM);
    start = world_now;
    long result = t_connect(fd, PEER_ADDRESS, 9);
    tap_ok(result == -ETIMEDOUT && world_now - start > 10 * SECOND,
           "silence times out (%ld after %lu ms)", result,
           (unsigned long)((world_now - start) / MS));
    world_close((int)fd);
    fd = t_socket(SOCK_STREAM | SOCK_NONBLOCK);
    peer_tcp_listen(&a, 8081);
    t_connect(fd, PEER_ADDRESS, 8081);
    tap_ok(!(t_poll(fd) & POLLOUT), "not writable before it is connected");
    peer_run();
    tap_ok((t_poll(fd) & POLLOUT) && t_get_int(fd, SOL_SOCKET, SO_ERROR) == 0, "then it is");
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("connect");
}

static void test_backlog(void)
{
    static struct peer_tcp many[8];
    long listener, fd, accepted = 0, up = 0;

    begin();
    listener = server(84, 4);
    t_nonblock(listener);
    for (int i = 0; i < 8; i++) {
        peer_tcp_open(&many[i], (uint16_t)(5000 + i), 84);
        peer_run();
    }
    for (int i = 0; i < 8; i++)
        up += many[i].got_syn;
    tap_ok(up == 4, "a backlog of 4 takes 4 connections (%ld)", up);
    peer_tcp_flags(&many[0], RST | ACK);
    peer_run();
    while ((fd = t_accept(listener, NULL, 0)) >= 0) {
        accepted++;
        world_close((int)fd);
        peer_run();
    }
    tap_ok(fd == -EAGAIN && accepted == 7,
           "one that is reset while it waits leaves the queue, and the others come (%ld)",
           accepted);
    for (int i = 0; i < 8; i++)
        peer_tcp_forget(&many[i]);
    peer_tcp_open(&a, 5050, 84);
    peer_run();
    tap_ok(t_poll(listener) & POLLIN, "and its place is free again");
    world_close((int)listener);
    peer_run();
    tap_ok(a.got_rst, "closing the listener resets who waits");
    end("backlog");
}

static long closing;

static void close_it(void)
{
    long fd = closing;

    closing = -1;
    if (fd >= 0)
        world_close((int)fd);
}

static void test_close_asleep(void)
{
    void (*step)(void) = world_step;
    long fd;

    begin();
    fd = pair(&a, 85);
    world_step = close_it;
    closing = fd;
    tap_ok(t_recv(fd, buffer, 10, 0) == -EBADF, "a receive whose socket is closed meanwhile ends");
    world_step = step;
    fd = server(86, 1);
    world_step = close_it;
    closing = fd;
    tap_ok(t_accept(fd, NULL, 0) == -EBADF, "so does an accept");
    world_step = step;
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("close while asleep");
}

static bool arrive(struct peer_tcp **many, int i, long listener, long *fd)
{
    many[i] = calloc(1, sizeof(**many));
    peer_tcp_open(many[i], (uint16_t)(20000 + i), 87);
    peer_run();
    *fd = t_accept(listener, NULL, 0);
    return *fd >= 0;
}

/* More connections than may stay in TIME_WAIT, one after another, and more than there is memory for. */
static void test_many(void)
{
    static struct peer_tcp *many[400];
    long listener, fds[401], accepted = 0, served = 0;
    size_t limit = net_pools_limit;

    begin();
    listener = server(87, 128);
    t_nonblock(listener);
    for (int i = 0; i < 600; i++) {
        peer_tcp_open(&a, (uint16_t)(10000 + i), 87);
        peer_run();
        long fd = t_accept(listener, NULL, 0);
        if (fd >= 0 && t_send(fd, pattern, 100, 0) == 100) {
            world_close((int)fd); /* our side closes first: TIME_WAIT is here */
            peer_run();
            peer_tcp_flags(&a, FIN | ACK);
            peer_run();
            served += same(&a, 100) && a.got_fin;
        }
        peer_tcp_forget(&a);
    }
    tap_ok(served == 600, "600 connections one after another, each left in TIME_WAIT (%ld)",
           served);
    for (int i = 0; i < 300; i++)
        accepted += arrive(many, i, listener, &fds[accepted]);
    tap_ok(accepted == 300, "300 connections at once (%ld)", accepted);
    net_pools_limit = net_pools_used + 8000; /* two pages more */
    for (int i = 300; i < 400; i++)
        accepted += arrive(many, i, listener, &fds[accepted]);
    tap_ok(accepted > 300 && accepted < 400, "memory for connections has a limit (%ld)", accepted);
    net_pools_limit = limit;
    served = 0;
    for (long i = 0; i < accepted; i++)
        t_send(fds[i], pattern, 500, 0);
    peer_run();
    for (int i = 0; i < 400; i++)
        served += same(many[i], 500);
    tap_ok(served == accepted, "each of them is served");
    for (long i = 0; i < accepted; i++)
        world_close((int)fds[i]);
    world_close((int)listener);
    for (int i = 0; i < 400; i++)
        peer_tcp_flags(many[i], RST | ACK);
    peer_run();
    for (int i = 0; i < 400; i++) {
        peer_tcp_forget(many[i]);
        free(many[i]);
    }
    end("many");
}

/* lwIP's list of connections is as long as it says, and ends. */
static bool list_is_sound(unsigned length)
{
    const struct tcp_pcb *pcb = tcp_active_pcbs;

    while (pcb && length) {
        pcb = pcb->next;
        length--;
    }
    return !pcb && !length;
}

/* Hundreds of connections that speak in no order, come and go: each is found, mostly at once. */
static void test_front(void)
{
    enum { MANY = 200 };
    static struct peer_tcp *many[MANY];
    static long fds[MANY];
    long listener, served = 0, asked = 0;
    bool sound = true;

    begin();
    listener = server(87, 128);
    t_nonblock(listener);
    for (int i = 0; i < MANY; i++)
        arrive(many, i, listener, &fds[i]);
    struct net_front_stats was = net_front_stats;
    for (int round = 0; round < 4000; round++) {
        int i = (int)(tap_random() >> 33) % MANY;
        asked++;
        peer_tcp_send(many[i], pattern, 10);
        peer_run();
        served += t_recv(fds[i], buffer, 100, MSG_DONTWAIT) == 10;
        if (round == 2000)
            tap_ok(net_front_stats.walked - was.walked <= MANY,
                   "lwIP's list is walked for few of 2000 segments (%lu)",
                   net_front_stats.walked - was.walked);
        if (round < 2000)
            continue; /* then some leave, by a reset, by an end of either side, and others come */
        int j = (int)(tap_random() >> 33) % MANY;
        uint8_t flags = tap_random() & 1 << 20 ? RST | ACK : FIN | ACK;
        if (flags & FIN && tap_random() & 1 << 21)
            world_close((int)fds[j]), fds[j] = -1;
        peer_tcp_flags(many[j], flags);
        peer_run();
        if (fds[j] >= 0)
            world_close((int)fds[j]);
        peer_run();
        peer_tcp_forget(many[j]);
        free(many[j]);
        many[j] = calloc(1, sizeof(**many));
        peer_tcp_open(many[j], (uint16_t)(30000 + round), 87);
        peer_run();
        fds[j] = t_accept(listener, NULL, 0);
        struct net_stats stats;
        net_stats(&stats);
        sound = sound && stats.tcp_active < 2 * MANY && list_is_sound(stats.tcp_active);
    }
    tap_ok(served == asked && sound,
           "%d connections that come and go speak in no order (%ld of %ld)", MANY, served, asked);
    for (int i = 0; i < MANY; i++) {
        world_close((int)fds[i]);
        peer_tcp_flags(many[i], RST | ACK);
        peer_run();
        peer_tcp_forget(many[i]);
        free(many[i]);
    }
    world_close((int)listener);
    end("front");
}

/* While a packet is handled more come than the ring has room for. */
static unsigned burst_heard, burst_sent, burst_lost;

static void burst(void *unused, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from,
                  u16_t port)
{
    uint8_t frame[1514];
    size_t length = peer_frame_udp(frame, 900, 950, pattern, 100);

    (void)unused, (void)pcb, (void)from, (void)port;
    pbuf_free(p);
    burst_heard++;
    for (int i = 0; i < 30 && burst_sent < 600; i++, burst_sent++)
        burst_lost += !world_receive(frame, (uint32_t)length);
}

static void test_burst(void)
{
    begin();
    net_enter();
    struct udp_pcb *pcb = udp_new();
    udp_bind(pcb, IP_ANY_TYPE, 950);
    udp_recv(pcb, burst, NULL);
    net_leave();
    burst_sent = 1;
    peer_udp(900, 950, pattern, 100);
    peer_run();
    world_pass(SECOND);
    tap_ok(burst_sent == 600 && burst_lost == 0 && burst_heard == 600,
           "of a burst of %u packets none is lost (%u are, %u were handled)", burst_sent,
           burst_lost, burst_heard);
    net_enter();
    udp_remove(pcb);
    net_leave();
    end("burst");
}

/* Far more want to connect at once than a listener has places for handshakes. */
static void test_rush(void)
{
    enum { RUSH = 60, PLACES = 8 };
    static struct peer_tcp *many[RUSH];
    long fds[RUSH + 1], listener, accepted = 0;

    begin();
    listener = server(87, PLACES);
    t_nonblock(listener);
    peer_arp_request(); /* so that the peer's MAC is known */
    peer_run();
    for (int i = 0; i < RUSH; i++) {
        many[i] = calloc(1, sizeof(**many));
        peer_tcp_open(many[i], (uint16_t)(20000 + i), 87);
    }
    for (int i = 0; i < 1000; i++) {
        peer_run();
        while ((fds[accepted] = t_accept(listener, NULL, 0)) >= 0)
            accepted++;
    }
    tap_ok(accepted == RUSH, "%d connect at once, with %d places for handshakes (%ld)", RUSH,
           PLACES, accepted);
    for (long i = 0; i < accepted; i++)
        world_close((int)fds[i]);
    for (int i = 0; i < RUSH; i++) {
        peer_tcp_flags(many[i], RST | ACK);
        peer_run();
        peer_tcp_forget(many[i]);
        free(many[i]);
    }
    world_close((int)listener);
    end("rush");
}

/* All send buffers in flight: nothing is lost, nobody spins. */
static void test_transmit_full(void)
{
    struct net_stats stats;
    long tcp, udp, sent = 0, result;

    begin();
    tcp = pair(&a, 88);
    t_nonblock(tcp);
    udp = t_socket(SOCK_DGRAM | SOCK_NONBLOCK);
    t_sendto(udp, pattern, 1, 0, PEER_ADDRESS, 5); /* so that the peer's MAC is known */
    peer_run();
    unsigned had = peer_datagram.count;
    world_hold_sent(true);
    while ((result = t_sendto(udp, pattern, 100, 0, PEER_ADDRESS, 5)) == 100 && sent < 1000)
        sent++;
    tap_ok(result == -EAGAIN && sent <= 64 && !(t_poll(udp) & POLLOUT),
           "with every buffer in flight a datagram gets EAGAIN and no POLLOUT (after %ld)", sent);
    tap_ok(t_send(tcp, pattern, 20000, 0) == 20000, "TCP takes data in");
    peer_run();
    tap_ok(a.count == 0, "which has to wait");
    net_stats(&stats);
    tap_ok(stats.tx_full > before.tx_full && stats.tx_flying == stats.tx_buffers, "it is counted");
    world_hold_sent(false);
    peer_run();
    tap_ok(same(&a, 20000), "and is sent when buffers come back, before any timer");
    tap_ok((t_poll(udp) & POLLOUT) && peer_datagram.count == had + (unsigned)sent,
           "no datagram that was taken is lost");
    world_stall(true);
    for (int i = 0; i < 10; i++)
        t_sendto(udp, pattern, 100, 0, PEER_ADDRESS, 5);
    peer_run();
    unsigned now = peer_datagram.count;
    world_stall(false);
    peer_run();
    tap_ok(peer_datagram.count == now + 10, "a device that was full gets them later");
    world_close((int)udp);
    world_close((int)tcp);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("transmit full");
}

/* Sockets that are not read hold buffers; then memory; then packets are dropped: others live on. */
static void test_receive_full(void)
{
    struct net_stats stats;
    long fd, other, got = 0, result;

    begin();
    fd = pair(&a, 89);
    other = pair(&b, 90);
    t_nonblock(fd);
    t_nonblock(other);
    for (int i = 0; i < 3000; i++) {
        peer_tcp_send(&a, pattern + i, 1);
        if (i % 50 == 0)
            peer_run();
    }
    peer_run();
    net_stats(&stats);
    tap_ok(stats.rx_held <= stats.rx_buffers - stats.rx_buffers / 4 &&
               stats.rx_copied > before.rx_copied,
           "a quarter of the buffers stays with the kernel (%u of %u held, %lu copied)",
           stats.rx_held, stats.rx_buffers, stats.rx_copied - before.rx_copied);
    peer_tcp_send(&b, pattern, 5000);
    peer_run();
    tap_ok(t_recv(other, buffer, 9000, 0) == 5000 && !memcmp(buffer, pattern, 5000),
           "another connection still receives");
    t_send(other, pattern, 5000, 0);
    peer_run();
    tap_ok(same(&b, 5000), "and sends");
    while ((result = t_recv(fd, buffer + got, 9000, 0)) > 0) {
        got += result;
        peer_run();
    }
    tap_ok(got > 40 && !memcmp(buffer, pattern, (size_t)got),
           "what was taken in is right (%ld bytes)", got);
    world_close((int)fd);
    world_close((int)other);
    peer_run();
    peer_tcp_flags(&a, RST | ACK);
    peer_tcp_flags(&b, RST | ACK);
    peer_run();
    end("receive full");
}

static void test_loopback(void)
{
    long listener, client, fd;

    begin();
    listener = server(91, 4);
    client = t_socket(SOCK_STREAM);
    tap_ok(t_connect(client, 0x7f000001, 91) == 0, "connect to oneself");
    fd = t_accept(listener, NULL, 0);
    tap_ok(fd >= 0 && t_send(client, pattern, 5000, 0) == 5000 &&
               t_recv(fd, buffer, 5000, MSG_WAITALL) == 5000 && !memcmp(buffer, pattern, 5000),
           "and speak");
    world_close((int)fd);
    world_close((int)client);
    world_close((int)listener);
    end("loopback");
}

static void test_keepalive(void)
{
    static const int wanted[][3] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                                    {IPPROTO_TCP, TCP_KEEPIDLE, 10},
                                    {IPPROTO_TCP, TCP_KEEPINTVL, 4},
                                    {IPPROTO_TCP, TCP_KEEPCNT, 3}};
    bool kept = true;

    begin();
    long listener = server(95, 4);
    for (int i = 0; i < 4; i++)
        kept &= t_set_int(listener, wanted[i][0], wanted[i][1], wanted[i][2]) == 0;
    peer_tcp_open(&a, 4000, 95);
    long fd = t_accept(listener, NULL, 0);
    for (int i = 0; i < 4; i++)
        kept &= t_get_int(fd, wanted[i][0], wanted[i][1]) == wanted[i][2];
    tap_ok(kept, "keep-alive is handed on by a listener");
    world_pass(9 * SECOND);
    tap_ok(a.probes == 0, "a connection is not probed before its time");
    for (int i = 0; i < 91; i++) {
        world_pass(SECOND);
        peer_run();
    }
    tap_ok(a.probes >= 8 && a.probes <= 10 && t_poll(fd) == POLLOUT,
           "one that is idle for 100 s is probed every 10, and lives while its peer answers (%u)",
           a.probes);
    a.silent = true;
    a.probes = 0;
    uint64_t start = world_now;
    tap_ok(t_recv(fd, buffer, 10, 0) == -ETIMEDOUT, "a peer that is gone ends a receive");
    uint64_t seconds = (world_now - start) / SECOND;
    tap_ok(a.probes == 3 && seconds >= 15 && seconds <= 24,
           "after 10 s and 3 probes, 4 s apart (%u, %lu s)", a.probes, seconds);
    tap_ok((t_poll(fd) & (POLLHUP | POLLERR)) == POLLHUP, "which is told once");
    a.silent = false;
    world_close((int)fd);
    world_close((int)listener);
    peer_tcp_forget(&a);
    fd = pair(&a, 95);
    world_pass(3 * 7200 * SECOND);
    tap_ok(a.probes == 0 && t_poll(fd) == POLLOUT, "without it nobody is probed, not in six hours");
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("keep-alive");
}

/* RFC 9293, section 3.7.4: while something is not acknowledged, what is less than a segment waits. */
static void test_nodelay(void)
{
    begin();
    long fd = pair(&a, 96);
    peer_run();
    a.silent = true;
    t_send(fd, pattern, 10, 0);
    t_send(fd, pattern + 10, 10, 0);
    peer_run();
    tap_ok(a.segments == 1, "a small segment waits for the one before it (%u)", a.segments);
    tap_ok(t_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0, "TCP_NODELAY");
    peer_run();
    tap_ok(a.segments == 2, "lets it go");
    t_send(fd, pattern + 20, 10, 0);
    peer_run();
    tap_ok(a.segments == 3 && same(&a, 30), "and the next at once");
    a.silent = false;
    peer_tcp_flags(&a, ACK);
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    long listener = server(96, 4);
    t_set_int(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    peer_tcp_forget(&a);
    peer_tcp_open(&a, 4000, 96);
    fd = t_accept(listener, NULL, 0);
    tap_ok(t_get_int(fd, IPPROTO_TCP, TCP_NODELAY) == 1, "it is handed on by a listener");
    world_close((int)fd);
    world_close((int)listener);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("no delay");
}

static void test_reuse(void)
{
    begin();
    long fd = pair(&a, 97);
    world_close((int)fd); /* our side closes first: TIME_WAIT is here */
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    fd = t_socket(SOCK_STREAM);
    tap_ok(t_bind(fd, 0, 97) == -EADDRINUSE, "a port with a connection in TIME_WAIT is in use");
    tap_ok(t_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 && t_bind(fd, 0, 97) == 0 &&
               t_listen(fd, 4) == 0,
           "but not for SO_REUSEADDR");
    long other = t_socket(SOCK_STREAM);
    t_set_int(other, SOL_SOCKET, SO_REUSEADDR, 1);
    tap_ok(t_bind(other, 0, 97) == -EADDRINUSE || t_listen(other, 4) == -EADDRINUSE,
           "two listeners on one port there are not");
    world_close((int)other);
    world_close((int)fd);
    end("reuse");
}

static void test_names(void)
{
    struct sockaddr_in name = {0};
    socklen_t length = sizeof(name);
    long fd = -1, other;

    begin();
    tap_ok(fd_socket_call(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0) == -EAFNOSUPPORT,
           "no sockets of another family");
    fd = fd_socket_call(SYS_socket, AF_INET6, SOCK_STREAM, 0, 0, 0, 0);
    const struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = 80, .sin6_addr.s6_addr = {0xfd, [15] = 2}};
    tap_ok(fd_socket_call(SYS_connect, fd, (long)&six, sizeof(six), 0, 0, 0) == -ENETUNREACH,
           "without an address of IPv6 nobody is reached by it");
    world_close((int)fd);
    tap_ok(fd_socket_call(SYS_socket, AF_INET, SOCK_RAW, 0, 0, 0, 0) == -ESOCKTNOSUPPORT,
           "no raw sockets");
    fd = t_socket(SOCK_STREAM);
    tap_ok(t_bind(fd, 0x08080808, 80) == -EADDRNOTAVAIL, "only own addresses can be bound");
    tap_ok(t_recv(fd, buffer, 1, 0) == -ENOTCONN && t_send(fd, buffer, 1, 0) == -ENOTCONN &&
               t_shutdown(fd, SHUT_WR) == -ENOTCONN,
           "not connected");
    tap_ok(t_bind(fd, HOST_ADDRESS, 0) == 0 &&
               fd_socket_call(SYS_getsockname, fd, (long)&name, (long)&length, 0, 0, 0) == 0 &&
               ntohs(name.sin_port) >= 49152 && ntohl(name.sin_addr.s_addr) == HOST_ADDRESS,
           "port 0 becomes one of the dynamic range");
    tap_ok(t_bind(fd, 0, 80) == -EINVAL, "a socket is bound once");
    other = t_socket(SOCK_STREAM);
    tap_ok(t_bind(other, 0, ntohs(name.sin_port)) == -EADDRINUSE, "a port is bound once");
    tap_ok(t_set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) == 0 &&
               t_get_int(fd, IPPROTO_TCP, TCP_NODELAY) == 1 &&
               t_set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == 0 &&
               t_get_int(fd, SOL_SOCKET, SO_KEEPALIVE) == 1 &&
               t_get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM,
           "options are kept");
    tap_ok(t_set_int(fd, SOL_SOCKET, SO_PRIORITY, 1) == -ENOPROTOOPT, "an unknown one is refused");
    tap_ok(fd_socket_call(SYS_listen, 999, 1, 0, 0, 0, 0) == -EBADF, "no such descriptor");
    world_close((int)fd);
    world_close((int)other);
    end("names");
}

/* The last packet of a burst goes out with the same call to the kernel as the first. */
static void test_kicks(void)
{
    long fd;

    begin();
    fd = pair(&a, 92);
    peer_run();
    uint64_t kicks = world_kicks;
    t_send(fd, pattern, 20000, 0);
    tap_ok(world_kicks == kicks + 1, "one kick for 14 segments (%lu)", world_kicks - kicks);
    peer_run();
    peer_tcp_send(&a, pattern, 100);
    peer_run();
    kicks = world_kicks;
    t_recv(fd, buffer, 100, 0);
    t_send(fd, pattern, 100, 0);
    tap_ok(world_kicks == kicks + 1, "one for a request and its answer (%lu)", world_kicks - kicks);
    world_close((int)fd);
    peer_run();
    peer_tcp_flags(&a, FIN | ACK);
    peer_run();
    end("kicks");
}

int main(void)
{
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(tap_random() >> 32);
    tap_ok(world_started(), "the network starts");
    tap_ok(strstr(world_log, "address 10.0.2.15, netmask 255.255.255.0, gateway 10.0.2.2, MAC "
                             "52:54:00:00:00:01"),
           "and says its address");
    peer_start();
    test_link();
    test_udp();
    test_udp_limit();
    test_stream();
    test_vectors();
    test_bulk();
    test_constant();
    test_sendfile();
    test_ends();
    test_slow_and_gone();
    test_connect();
    test_backlog();
    test_close_asleep();
    test_many();
    test_front();
    test_burst();
    test_rush();
    test_transmit_full();
    test_receive_full();
    test_loopback();
    test_keepalive();
    test_nodelay();
    test_reuse();
    test_names();
    test_kicks();
    return tap_done();
}
