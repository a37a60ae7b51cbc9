/* SPDX-License-Identifier: MIT */
/*
 * notify.pml - an environment waits and its CPU halts, while two others notify it.
 *
 * Nothing may be lost: if it is, CPU 0 halts for ever, which is an end that no process may have.
 *
 * FAULT 1: whether something is pending is looked up before the lock is taken
 * FAULT 2: that the CPU is idle is written after the lock is given up, so nobody sends it a message
 * FAULT 3: interrupts are on between the last look and the halt: the message comes in between
 */
#ifndef FAULT
#define FAULT 0
#endif
#define NOBODY 255
#define ALL 3

byte holder = NOBODY; /* of the kernel's lock */
byte bits;            /* what was notified and not yet taken */
bool waiting;         /* the environment is in `wait` */
bool idle;            /* CPU 0 runs nobody */
bool message;         /* on its way to CPU 0, or held back by it */

inline lock_take()
{
    atomic { holder == NOBODY -> holder = me }
}

inline lock_release()
{
    holder = NOBODY
}

active proctype waiter()
{
    byte me = 0, seen = 0;
    bool something;

    do
    :: seen == ALL -> break
    :: else ->
        /* The environment calls `wait`. */
#if FAULT == 1
        something = (bits != 0);
        lock_take();
#else
        lock_take();
        something = (bits != 0);
#endif
        if
        :: something -> skip
        :: else ->
            waiting = true;
            do
            :: !waiting -> break
            :: else -> /* there is nobody to run */
#if FAULT != 2
                idle = true;
#endif
                lock_release();
#if FAULT == 2
                idle = true;
#endif
#if FAULT == 3
                if
                :: message -> message = false /* it is handled, and then the CPU halts */
                :: skip
                fi;
#endif
                message; /* STI; HLT */
                message = false;
                lock_take();
                idle = false
            od
        fi;
        seen = seen | bits;
        bits = 0;
        lock_release()
    od
}

proctype notifier(byte me)
{
    bool send;

    lock_take();
    bits = bits | me;
    send = idle && waiting;
    waiting = false;
    lock_release();
    if
    :: send -> message = true
    :: else
    fi
}

init
{
    atomic { run notifier(1); run notifier(2) }
}
