/* SPDX-License-Identifier: MIT */
/*
 * mock.h - a machine on the host for the tests of exo/core.
 *
 * RAM is malloc'd, time is a variable, the console is a buffer, and there is a TLB that remembers
 * translations until it is told to forget them.
 */
#ifndef TESTS_CORE_MOCK_H
#define TESTS_CORE_MOCK_H

#include "../tap.h"
#include "account.h"
#include "block.h"
#include "entry.h"
#include "env.h"
#include "exo_calls.h"
#include "exo_handlers.h"
#include "frame.h"
#include "gate.h"
#include "grant.h"
#include "invariants.h"
#include "machine.h"
#include "nic.h"
#include "packet.h"
#include "packet_filter.h"
#include "processor.h"
#include "slice.h"
#include "table.h"

#define MOCK_FRAMES 128u
#define MOCK_KERNEL 4u /* frames 0..3 are the kernel's */
#define MOCK_FACTS  3u /* of which one may be read with a right to it */
#define MOCK_BLOCK  8u /* frames of a block */
#define MOCK_ENVS   24u
#define MOCK_QUEUES 32u
#define MOCK_SLICES 64u
#define MOCK_GRANTS 128u /* slot 0 included */

extern uint64_t mock_now;

/* How many CPUs the next machine has, 1 if nobody says so, and which of them is meant. */
#define MOCK_CPUS 3u
extern uint32_t mock_cpus, mock_cpu;
static inline struct env *on_cpu(uint32_t cpu)
{
    return processors[cpu].current;
}
#define current on_cpu(mock_cpu)
extern char mock_console[65536];
extern uint32_t mock_console_used;
extern uint32_t mock_flushes, mock_logged;
/* A frame, and the type that it had at the last flush. */
extern uint32_t mock_watched, mock_watched_type;

/* What the NIC was given and has not reported as sent: it does when it is polled. */
#define MOCK_SENT 64u
struct mock_packet {
    struct nic *nic;
    uint8_t header[128];
    uint32_t header_length, length, cookie; /* of the first piece what is behind the header */
    uint64_t payload;
    uint32_t whole, count;
    uint16_t flags;
    struct piece piece[EXO_PACKET_BUFFERS];
};
extern struct mock_packet mock_sent[MOCK_SENT];
extern uint32_t mock_sent_count, mock_capacity, mock_polls, mock_awaited;

/* What a program on another CPU, or a device, might do meanwhile: called whenever the core asks the
 * NIC for room, and whenever it asks for the contents of a frame. */
extern void (*mock_ready_hook)(void);
extern void (*mock_frame_hook)(uint32_t frame);

/* The channel: what has come and was not read, and what was sent and not taken by the wire. */
#define MOCK_ARRIVED 40u
extern uint8_t mock_arrived[MOCK_ARRIVED], mock_left[MOCK_ARRIVED];
extern uint32_t mock_arrived_count, mock_left_count;
extern bool mock_no_channel;

/* A machine just booted: the first environment is LIVE, has root and control page, and runs. */
struct env *mock_boot(void);

/* A second card beside the first; both are there until the next boot. */
struct nic *mock_second_nic(void);

/* Forget how often each slot was used: the names of the next machine are those of the first. */
void mock_forget_names(void);

/* cpu_next at mock_now, for CPU mock_cpu; switches its TLB as a machine would. */
struct env *mock_next(void);

/* Whom CPU mock_cpu runs makes a call as its program would, by the long way, and the kernel decides. */
void mock_enter(uint64_t number, const uint64_t a[6]);
/* A vCPU of `app` for this CPU, which runs; NULL: refused. */
struct env *mock_vcpu(struct env *app, uint32_t cpu);
extern uint64_t mock_alarms[MOCK_CPUS];
#define mock_alarm (mock_alarms[mock_cpu])

/* A call by `self`, through the generated dispatch. */
int64_t mock_call(struct env *self, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                  uint64_t e, uint64_t f);
#define CALL(self, name, ...)                      CALL_((self), EXO_CALL_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(self, number, a, b, c, d, e, f, ...) mock_call(self, number, a, b, c, d, e, f)

/*
 * A call or an answer by whom CPU mock_cpu runs, with these arguments, by the short way (gate.c): what gate.S
 * does. False: it has to go the long way. While a call is not booked `current` is still its caller.
 */
bool mock_short_call(const uint64_t a[6]);
bool mock_short_reply(const uint64_t a[6]);

/* `yield` or `wait` by whom it runs, likewise (hand.S). */
bool mock_short_hand(enum exo_call call, const uint64_t a[6]);

/* A child of `parent` with root and control page, LIVE if `run`, and a quarter of what `parent` has
 * left of grants, gates and filters. */
struct env *mock_child(struct env *parent, uint32_t pages, bool run);
struct env *mock_child_with(struct env *parent, uint32_t pages, uint32_t children, uint32_t queues,
                            bool run);
/* A LIVE one that gets this slot, which is free: others come and go before. */
struct env *mock_child_in(struct env *parent, uint32_t slot, uint32_t pages);
/*
 * A queue of `self` with a filter for `mac`, one packet given to the device and one buffer to
 * receive into. -1: no room.
 */
int64_t mock_queue(struct env *self, uint64_t mac);

/* A filter that asks for the MAC and nothing else. */
struct exo_filter mock_mac(uint64_t mac);
/* filter_add, from the end of the caller's control page, which is afterwards what it was. */
int64_t mock_filter(struct env *self, uint64_t queue, struct exo_filter filter);
/* env_set(EXO_ENV_SET_ALLOW) likewise. */
int64_t mock_allow(struct env *self, uint64_t child, struct exo_filter filter);
/* Make this MAC all that `env` may bind, without a call. */
void mock_confine(struct env *env, uint64_t mac);
struct env *mock_env(int64_t name);
struct exo_control *mock_control(const struct env *env);

/* Reclaim a child to the end; the number of calls, or the error. */
int64_t mock_reclaim(struct env *parent, env_t name);

/* The program that CPU mock_cpu runs touches `address`: its TLB remembers. False: it would fault. */
bool mock_touch(uint64_t address);
/* Do the TLBs remember nothing but what the tables say now? */
bool mock_tlb_clean(void);
bool mock_tlb_knows(uint32_t frame);

/* Does the device reach the buffer frames of all queues, and nothing else? */
bool mock_dma_clean(void);

/* All state of the kernel and all RAM; `full` off: without RAM and queues. */
void mock_snapshot(bool full);
bool mock_unchanged(bool full);

/* A call must be refused with exactly this result and change nothing. */
#define REFUSED_AS(expected, call, what) REFUSED_TOLD(expected, "refused", call, what)
#define REFUSED(error, call, what)       REFUSED_TOLD(-EXO_E_##error, #error, call, what)
#define REFUSED_TOLD(expected, name, call, what)                                                   \
    do {                                                                                           \
        mock_snapshot(true);                                                                       \
        int64_t result_ = (call);                                                                  \
        tap_ok(result_ == (expected) && mock_unchanged(true), "%s: " name " (%ld)", what,          \
               (long)result_);                                                                     \
    } while (0)
#define DONE(call, what) tap_ok((call) == 0, "%s", what)

#endif
