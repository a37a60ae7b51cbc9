/* SPDX-License-Identifier: MIT */
/*
 * filter.c - tuples of every kind of packet, canonical filters, who may add which, and where packets
 * go.
 */
#include "mock.h"

#include "packet_queue.h"
#include "ring.h"

#include <stdlib.h>
#include <string.h>

#define MAC_A     0x020000000005ull
#define MAC_B     0x020000000006ull
#define BROADCAST 0xffffffffffffull
#define ADDRESS_A 0x0a00020f /* 10.0.2.15 */
#define ADDRESS_B 0x0a000210
#define GATEWAY   0x0a000202

/* --- packets ------------------------------------------------------------------------- */

struct bytes {
    uint8_t byte[NIC_HEADER];
    uint32_t length;
};

static void put(struct bytes *p, uint64_t value, uint32_t bytes)
{
    while (bytes--)
        p->byte[p->length++] = (uint8_t)(value >> (8 * bytes));
}

static struct bytes ethernet(uint64_t to, uint64_t from, uint16_t type)
{
    struct bytes p = {.length = 0};

    put(&p, to, 6);
    put(&p, from, 6);
    put(&p, type, 2);
    return p;
}

/* Behind an Ethernet header: an IPv4 header with so many bytes of options. */
static void ip4(struct bytes *p, uint32_t to, uint32_t from, uint8_t protocol, uint32_t options)
{
    put(p, 0x45 + options / 4, 1);
    put(p, 0, 1);
    put(p, 20 + options + 8, 2); /* its length: with eight bytes of payload */
    put(p, 0, 2);
    put(p, 0x4000, 2); /* do not fragment; 0 of the fragment's place */
    put(p, 64, 1);
    put(p, protocol, 1);
    put(p, 0, 2);
    put(p, from, 4);
    put(p, to, 4);
    for (uint32_t i = 0; i < options; i++)
        put(p, 1, 1);
}

static void ip6(struct bytes *p, uint8_t to, uint8_t from, uint8_t protocol)
{
    put(p, 0x60000000, 4);
    put(p, 8, 2);
    put(p, protocol, 1);
    put(p, 64, 1);
    for (uint32_t i = 0; i < 16; i++)
        put(p, i + from, 1);
    for (uint32_t i = 0; i < 16; i++)
        put(p, i + to, 1);
}

static void ports(struct bytes *p, uint16_t to, uint16_t from)
{
    put(p, from, 2);
    put(p, to, 2);
    put(p, 0, 4);
}

static struct bytes udp4(uint64_t mac_to, uint64_t mac_from, uint32_t to, uint32_t from,
                         uint16_t port_to, uint16_t port_from)
{
    struct bytes p = ethernet(mac_to, mac_from, EXO_ETHERTYPE_IP4);

    ip4(&p, to, from, EXO_PROTOCOL_UDP, 0);
    ports(&p, port_to, port_from);
    return p;
}

static struct bytes arp(uint64_t mac_to, uint64_t mac_from, uint32_t target, uint32_t sender)
{
    struct bytes p = ethernet(mac_to, mac_from, EXO_ETHERTYPE_ARP);

    put(&p, 0x0001080006040001, 8);
    put(&p, mac_from, 6);
    put(&p, sender, 4);
    put(&p, 0, 6);
    put(&p, target, 4);
    return p;
}

/* --- tuples -------------------------------------------------------------------------- */

