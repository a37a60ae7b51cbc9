/* SPDX-License-Identifier: MIT */
/*
 * lwipopts.h - lwIP as this library operating system uses it. docs/design/network.md has the sums.
 *
 * lwIP is a set of functions here, not a thread: all of it runs under net_lock in whichever thread
 * calls (net.h), so its own locks, mailboxes and threads are off.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

/* --- how it runs */
#define NO_SYS                                1
#define SYS_LIGHTWEIGHT_PROT                  0
#define LWIP_NETCONN                          0
#define LWIP_SOCKET                           0 /* libnet/socket.c; lwIP's would bring its own descriptors */
#define LWIP_TIMERS                           1
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1

/* htons and its kin are the C library's. */
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)

/* --- memory. Objects of fixed size come from pools.c, up to the numbers here; what has no fixed size
 * (copies of what is sent, of what is received when the ring runs low) from memory.c. Both have a limit
 * in bytes, too, which an application that serves many raises: FREEHOLD_NET_MEMORY. */
#define MEM_ALIGNMENT            8
#define MEM_CUSTOM_ALLOCATOR     1
#define MEM_CUSTOM_MALLOC        net_memory_alloc
#define MEM_CUSTOM_CALLOC        net_memory_zeroed
#define MEM_CUSTOM_FREE          net_memory_free
#define MEMP_MEM_MALLOC          1     /* memp.c is not linked: pools.c */
#define MEMP_NUM_TCP_PCB         16384 /* connections */
#define NET_TIME_WAIT_SPARED     256   /* with more, those in TIME_WAIT give way to new ones */
#define MEMP_NUM_TCP_PCB_LISTEN  16
#define MEMP_NUM_UDP_PCB         32
#define MEMP_NUM_TCP_SEG         65535
#define MEMP_NUM_PBUF            65535 /* references: fragments, and what is sent from where it lies */
#define MEMP_NUM_SYS_TIMEOUT     (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 16) /* of applications on raw.h */
#define MEMP_NUM_FRAG_PBUF       16
#define MEMP_NUM_REASSDATA       8
#define MEMP_NUM_ARP_QUEUE       32
#define PBUF_POOL_SIZE           0 /* packets lie in the ring's buffers (netif.c) */
#define PBUF_POOL_BUFSIZE        256
#define LWIP_SUPPORT_CUSTOM_PBUF 1

/* --- link */
#define LWIP_ARP                   1
#define ARP_TABLE_SIZE             32
#define ARP_QUEUEING               1
#define ARP_QUEUE_LEN              4 /* packets that wait for one address */
#define ETHARP_TRUST_IP_MAC        0
#define LWIP_NETIF_HOSTNAME        1 /* told to the DHCP server: the application's name */
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_HAVE_LOOPIF           1
#define LWIP_NETIF_LOOPBACK        1 /* also packets to one's own address */
#define LWIP_LOOPBACK_MAX_PBUFS    64

/* --- IP */
#define LWIP_IPV4                1
#define IP_FORWARD               0
#define IP_REASSEMBLY            1
#define IP_REASS_MAX_PBUFS       16 /* a fragment may hold a ring buffer for 15 s: few of them */
#define IP_FRAG                  1
#define IP_SOF_BROADCAST         1 /* SO_BROADCAST is asked for, as on Linux */
#define IP_SOF_BROADCAST_RECV    0
#define LWIP_ICMP                1
#define LWIP_RAW                 0
#define LWIP_IGMP                0
#define LWIP_DNS                 0
#define LWIP_DHCP                1
#define LWIP_DHCP_DOES_ACD_CHECK 0 /* would hold the address back for seconds */
#define LWIP_ACD                 0

/* --- IPv6: addresses and gateway come from the machine file, never from the network. What asks the network
 * for them, or is sent from no address or in an extension header, is what the kernel's filters refuse
 * (tools/freehold_lib/filters.py), and is left out. */
