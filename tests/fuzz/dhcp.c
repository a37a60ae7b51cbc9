/* SPDX-License-Identifier: MIT */
/*
 * dhcp.c - lwIP's DHCP client under libnet: what a DHCP server, or who plays one, can send.
 *
 * Each input is what happens to an interface that asks for its address: messages that fit what was
 * asked (transaction, cookie, hardware address) unless the input says otherwise, whole or in
 * fragments, with options of the right and of any length; time, up to the end of a lease; datagrams
 * of the application. Afterwards the client is stopped, and nothing may be left behind.
 *
 *   The address is none, or one that somebody offered who knew the transaction. What the client sends
 *   is well-formed, and no more than the messages and the time that passed account for.
 *
 * Layout of messages: RFC 2131, figure 1; options: RFC 2132.
 */
#include "target.h"

#include "../unit/net/sockets.h"

#include "lwip/dhcp.h"
#include "net.h"

#include "libnet.h"
#include "peer.h"
#include "world.h"

/* In place of the one in world.c. */
const char *world_address = "dhcp";

enum {
    SERVER = 67,
    CLIENT = 68,
    XID_AT = 4,
    YOURS_AT = 16,
    CHADDR_AT = 28,
    SNAME_AT = 44, /* and the file's name behind it */
    COOKIE_AT = 236,
    OPTIONS_AT = 240,
    IP_AT = 14,
    BODY_AT = 42,
    MESSAGE_MAX = 1400,
    OPS_MAX = 60,
    PATIENCE = 400,
    MINUTES_MAX = 90,
    /* Frames in answer to a message or a datagram: the next step, a search for the gateway, and
     * gratuitous ARP. */
    ANSWERS = 8,
};
#define SECOND 1000000000ull

/* What a message says beside what makes it fit. */
enum {
    OTHER_XID = 1,
    OTHER_CHADDR = 2,
    OTHER_COOKIE = 4,
    NAMES = 8,
    FRAGMENTS = 16,
    FLIPS = 32,
    CUT = 64,
    TO_CLIENT = 128, /* else to all */
    OTHER_PORTS = 256,
    BARE = 512, /* no option but those of the input */
    OTHER_ADDRESS = 1024,
    NO_END = 2048,
    TWICE = 4096,
};

static struct input input;
static uint8_t frame[1514], message[MESSAGE_MAX];
static uint32_t xid, known[OPS_MAX + 1], known_count, minutes_left;
static unsigned messages, frames_before;
static uint64_t begun;
static long udp;

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* What the client asked for last. */
static void listen_in(void)
{
    if (peer_datagram.to == SERVER && peer_datagram.length >= OPTIONS_AT)
        xid = get32(peer_datagram.bytes + XID_AT);
}

static void look(void)
{
    uint32_t address = lwip_htonl(ip4_addr_get_u32(netif_ip4_addr(&net_card))), i = 0;
    uint64_t seconds = (world_now - begun) / SECOND;

    listen_in();
    for (; i < known_count && known[i] != address; i++)
        ;
    MUST(!address || i < known_count, "an address that nobody offered: %08x", address);
    MUST(peer_frames - frames_before <= ANSWERS + messages * ANSWERS + seconds,
         "%u frames after %u messages and %lu s", peer_frames - frames_before, messages,
         (unsigned long)seconds);
}

/* --- messages --------------------------------------------------------------------------------- */

static uint8_t *fill(uint8_t *at, size_t count)
{
    while (count--)
        *at++ = (uint8_t)take(&input, 1);
    return at;
}

static uint8_t *option(uint8_t *at)
{
    static const struct {
        uint8_t code, length;
    } kinds[] = {
        {1, 4},  {3, 4},  {3, 8},  {6, 4},   {6, 12}, {12, 9},  {15, 5},  {28, 4},
        {42, 8}, {50, 4}, {51, 4}, {52, 1},  {53, 1}, {54, 4},  {57, 2},  {58, 4},
        {59, 4}, {61, 7}, {0, 0},  {255, 0}, {82, 6}, {43, 30}, {121, 9}, {77, 1},
    };
    uint32_t which = take(&input, 1), kind = which % (sizeof(kinds) / sizeof(kinds[0]));
    uint8_t length = kinds[kind].length, code = kinds[kind].code;

    if (which >= 0xe0) /* of any kind */
        code = (uint8_t)take(&input, 1);
    if (which >= 0xc0) /* of any length */
        length = (uint8_t)take(&input, 1);
    *at++ = code;
    if (which < 0xe0 && (code == 0 || code == 255))
        return at;
    *at++ = length;
    return fill(at, length);
}