static void address(uint8_t bytes[16], uint32_t ip)
{
    for (uint32_t i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(ip >> (24 - 8 * i));
}

static struct exo_tuple tuple4(uint64_t mac, uint16_t type, uint32_t local, uint32_t remote)
{
    struct exo_tuple t = {.mac = mac, .ethertype = type, .family = 4};

    address(t.local, local);
    address(t.remote, remote);
    return t;
}

static struct exo_tuple read(const struct bytes *p)
{
    uint8_t *exact = malloc(p->length); /* so that the sanitizer sees a byte too many */
    struct exo_tuple t;

    memcpy(exact, p->byte, p->length);
    tuple_read(&t, exact, p->length);
    free(exact);
    return t;
}

static void same(const struct bytes *p, struct exo_tuple want, const char *what)
{
    struct exo_tuple got = read(p);

    tap_ok(!memcmp(&got, &want, sizeof(got)), "tuple: %s", what);
}

static struct exo_filter udp_filter(void);
static uint64_t bare_queue(struct env *env);

static void test_tuples(void)
{
    struct bytes p = ethernet(MAC_A, MAC_B, 0x88b5);
    same(&p, (struct exo_tuple){.mac = MAC_A, .ethertype = 0x88b5}, "an Ethernet header alone");

    struct exo_tuple t = tuple4(MAC_A, EXO_ETHERTYPE_IP4, ADDRESS_A, ADDRESS_B);
    p = udp4(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B, 53, 4000);
    t.protocol = EXO_PROTOCOL_UDP;
    t.ports = 1;
    t.local_port = 53;
    t.remote_port = 4000;
    same(&p, t, "UDP over IPv4");
    struct exo_tuple turned = tuple4(MAC_B, EXO_ETHERTYPE_IP4, ADDRESS_B, ADDRESS_A),
                     got = read(&p);
    turned.protocol = EXO_PROTOCOL_UDP;
    turned.ports = 1;
    turned.local_port = 4000;
    turned.remote_port = 53;
    tuple_turn(&got, MAC_B);
    tap_ok(!memcmp(&got, &turned, sizeof(got)), "tuple: the same, seen by its sender");
    for (uint32_t options = 4; options <= 40; options += 4) {
        p = ethernet(MAC_A, MAC_B, EXO_ETHERTYPE_IP4);
        ip4(&p, ADDRESS_A, ADDRESS_B, EXO_PROTOCOL_UDP, options);
        ports(&p, 53, 4000);
        same(&p, t, "the same with options before the ports");
    }
    p.byte[14] = 0x44;
    same(&p, (struct exo_tuple){.mac = MAC_A, .ethertype = EXO_ETHERTYPE_IP4},
         "a header that says it is too short is none");
    p.byte[14] = 0x65;
    same(&p, (struct exo_tuple){.mac = MAC_A, .ethertype = EXO_ETHERTYPE_IP4},
         "nor is one of another version");

    p = udp4(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B, 53, 4000);
    t.ports = 0;
    t.local_port = t.remote_port = 0;
    p.byte[20] = 0x00;
    p.byte[21] = 1;
    same(&p, t, "a later fragment has no ports");
    p.byte[20] = 0x1f;
    p.byte[21] = 0;
    same(&p, t, "wherever it lies");
    p.byte[20] = p.byte[21] = 0;
    p.byte[17] = 23;
    same(&p, t, "nor has a packet that ends before them, whatever lies behind");
    p.byte[17] = 24;
    t.ports = 1;
    t.local_port = 53;
    t.remote_port = 4000;
    same(&p, t, "one that ends with them has them");
    p.byte[16] = 0xff;
    same(&p, t, "as has one that says it is longer than it is");
    p.byte[20] = 0x20;
    same(&p, t, "and a first fragment");

    p = ethernet(MAC_A, MAC_B, EXO_ETHERTYPE_IP4);
    ip4(&p, ADDRESS_A, ADDRESS_B, 1, 0);
    ports(&p, 53, 4000);
    t = tuple4(MAC_A, EXO_ETHERTYPE_IP4, ADDRESS_A, ADDRESS_B);
    t.protocol = 1;
    same(&p, t, "ICMP has no ports");

    p = arp(BROADCAST, MAC_B, ADDRESS_A, ADDRESS_B);
    same(&p, tuple4(BROADCAST, EXO_ETHERTYPE_ARP, ADDRESS_A, ADDRESS_B), "ARP: target and sender");
    for (uint32_t i = 14; i < 20; i++) {
        p.byte[i] ^= 1;
        same(&p, (struct exo_tuple){.mac = BROADCAST, .ethertype = EXO_ETHERTYPE_ARP},
             "ARP of another kind has no addresses");
        p.byte[i] ^= 1;
    }
}

static void test_tuples_6_and_vlan(void)
{
    struct bytes p = ethernet(MAC_A, MAC_B, EXO_ETHERTYPE_IP6);
    struct exo_tuple t = {.mac = MAC_A, .ethertype = EXO_ETHERTYPE_IP6, .family = 6};

    for (uint32_t i = 0; i < 16; i++) {
        t.local[i] = (uint8_t)(i + 0x20);
        t.remote[i] = (uint8_t)(i + 0x70);
    }
    ip6(&p, 0x20, 0x70, EXO_PROTOCOL_TCP);
    ports(&p, 80, 4000);
    t.protocol = EXO_PROTOCOL_TCP;
    t.ports = 1;
    t.local_port = 80;
    t.remote_port = 4000;
    same(&p, t, "TCP over IPv6");
    p.byte[19] = 3;
    t.ports = 0;
    t.local_port = t.remote_port = 0;
    same(&p, t, "that ends before the ports");
    p.byte[20] = t.protocol = 44;
    same(&p, t, "extension headers are not walked");
    p.byte[14] = 0x40;
    same(&p, (struct exo_tuple){.mac = MAC_A, .ethertype = EXO_ETHERTYPE_IP6},
         "another version is not IPv6");

    p = ethernet(MAC_A, MAC_B, EXO_ETHERTYPE_IP6);
    ip6(&p, 0x20, 0x70, EXO_PROTOCOL_ICMP6);
    t.protocol = EXO_PROTOCOL_ICMP6;
    put(&p, 0x8800000060000000, 8);
    for (uint32_t i = 0; i < 16; i++)
        put(&p, i + 0xa0, 1);
    p.length--;
    same(&p, t, "a neighbour advertisement that ends early says nothing");
    p.length++;
    for (uint32_t i = 0; i < 16; i++)
        t.remote[i] = (uint8_t)(i + 0xa0);
    same(&p, t, "of a whole one the target counts, not who sends it");
    p.byte[20] = t.protocol = EXO_PROTOCOL_TCP;
    for (uint32_t i = 0; i < 16; i++)
        t.remote[i] = (uint8_t)(i + 0x70);
    t.ports = 1;
    t.local_port = 0;
    t.remote_port = 0x8800;
    same(&p, t, "TCP of which the same bytes stand there is none");
    p.byte[20] = t.protocol = EXO_PROTOCOL_ICMP6;
    t.ports = 0;
    t.remote_port = 0;
    p.byte[54] = 135;
    same(&p, t, "nor is a solicitation");

    static const uint16_t tag[] = {0x8100, 0x88a8};
    for (uint32_t i = 0; i < 2; i++) {
        p = ethernet(MAC_A, MAC_B, tag[i]);
        put(&p, 0xe123, 2); /* priority and number */
        put(&p, EXO_ETHERTYPE_ARP, 2);
        p.length += 28;
        memcpy(p.byte + 18, arp(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B).byte + 14, 28);
        t = tuple4(MAC_A, EXO_ETHERTYPE_ARP, ADDRESS_A, ADDRESS_B);
        t.vlan = EXO_VLAN_TAGGED | 0x123;
        same(&p, t, "a tag, and ARP behind it");
    }
    p.byte[16] = 0x81;
    p.byte[17] = 0;
    same(&p, (struct exo_tuple){.mac = MAC_A, .vlan = EXO_VLAN_TAGGED | 0x123, .ethertype = 0x8100},
         "a second tag is a type like any other");
}

/* Cut at every byte: what is gone is as if it had not been, and nothing behind the end is read. */
static void test_cut(void)
{
    struct bytes whole[] = {
        udp4(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B, 53, 4000), arp(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B),
        ethernet(MAC_A, MAC_B, EXO_ETHERTYPE_IP6), ethernet(MAC_A, MAC_B, 0x8100),
        ethernet(MAC_A, MAC_B, EXO_ETHERTYPE_IP4)};
    static const uint8_t family_from[] = {34, 42, 54, 38, 54};
    static const uint8_t ports_from[] = {38, 0xff, 58, 42, 58};

    ip6(&whole[2], 1, 2, EXO_PROTOCOL_UDP);
    ports(&whole[2], 53, 4000);
    put(&whole[3], 7, 2);
    put(&whole[3], EXO_ETHERTYPE_IP4, 2);
    memcpy(whole[3].byte + 18, whole[0].byte + 14, 28);
    whole[3].length += 28;
    ip4(&whole[4], ADDRESS_A, ADDRESS_B, EXO_PROTOCOL_TCP, 20);
    ports(&whole[4], 53, 4000);
    for (uint32_t i = 0; i < sizeof(whole) / sizeof(*whole); i++) {
        bool good = true;
        for (uint32_t length = EXO_PACKET_MIN; length <= whole[i].length; length++) {
            struct bytes p = whole[i];
            p.length = length;
            struct exo_tuple t = read(&p);
            good &= t.mac == MAC_A && (t.family != 0) == (length >= family_from[i]) &&
                    t.ports == (length >= ports_from[i]) && (t.local_port == 53) == t.ports &&
                    (t.family || (!t.protocol && !t.local[0] && !t.remote[0])) &&
                    (t.vlan != 0) == (i == 3);
            if (i == 3 && length < 18) /* the tag is cut */
                good &= t.vlan == EXO_VLAN_TAGGED && t.ethertype == 0x8100;
        }
        tap_ok(good, "packet %u cut at every byte has the fields that it shows", i);
    }
}

static void test_lengths(void)
{
    struct bytes p = udp4(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B, 53, 4000);

    p.byte[16] = 0; /* IPv4: the packet ends within its header */
    p.byte[17] = 10;
    tap_ok(read(&p).family == 4 && !read(&p).ports,
           "a packet shorter than its header has no ports");
    struct bytes six = ethernet(MAC_A, MAC_B, 0x88cc);
    ip6(&six, 1, 2, EXO_PROTOCOL_UDP);
    tap_ok(!read(&six).family, "what does not say that it is IPv6 is not");
    /* What lies behind the packet is none of it. */
    struct env *init = mock_boot();
    uint64_t q = bare_queue(init);
    tap_ok(mock_filter(init, q, udp_filter()) > 0, "a filter of ports");
    p = udp4(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B, 53, 4000);
    uint64_t unmatched = nics[0]->unmatched;
    packet_received(nics[0], p.byte, 37);
    tap_ok(nics[0]->unmatched == unmatched + 1, "a packet that ends before its ports matches none");
    packet_received(nics[0], p.byte, p.length);
    tap_ok(nics[0]->unmatched == unmatched + 1, "the whole one does");
}

/* --- canonical ------------------------------------------------------------------------- */

/* A filter that asks for everything of a tuple. */
static struct exo_filter exactly(struct exo_tuple t)
{
    struct exo_filter f = {.value = t};

    f.mask = (struct exo_tuple){.mac = EXO_MAC_ALL,
                                .vlan = EXO_VLAN_ALL,
                                .ethertype = 0xffff,
                                .family = 0xff,
                                .protocol = t.protocol ? 0xff : 0,
                                .ports = t.ports,
                                .local_port = t.ports ? 0xffff : 0,
                                .remote_port = t.ports ? 0xffff : 0};
    memset(f.mask.local, 0xff, t.family == 6 ? 16 : t.family);
    memset(f.mask.remote, 0xff, t.family == 6 ? 16 : t.family);
    return f;
}

static struct exo_filter udp_filter(void)
{
    struct bytes p = udp4(MAC_A, MAC_B, ADDRESS_A, ADDRESS_B, 53, 4000);

    return exactly(read(&p));
}

static void refused(struct exo_filter f, const char *what)
{
    tap_ok(!filter_canonical(&f, true), "not canonical: %s", what);
}
#define WITHOUT(what, ...)                                                                         \
    do {                                                                                           \
        struct exo_filter f = udp_filter();                                                        \
        __VA_ARGS__;                                                                               \
        refused(f, what);                                                                          \
    } while (0)

static void test_canonical(void)
{
    struct exo_filter good = udp_filter(), open = good;

    open.mask.mac = open.value.mac = 0;
    tap_ok(filter_canonical(&good, false) && filter_canonical(&good, true), "canonical: all asked");
    tap_ok(!filter_canonical(&open, false) && filter_canonical(&open, true),
           "an open MAC: only in an allowance");
    WITHOUT("a bit of the value outside the mask", f.mask.remote[3] = 0x0f);
    WITHOUT("reserved bits", f.mask.zero = 1);
    WITHOUT("reserved words", f.value.zero_too = f.mask.zero_too = 1);
    WITHOUT("half a MAC", f.mask.mac = 0xffffff000000; f.value.mac &= f.mask.mac);
    WITHOUT("a mask of 49 bits for the MAC", f.mask.mac |= 1ull << 48);
    WITHOUT("a group's MAC", f.value.mac = BROADCAST);
    WITHOUT("MAC 0", f.value.mac = 0);
    WITHOUT("half a VLAN", f.mask.vlan = 0xff);
    WITHOUT("a VLAN without the tag's bit", f.value.vlan = 5);
    WITHOUT("half an EtherType", f.mask.ethertype = 0xff00; f.value.ethertype = 0x800);
    WITHOUT("half a family", f.mask.family = 4);
    WITHOUT("family 5", f.value.family = 5);
    WITHOUT("half a protocol", f.mask.protocol = 0x1f);
    WITHOUT("protocol 0", f.value.protocol = 0);
    WITHOUT("addresses without a family", f.mask.family = f.value.family = 0);
    WITHOUT("an address of IPv4 longer than four bytes", f.mask.local[4] = 0x80);
    WITHOUT("the other address likewise", f.mask.remote[15] = 1);
    WITHOUT("ports without a protocol", f.mask.protocol = f.value.protocol = 0);
    WITHOUT("ports of ICMP", f.value.protocol = 1);
    WITHOUT("ports without their bit", f.mask.ports = f.value.ports = 0);
    WITHOUT("packets that have no ports", f.value.ports = 0);
    WITHOUT("the bit of the ports without ports", f.mask.local_port = f.value.local_port = 0;
            f.mask.remote_port = f.value.remote_port = 0);
    WITHOUT("more than the bit of the ports", f.mask.ports = 3);

    struct exo_filter six = {.value = {.mac = MAC_A, .family = 6},
                             .mask = {.mac = EXO_MAC_ALL, .family = 0xff}};
    six.mask.local[15] = six.value.local[15] = 1;
    tap_ok(filter_canonical(&six, false), "canonical: IPv6, the last bit of an address");
    struct exo_filter none = {.value = {.mac = MAC_A, .vlan = 0},
                              .mask = {.mac = EXO_MAC_ALL, .vlan = EXO_VLAN_ALL, .family = 0xff}};
    tap_ok(filter_canonical(&none, false), "canonical: neither a tag nor IP nor ARP");
    none.value.family = 5;
    refused(none, "family 5, and no address");
    none.value.family = 0;
    none.value.vlan = EXO_VLAN_TAGGED | 5;
    tap_ok(filter_canonical(&none, false), "canonical: a VLAN");
    none.mask.protocol = 0xff;
    none.value.protocol = 1;
    refused(none, "a protocol of no family");
    none.value.family = 4;
    none.value.protocol = 0;
    refused(none, "no protocol, and no ports");
    none.value.protocol = 1;
    tap_ok(filter_canonical(&none, false), "canonical: a protocol without ports");
    none.value.protocol = none.mask.protocol = 0;
    none.value.family = 0;
    none.mask.local[0] = 0xff;
    refused(none, "an address of no family");
}

/* --- matching, overlapping, lying within: each field ------------------------------------- */

static void test_fields(void)
{
    struct exo_filter f = udp_filter();
    bool good = true;

    for (uint32_t bit = 0; bit < 8 * sizeof(struct exo_tuple); bit++) {
        struct exo_tuple t = f.value;
        ((uint8_t *)&t)[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool asked = ((uint8_t *)&f.mask)[bit / 8] >> bit % 8 & 1;
        struct exo_filter other = {t, f.mask}, wider = f;
        good &= tuple_matches(&t, &f) == !asked;
        good &= filter_overlaps(&f, &other) == !asked;
        good &= filter_within(&other, &f) == !asked;
        ((uint8_t *)&wider.mask)[bit / 8] &= (uint8_t) ~(1 << bit % 8);
        wider.value = t;
        struct exo_filter silent = wider; /* does not ask, and says the same */
        silent.value = f.value;
        good &= filter_within(&silent, &f) == !asked;
        good &= filter_overlaps(&f, &wider) && filter_overlaps(&wider, &f);
        good &= filter_within(&f, &wider) && filter_within(&wider, &f) == !asked;
    }
    tap_ok(good, "every bit that a filter asks for counts, and no other");
}

/* --- calls ------------------------------------------------------------------------------ */

/* A queue of `env` with `buffers` posted to receive into; no filter. */
static uint64_t bare_queue(struct env *env)
{
    uint64_t frame[EXO_RINGS];

    for (uint32_t i = 0; i < EXO_RINGS; i++)
        frame[i] = (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_RING);
    uint64_t q = (uint64_t)CALL(env, QUEUE_BIND, 0, frame[0], frame[1], frame[2], frame[3]);
    uint64_t data = (uint64_t)CALL(env, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_DATA);
    CALL(env, QUEUE_BUFFER, q, 0, data);
    struct exo_ring *fill = machine_frame((frame_t){(uint32_t)frame[EXO_RING_FILL]});
    for (uint32_t i = 0; i < EXO_RING_SIZE; i++)
        fill->desc[i] = (struct exo_desc){.buffer = 0};
    fill->producer = EXO_RING_SIZE;
    return q;
}

static void test_calls(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 30, 0, 2, true);
    uint64_t q = bare_queue(init), theirs = bare_queue(child), page = init->control.n;
    uint64_t ring = queues[q].ring[0].n;

    mock_confine(child, MAC_B);
    REFUSED(RANGE, CALL(init, FILTER_ADD, q, MOCK_FRAMES, 0), "a filter in no frame");
    REFUSED(RANGE, CALL(init, FILTER_ADD, q, page, EXO_PAGE_SIZE - 104), "one that ends outside");
    REFUSED(RANGE, CALL(init, FILTER_ADD, q, page, EXO_PAGE_SIZE), "one that begins outside");
    REFUSED(RANGE, CALL(init, FILTER_ADD, q, page, 0xfffffff8), "one far outside");
    const struct exo_filter fit = mock_mac(MAC_A), zeros = {0};
    char *odd = (char *)mock_control(init) + 1028;
    memcpy(odd, &fit, sizeof(fit));
    REFUSED(RANGE, CALL(init, FILTER_ADD, q, page, 1028), "a good filter in an odd place");
    memcpy(odd, &zeros, sizeof(zeros));
    REFUSED(OWNER, CALL(init, FILTER_ADD, q, child->control.n, 1024), "another's frame");
    REFUSED(OWNER, CALL(init, FILTER_ADD, q, 1, 1024), "the kernel's frame");
    REFUSED(TYPE, CALL(init, FILTER_ADD, q, ring, 1024), "a ring");
    REFUSED(RANGE, CALL(init, FILTER_ADD, q, page, 2048), "a filter of zeros");
    REFUSED(RANGE, CALL(init, FILTER_ADD, MOCK_QUEUES, page, 2048), "no queue");
    REFUSED(OWNER, mock_filter(init, theirs, mock_mac(MAC_A)), "for another's queue");
    REFUSED(RANGE, mock_filter(init, q, mock_mac(BROADCAST)), "the broadcast address");
    REFUSED(FOREIGN, mock_filter(child, theirs, mock_mac(MAC_A)), "outside the allowance");
    int64_t b = mock_filter(child, theirs, mock_mac(MAC_B));
    tap_ok(b > 0 && !inv_all(), "one's own MAC");
    REFUSED(BUSY, mock_filter(init, q, mock_mac(MAC_B)), "the MAC of another's filter");
    REFUSED(BUSY, mock_filter(child, theirs, mock_mac(MAC_B)), "the same once more");
    int64_t a = mock_filter(init, q, mock_mac(MAC_A));
    tap_ok(a > 0 && a != b && init->used[EXO_R_FILTERS] == 1, "another MAC is counted");
    REFUSED(RANGE, CALL(init, FILTER_DEL, EXO_FILTERS), "remove what is beyond the table");
    REFUSED(OWNER, CALL(init, FILTER_DEL, (uint64_t)b), "remove another's");
    REFUSED(OWNER, CALL(init, FILTER_DEL, 0), "remove the first entry, which is none");
    REFUSED(OWNER, CALL(init, FILTER_DEL, (uint64_t)(a + b)), "remove what is not there");
    DONE(CALL(init, FILTER_DEL, (uint64_t)a), "remove one's own");
    REFUSED(OWNER, CALL(init, FILTER_DEL, (uint64_t)a), "remove it again");
    tap_ok(!init->used[EXO_R_FILTERS] && !queues[q].filters.first && !inv_all(), "then it is gone");
    tap_ok(mock_filter(init, q, mock_mac(MAC_A)) == a, "and its number serves again");
    child->quota[EXO_R_FILTERS] = 1;
    REFUSED(QUOTA, mock_filter(child, theirs, mock_mac(MAC_B)), "more than the quota");
}

/* Filters that differ in the local port alone: disjoint, and no more than may be. */
static struct exo_filter port_filter(uint64_t mac, uint16_t port)
{
    struct exo_filter f = mock_mac(mac);

    f.value.family = 4;
    f.value.protocol = EXO_PROTOCOL_UDP;
    f.value.local_port = port;
    f.mask.family = f.mask.protocol = 0xff;
    f.mask.local_port = 0xffff;
    f.mask.ports = f.value.ports = 1;
    return f;
}

static void test_limits(void)
{
    struct env *init = mock_boot();
    uint64_t one = bare_queue(init), two = bare_queue(init), three = bare_queue(init);
    bool good = true;

    for (uint16_t i = 0; i < EXO_FILTERS_MAC; i++)
        good &= mock_filter(init, i % 2 ? one : two, port_filter(MAC_A, i)) > 0;
    tap_ok(good && !inv_all(), "sixteen filters of one MAC, on two queues");
    REFUSED(MEMORY, mock_filter(init, three, port_filter(MAC_A, 99)), "a seventeenth");
    for (uint16_t i = 0; i < EXO_FILTERS_QUEUE; i++)
        good &= mock_filter(init, three, mock_mac(MAC_B + i)) > 0;
    tap_ok(good && queues[three].filter_count == EXO_FILTERS_QUEUE, "sixteen of one queue");
    REFUSED(MEMORY, mock_filter(init, three, mock_mac(MAC_B + 99)), "a seventeenth of a queue");
    DONE(CALL(init, QUEUE_UNBIND, three), "a queue goes");
    tap_ok(init->used[EXO_R_FILTERS] == EXO_FILTERS_MAC && !inv_all(), "and its filters with it");

    filters_touched = EXO_FILTERS - 1; /* as if all had been in use once */
    for (uint16_t i = 0; i < EXO_FILTERS_QUEUE && filters_free.first; i++)
        mock_filter(init, one, mock_mac(MAC_B + i));
    filters_free = (struct list){0};
    three = bare_queue(init);
    REFUSED(MEMORY, mock_filter(init, three, mock_mac(MAC_B + 200)), "a table that is full");
    uint32_t last = queues[one].filters.first;
    DONE(CALL(init, FILTER_DEL, last), "one goes");
    tap_ok(mock_filter(init, three, mock_mac(MAC_B + 200)) == last, "then there is room for one");
}

/* MACs that all share one place of the hash: 64 of them, and each is found. */
static void test_place(void)
{
    struct env *init = mock_boot();
    uint64_t q[5], macs[FILTERS_BUCKET + 1], count = 0;
    uint64_t probe = bare_queue(init);

    for (uint32_t i = 0; i < 5; i++)
        q[i] = bare_queue(init);
    /* The place of a MAC shows in which entry of the table changes. */
    int64_t first = mock_filter(init, probe, mock_mac(MAC_A));
    uint32_t place = 0;
    while (!filter_places[place].first)
        place++;
    CALL(init, FILTER_DEL, (uint64_t)first);
    for (uint64_t mac = MAC_A; count <= FILTERS_BUCKET; mac++) {
        int64_t n = mock_filter(init, probe, mock_mac(mac));
        if (filter_places[place].first)
            macs[count++] = mac;
        CALL(init, FILTER_DEL, (uint64_t)n);
    }
    bool good = true;
    for (uint32_t i = 0; i < FILTERS_BUCKET; i++)
        good &= mock_filter(init, q[i / EXO_FILTERS_QUEUE], mock_mac(macs[i])) > 0;
    tap_ok(good && !inv_all(), "64 filters of different MACs share a place, and each is found");
    REFUSED(MEMORY, mock_filter(init, q[4], mock_mac(macs[FILTERS_BUCKET])), "a 65th there");
}

/* A child's allowances: canonical, within the parent's, and not too many. */
static void test_allowances(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 60, 2, 1, false);
    struct exo_filter any = {0}, address_a = mock_mac(MAC_A), other = mock_mac(MAC_A);
    uint64_t n = child->name.n, page = init->control.n;

    address_a.value.family = 4;
    address_a.mask.family = 0xff;
    address(address_a.value.local, ADDRESS_A);
    address(address_a.mask.local, 0xffffffff);
    other = address_a;
    address(other.value.local, ADDRESS_B);
    tap_ok(!child->allowances, "a new child may bind nothing");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_ALLOW, MOCK_FRAMES, 0), "in no frame");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_ALLOW, 1ull << 32 | page, 0),
            "nor in a far one");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_ALLOW, page, 4096), "outside of its frame");
    REFUSED(RANGE, CALL(init, ENV_SET, n, EXO_ENV_SET_ALLOW, page, 1ull << 32), "far outside");
    REFUSED(OWNER, CALL(init, ENV_SET, n, EXO_ENV_SET_ALLOW, child->control.n, 0),
            "in the child's");
    REFUSED(RANGE, mock_allow(init, n, mock_mac(BROADCAST)), "one that is not canonical");
    DONE(mock_allow(init, n, address_a), "a MAC and an address");
    DONE(CALL(init, ENV_RUN, n, 0x400000, 0x500000), "run");
    REFUSED(STATE, mock_allow(init, n, other), "one thing more for a living child");

    uint64_t q = bare_queue(child);
    REFUSED(FOREIGN, mock_filter(child, q, mock_mac(MAC_A)), "more addresses than the one");
    REFUSED(FOREIGN, mock_filter(child, q, other), "another address");
    tap_ok(mock_filter(child, q, address_a) > 0, "the one");

    struct env *grandchild = mock_child(child, 10, false);
    uint64_t g = grandchild->name.n;
    struct exo_filter port = address_a;
    port.value.protocol = EXO_PROTOCOL_TCP;
    port.mask.protocol = 0xff;
    port.value.local_port = 80;
    port.mask.local_port = 0xffff;
    port.value.ports = port.mask.ports = 1;
    REFUSED(FOREIGN, mock_allow(child, g, any), "everything, by who may not everything");
    REFUSED(FOREIGN, mock_allow(child, g, mock_mac(MAC_A)), "a whole MAC");
    REFUSED(FOREIGN, CALL(child, ENV_SET, g, EXO_ENV_SET_MAC, MAC_A), "a whole MAC, in a register");
    REFUSED(ENV, mock_allow(init, g, address_a), "to a grandchild");
    bool good = true;
    for (uint16_t i = 0; i < EXO_ALLOWANCES; i++) {
        port.value.local_port = i;
        good &= mock_allow(child, g, port) == 0;
    }
    tap_ok(good && !inv_all(), "eight ports of it to its child");
    REFUSED(MEMORY, mock_allow(child, g, port), "a ninth");
    struct env *second = mock_child(init, 10, false);
    DONE(mock_allow(init, second->name.n, any), "everything, by who may everything");
    tap_ok(CALL(init, INFO, EXO_INFO_ENV, n, EXO_ENV_MAC) == (int64_t)MAC_A &&
               CALL(init, INFO, EXO_INFO_ENV, second->name.n, EXO_ENV_MAC) ==
                   (int64_t)EXO_MAC_ANY &&
               CALL(init, INFO, EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_MAC) == (int64_t)EXO_MAC_ANY,
           "info tells the MACs");
    CALL(init, ENV_KILL, n, 0);
    tap_ok(mock_reclaim(init, child->name) > 0 && !inv_all(), "and all comes back");
}

