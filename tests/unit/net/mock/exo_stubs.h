/* SPDX-License-Identifier: MIT */
/* exo_stubs.h - in the place of the generated header: the calls go to the fake kernel (world.c). */
#ifndef TESTS_NET_EXO_STUBS_H
#define TESTS_NET_EXO_STUBS_H

#include "exo_calls.h"
#include "types.h"

int64_t exo_queue_bind(uint32_t nic, frame_t fill, frame_t receive, frame_t transmit,
                       frame_t complete);
int64_t exo_queue_buffer(queue_t queue, uint32_t index, frame_t frame);
int64_t exo_queue_kick(queue_t queue);
int64_t exo_filter_add(queue_t queue, frame_t frame, uint32_t offset);
int64_t exo_poll(void);
int64_t exo_info(uint32_t what, uint64_t which, uint32_t index);

#endif