static size_t options(uint32_t how, uint8_t type)
{
    uint8_t *at = message + OPTIONS_AT;
    uint32_t count = take_below(&input, 16);

    if (!(how & BARE)) {
        memcpy(at, "\x35\x01\x00\x36\x04\x0a\x00\x02\x02", 9);
        at[2] = type;
        at += 9;
    }
    while (count-- && at < message + MESSAGE_MAX - 300)
        at = option(at);
    if (!(how & NO_END))
        *at++ = 255;
    return (size_t)(at - message);
}

static size_t compose(uint32_t how, uint8_t type)
{
    memset(message, 0, sizeof(message));
    memcpy(message, "\x02\x01\x06", 3);
    put32(message + XID_AT, how & OTHER_XID ? xid ^ take(&input, 4) : xid);
    put32(message + YOURS_AT, how & OTHER_ADDRESS ? take(&input, 4) : HOST_ADDRESS);
    put32(message + CHADDR_AT, (uint32_t)(WORLD_MAC >> 16));
    message[CHADDR_AT + 4] = (uint8_t)(WORLD_MAC >> 8);
    message[CHADDR_AT + 5] = (uint8_t)WORLD_MAC;
    put32(message + COOKIE_AT, 0x63825363);
    if (how & OTHER_CHADDR)
        message[CHADDR_AT + take_below(&input, 16)] ^= (uint8_t)take(&input, 1);
    if (how & OTHER_COOKIE)
        put32(message + COOKIE_AT, take(&input, 4));
    if (how & NAMES)
        fill(message + SNAME_AT, take_below(&input, COOKIE_AT - SNAME_AT + 1));
    size_t size = options(how, type);
    for (uint32_t flips = how & FLIPS ? 1 + take_below(&input, 4) : 0; flips; flips--)
        message[take(&input, 2) % size] ^= (uint8_t)take(&input, 1);
    if (how & CUT)
        size = take(&input, 2) % size;
    return size;
}

static void receive(const uint8_t *bytes, size_t length)
{
    if (!world_receive(bytes, (uint32_t)length))
        peer_run();
}

static void fix_ip(uint8_t *ip)
{
    uint32_t sum = 0;

    ip[10] = ip[11] = 0;
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
}

/* The datagram of `frame`, cut at multiples of `piece`, in order or the last first. */
static void receive_fragments(size_t length, size_t piece, bool backwards)
{
    size_t size = length - IP_AT - 20, count = (size + piece - 1) / piece;
    uint8_t part[1514];

    for (size_t i = 0; i < count; i++) {
        size_t at = (backwards ? count - 1 - i : i) * piece;
        size_t bytes = size - at < piece ? size - at : piece;
        memcpy(part, frame, IP_AT + 20);
        memcpy(part + IP_AT + 20, frame + IP_AT + 20 + at, bytes);
        uint8_t *ip = part + IP_AT;
        ip[2] = (uint8_t)((20 + bytes) >> 8);
        ip[3] = (uint8_t)(20 + bytes);
        ip[6] = (uint8_t)((at / 8) >> 8 | (at + bytes < size ? 0x20 : 0));
        ip[7] = (uint8_t)(at / 8);
        fix_ip(ip);
        receive(part, IP_AT + 20 + bytes);
    }
}

static void address_to(uint32_t how, size_t length)
{
    uint32_t to = how & TO_CLIENT ? get32(message + YOURS_AT) : 0xffffffff;

    if (!(how & TO_CLIENT))
        memset(frame, 0xff, 6);
    put32(frame + IP_AT + 16, to);
    peer_fix_checksums(frame, length);
}

static void say(uint8_t type)
{
    uint32_t how = take(&input, 2);
    size_t size = compose(how, type);
    uint16_t from = SERVER, to = CLIENT;

    if (how & OTHER_PORTS) {
        from = (uint16_t)take(&input, 2);
        to = (uint16_t)(take(&input, 1) & 1 ? CLIENT : SERVER);
    }
    if (size >= YOURS_AT + 4 && get32(message + XID_AT) == xid)
        known[known_count++] = get32(message + YOURS_AT);
    size_t length = peer_frame_udp(frame, from, to, message, size);
    address_to(how, length);
    for (int times = how & TWICE ? 2 : 1; times; times--) {
        messages++;
        if (how & FRAGMENTS) {
            uint32_t piece = take(&input, 1);
            receive_fragments(length, 8 * (1 + piece % 128), piece & 128);
        } else {
            receive(frame, length);
        }
    }
    peer_run();
}