/* Every word of the filter is read once: a second CPU writes as soon as the kernel has looked. */
static uint32_t looks;
static uint64_t evil_at;

static void change_filter(uint32_t frame)
{
    if (frame == evil_at)
        looks++;
}

static void test_read_once(void)
{
    struct env *init = mock_boot();
    uint64_t q = bare_queue(init);

    evil_at = init->control.n;
    struct exo_filter *place = (void *)((char *)mock_control(init) + 2048);
    *place = mock_mac(MAC_A);
    mock_frame_hook = change_filter;
    int64_t n = CALL(init, FILTER_ADD, q, evil_at, 2048);
    mock_frame_hook = NULL;
    tap_ok(n > 0 && looks == 1, "the frame of a filter is looked at once");
    *place = mock_mac(MAC_B);
    tap_ok(filters[n].match.value.mac == MAC_A && !inv_all(),
           "what is written there afterwards changes no filter");
}

/* --- where packets go ----------------------------------------------------------------------- */

static uint64_t received(uint64_t queue)
{
    return queues[queue].stats.rx_packets;
}

static bool comes_to(const struct bytes *p, uint64_t queue, uint64_t other)
{
    uint64_t one = received(queue), two = received(other);
    uint8_t packet[NIC_HEADER];

    memcpy(packet, p->byte, p->length);
    packet_received(nics[0], packet, p->length);
    nic_carry(nics[0]);
    return received(queue) == one + 1 && received(other) == two;
}

