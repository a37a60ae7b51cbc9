/* SPDX-License-Identifier: MIT */
/* clients.c - cheetah over lwIP and the rings: what it answers, whom it puts up with, what stays behind. */
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "cheetah.h"
#include "libnet.h"
#include "net.h"
#include "peer.h"
#include "world.h"

#define SECOND 1000000000ull
#define MS     1000000ull

enum { IDLE = 15, REQUEST = 10, SEND = 10, CLIENTS = 40 };

static struct peer_tcp a, b;
static struct net_stats before;
static uint16_t next_port = 20000;

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* Until nothing is on its way any more. */
static void go(void)
{
    for (int i = 0; i < 64; i++) {
        peer_run();
        world_pass(10000);
    }
}

static void open_to(struct peer_tcp *t)
{
    peer_tcp_open(t, next_port++, 80);
    go();
}

static void say(struct peer_tcp *t, const char *text)
{
    peer_tcp_send(t, text, strlen(text));
    go();
}

/* Its peer ends it. */
static void hang_up(struct peer_tcp *t)
{
    if (!t->got_rst)
        peer_tcp_flags(t, FIN | ACK);
    go();
    peer_tcp_forget(t);
}

static void begin(void)
{
    net_stats(&before);
}

static void end(const char *what)
{
    struct net_stats now;

    world_pass(200 * SECOND);
    net_stats(&now);
    tap_ok(client_counts.connections == 0 && now.rx_held == before.rx_held &&
               now.tx_flying == before.tx_flying && now.memory_used == before.memory_used &&
               now.tcp_active == 0 && now.tcp_waiting == 0 && peer_bad_frames == 0,
           "%s: nothing is left behind (clients %lu, held %u, memory %u to %u, connections %u+%u)",
           what, client_counts.connections, now.rx_held, before.memory_used, now.memory_used,
           now.tcp_active, now.tcp_waiting);
}

static const struct site_file *file(const char *path)
{
    const struct site_file *found = site_find(path);

    if (!found)
        abort();
    return found;
}

static bool begins(const struct peer_tcp *t, const char *text)
{
    return t->count >= strlen(text) && !memcmp(t->bytes, text, strlen(text));
}

static bool has(const struct peer_tcp *t, const char *text)
{
    return memmem(t->bytes, t->count, text, strlen(text)) != NULL;
}

/* How many answers with this file came, one behind the other and nothing else. */
static unsigned answers(const struct peer_tcp *t, const struct site_file *f)
{
    size_t at = 0;
    unsigned count = 0;

    while (at < t->count) {
        const uint8_t *body = memmem(t->bytes + at, t->count - at, "\r\n\r\n", 4);
        if (!body || memcmp(t->bytes + at, "HTTP/1.1 200 OK\r\n", 17))
            return 0;
        at = (size_t)(body + 4 - t->bytes);
        if (t->count - at < f->length || memcmp(t->bytes + at, f->bytes, f->length))
            return 0;
        at += f->length;
        count++;
    }
    return count;
}

static void test_answers(void)
{
    static struct peer_tcp first;

    begin();
    open_to(&a);
    say(&a, GET("/icon.svg"));
    tap_ok(answers(&a, file("/icon.svg")) == 1, "a file (%zu bytes came)", a.count);
    first = a;
    say(&a, GET("/icon.svg"));
    tap_ok(answers(&a, file("/icon.svg")) == 2 && a.count == 2 * first.count &&
               !memcmp(a.bytes, a.bytes + first.count, first.count),
           "asked in the same words, it comes the same");
    open_to(&b);
    for (const char *at = GET("/icon.svg"); *at; at++) {
        peer_tcp_send(&b, at, 1);
        go();
    }
    tap_ok(b.count == first.count && !memcmp(b.bytes, first.bytes, b.count),
           "asked byte by byte as well");
    say(&b, "GET /icon.svg HTTP/1.1\r\nHost: h\r\nIf-None-Match: *\r\n\r\n");
    tap_ok(!memcmp(b.bytes + first.count, "HTTP/1.1 304", 12), "304, if the client has it");
    hang_up(&a);
    tap_ok(a.got_fin && !a.got_rst, "who hangs up is hung up on");
    hang_up(&b);
    open_to(&a);
    say(&a, GET("/status.json"));
    tap_ok(begins(&a, "HTTP/1.1 200 OK") && has(&a, "\"connections_max\": 40"), "facts");
    hang_up(&a);
    open_to(&a);
    say(&a, "HEAD /primes.txt HTTP/1.1\r\nHost: h\r\n\r\n");
    tap_ok(begins(&a, "HTTP/1.1 200 OK") && has(&a, "Content-Length: 28574") &&
               !memcmp(a.bytes + a.count - 4, "\r\n\r\n", 4),
           "HEAD has no content");
    hang_up(&a);
    open_to(&a);
    say(&a, "GET /icon.svg HTTP/1.0\r\n\r\n");
    tap_ok(answers(&a, file("/icon.svg")) == 1 && has(&a, "Connection: close") && a.got_fin,
           "HTTP/1.0 ends the connection");
    hang_up(&a);
    end("answers");
}

