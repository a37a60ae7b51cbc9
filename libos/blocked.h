/* SPDX-License-Identifier: MIT */
/* blocked.h - for thread.c: who is BLOCKED. All of it with upcalls off. */
#ifndef LIBOS_BLOCKED_H
#define LIBOS_BLOCKED_H

#include "policy.h"

void blocked_add(struct thread *thread); /* its address, bits and wake_at are set */
void blocked_remove(struct thread *thread);
/* Of those that wait for `address`, the one that came after `after`, NULL: the first. */
struct thread *blocked_at(const void *address, const struct thread *after);
/* Whose time has come, the earliest first; NULL: nobody's. */
struct thread *blocked_due(uint64_t now);

#endif
