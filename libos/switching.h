/* SPDX-License-Identifier: MIT */
/* switching.h - what thread.c and switching.c have in common. All of it with upcalls off. */
#ifndef LIBOS_SWITCHING_H
#define LIBOS_SWITCHING_H

#include "libos.h"

#define NO_ALARM UINT64_MAX

/* --- blocked.c */
extern uint64_t thread_earliest; /* no blocked thread times out before */

/* --- thread.c */
extern unsigned thread_living, thread_ready; /* how many there are, and of them READY */
void thread_make_ready(struct thread *thread, enum enqueue_why why);

/* --- switching.c */
static inline bool thread_must_switch(void)
{
    return VCPU->switch_due && thread_current;
}

/* `thread` will go on, or begin, with all the registers in its context. */
void switching_restart(struct thread *thread);

/* The RUNNING one runs no more: what it has had is whole, and its state is about to change. */
void switching_stop(void);

/* The timer is to tell of this time stamp, or of an earlier one. */
void switching_alarm(uint64_t wanted);

/* Whatever the kernel's timer is to tell of has changed. */
void switching_timer(void);

/* A slice of the CPU began, or the timer (`timer`) or a deadline has passed. */
void switching_events(bool timer);

#endif
