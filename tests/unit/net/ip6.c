/* SPDX-License-Identifier: MIT */
/*
 * ip6.c - IPv6, from the frame to the socket: neighbour discovery, ping, UDP and TCP with frames made here
 * from RFC 8200, 4443, 4861, 768 and 9293; and the sockets between themselves, over their own address.
 */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>

#include "../tap.h"
#include "libnet.h"
#include "lwip/priv/tcp_priv.h"
#include "net.h"
#include "world.h"

enum { ETHERNET = 14, IP6 = 40, ICMP6 = 58, TCP = 6, UDP = 17 };
enum { ECHO = 128, ECHO_ANSWER = 129, ROUTER = 134, SOLICIT = 135, ADVERTISE = 136, TOO_BIG = 2 };
enum { SYN = 2, ACK = 16 };

const char *world_address6 = "fd00::15/64", *world_gateway6 = "fd00::1";

static const uint8_t peer_mac[6] = {2, 2, 2, 2, 2, 2}, mac[6] = {0x52, 0x54, 0, 0, 0, 1};
static struct in6_addr host, peer, host_link, far, group, all;
static uint8_t frame[1514], sent[1514];
static uint32_t sent_count, bad;
static char text[1400];

/* --- frames -------------------------------------------------------------------------------- */

static struct in6_addr ip6(const char *name)
{
    struct in6_addr address;

    inet_pton(AF_INET6, name, &address);
    return address;
}

static uint16_t word(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* RFC 8200, section 8.1: 0xffff when the sum in the message is right. */
static uint16_t sum(const uint8_t *ip)
{
    uint32_t length = word(ip + 4), total = length + ip[6];

    for (uint32_t i = 8; i < IP6 + length; i++)
        total += i % 2 ? ip[i] : (uint32_t)ip[i] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)total;
}

/* Where the sum is in a message of that protocol. */
static uint32_t sum_at(uint8_t protocol)
{
    return protocol == TCP ? 16 : protocol == UDP ? 6 : 2;
}

static uint32_t make(uint8_t protocol, struct in6_addr from, struct in6_addr to,
                     const void *message, uint32_t length)
{
    uint8_t *ip = frame + ETHERNET, *field = ip + IP6 + sum_at(protocol);

    memset(frame, 0, sizeof(frame));
    memcpy(frame, mac, 6);
    if (to.s6_addr[0] == 0xff) { /* RFC 2464, section 7 */
        frame[0] = frame[1] = 0x33;
        memcpy(frame + 2, to.s6_addr + 12, 4);
    }
    memcpy(frame + 6, peer_mac, 6);
    frame[12] = 0x86;
    frame[13] = 0xdd;
    ip[0] = 0x60;
    ip[4] = (uint8_t)(length >> 8);
    ip[5] = (uint8_t)length;
    ip[6] = protocol;
    ip[7] = 255;
    memcpy(ip + 8, &from, 16);
    memcpy(ip + 24, &to, 16);
    memcpy(ip + IP6, message, length);
    uint16_t value = (uint16_t)~sum(ip);
    field[0] = (uint8_t)(value >> 8);
    field[1] = (uint8_t)value;
    return ETHERNET + IP6 + length;
}

static void say(uint8_t protocol, struct in6_addr from, struct in6_addr to, const void *message,
                uint32_t length)
{
    world_receive(frame, make(protocol, from, to, message, length));
    world_pass(1);
}

/* A solicitation or advertisement for `target`, with one option of that length (in eights). */
static uint32_t neighbour(uint8_t *message, uint8_t type, struct in6_addr target, uint8_t option)
{
    memset(message, 0, 32);
    message[0] = type;
    message[4] = type == ADVERTISE ? 0x60 : 0; /* solicited, override */
    memcpy(message + 8, &target, 16);
    message[24] = type == ADVERTISE ? 2 : 1;
    message[25] = option;
    memcpy(message + 26, peer_mac, 6);
    return 32;
}

