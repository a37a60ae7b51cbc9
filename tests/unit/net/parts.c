/* SPDX-License-Identifier: MIT */
/* parts.c - what of libnet stands alone: settings, the checksum, the keyed hash. */
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "lwip/ip_addr.h"
#include "hooks.h"
#include "lwipopts.h"
#include "settings.h"
#include "world.h"

uint64_t net_siphash(const uint64_t key[2], const uint64_t *words, unsigned count);

static struct net_settings settings;
static char why[160];

static bool reads6(const char *address6, const char *gateway6)
{
    const struct net_settings_text text = {"dhcp", NULL, NULL, NULL, address6, gateway6};

    why[0] = 0;
    return net_settings_read(&text, &settings, why, sizeof(why));
}

static void test_settings6(void)
{
    static const char *const bad[] = {"",
                                      "fd00::15",
                                      "fd00::15/63",
                                      "fd00::15/064",
                                      "fd00::15/",
                                      "fd00::15/64 ",
                                      " fd00::15/64",
                                      "fd00::15%1/64",
                                      "::/64",
                                      "::1/64",
                                      "fe80::1/64",
                                      "febf::1/64",
                                      "ff02::1/64",
                                      "10.0.2.15/64",
                                      "fd00:15/64",
                                      "fd00::1::5/64",
                                      "::ffff:10.0.2.15/64",
                                      "fd00::15/64/64",
                                      "dhcp",
                                      "fd00:0000:0000:0000:0000:0000:0000:0000:0000:0015/64"};
    static const char *const bad_gateways[] = {"",        "fd00::15", "fd01::1",
                                               "fe81::1", "10.0.2.2", "fd00::1/64"};
    unsigned refused = 0;

    tap_ok(reads6(NULL, NULL) && !settings.has_address6 && !settings.has_gateway6,
           "no IPv6 unless it is asked for");
    tap_ok(reads6("fd00::15/64", "fd00::1") && settings.has_address6 && settings.has_gateway6 &&
               settings.address6[0] == 0xfd && settings.address6[15] == 0x15 &&
               settings.gateway6[15] == 1 && reads6("2001:db8::1/64", "fe80::1"),
           "an address of IPv6, and a gateway");
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (reads6(bad[i], NULL) || !strstr(why, "FREEHOLD_ADDRESS6 is '"))
            tap_ok(false, "'%s' is refused with a sentence", bad[i]);
        else
            refused++;
    for (unsigned i = 0; i < sizeof(bad_gateways) / sizeof(bad_gateways[0]); i++)
        if (reads6("fd00::15/64", bad_gateways[i]) || !strstr(why, "FREEHOLD_GATEWAY6 is '"))
            tap_ok(false, "'%s' is refused with a sentence", bad_gateways[i]);
        else
            refused++;
    tap_ok(refused == 26, "%u broken addresses and gateways of IPv6 are refused", refused);
    tap_ok(!reads6(NULL, "fd00::1"), "so is a gateway alone");
}

static bool reads(const char *address, const char *gateway, const char *buffers, const char *memory)
{
    const struct net_settings_text text = {address, gateway, buffers, memory, NULL, NULL};

    why[0] = 0;
    return net_settings_read(&text, &settings, why, sizeof(why));
}

