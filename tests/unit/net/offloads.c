/* SPDX-License-Identifier: MIT */
/* offloads.c - a card that takes all there is, for a test that else has a simple one. */
#include "ring.h"
#include "world.h"

uint32_t world_offloads = EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4 | EXO_OFFLOAD_SEGMENT6;