/* What libnet sends. Where it asks for a neighbour, the neighbour answers. */
static void hear(const uint8_t *bytes, uint32_t length)
{
    const uint8_t *ip = bytes + ETHERNET, *message = ip + IP6;
    uint8_t answer[32];
    struct in6_addr target, from;

    if (word(bytes + 12) != 0x86dd)
        return;
    bad += memcmp(bytes + 6, mac, 6) != 0 || ip[0] >> 4 != 6 ||
           word(ip + 4) > length - ETHERNET - IP6 || sum(ip) != 0xffff;
    if (ip[6] == ICMP6 && message[0] == SOLICIT) {
        memcpy(&target, message + 8, 16);
        memcpy(&from, ip + 8, 16);
        if (memcmp(&target, &peer, 16) == 0 || target.s6_addr[15] == 1)
            world_receive(
                frame, make(ICMP6, target, from, answer, neighbour(answer, ADVERTISE, target, 1)));
    }
    memcpy(sent, bytes, length);
    sent_count++;
}

/* Is the last frame that was sent of that protocol, from and to these? Its message, or NULL. */
static const uint8_t *was_sent(uint8_t protocol, struct in6_addr from, struct in6_addr to)
{
    const uint8_t *ip = sent + ETHERNET;

    return sent_count && ip[6] == protocol && memcmp(ip + 8, &from, 16) == 0 &&
                   memcmp(ip + 24, &to, 16) == 0
               ? ip + IP6
               : NULL;
}

static void forget(void)
{
    sent_count = 0;
    memset(sent, 0, sizeof(sent));
}

/* --- the link -------------------------------------------------------------------------------- */

static void test_neighbours(void)
{
    uint8_t message[40];
    const uint8_t *answer;

    forget();
    say(ICMP6, peer, group, message, neighbour(message, SOLICIT, host, 1));
    answer = was_sent(ICMP6, host, peer);
    tap_ok(answer && answer[0] == ADVERTISE && memcmp(answer + 8, &host, 16) == 0 &&
               answer[24] == 2 && answer[25] == 1 && memcmp(answer + 26, mac, 6) == 0 &&
               sent[ETHERNET + 7] == 255,
           "a neighbour that asks for the address is told the MAC");
    forget();
    say(ICMP6, peer, ip6("ff02::1:ff00:1"), message, neighbour(message, SOLICIT, host_link, 1));
    tap_ok((answer = was_sent(ICMP6, host_link, peer)) && answer[0] == ADVERTISE,
           "and so it is for the link-local address, which the MAC leads to");
    forget();
    say(ICMP6, peer, ip6("ff02::1:ff00:16"), message,
        neighbour(message, SOLICIT, ip6("fd00::16"), 1));
    tap_ok(sent_count == 0, "for another's address nobody answers");
}

static void test_ping(void)
{
    uint8_t message[1008] = {ECHO, 0, 0, 0, 0, 1, 0, 7};
    const uint8_t *answer;

    memcpy(message + 8, text, 1000);
    forget();
    say(ICMP6, peer, host, message, sizeof(message));
    answer = was_sent(ICMP6, host, peer);
    tap_ok(answer && answer[0] == ECHO_ANSWER && memcmp(answer + 4, message + 4, 1004) == 0,
           "a ping is answered");
    say(ICMP6, peer, host_link, message, 16);
    tap_ok(was_sent(ICMP6, host_link, peer), "to the link-local address, too");
    forget();
    say(ICMP6, peer, all, message, sizeof(message));
    tap_ok(sent_count == 0, "one to everybody is not");
    say(ICMP6, far, host, message, 16);
    world_pass(1);
    tap_ok(was_sent(ICMP6, host, far) && memcmp(sent, peer_mac, 6) == 0,
           "an answer to another network goes by the gateway");
}

