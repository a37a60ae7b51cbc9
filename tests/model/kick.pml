/* SPDX-License-Identifier: MIT */
/*
 * kick.pml - one environment is kicked and ended at the same time, while it runs; then its place and its
 * frames are another's.
 *
 * CPU 1 runs who is in the place, CPU 2 kicks the first one by its name, CPU 0 ends it, takes it back
 * piece by piece, and starts the second one there. Nobody kicks the second one.
 *
 * FAULT 1: the message itself is the kick, and is given to whoever runs when it comes
 * FAULT 2: the name is looked up before the lock is taken
 * FAULT 3: frames are taken back without a look whether a CPU still runs the environment
 * FAULT 4: who ends an environment sends no message to the CPU that runs it
 */
#ifndef FAULT
#define FAULT 0
#endif
#define NOBODY 255
#define FIRST 1
#define SECOND 2

mtype = { LIVE, ZOMBIE };

byte holder = NOBODY; /* of the kernel's lock */
byte name = FIRST;    /* of who is in the place */
mtype state = LIVE;
bool pending;         /* a kick, for who is in the place */
byte runs = FIRST;    /* who has CPU 1; 0: nobody */
bool message;         /* to CPU 1 */

inline lock_take()
{
    atomic { holder == NOBODY -> holder = me }
}

inline lock_release()
{
    holder = NOBODY
}

active proctype runner()
{
    byte me = 1;

end:
    do
    :: atomic { message -> message = false } /* at any moment later; until then it goes on */
        lock_take();
#if FAULT == 1
        assert(!(state == LIVE && name == SECOND));
#endif
        if
        :: state == LIVE ->
            runs = name;
            if
            :: pending -> assert(name == FIRST); pending = false
            :: else
            fi
        :: else -> runs = 0
        fi;
        lock_release()
    od
}

active proctype kicker()
{
    byte me = 2;
    bool there;

#if FAULT == 2
    there = (state == LIVE && name == FIRST);
    lock_take();
#else
    lock_take();
    there = (state == LIVE && name == FIRST);
#endif
    if
    :: there -> pending = true
    :: else
    fi;
    lock_release();
    if
    :: there -> message = true
    :: else
    fi
}

active proctype parent()
{
    byte me = 0;

    lock_take();
    state = ZOMBIE;
    lock_release();
#if FAULT != 4
    message = true;
#endif
    /* A piece at a time; what is asked before the CPU has left is refused and asked again. */
#if FAULT != 3
    runs == 0;
#endif
    lock_take();
    assert(runs == 0); /* it uses its memory whenever it runs */
    pending = false;
    name = SECOND;
    state = LIVE;
    lock_release();
    message = true
}