static void test_refusals(void)
{
    static const struct {
        const char *request, *status;
        bool ends;
    } cases[] = {
        {GET("/nothing"), "HTTP/1.1 404 ", false},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 405 ", false},
        {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 501 ", false},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", true},
        {"\x16\x03\x01\x02", "HTTP/1.1 400 ", true},
        {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "HTTP/1.1 505 ", true},
        {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\n\r\n", "HTTP/1.1 413 ", true},
        {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx", "HTTP/1.1 400 ", true},
    };

    begin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_to(&a);
        say(&a, cases[i].request);
        tap_ok(begins(&a, cases[i].status) && a.got_fin == cases[i].ends, "%zu: %s", i,
               cases[i].status);
        if (!cases[i].ends) {
            a.count = 0;
            say(&a, GET("/icon.svg"));
            tap_ok(answers(&a, file("/icon.svg")) == 1, "and the connection goes on");
        }
        hang_up(&a);
    }
    end("refusals");
}

static void test_oversized(void)
{
    static char line[3][IN_SIZE + 1];

    begin();
    memset(line[0], 'a', IN_SIZE);
    memcpy(line[0], "GET /", 5);
    memset(line[1], 'b', IN_SIZE);
    memcpy(line[1], "GET / HTTP/1.1\r\nHost: h\r\nX: ", 28);
    for (int i = 0; i < 2; i++) {
        open_to(&a);
        say(&a, line[i]);
        tap_ok(begins(&a, i ? "HTTP/1.1 431 " : "HTTP/1.1 414 ") && a.got_fin && !a.got_rst,
               "a head that is too long");
        say(&a, line[i]); /* it goes on, and is not cut off before it has read the answer */
        tap_ok(!a.got_rst, "what it sends after that is thrown away");
        hang_up(&a);
    }
    end("oversized");
}

static void test_pipelining(void)
{
    const char *one = GET("/icon.svg"), *large = GET("/primes.txt");
    char many[1400] = "";

    begin();
    open_to(&a);
    while (strlen(many) + strlen(one) < sizeof(many))
        strcat(many, one);
    say(&a, many);
    tap_ok(answers(&a, file("/icon.svg")) == strlen(many) / strlen(one), "requests in one packet");
    hang_up(&a);
    /* More than the send buffer takes, so that the rest waits, and with it what is asked for meanwhile. */
    open_to(&a);
    for (int i = 0; i < 8; i++)
        peer_tcp_send(&a, large, strlen(large));
    go();
    tap_ok(answers(&a, file("/primes.txt")) == 8, "eight large files at once");
    hang_up(&a);
    end("pipelining");
}

/* Asks for much and acknowledges nothing. */
static void test_who_does_not_read(void)
{
    begin();
    open_to(&a);
    a.silent = true;
    for (int i = 0; i < 8; i++)
        peer_tcp_send(&a, GET("/primes.txt"), strlen(GET("/primes.txt")));
    go();
    open_to(&b);
    say(&b, GET("/icon.svg"));
    tap_ok(answers(&b, file("/icon.svg")) == 1, "others are served beside who does not read");
    tap_ok(client_counts.connections == 2, "it has its time");
    world_pass((SEND + 28 + 2) * SECOND);
    tap_ok(client_counts.connections == 0, "and then goes (%lu)", client_counts.connections);
    hang_up(&b);
    peer_tcp_forget(&a);
    end("who does not read");
}

static void test_deadlines(void)
{
    begin();
    open_to(&a);
    open_to(&b);
    say(&b, "GET / HT");
    world_pass((REQUEST - 2) * SECOND);
    say(&b, "T");
    go();
    tap_ok(!b.got_fin && b.count == 0, "a slow request has its time");
    world_pass(4 * SECOND);
    go();
    tap_ok(begins(&b, "HTTP/1.1 408 ") && b.got_fin, "and no more, whatever it sends meanwhile");
    tap_ok(!a.got_fin, "an idle connection has more");
    world_pass((IDLE - REQUEST + 1) * SECOND);
    go();
    tap_ok(a.got_fin && a.count == 0, "then it is closed without a word");
    hang_up(&a);
    hang_up(&b);
    end("deadlines");
}

static void test_crowd(void)
{
    static struct peer_tcp crowd[CLIENTS + 1];

    begin();
    for (int i = 0; i < CLIENTS; i++) {
        open_to(&crowd[i]);
        if (i == 0)
            world_pass(2 * SECOND);
    }
    tap_ok(client_counts.connections == CLIENTS, "as many as there may be");
    open_to(&crowd[CLIENTS]);
    tap_ok(client_counts.connections == CLIENTS && crowd[0].got_fin && !crowd[1].got_fin,
           "for one more the one goes that was idle longest");
    unsigned served = 0;
    for (int i = 1; i <= CLIENTS; i++) {
        say(&crowd[i], GET("/icon.svg"));
        served += answers(&crowd[i], file("/icon.svg")) == 1;
    }
    tap_ok(served == CLIENTS, "all others are served (%u)", served);
    for (int i = 0; i <= CLIENTS; i++)
        hang_up(&crowd[i]);
    end("crowd");
}

/* No memory for what is in flight: requests wait, and are answered when there is some. */
/*
 * With a window of 1 MiB a client that does not read can have sent more requests than a chain of packets counts,
 * 64 KiB. They are answered when it reads.
 */
static void test_much_to_do(void)
{
    enum { LARGE = 40, SMALL = 100, EACH = 1400 };
    static char asked[LARGE * 64 + SMALL * EACH];
    size_t limit = net_memory_limit, length = 0;
    const char *large = GET("/primes.txt");

    begin();
    net_memory_limit = 4 << 20;
    net_window_set(net_memory_limit);
    a.scales = true;
    open_to(&a);
    a.silent = true;
    for (int i = 0; i < LARGE; i++, length += strlen(large))
        memcpy(asked + length, large, strlen(large));
    for (int i = 0; i < SMALL; i++, length += EACH) {
        memset(asked + length, 'x', EACH);
        memcpy(asked + length, "GET /icon.svg HTTP/1.1\r\nHost: h\r\nX: ", 36);
        memcpy(asked + length + EACH - 4, "\r\n\r\n", 4);
    }
    uint32_t first = a.sent;
    for (int i = 0; i < 40; i++) { /* what is not acknowledged is sent again */
        size_t at = a.acked - first;
        if (i == 10)
            tap_ok(at > 0xffff && at < length, "of %zu bytes that wait %zu are taken in", length,
                   at);
        if (i >= 10) {
            a.silent = false;
            peer_tcp_flags(&a, ACK);
        }
        a.sent = a.acked;
        peer_tcp_send(&a, asked + at, length - at < a.room ? length - at : a.room);
        go();
        world_pass(SECOND / 4);
    }
    const uint8_t *at = a.bytes, *end_of_all = a.bytes + a.count;
    unsigned count = 0;
    while ((at = memmem(at, (size_t)(end_of_all - at), "HTTP/1.1 200 OK\r\n", 17))) {
        count++;
        at++;
    }
    tap_ok(count == LARGE + SMALL && a.acked - first == length,
           "and all of them are answered (%u of %d)", count, LARGE + SMALL);
    hang_up(&a);
    a.scales = false;
    net_memory_limit = limit;
    net_window_set(limit);
    end("much to do");
}

static void test_no_memory(void)
{
    size_t limit = net_memory_limit;

    begin();
    open_to(&a);
    net_memory_limit = net_memory_used;
    say(&a, GET("/icon.svg"));
    tap_ok(a.count == 0 && client_counts.connections == 1, "an answer waits for memory");
    net_memory_limit = limit;
    world_pass(2 * SECOND);
    go();
    tap_ok(answers(&a, file("/icon.svg")) == 1, "and comes when there is some");
    hang_up(&a);
    end("no memory");
}

static void test_garbage(void)
{
    static const char *const pieces[] = {"GET ",
                                         "/",
                                         " HTTP/1.1\r\n",
                                         "Host: h\r\n",
                                         "\r\n",
                                         "POST ",
                                         "Content-Length: 9\r\n",
                                         "\r",
                                         "\n",
                                         ":",
                                         "Transfer-Encoding: chunked\r\n",
                                         "5\r\nhello\r\n",
                                         "0\r\n\r\n"};
    unsigned ends = 0;

    begin();
    for (int i = 0; i < 400; i++) {
        uint8_t noise[64];
        open_to(&a);
        for (int j = 0; j < 12 && !a.got_fin && !a.got_rst; j++) {
            uint64_t r = tap_random();
            if (r % 4) {
                const char *piece = pieces[(r >> 8) % (sizeof(pieces) / sizeof(pieces[0]))];
                peer_tcp_send(&a, piece, strlen(piece));
            } else {
                for (size_t k = 0; k < sizeof(noise); k++)
                    noise[k] = (uint8_t)(tap_random() >> 32);
                peer_tcp_send(&a, noise, 1 + (r >> 8) % sizeof(noise));
            }
            if (r & 1 << 20)
                go();
        }
        go();
        ends += a.got_fin || a.got_rst;
        if (i % 3)
            hang_up(&a);
        else
            peer_tcp_flags(&a, RST | ACK), go(), peer_tcp_forget(&a);
    }
    tap_ok(ends > 100, "garbage costs a client its connection (%u of 400)", ends);
    open_to(&a);
    say(&a, GET("/icon.svg"));
    tap_ok(answers(&a, file("/icon.svg")) == 1, "and nobody else notices");
    hang_up(&a);
    end("garbage");
}

int main(void)
{
    const struct client_settings settings = {80, CLIENTS, IDLE, REQUEST, SEND};

    tap_ok(world_started(), "the network starts");
    peer_start();
    peer_arp_request();
    go();
    net_enter();
    tap_ok(client_listen(&settings), "it listens");
    net_leave();
    test_answers();
    test_refusals();
    test_oversized();
    test_pipelining();
    test_who_does_not_read();
    test_deadlines();
    test_crowd();
    test_much_to_do();
    test_no_memory();
    test_garbage();
    return tap_done();
}