/* RFC 4861, section 4.6; an end behind each is poison, so whoever reads on is found. */
static void test_wrong_options(void)
{
    static const struct {
        uint8_t option;
        uint8_t length;
        bool good;
    } table[] = {{1, 32, true},  {0, 32, false}, {0, 26, false}, {1, 26, false},
                 {2, 32, false}, {1, 25, false}, {1, 23, false}, {1, 24, true}};
    uint8_t message[40];
    struct net_stats before, after;
    unsigned wrong = 0, types[] = {SOLICIT, ADVERTISE};

    for (unsigned i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
        neighbour(message, (uint8_t)types[i % 2], i % 2 ? peer : host, table[i / 2].option);
        net_stats(&before);
        say(ICMP6, peer, host, message, table[i / 2].length);
        net_stats(&after);
        wrong += (after.rx_malformed == before.rx_malformed) != table[i / 2].good;
    }
    tap_ok(wrong == 0,
           "options of length 0, or that end behind the message, are dropped (%u wrong)", wrong);
}

static bool dropped(uint8_t protocol, const void *message, uint32_t length)
{
    struct net_stats before, after;

    net_stats(&before);
    forget();
    say(protocol, host_link, host, message, length);
    net_stats(&after);
    return after.rx_malformed == before.rx_malformed + 1 && sent_count == 0;
}

static void test_dropped(void)
{
    uint8_t message[64] = {0};

    message[0] = ROUTER;
    message[6] = 1;
    tap_ok(dropped(ICMP6, message, 16), "what a router announces is dropped");
    message[0] = 137;
    tap_ok(dropped(ICMP6, message, 40), "and another way that one tells");
    memset(message, 0, sizeof(message));
    message[0] = TOO_BIG;
    message[7] = 61;
    tap_ok(dropped(ICMP6, message, 56), "and a path of 61 bytes");
    memset(message, 0, sizeof(message));
    message[0] = UDP;
    static const uint8_t headers[] = {0, 43, 44, 60};
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof(headers); i++)
        count += dropped(headers[i], message, 16);
    tap_ok(count == sizeof(headers), "and extension headers (%u of 4)", count);
}

/* --- sockets --------------------------------------------------------------------------------- */

static long open6(int type)
{
    return fd_socket_call(SYS_socket, AF_INET6, type, 0, 0, 0, 0);
}

static struct sockaddr_in6 name6(struct in6_addr address, uint16_t port)
{
    return (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = address};
}

static long with_name(long call, long fd, struct in6_addr address, uint16_t port)
{
    struct sockaddr_in6 name = name6(address, port);

    return fd_socket_call(call, fd, (long)&name, sizeof(name), 0, 0, 0);
}

static bool is_named(long call, long fd, struct in6_addr address, uint16_t port)
{
    struct sockaddr_in6 name;
    socklen_t length = sizeof(name);

    return fd_socket_call(call, fd, (long)&name, (long)&length, 0, 0, 0) == 0 &&
           length == sizeof(name) && name.sin6_family == AF_INET6 &&
           memcmp(&name.sin6_addr, &address, 16) == 0 && (!port || ntohs(name.sin6_port) == port);
}

static void test_udp(void)
{
    uint8_t message[108] = {0x03, 0x84, 0, 7, 0, 108}; /* from port 900 to 7 */
    struct sockaddr_in6 from, to = name6(peer, 900);
    socklen_t length = sizeof(from);
    char buffer[200];
    long fd = open6(SOCK_DGRAM);

    memcpy(message + 8, text, 100);
    tap_ok(with_name(SYS_bind, fd, in6addr_any, 7) == 0 &&
               is_named(SYS_getsockname, fd, in6addr_any, 7),
           "a datagram socket of IPv6");
    say(UDP, peer, host, message, 108);
    tap_ok(fd_socket_call(SYS_recvfrom, fd, (long)buffer, 200, MSG_DONTWAIT, (long)&from,
                          (long)&length) == 100 &&
               memcmp(buffer, text, 100) == 0 && length == sizeof(from) &&
               memcmp(&from.sin6_addr, &peer, 16) == 0 && ntohs(from.sin6_port) == 900,
           "receives one, and from whom");
    forget();
    tap_ok(fd_socket_call(SYS_sendto, fd, (long)text, 50, 0, (long)&to, sizeof(to)) == 50,
           "one is sent back");
    world_pass(1);
    const uint8_t *udp = was_sent(UDP, host, peer);
    tap_ok(udp && word(udp) == 7 && word(udp + 2) == 900 && memcmp(udp + 8, text, 50) == 0,
           "and arrives");
    tap_ok(fd_socket_call(SYS_sendto, fd, (long)text, 1400, 0, (long)&to, sizeof(to)) == 1400,
           "one that fills a frame");
    static char large[1453];
    tap_ok(fd_socket_call(SYS_sendto, fd, (long)large, 1453, 0, (long)&to, sizeof(to)) == -EMSGSIZE,
           "one that would have to be cut is refused");
    world_close((int)fd);
}

