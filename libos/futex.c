/* SPDX-License-Identifier: MIT */
/*
 * futex.c - wait for a word to change: what mutexes, conditions and events are made of.
 */
#include "libos.h"

#include <errno.h>

#include "event.h"

enum { WAIT = 0, WAKE = 1, REQUEUE = 3, LOCK_PI = 6, UNLOCK_PI = 7, TRYLOCK_PI = 8 };
enum { WAIT_BITSET = 9, WAKE_BITSET = 10, COMMAND = 127 };

/* 0: woken, -EAGAIN: the word differs, -ETIMEDOUT. */
static long wait(const uint32_t *word, uint32_t value, uint32_t bits, uint64_t wake_at)
{
    long result = 0;

    (void)*(const volatile uint32_t *)word; /* mapped before upcalls go off */
    critical_enter();
    if (*(const volatile uint32_t *)word != value)
        result = -EAGAIN;
    else if (!thread_block(word, bits, wake_at))
        result = -ETIMEDOUT;
    critical_exit();
    return result;
}

static long wake(const uint32_t *word, uint32_t bits, uint32_t count)
{
    critical_enter();
    long woken = thread_wake(word, bits, count);
    critical_exit();
    return woken;
}

long futex_call(uint32_t *word, int op, uint32_t value, uint64_t timeout_ns, bool timed,
                uint32_t value3)
{
    uint32_t bits = UINT32_MAX;

    switch (op & COMMAND) {
    case WAIT_BITSET:
        bits = value3;
        /* fallthrough */
    case WAIT:
        return wait(word, value, bits, timed ? time_deadline(timeout_ns) : 0);
    case WAKE_BITSET:
        bits = value3;
        /* fallthrough */
    case WAKE:
        return wake(word, bits, value);
    case LOCK_PI:
        return futex_lock_pi(word, timed ? time_deadline(timeout_ns) : 0);
    case UNLOCK_PI:
        return futex_unlock_pi(word);
    case TRYLOCK_PI:
        return futex_trylock_pi(word);
    case REQUEUE:
        /* All that would be moved are woken instead and look again: allowed, only slower. */
        return wake(word, bits, UINT32_MAX);
    default:
        return -ENOSYS;
    }
}

uint32_t event_count(void)
{
    return *(volatile uint32_t *)&libos_queue_events;
}

bool event_wait(uint32_t seen, uint64_t timeout_ns)
{
    return wait(&libos_queue_events, seen, UINT32_MAX,
                timeout_ns ? time_deadline(timeout_ns) : 0) != -ETIMEDOUT;
}

int64_t notify_send(env_t env, uint64_t bits)
{
    int64_t error = exo_notify(env, bits);

    if (!error)
        VCPU->told.n = env.n;
    return error;
}

uint64_t notify_wait(uint64_t timeout_ns)
{
    uint64_t end = timeout_ns ? time_deadline(timeout_ns) : 0;

    for (bool over = false;;) {
        uint32_t seen = *(volatile uint32_t *)&libos_notify_events;
        uint64_t bits = __atomic_exchange_n(&control->notified, 0, __ATOMIC_ACQUIRE);
        if (bits || over)
            return bits;
        over = wait(&libos_notify_events, seen, UINT32_MAX, end) == -ETIMEDOUT;
    }
}
