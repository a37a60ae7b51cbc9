/* SPDX-License-Identifier: MIT */
/* segments.h - what a card does for TCP (segments.c). Under net_lock. */
#ifndef LIBNET_SEGMENTS_H
#define LIBNET_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct pbuf;

/* A segment that follows on the last packet that was sent becomes part of it. False: it does not. */
bool segments_join(const struct pbuf *p);

/*
 * Send the frame that was written into the buffer of rings_send_buffer(). If the card completes
 * checksums of TCP, the sum of the pseudo header is put into it.
 */
void segments_send(uint8_t *frame, uint32_t length);

/* Received: what a card said of its checksum is about the whole datagram. */
bool segments_whole(const uint8_t *frame, uint32_t length);

#endif
