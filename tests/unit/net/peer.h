/* SPDX-License-Identifier: MIT */
/*
 * peer.h - the other end of the wire: a host at 10.0.2.2 that speaks just enough ARP, ICMP, UDP and
 * TCP, written against the RFCs and not against lwIP.
 */
#ifndef TESTS_NET_PEER_H
#define TESTS_NET_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_ADDRESS 0x0a000202u /* 10.0.2.2 */
#define HOST_ADDRESS 0x0a00020fu /* 10.0.2.15, libnet's */

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* One side of a TCP connection as the peer holds it. */
struct peer_tcp {
    uint32_t address;      /* its own: any of the subnet */
    uint16_t port, remote; /* its own port, and libnet's */
    uint32_t sent, heard;  /* next sequence number to send; next expected */
    uint16_t window;
    bool scales;          /* asks for window scaling (RFC 7323), its own shift being 7 */
    uint8_t shift;        /* of what libnet announces */
    uint32_t acked, room; /* what libnet has acknowledged, and how much more it wants */
    bool silent;          /* acknowledges nothing by itself */
    bool got_syn, got_fin, got_rst;
    uint8_t bytes[1 << 21]; /* what came, in order */
    size_t count;
    unsigned segments; /* with data */
    unsigned probes;   /* without, and with what it has heard already (RFC 9293, 3.8.4) */
};

/* Connect frames both ways. */
void peer_start(void);

/* Everything that is on its way arrives, both ways, without time passing. */
void peer_run(void);

void peer_arp_request(void);
extern unsigned peer_arp_replies;
void peer_ping(uint16_t sequence, const void *bytes, size_t length);
extern unsigned peer_pongs;

/* Datagrams. What libnet sends is kept in peer_datagram, the newest. */
void peer_udp(uint16_t from, uint16_t to, const void *bytes, size_t length);
struct peer_datagram {
    unsigned count;
    uint16_t from, to;
    uint8_t bytes[2048];
    size_t length;
};
extern struct peer_datagram peer_datagram;

/* TCP: at most 1024 connections at a time. */
void peer_tcp_open(struct peer_tcp *t, uint16_t port, uint16_t remote); /* sends SYN */
void peer_tcp_listen(struct peer_tcp *t, uint16_t port); /* answers the SYN that comes */
void peer_tcp_send(struct peer_tcp *t, const void *bytes, size_t length);
void peer_tcp_flags(struct peer_tcp *t, uint8_t flags);
void peer_tcp_forget(struct peer_tcp *t);
extern bool peer_refuses; /* SYNs to nobody are answered by a reset; else by silence */

/* Build a frame from its parts, checksums in place: how long it is. */
size_t peer_frame_ip(uint8_t *frame, uint8_t protocol, uint32_t from, const void *body,
                     size_t length);
size_t peer_frame_udp(uint8_t *frame, uint16_t from, uint16_t to, const void *bytes, size_t length);
size_t peer_frame_tcp(uint8_t *frame, const struct peer_tcp *t, uint8_t flags, const void *bytes,
                      size_t length);
void peer_fix_checksums(uint8_t *frame, size_t length);

extern unsigned peer_bad_frames; /* from libnet: wrong checksum, length or address */
extern unsigned peer_frames;

#endif
