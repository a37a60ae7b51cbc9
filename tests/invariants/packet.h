/* SPDX-License-Identifier: MIT */
/* packet.h - a packet in one piece comes in by a card. */
#ifndef TESTS_PACKET_H
#define TESTS_PACKET_H

#include "nic.h"

#define NO_BUFFER UINT16_MAX /* in a descriptor: there is none */

static inline void packet_received(struct nic *nic, const uint8_t *bytes, uint32_t length)
{
    const struct piece piece = {.memory = bytes, .length = length};
    const struct packet packet = {.head = bytes,
                                  .head_length = length < NIC_HEADER ? length : NIC_HEADER,
                                  .length = length,
                                  .count = 1,
                                  .piece = &piece};

    nic_received(nic, &packet);
}

#endif