/* Two applications share a MAC and an address; ports tell them apart. */
static void test_shared_address(void)
{
    struct env *init = mock_boot();
    struct env *child[2] = {mock_child_with(init, 30, 0, 1, true),
                            mock_child_with(init, 30, 0, 1, true)};
    uint64_t q[2];

    for (uint32_t i = 0; i < 2; i++) {
        child[i]->allow[0] = port_filter(MAC_A, i ? 80 : 53);
        child[i]->allowances = 1;
        q[i] = bare_queue(child[i]);
        tap_ok(mock_filter(child[i], q[i], child[i]->allow[0]) > 0, "a port of one MAC");
    }
    REFUSED(FOREIGN, mock_filter(child[0], q[0], port_filter(MAC_A, 80)), "the neighbour's port");
    REFUSED(FOREIGN, mock_filter(child[0], q[0], mock_mac(MAC_A)), "every port");
    struct bytes p = udp4(MAC_A, MAC_B, ADDRESS_A, GATEWAY, 53, 4000);
    tap_ok(comes_to(&p, q[0], q[1]), "a packet to the one port goes to the one");
    p = udp4(MAC_A, MAC_B, ADDRESS_A, GATEWAY, 80, 4000);
    tap_ok(comes_to(&p, q[1], q[0]), "one to the other's to the other");
    p = udp4(MAC_A, MAC_B, ADDRESS_A, GATEWAY, 81, 4000);
    uint64_t unmatched = nics[0]->unmatched;
    tap_ok(!comes_to(&p, q[0], q[1]) && nics[0]->unmatched == unmatched + 1, "to a third: to none");
    p = udp4(MAC_A, MAC_B, ADDRESS_A, GATEWAY, 80, 4000);
    p.byte[21] = 9;
    tap_ok(!comes_to(&p, q[1], q[0]) && !comes_to(&p, q[0], q[1]), "nor does a later fragment");
    p = udp4(BROADCAST, MAC_B, 0xffffffff, GATEWAY, 53, 4000);
    tap_ok(comes_to(&p, q[0], q[1]), "a broadcast to a port goes to who has the port");
    tap_ok(!inv_all(), "shared: the invariants hold");
}

