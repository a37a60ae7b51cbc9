/* SPDX-License-Identifier: MIT */
/*
 * world.h - what libnet stands on, for tests: a fake kernel with one queue, libos as far as libnet
 * uses it, and time that passes only when somebody sleeps.
 *
 * There is one thread. Where libnet would sleep (a futex) the world goes on instead: packets for it
 * arrive, its network thread has a round, time passes.
 */
#ifndef TESTS_NET_WORLD_H
#define TESTS_NET_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORLD_MAC     0x525400000001ull
#define WORLD_ADDRESS "10.0.2.15/24"
#define WORLD_GATEWAY "10.0.2.2"

/* FREEHOLD_ADDRESS, as libnet's constructor finds it: a test that defines it wins. */
extern const char *world_address;

/* EXO_OFFLOAD_...: what the card takes, nothing unless a test defines it. */
extern uint32_t world_offloads;

/* FREEHOLD_ADDRESS6 and _GATEWAY6, likewise; NULL, without IPv6, unless a test defines them. */
extern const char *world_address6, *world_gateway6;

/* FREEHOLD_NET_MEMORY, likewise; NULL, the default, unless a test defines it. */
extern const char *world_memory;

extern uint64_t world_now; /* ns */

/* libnet has started, by its constructor. */
bool world_started(void);

/* The last thing that libnet put on the console. */
extern char world_log[512];

/* A frame for libnet; false: it had no buffer posted, the frame is lost. What lies behind the
 * frame in its buffer is poison until the buffer comes back. */
bool world_receive(const void *frame, uint32_t length);

/* The same in several buffers, the first with so many bytes of it; `flags`: EXO_DESC_... */
bool world_receive_large(const void *frame, uint32_t length, uint32_t first, uint32_t flags);

/* What libnet sends goes here as soon as the kernel is told of it. */
extern void (*world_sent)(const uint8_t *frame, uint32_t length);

/* The device takes packets but reports none as sent until this is false again. */
void world_hold_sent(bool hold);

/* The device takes nothing (its ring is full) until this is false again. */
void world_stall(bool stall);

/* Called at each step of sleep, before the network thread's round; may do anything. */
extern void (*world_step)(void);

/* What is constant in the image. */
extern const void *world_constant;
extern size_t world_constant_bytes;

/* Let so much time pass, the network thread having its rounds. */
void world_pass(uint64_t ns);

extern uint64_t world_kicks;

#endif
