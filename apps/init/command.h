/* SPDX-License-Identifier: MIT */
/* command.h - commands to the running machine, over the channel (docs/machine.md, `ctl`). */
#ifndef INIT_COMMAND_H
#define INIT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

/* Open the channel, if the machine file says so; tells in the log. */
void command_init(bool on);

/* Read, answer and send what can be; returns when to come again at the latest (ns), 0: on news. */
uint64_t command_serve(void);

#endif
