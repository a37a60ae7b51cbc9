/* SPDX-License-Identifier: MIT */
/*
 * net.h - what the files of this folder need of each other.
 *
 * Locks. There is one, net_lock: everything of lwIP's, the rings and the sockets changes under it.
 * net_enter() and net_leave() bracket each call of an application; "locked" in a comment means
 * between the two. Nobody sleeps with it held.
 */
#ifndef LIBNET_NET_H
#define LIBNET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- net.c: the lock, who does the work, and waiting */
void net_enter(void);
void net_leave(void); /* sends what was put in the ring, and wakes poll() if there was news */
void net_look(void);  /* locked: packets received, timers that are due, sends to try again */
void net_news(void);  /* locked: some descriptor's readiness changed */

/*
 * What the network thread does each time it wakes. True: there is more already. Else nothing is to
 * be done until the count of events differs from *seen or *timeout ns have passed.
 */
bool net_round(uint32_t *seen, uint64_t *timeout);

/* Locked, given up while asleep. 0: *word changed from `seen`; -ETIMEDOUT. `deadline`: ns since
 * boot, 0: none. */
long net_sleep(uint32_t *word, uint32_t seen, uint64_t deadline);
void net_wake(uint32_t *word); /* locked: change it, and wake who sleeps on it */

/* --- netif.c: the network card */
struct netif;
extern struct netif net_card;
struct net_card_stats {
    uint64_t rx_malformed, rx_foreign, rx_copied, rx_no_memory;
};
extern struct net_card_stats net_card_stats;
bool net_card_open(uint64_t mac, uint32_t rx_buffers); /* locked. False: memory is out */
bool net_card_receive(void);                           /* locked; true: there was a packet */
void net_card_empty_ring(void);                        /* locked */
void net_card_place(void);                             /* locked; a listener has one, or is gone */
bool net_card_waiting(void);                           /* locked; true: there is one more */
bool net_tcp_ok(const uint8_t *segment, uint32_t length); /* its options */
bool net_frame_ok(const uint8_t *frame, uint32_t length); /* counts what it refuses */

/* --- ip6.c: locked */
struct net_settings;
void net_ip6_start(const struct net_settings *settings);
bool net_ip6_on(void);
bool net_ip6_ok(const uint8_t *packet, uint32_t length); /* may lwIP see it? */

/* --- memory.c: locked */
extern size_t net_memory_used, net_memory_limit;
bool net_memory_low(void); /* an eighth is kept for what must go on: acknowledgements and ends */
/* May a socket that holds `held` bytes of memory take `more`? */
bool net_memory_may_hold(size_t held, size_t more);

/* --- window.c: once, before the first connection */
void net_window_set(size_t memory);

/* --- pools.c: locked */
extern size_t net_pools_used, net_pools_limit;
uint32_t net_pools_slots(int kind); /* of one of lwIP's pools, in use or not */

/* --- front.c: locked. Before lwIP gets this frame: let it find the connection quickly */
void net_front(const uint8_t *frame, uint32_t length);
struct net_front_stats {
    uint64_t found, walked;
};
extern struct net_front_stats net_front_stats;

/* --- isn.c */
void net_isn_init(void);

/* --- sockets */
void net_sockets_init(void);
void net_sockets_room(void); /* locked: send buffers came back, or memory */
extern uint64_t net_udp_dropped;
extern uint32_t net_sockets_open;

#endif
