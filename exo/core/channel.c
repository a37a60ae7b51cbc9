/* SPDX-License-Identifier: MIT */
/*
 * channel.c - a line of bytes to the outside that belongs to the first environment.
 *
 *   Y1  nobody else reads, writes or is woken: the name that boot gave it to decides, and whoever
 *       gets that slot one day has another name
 *   Y2  the machine leaves the port alone until the first call
 *
 * What is said over it is none of the kernel's business.
 */
#include "env.h"

#include "exo_handlers.h"
#include "machine.h"

#define READ_MAX 7u /* so that the count fits above them, and the sign bit is free */

env_t channel_owner;

void channel_arrived(void)
{
    struct env *env = env_find(NULL, channel_owner);

    if (env && env->state == EXO_ENV_LIVE)
        env_pend(env, EXO_UP_CHANNEL);
}

int64_t call_channel_read(struct env *self)
{
    uint64_t bytes = 0;

    if (self->name.n != channel_owner.n)
        return -EXO_E_OWNER;
    int32_t count = machine_channel_read((uint8_t *)&bytes, READ_MAX);
    if (count <= 0)
        return -EXO_E_EMPTY;
    return (int64_t)(bytes | (uint64_t)count << (8 * READ_MAX));
}

int64_t call_channel_write(struct env *self, uint32_t count, uint64_t low, uint64_t high)
{
    const uint64_t words[2] = {low, high};

    if (self->name.n != channel_owner.n)
        return -EXO_E_OWNER;
    if (count > sizeof(words))
        return -EXO_E_RANGE;
    int32_t taken = machine_channel_write((const uint8_t *)words, count);
    return taken < 0 ? -EXO_E_EMPTY : taken;
}
