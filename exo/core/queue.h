/* SPDX-License-Identifier: MIT */
/* queue.h - what the rest of the core needs of the network queues (queue.c). */
#ifndef EXO_CORE_QUEUE_H
#define EXO_CORE_QUEUE_H

#include "env.h"

/* Take back one queue of a ZOMBIE that has one: 1 done, -EXO_E_BUSY while a device still sends from its frames.
 */
int64_t queue_reclaim(struct env *env);

/* EXO_INFO_QUEUE. */
int64_t queue_info(struct env *self, uint64_t queue, uint32_t index);

#endif