static void test_handshake(void)
{
    uint8_t syn[24] = {0x10, 0,    0,   80,   0, 0, 0, 9, 0, 0, 0,
                       0,    0x60, SYN, 0x20, 0, 0, 0, 0, 0, 2, 4};
    long listener = open6(SOCK_STREAM);
    const uint8_t *answer;

    syn[22] = 1440 >> 8;
    syn[23] = 1440 & 0xff;
    with_name(SYS_bind, listener, in6addr_any, 80);
    t_listen(listener, 4);
    forget();
    say(TCP, peer, host, syn, sizeof(syn));
    answer = was_sent(TCP, host, peer);
    tap_ok(answer && answer[13] == (SYN | ACK) && answer[11] == 10, "a connection is answered");
    uint8_t ack[22] = {0x10, 0,    0,   80,   0, 0, 0, 10, 0, 0,   0,
                       0,    0x50, ACK, 0x20, 0, 0, 0, 0,  0, 'h', 'i'};
    if (answer) {
        memcpy(ack + 8, answer + 4, 4);
        ack[11]++;
    }
    say(TCP, peer, host, ack, sizeof(ack));
    char buffer[10];
    struct sockaddr_in6 from;
    socklen_t length = sizeof(from);
    long fd = fd_socket_call(SYS_accept4, listener, (long)&from, (long)&length, 0, 0, 0);
    tap_ok(fd >= 0 && memcmp(&from.sin6_addr, &peer, 16) == 0 && ntohs(from.sin6_port) == 4096 &&
               is_named(SYS_getpeername, fd, peer, 4096) && is_named(SYS_getsockname, fd, host, 80),
           "accepted, and named on both ends");
    tap_ok(t_recv(fd, buffer, 10, MSG_DONTWAIT) == 2 && memcmp(buffer, "hi", 2) == 0,
           "and its bytes are read");
    tap_ok(t_get_int(fd, IPPROTO_TCP, TCP_MAXSEG) == 1440, "a segment fits into a frame");
    t_set(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    world_close((int)fd);
    world_close((int)listener);
}

/* A connection to oneself, from a socket of that family to that address: the accepted end, or the error. */
static long meet(long listener, long from, const void *name, socklen_t length)
{
    t_nonblock(from);
    long result = fd_socket_call(SYS_connect, from, (long)name, length, 0, 0, 0);
    if (result != -EINPROGRESS)
        return result;
    world_pass(1000000);
    return t_accept(listener, NULL, SOCK_NONBLOCK);
}

/* RFC 9293, section 3.1. What lies behind the frame is poison. */
static void test_tcp_options(void)
{
    static const struct {
        uint8_t bytes[4];
        bool good;
    } table[] = {{{1, 1, 1, 2}, false}, {{1, 1, 1, 99}, false}, {{2, 0, 1, 1}, false},
                 {{2, 5, 1, 1}, false}, {{1, 1, 1, 1}, true},   {{0, 2, 2, 2}, true},
                 {{2, 4, 5, 0}, true},  {{1, 99, 3, 0}, true}};
    uint8_t syn[24] = {0x10, 0, 0, 90, 0, 0, 0, 9, 0, 0, 0, 0, 0x60, SYN, 0x20};
    struct net_stats before, after;
    long listener = open6(SOCK_STREAM);
    unsigned wrong = 0;

    with_name(SYS_bind, listener, in6addr_any, 90);
    t_listen(listener, 20);
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        memcpy(syn + 20, table[i].bytes, 4);
        syn[1] = (uint8_t)i;
        net_stats(&before);
        say(TCP, peer, host, syn, sizeof(syn));
        net_stats(&after);
        wrong += (after.rx_malformed == before.rx_malformed) != table[i].good;
    }
    tap_ok(wrong == 0, "segments whose options end behind them are dropped (%u wrong)", wrong);
    world_close((int)listener);
    world_pass(200ull * 1000000000);
}