/* Bound to an address: what comes in, and to whom a question of ARP goes. */
static struct exo_filter address_filter(uint64_t mac, uint32_t ip)
{
    struct exo_filter f = mock_mac(mac);

    f.mask.vlan = EXO_VLAN_ALL;
    f.value.family = 4;
    f.mask.family = 0xff;
    address(f.value.local, ip);
    address(f.mask.local, 0xffffffff);
    return f;
}

static void test_groups(void)
{
    struct env *init = mock_boot();
    uint64_t a = bare_queue(init), b = bare_queue(init);

    mock_filter(init, a, address_filter(MAC_A, ADDRESS_A));
    mock_filter(init, b, address_filter(MAC_B, ADDRESS_B));
    mock_filter(init, b, address_filter(MAC_A, ADDRESS_B)); /* hears each group once all the same */
    struct bytes p = arp(BROADCAST, MAC_B + 1, ADDRESS_A, GATEWAY);
    tap_ok(comes_to(&p, a, b), "ARP asks for an address: who has it hears it");
    p = arp(BROADCAST, MAC_B + 1, ADDRESS_B, GATEWAY);
    tap_ok(comes_to(&p, b, a), "nobody else");
    p = udp4(BROADCAST, MAC_B + 1, 0x0a0002ff, GATEWAY, 9, 9);
    uint64_t one = received(a), two = received(b);
    packet_received(nics[0], p.byte, p.length);
    tap_ok(received(a) == one + 1 && received(b) == two + 1,
           "a broadcast of IPv4: everybody, once");
    p = ethernet(BROADCAST, MAC_B + 1, 0x88b5);
    packet_received(nics[0], p.byte, p.length);
    tap_ok(received(a) == one + 1 && received(b) == two + 1, "neither IP nor ARP: nobody");
    p = udp4(MAC_A, MAC_B + 1, ADDRESS_A, GATEWAY, 9, 9);
    tap_ok(comes_to(&p, a, b), "one's own address at one's own MAC");
    p = udp4(MAC_A, MAC_B + 1, GATEWAY, GATEWAY, 9, 9);
    tap_ok(!comes_to(&p, a, b) && !comes_to(&p, b, a), "another address at one's own MAC: nobody");
}

