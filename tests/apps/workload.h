/* SPDX-License-Identifier: MIT */
/* workload.h - what the files of the application `workload` share. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include "libos.h"
#include "sim.h"

extern struct sim_workload workload;
extern struct sim_result result;

/* --- workload_time.c: time since the workload began, and what passes it */
void time_measure_spin(void);     /* before any other */
void time_begin(uint64_t at_ns);  /* the workload begins then: nanoseconds since boot, to come */
int64_t now_ns(void);             /* negative: it has not begun */
bool sleep_until(uint64_t at_ns); /* false: the workload is over before */
bool compute(uint64_t ns);        /* of this thread's CPU time; false: it is over before that */

/* --- workload_log.c: what the policy is told and says */
void log_start(bool events); /* before time_begin, no other thread runs */
void log_finish(void);
void log_write(void); /* a line an event, as in the simulator's trace */

/* Like series_note where no memory can be had (upcalls off): there is room, or `log_full` is set. */
void series_reserve(struct sim_series *series, uint64_t values);
void series_keep(struct sim_series *series, uint64_t value);
extern bool log_full;

#endif