static void test_families(void)
{
    const struct in6_addr mapped = ip6("::ffff:10.0.2.15");
    struct sockaddr_in6 to6 = name6(host, 81), to_mapped = name6(mapped, 81);
    struct sockaddr_in to4 = t_name(0x0a00020f, 81);
    long listener = open6(SOCK_STREAM),
         client[3] = {open6(SOCK_STREAM), t_socket(SOCK_STREAM), open6(SOCK_STREAM)};
    t_nonblock(listener);
    tap_ok(t_get_int(listener, SOL_SOCKET, SO_DOMAIN) == AF_INET6 &&
               t_get_int(listener, IPPROTO_IPV6, IPV6_V6ONLY) == 0,
           "a listener of IPv6 takes IPv4, too, unless it is told not to");
    with_name(SYS_bind, listener, in6addr_any, 81);
    t_listen(listener, 4);
    long end[3] = {meet(listener, client[0], &to6, sizeof(to6)),
                   meet(listener, client[1], &to4, sizeof(to4)),
                   meet(listener, client[2], &to_mapped, sizeof(to_mapped))};
    tap_ok(end[0] >= 0 && is_named(SYS_getpeername, end[0], host, 0) &&
               is_named(SYS_getpeername, client[0], host, 81),
           "from IPv6");
    tap_ok(end[1] >= 0 && is_named(SYS_getpeername, end[1], mapped, 0) &&
               is_named(SYS_getsockname, end[1], mapped, 81),
           "from IPv4, by mapped addresses");
    tap_ok(end[2] >= 0 && is_named(SYS_getpeername, client[2], mapped, 81),
           "and from an IPv6 socket by a mapped address");
    tap_ok(t_set_int(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1) == -EINVAL,
           "it is too late to tell it");
    for (int i = 0; i < 3; i++) {
        world_close((int)end[i]);
        world_close((int)client[i]);
    }
    world_close((int)listener);
    world_pass(200ull * 1000000000);
}