/* Give the queue a packet to send; COMPLETE's answer, or -1 while the device has it. */
static int64_t send(struct env *env, uint64_t queue, const struct bytes *p)
{
    struct queue *q = &queues[queue];
    struct exo_ring *transmit = machine_frame(q->ring[EXO_RING_TRANSMIT]);
    struct exo_ring *complete = machine_frame(q->ring[EXO_RING_COMPLETE]);

    complete->consumer = complete->producer;
    memcpy(machine_frame(q->buffer[0]), p->byte, p->length);
    transmit->desc[transmit->producer++ % EXO_RING_SIZE] =
        (struct exo_desc){0, 0, (uint16_t)p->length, 0};
    CALL(env, QUEUE_KICK, queue);
    nics[0]->poll(nics[0]);
    nic_carry(nics[0]);
    return complete->producer == complete->consumer
               ? -1
               : complete->desc[complete->consumer % EXO_RING_SIZE].length;
}

static void test_sources(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 30, 0, 1, true);
    uint64_t mine = bare_queue(init), theirs = bare_queue(child);

    child->allow[0] = address_filter(MAC_A, ADDRESS_A);
    child->allowances = 1;
    mock_filter(child, theirs, child->allow[0]);
    mock_filter(init, mine, address_filter(MAC_B, ADDRESS_B));
    struct bytes p = udp4(MAC_B + 1, MAC_A, GATEWAY, ADDRESS_A, 53, 4000);
    tap_ok(!send(child, theirs, &p), "sent: from one's own MAC and address");
    p = arp(BROADCAST, MAC_A, GATEWAY, ADDRESS_A);
    tap_ok(!send(child, theirs, &p), "sent: a question of ARP");
    p = udp4(MAC_B, MAC_A, ADDRESS_B, ADDRESS_A, 53, 4000);
    uint64_t before = received(mine);
    tap_ok(!send(child, theirs, &p) && received(mine) == before + 1, "sent: straight across");

    struct bytes forged[] = {
        udp4(MAC_B + 1, MAC_A, GATEWAY, ADDRESS_B, 53, 4000), /* another's address */
        udp4(MAC_B + 1, MAC_B, GATEWAY, ADDRESS_A, 53, 4000), /* another's MAC */
        udp4(MAC_B, MAC_A, ADDRESS_B, ADDRESS_B, 53, 4000),   /* across, in its own name */
        udp4(BROADCAST, MAC_A, 0xffffffff, 0, 67, 68),        /* from nobody */
        arp(BROADCAST, MAC_A, GATEWAY, ADDRESS_B),            /* claims another's address */
        arp(MAC_B + 1, MAC_A, ADDRESS_A, ADDRESS_B),          /* the same, to one alone */
        ethernet(BROADCAST, MAC_A, 0x88b5),                   /* neither IP nor ARP */
        ethernet(BROADCAST, MAC_A, EXO_ETHERTYPE_IP6),        /* IPv6, cut off */
    };
    uint32_t count = sizeof(forged) / sizeof(*forged);
    uint64_t foreign = queues[theirs].stats.tx_foreign;
    before = received(mine);
    for (uint32_t i = 0; i < count; i++)
        tap_ok(send(child, theirs, &forged[i]) == EXO_E_FOREIGN, "not sent: forged packet %u", i);
    p = ethernet(BROADCAST, MAC_A, 0x8100);
    put(&p, 5, 2);
    put(&p, EXO_ETHERTYPE_IP4, 2);
    ip4(&p, GATEWAY, ADDRESS_A, EXO_PROTOCOL_UDP, 0);
    ports(&p, 53, 4000);
    tap_ok(send(child, theirs, &p) == EXO_E_FOREIGN, "not sent: with a tag");
    tap_ok(received(mine) == before && queues[theirs].stats.tx_foreign == foreign + count + 1 &&
               !inv_all(),
           "all are counted, and the neighbour saw none");

    /* Who was allowed a MAC alone may ask for an address, as DHCP does. */
    uint64_t dhcp = bare_queue(init);
    mock_filter(init, dhcp, mock_mac(MAC_B + 7));
    p = udp4(BROADCAST, MAC_B + 7, 0xffffffff, 0, 67, 68);
    tap_ok(!send(init, dhcp, &p), "sent: DHCP by who has a MAC alone");
}