/* --- everything else ---------------------------------------------------------------------------- */

/* Somebody else says that the address is his, or asks for it. */
static void arp(void)
{
    uint32_t how = take(&input, 1);

    memset(frame, 0xff, 6);
    memcpy(frame + 6, "\x02\x02\x02\x02\x02\x02\x08\x06\x00\x01\x08\x00\x06\x04\x00", 15);
    frame[21] = how & 1 ? 1 : 2;
    memcpy(frame + 22, "\x02\x02\x02\x02\x02\x02", 6);
    put32(frame + 28, how & 2 ? HOST_ADDRESS : take(&input, 4));
    memset(frame + 32, 0, 6);
    put32(frame + 38, how & 4 ? HOST_ADDRESS : 0);
    memset(frame + 42, 0, 18);
    messages++;
    receive(frame, 60);
    peer_run();
}

static void application(void)
{
    uint32_t what = take(&input, 1);

    messages++;
    t_sendto(udp, message, what, MSG_DONTWAIT,
             what & 1   ? PEER_ADDRESS
             : what & 2 ? 0x08080808
                        : 0xffffffff,
             what & 4 ? SERVER : 9);
    t_recv(udp, message, sizeof(message), MSG_DONTWAIT);
    peer_run();
}

/* Each costs the client's timers, so there are not so many. */
static void minutes_pass(uint32_t count)
{
    for (; count && minutes_left; count--, minutes_left--)
        world_pass(60 * SECOND);
}

static void op(void)
{
    static const uint8_t types[] = {2, 5, 6}; /* an offer, yes, no */
    uint32_t what = take(&input, 1);

    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        say(types[what % 8]);
        break;
    case 3:
        say((uint8_t)take(&input, 1));
        break;
    case 4:
        arp();
        break;
    case 5:
        application();
        break;
    case 6:
        world_pass((uint64_t)(1 + what / 8) * SECOND / 2);
        break;
    default:
        minutes_pass(1 + take_below(&input, 32));
        break;
    }
    look();
}

static void stop(void)
{
    net_enter();
    dhcp_release_and_stop(&net_card);
    dhcp_cleanup(&net_card);
    net_leave();
    peer_run();
}

static void begin(void)
{
    net_enter();
    err_t error = dhcp_start(&net_card);
    net_leave();
    MUST(error == ERR_OK, "the client cannot be started: %d", error);
    udp = t_socket(SOCK_DGRAM);
    MUST(!t_bind(udp, 0, 7), "the socket of the input before is still open");
    known_count = messages = 0;
    minutes_left = MINUTES_MAX;
    begun = world_now;
    frames_before = peer_frames;
    peer_run();
    listen_in();
}

static void end(const struct net_stats *before)
{
    struct net_stats now;

    stop();
    world_close((int)udp);
    for (unsigned i = 0; i < PATIENCE; i++) {
        net_stats(&now);
        /* Each input begins at the same distance from the timers' next minute. */
        if (now.sockets == before->sockets && !now.rx_held && !now.tx_flying &&
            now.memory_used == before->memory_used && world_now % (60 * SECOND) < SECOND)
            return;
        world_pass(10 * SECOND - world_now % (10 * SECOND));
    }
    MUST(false, "left behind: sockets %u, held %u, flying %u, memory %u to %u", now.sockets,
         now.rx_held, now.tx_flying, before->memory_used, now.memory_used);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static bool started;
    struct net_stats before;

    if (!started) {
        MUST(world_started(), "libnet has not started");
        MUST(netif_dhcp_data(&net_card), "libnet does not ask for its address");
        peer_start();
        stop();
        started = true;
    }
    input = (struct input){bytes, size};
    net_stats(&before);
    begin();
    for (uint32_t i = 0; i < OPS_MAX && input.left; i++)
        op();
    end(&before);
    MUST(peer_bad_frames == 0, "something malformed was sent");
    return 0;
}
