/* SPDX-License-Identifier: MIT */
/* offload.h - what a card has to be told of a packet whose checksum it completes, or which it cuts. */
#ifndef EXO_DEV_OFFLOAD_H
#define EXO_DEV_OFFLOAD_H

#include "nic.h"

struct offload {
    uint32_t transport; /* where the header of TCP or UDP begins */
    uint32_t checksum;  /* where in that header its checksum is */
    uint32_t header;    /* bytes of all headers of a packet that is to be cut */
    bool ip6;
};

/*
 * Do the flags of a packet to send, and its being in several pieces, fit what its head says, and does
 * a card with these `offloads` (EXO_OFFLOAD_...) take it? True: *offload says where things are.
 */
bool offload_read(const struct packet *packet, uint32_t offloads, struct offload *offload);

#endif
