/* SPDX-License-Identifier: MIT */
/* channel.h - who owns the channel (channel.c), and news of it. */
#ifndef EXO_CORE_CHANNEL_H
#define EXO_CORE_CHANNEL_H

#include "env.h"

/* Set at boot: the first environment. */
extern env_t channel_owner;

/* For the machine: bytes have come. */
void channel_arrived(void);

#endif
