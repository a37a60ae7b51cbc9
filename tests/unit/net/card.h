/* SPDX-License-Identifier: MIT */
/* card.h - what a card makes of a packet that it is to complete, or to cut (card.c). */
#ifndef TESTS_NET_CARD_H
#define TESTS_NET_CARD_H

#include <stdint.h>

/* Written from exo/abi/ring.h and the RFCs. `flags`: EXO_DESC_...; `to` gets each frame of the wire. */
void card_send(const uint8_t *packet, uint32_t length, uint32_t flags,
               void (*to)(const uint8_t *frame, uint32_t length));

extern unsigned card_completed, card_cut; /* packets that were completed; and cut */

#endif
