/* SPDX-License-Identifier: MIT */
/*
 * futex_pi.c - locks that know who holds them, so that the holder can be hurried: what musl makes of
 * mutexes with the protocol PTHREAD_PRIO_INHERIT.
 *
 * The word holds the number of the thread that has the lock, 0: nobody, and WAITERS while anybody
 * waits. Without WAITERS user mode takes and leaves it by an exchange and nothing of this is called.
 *
 *   X1  who waits for a word that somebody holds has that thread as its `holder`
 *   X2  an unlocked word goes straight to who is most urgent of those that wait for it
 */
#include <errno.h>

#include "inherit.h"
#include "libos.h"

#define WAITERS 0x80000000u
#define OWNER   0x3fffffffu
#define PI_BITS 1u

static bool anybody_waits(const uint32_t *word)
{
    return thread_waiting(word, NULL) != NULL;
}

/* Critical, like all here: no other thread runs. */
static long lock(uint32_t *word, uint64_t wake_at)
{
    struct thread *self = thread_current;
    uint32_t value = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    /* User mode of another CPU may take or leave it meanwhile: never with WAITERS set. */
    for (;;) {
        if (!(value & OWNER)) {
            if (__atomic_compare_exchange_n(word, &value, value | (uint32_t)self->id, false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                return 0;
        } else if (__atomic_compare_exchange_n(word, &value, value | WAITERS, false,
                                               __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            break;
        }
    }
    struct thread *holder = thread_find((int)(value & OWNER));
    if (!holder || holder == self || !inherit_block(thread_policy, self, holder)) {
        if (!anybody_waits(word))
            __atomic_and_fetch(word, ~WAITERS, __ATOMIC_SEQ_CST);
        return holder ? -EDEADLK : -ESRCH;
    }
    if (thread_block(word, PI_BITS, wake_at))
        return 0; /* the lock was handed over */
    inherit_unblock(thread_policy, thread_all, self);
    if (!anybody_waits(word))
        __atomic_and_fetch(word, ~WAITERS, __ATOMIC_SEQ_CST);
    return -ETIMEDOUT;
}

long futex_lock_pi(uint32_t *word, uint64_t wake_at)
{
    (void)__atomic_fetch_or(word, 0, __ATOMIC_SEQ_CST); /* U1: mapped, and writable */
    critical_enter();
    long result = lock(word, wake_at);
    critical_exit();
    return result;
}

long futex_trylock_pi(uint32_t *word)
{
    uint32_t value = __atomic_fetch_or(word, 0, __ATOMIC_SEQ_CST);
    long result = -EAGAIN;

    critical_enter();
    if (!(value & OWNER) &&
        __atomic_compare_exchange_n(word, &value, value | (uint32_t)thread_current->id, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        result = 0;
    critical_exit();
    return result;
}

/* Among equals who came first. */
static struct thread *most_urgent(const uint32_t *word)
{
    struct thread *found = NULL;

    for (struct thread *at = thread_waiting(word, NULL); at; at = thread_waiting(word, at))
        if (!found || thread_urgency(at) < thread_urgency(found))
            found = at;
    return found;
}

/* `next` has the lock: whoever else waits for it waits for `next`. */
static void hand_over(uint32_t *word, struct thread *next)
{
    inherit_unblock(thread_policy, thread_all, next);
    thread_wake_one(next);
    for (struct thread *at = thread_waiting(word, NULL); at; at = thread_waiting(word, at)) {
        inherit_unblock(thread_policy, thread_all, at);
        inherit_block(thread_policy, at, next);
    }
    __atomic_store_n(word, (uint32_t)next->id | (anybody_waits(word) ? WAITERS : 0),
                     __ATOMIC_SEQ_CST);
}

long futex_unlock_pi(uint32_t *word)
{
    uint32_t value = __atomic_fetch_or(word, 0, __ATOMIC_SEQ_CST);

    if ((value & OWNER) != (uint32_t)thread_current->id)
        return -EPERM;
    critical_enter();
    struct thread *next = most_urgent(word);
    if (next) {
        hand_over(word, next);
        thread_give_way(); /* it may be less urgent now than others that are ready */
    } else {
        __atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
    }
    critical_exit();
    return 0;
}