static void test_only(void)
{
    struct sockaddr_in6 to6 = name6(host, 82), to_mapped = name6(ip6("::ffff:10.0.2.15"), 82);
    struct sockaddr_in to4 = t_name(0x0a00020f, 82);
    long listener = open6(SOCK_STREAM), client = t_socket(SOCK_STREAM), six = open6(SOCK_STREAM),
         bound = open6(SOCK_STREAM);

    t_nonblock(listener);
    tap_ok(t_set_int(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0 &&
               t_set_int(six, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0 &&
               t_set_int(client, IPPROTO_IPV6, IPV6_V6ONLY, 1) == -ENOPROTOOPT,
           "IPV6_V6ONLY is for sockets of IPv6");
    with_name(SYS_bind, listener, in6addr_any, 82);
    t_listen(listener, 4);
    tap_ok(meet(listener, client, &to4, sizeof(to4)) == -EAGAIN, "then IPv4 is not heard");
    tap_ok(meet(listener, six, &to_mapped, sizeof(to_mapped)) == -ENETUNREACH, "nor spoken");
    long end = meet(listener, six, &to6, sizeof(to6));
    tap_ok(end >= 0, "but IPv6 is");
    with_name(SYS_bind, bound, host, 0);
    tap_ok(meet(listener, bound, &to_mapped, sizeof(to_mapped)) == -EINVAL,
           "one that is bound to an address of IPv6 cannot connect to IPv4");
    tap_ok(with_name(SYS_bind, bound, ip6("fd00::16"), 1) == -EADDRNOTAVAIL,
           "none can be bound to another's address");
    tap_ok(fd_socket_call(SYS_bind, bound, (long)&to4, sizeof(to4), 0, 0, 0) == -EINVAL &&
               fd_socket_call(SYS_bind, client, (long)&to6, sizeof(to6), 0, 0, 0) == -EAFNOSUPPORT,
           "names of the other family are refused");
    world_close((int)end);
    world_close((int)six);
    world_close((int)client);
    world_close((int)bound);
    world_close((int)listener);
    world_pass(200ull * 1000000000);
}

/* A segment's connection is first in lwIP's list when lwIP looks, and the list need not be walked for it. */
static void test_front(void)
{
    enum { MANY = 30 };
    struct sockaddr_in6 to6 = name6(host, 83);
    long listener = open6(SOCK_STREAM), client[MANY], end[MANY];
    struct tcp_pcb *pcbs[2 * MANY], *pcb;
    unsigned count = 0, wrong = 0;
    uint8_t segment[20] = {[12] = 5 << 4, [13] = ACK};

    t_nonblock(listener);
    with_name(SYS_bind, listener, in6addr_any, 83);
    t_listen(listener, MANY);
    for (int i = 0; i < MANY; i++) {
        client[i] = open6(SOCK_STREAM);
        end[i] = meet(listener, client[i], &to6, sizeof(to6));
    }
    for (pcb = tcp_active_pcbs; pcb && count < 2 * MANY; pcb = pcb->next)
        pcbs[count++] = pcb;
    tap_ok(count == 2 * MANY, "%d connections over IPv6, both ends of each", MANY);
    struct net_front_stats was = net_front_stats;
    for (unsigned round = 0; round < 2000 && count; round++) {
        pcb = pcbs[(tap_random() >> 33) % count];
        for (int i = 0; i < 2; i++) {
            segment[i] = (uint8_t)(pcb->remote_port >> (8 - 8 * i));
            segment[2 + i] = (uint8_t)(pcb->local_port >> (8 - 8 * i));
        }
        net_enter();
        net_front(frame, make(TCP, host, host, segment, sizeof(segment)));
        wrong += tcp_active_pcbs != pcb;
        net_leave();
    }
    tap_ok(wrong == 0 && net_front_stats.walked - was.walked < 600 &&
               net_front_stats.found > was.found,
           "each is brought to the front, mostly without a walk (%u wrong, %lu walks)", wrong,
           net_front_stats.walked - was.walked);
    for (int i = 0; i < MANY; i++) {
        world_close((int)end[i]);
        world_close((int)client[i]);
    }
    world_close((int)listener);
    world_pass(200ull * 1000000000);
}

int main(void)
{
    struct net_stats before, after;

    if (!world_started())
        return 1;
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7 + i / 256);
    host = ip6("fd00::15");
    peer = ip6("fd00::2");
    far = ip6("fd01::2");
    host_link = ip6("fe80::5054:ff:fe00:1");
    group = ip6("ff02::1:ff00:15"); /* RFC 4291, section 2.7.1: of fd00::15 */
    all = ip6("ff02::1");
    world_sent = hear;
    net_stats(&before);
    test_neighbours();
    test_ping();
    test_wrong_options();
    test_dropped();
    test_udp();
    test_handshake();
    test_tcp_options();
    test_families();
    test_only();
    test_front();
    world_pass(200ull * 1000000000);
    tap_ok(bad == 0, "all that was sent is well formed (%u were not)", bad);
    net_stats(&after);
    tap_ok(after.sockets == before.sockets && after.rx_held == 0 && after.tx_flying == 0 &&
               after.memory_used == before.memory_used && after.tcp_active == 0,
           "nothing is left behind (sockets %u, held %u, memory %u to %u, connections %u)",
           after.sockets, after.rx_held, before.memory_used, after.memory_used, after.tcp_active);
    return tap_done();
}
