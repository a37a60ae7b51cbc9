/* SPDX-License-Identifier: MIT */
/*
 * inherit.h - who holds a lock hurries for those that wait for it.
 *
 *   N1  `inherited` of a thread is the least urgency, own or inherited, of all threads whose `holder`
 *       it is; NOT_URGENT if there are none                                    inv_inherited
 *
 * A lock passes to the waiter with the least urgency, among equals to the one that waits longest.
 * All functions: upcalls off. `all` is the list of all threads, by all_next.
 */
#ifndef LIBOS_INHERIT_H
#define LIBOS_INHERIT_H

#include "policy.h"

/* `waiter` is about to block for a lock that `holder` has. Steps: one a holder along the chain,
 * INHERIT_DEPTH at most: further ones do not hurry. False: they wait for each other in a circle. */
#define INHERIT_DEPTH 16
bool inherit_block(const struct sched *policy, struct thread *waiter, struct thread *holder);

/* `waiter` waits for its holder no more: what the chain inherits is found anew. Steps: one a thread
 * for each holder along the chain. */
void inherit_unblock(const struct sched *policy, struct thread *all, struct thread *waiter);

/* `holder` ends with locks that nobody will ever get: no one points to it any more. */
void inherit_end(struct thread *all, struct thread *holder);

bool inv_inherited(const struct thread *all);

#endif