#define LWIP_IPV6                     1
#define LWIP_IPV6_NUM_ADDRESSES       2 /* link-local, and the one of the machine file */
#define LWIP_IPV6_SCOPES              0 /* there is one link; a zone would make each address larger */
#define LWIP_IPV6_AUTOCONFIG          0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_IPV6_MLD                 0
#define LWIP_IPV6_REASS               0
#define LWIP_IPV6_FRAG                0
#define LWIP_ND6_NUM_NEIGHBORS        ARP_TABLE_SIZE
#define LWIP_ND6_NUM_DESTINATIONS     ARP_TABLE_SIZE
#define LWIP_ND6_NUM_PREFIXES         1
#define LWIP_ND6_NUM_ROUTERS          1
#define LWIP_ND6_ALLOW_RA_UPDATES     0
#define LWIP_ND6_QUEUEING                                                                          \
    0 /* one packet waits for an address: lwIP miscounts more when memory is out */

/* --- UDP */
#define LWIP_UDP     1
#define LWIP_UDPLITE 0

/* --- TCP */
#define LWIP_TCP                   1
#define TCP_MSS                    1460 /* EXO_PACKET_MAX - 14 - 20 - 20 */
#define TCP_CALCULATE_EFF_SEND_MSS 1
/* Windows and send buffers are as large as the memory allows, from the start on: window.c. The preprocessor,
 * which knows no variable, sees the least. */
#define NET_WINDOW_LEAST          (44 * TCP_MSS)  /* fits the 64 receive buffers */
#define NET_WINDOW_MOST           (716 * TCP_MSS) /* 1 MiB, a multiple of NET_WINDOW_STEP */
#define NET_WINDOW_STEP           (4 * TCP_MSS) /* a multiple of 1 << TCP_RCV_SCALE: none is rounded */
#define TCP_WND                   (NET_WINDOW_LEAST + net_window_more)
#define LWIP_WND_SCALE            1
#define TCP_RCV_SCALE             4 /* 64 KiB << 4 */
#define TCP_SND_BUF               (NET_WINDOW_LEAST + net_window_more)
#define TCP_SND_QUEUELEN          (4 * (TCP_SND_BUF / TCP_MSS)) /* 4 pieces a full segment */
#define TCP_SNDLOWAT              (TCP_SND_BUF / 3)
#define TCP_SNDQUEUELOWAT         (TCP_SND_QUEUELEN * 2 / 3)
#define LWIP_TCP_PCB_NUM_EXT_ARGS 1 /* front.c */
#define TCP_QUEUE_OOSEQ           1
/* What came out of order, by one connection. The first 32 are at most half of the receive buffers; more are
 * copies, and go when memory runs out (netif.c). */
#define TCP_OOSEQ_MAX_PBUFS        (32 + net_window_more / TCP_MSS)
#define TCP_OOSEQ_MAX_BYTES        TCP_WND
#define LWIP_TCP_SACK_OUT          1
#define LWIP_TCP_MAX_SACK_NUM      4
#define LWIP_TCP_TIMESTAMPS        0 /* lwIP echoes but does not use them: 12 bytes for nothing */
#define TCP_LISTEN_BACKLOG         1
#define TCP_DEFAULT_LISTEN_BACKLOG 128
#define LWIP_TCP_RTO_TIME          1000  /* first time-out, RFC 6298 section 2.1 */
#define TCP_SYNMAXRTX              12    /* at one second each: lwIP does not back off here */
#define TCP_MSL                    30000 /* TIME_WAIT takes 60 s, as on Linux */
#define LWIP_TCP_KEEPALIVE         1
#define SO_REUSE                   1
#define LWIP_HOOK_FILENAME         "hooks.h"

/* --- checksums: what the card does is left out (netif.c) */
#define LWIP_CHKSUM                  net_checksum
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

/* --- counters */
#define LWIP_STATS         1
#define LWIP_STATS_LARGE   1
#define LWIP_STATS_DISPLAY 0
#define MEM_STATS          0
#define SYS_STATS          0

#include <stddef.h>
#include <stdint.h>
void *net_memory_alloc(size_t size);
void *net_memory_zeroed(size_t count, size_t size);
void net_memory_free(void *memory);
uint16_t net_checksum(const void *data, int length);
extern uint32_t net_window_more; /* window.c */

#endif
