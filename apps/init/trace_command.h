/* SPDX-License-Identifier: MIT */
/* trace_command.h - the command `trace`: the last copies of rings (rings.h), row by row. */
#ifndef INIT_TRACE_COMMAND_H
#define INIT_TRACE_COMMAND_H

#include <stdbool.h>

/* The rings of this application, or with "exo" those of the CPUs. False: the answer is given, a refusal. */
bool trace_begin(const char *name);

/* One row more, when the last one has been sent. False: that was all, and the answer is whole. */
bool trace_go_on(void);

#endif