/* Who has ended receives nothing, and keeps its places until it is taken back. */
static void test_ended(void)
{
    struct env *init = mock_boot();
    struct env *child = mock_child_with(init, 30, 0, 1, true);
    uint64_t mine = bare_queue(init), theirs = bare_queue(child);
    env_t name = child->name;

    mock_confine(child, MAC_A);
    mock_filter(child, theirs, mock_mac(MAC_A));
    CALL(init, ENV_KILL, name.n, 0);
    struct bytes p = udp4(MAC_A, MAC_B, ADDRESS_A, GATEWAY, 53, 4000);
    tap_ok(!comes_to(&p, theirs, mine) && !inv_all(), "the dead receive nothing");
    p = udp4(BROADCAST, MAC_B, 0xffffffff, GATEWAY, 53, 4000);
    tap_ok(!comes_to(&p, theirs, mine), "nor what is for all");
    REFUSED(BUSY, mock_filter(init, mine, mock_mac(MAC_A)), "the filter of the dead, too early");
    tap_ok(mock_reclaim(init, name) > 0 && !inv_all(), "taken back");
    tap_ok(mock_filter(init, mine, mock_mac(MAC_A)) > 0, "its MAC serves again");
}

int main(void)
{
    test_tuples();
    test_tuples_6_and_vlan();
    test_cut();
    test_lengths();
    test_canonical();
    test_fields();
    test_calls();
    test_limits();
    test_place();
    test_allowances();
    test_read_once();
    test_shared_address();
    test_groups();
    test_sources();
    test_ended();
    return tap_done();
}