static void test_settings(void)
{
    static const char *const bad[] = {"",
                                      "10.0.2.15",
                                      "10.0.2/24",
                                      "10.0.2.15/",
                                      "10.0.2.15/33",
                                      "10.0.2.15/0",
                                      "10.0.2.15/024",
                                      "10.0.2.015/24",
                                      "10.0.2.256/24",
                                      "10.0.2.15/24 ",
                                      " 10.0.2.15/24",
                                      "10.0.2.15.1/24",
                                      "10.0.2.-1/24",
                                      "10.0.2.15/-1",
                                      "99999999999999999999.0.0.1/24",
                                      "0.0.0.0/24",
                                      "127.0.0.1/8",
                                      "224.0.0.1/24",
                                      "255.255.255.255/24",
                                      "10.0.2.0/24",
                                      "10.0.2.255/24",
                                      "DHCP",
                                      "dhcp ",
                                      "10.0.2.15/24x"};
    unsigned refused = 0;

    tap_ok(reads("10.0.2.15/24", "10.0.2.2", NULL, NULL) && !settings.dhcp &&
               settings.address == 0x0a00020f && settings.netmask == 0xffffff00 &&
               settings.gateway == 0x0a000202 && settings.rx_buffers == 64 &&
               settings.memory == 256 * 1024,
           "an address, a subnet and a gateway");
    tap_ok(reads("dhcp", NULL, NULL, NULL) && settings.dhcp, "dhcp");
    tap_ok(reads("10.0.0.0/31", NULL, NULL, NULL) && reads("10.0.0.1/32", NULL, NULL, NULL),
           "subnets of two and of one");
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (reads(bad[i], NULL, NULL, NULL) || !strstr(why, "FREEHOLD_ADDRESS is '"))
            tap_ok(false, "'%s' is refused with a sentence", bad[i]);
        else
            refused++;
    tap_ok(refused == sizeof(bad) / sizeof(bad[0]), "%u broken addresses are refused", refused);
    tap_ok(!reads("10.0.2.15/24", "10.0.3.2", NULL, NULL) && strstr(why, "FREEHOLD_GATEWAY"),
           "a gateway elsewhere is refused");
    tap_ok(reads("10.0.2.15/24", NULL, "2/256", "32") && settings.rx_buffers == 2 &&
               settings.tx_buffers == 256 && settings.memory == 32 * 1024,
           "buffers and memory");
    tap_ok(!reads("dhcp", NULL, "3/64", NULL) && !reads("dhcp", NULL, "64", NULL) &&
               !reads("dhcp", NULL, "0/64", NULL) && !reads("dhcp", NULL, "64/258", NULL) &&
               !reads("dhcp", NULL, NULL, "31") && !reads("dhcp", NULL, NULL, "1M"),
           "and their limits");
}

/* RFC 1071, section 4.1, byte by byte. */
static uint16_t plain_sum(const uint8_t *at, int length)
{
    uint32_t sum = 0;

    for (int i = 0; i < length; i++)
        sum += i % 2 ? (uint32_t)at[i] << 8 : at[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static void test_checksum(void)
{
    unsigned wrong = 0;

    for (int round = 0; round < 20000; round++) {
        int length = (int)(tap_random() >> 40) % 1600;
        uint8_t *bytes = malloc((size_t)length + 1);
        for (int i = 0; i <= length; i++)
            bytes[i] = round % 5 ? (uint8_t)(tap_random() >> 32) : 0xff;
        /* One byte in: at an odd address, ending where the memory ends. */
        wrong += net_checksum(bytes + 1, length) != plain_sum(bytes + 1, length);
        free(bytes);
    }
    tap_ok(wrong == 0, "20000 checksums are what the plain loop gives (%u differ)", wrong);
}

static void test_hash(void)
{
    /* Key 00..0f, message 00..07: the ninth vector of the reference implementation. */
    const uint64_t key[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    const uint64_t words[1] = {0x0706050403020100};

    tap_ok(net_siphash(key, words, 1) == 0x93f5f5799a932462, "SipHash-2-4 gives its known value");
    const ip_addr_t local = IPADDR4_INIT(1), remote = IPADDR4_INIT(2);
    uint32_t one = net_tcp_isn(&local, 80, &remote, 1000);
    tap_ok(one == net_tcp_isn(&local, 80, &remote, 1000) &&
               one != net_tcp_isn(&local, 80, &remote, 1001) &&
               one != net_tcp_isn(&local, 81, &remote, 1000) &&
               one != net_tcp_isn(&remote, 80, &local, 1000),
           "a first sequence number depends on each part of the connection's name");
    const ip_addr_t six = IPADDR6_INIT(1, 2, 3, 4), other = IPADDR6_INIT(1, 2, 3, 5);
    uint32_t of6 = net_tcp_isn(&six, 80, &six, 1000);
    tap_ok(of6 != net_tcp_isn(&six, 80, &other, 1000) && of6 != net_tcp_isn(&other, 80, &six, 1000),
           "of IPv6 down to the last word of an address");
    world_now += 4000 * 1000;
    tap_ok(net_tcp_isn(&local, 80, &remote, 1000) == one + 1000, "and advances every 4 us");
}

int main(void)
{
    test_settings();
    test_settings6();
    test_checksum();
    test_hash();
    return tap_done();
}
