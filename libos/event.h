/* SPDX-License-Identifier: MIT */
/*
 * event.h - sleep until a network queue has news, or until a time.
 *
 * The count goes up with every EXO_UP_QUEUE. Read it, look at the rings, then wait for it to
 * change: news that came in between ends the wait at once.
 */
#ifndef LIBOS_EVENT_H
#define LIBOS_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "types.h"

uint32_t event_count(void);

/* Block this thread until the count differs from `seen`. `timeout_ns` 0: no limit. False: it is
 * over. */
bool event_wait(uint32_t seen, uint64_t timeout_ns);

/*
 * Take the bits that others sent with `notify` (whom this application allowed by
 * exo_notify_allow); if there are none, block this thread until there are. `timeout_ns` 0: no
 * limit. 0: it is over.
 */
uint64_t notify_wait(uint64_t timeout_ns);

/*
 * Notify `env` (exo_notify, whose result it has). If after that no thread can run here, `env` has what is left
 * of the slice: an answer comes sooner than by its own next slice.
 */
int64_t notify_send(env_t env, uint64_t bits);

/* Nanoseconds since boot, monotonic. No call into the kernel. */
uint64_t time_ns(void);

#endif
