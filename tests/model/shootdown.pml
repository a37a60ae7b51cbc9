/* SPDX-License-Identifier: MIT */
/*
 * shootdown.pml - a frame leaves a page table and gets another owner, while other CPUs use that table.
 *
 * CPU 0 takes the frame away, twice, as a call under the kernel's lock. CPUs 1 and 2 run the environment
 * whose table it is: they touch the frame, enter the kernel, switch to somebody else and back.
 *
 * FAULT 1: the frame is free before the others have forgotten it
 * FAULT 2: who waits for the lock, with interrupts off, does not answer
 * FAULT 3: a CPU that runs somebody else keeps the table, with what it remembers, and is not asked
 */
#ifndef FAULT
#define FAULT 0
#endif
#define CPUS 3
#define NOBODY 255

byte holder = NOBODY; /* of the kernel's lock */
bool mapped = true;   /* the table's entry names the frame */
bool anothers;        /* the frame has another owner */
bool over;

bool loaded[CPUS]; /* what the kernel believes: this CPU uses the table */
bool asked[CPUS];  /* to forget, and has not yet */
bool tlb[CPUS];    /* the CPU remembers the entry */

/* The interrupt, or the look of one that waits for the lock. */
inline answer()
{
    atomic { tlb[me] = false; asked[me] = false }
}

inline lock_take()
{
    do
    :: atomic { holder == NOBODY -> holder = me; break }
#if FAULT != 2
    :: asked[me] -> answer()
#endif
    od
}

/* Of a CPU that nobody asks. */
inline lock_take_alone()
{
    atomic { holder == NOBODY -> holder = me }
}

inline lock_release()
{
    holder = NOBODY
}

proctype user(byte me)
{
    bool runs = true; /* CR3 leads to the table */

    do
    :: runs -> /* an access in user mode */
        atomic {
            if
            :: tlb[me] -> assert(!anothers)
            :: !tlb[me] && mapped -> tlb[me] = true; assert(!anothers)
            :: else /* a fault, which the kernel hands to the application */
            fi
        }
    :: asked[me] -> answer()
    :: over -> break
    :: !over -> /* a call, or a slice's end; interrupts are off until it is back */
        lock_take();
        if
        :: runs = true
        :: runs = false
        fi;
        loaded[me] = runs;
        lock_release();
#if FAULT != 3
        tlb[me] = false /* CR3 is written */
#endif
    od
}

proctype taker(byte me)
{
    byte round, cpu;

    do
    :: round == 2 -> break
    :: else ->
        lock_take_alone();
        mapped = false;
#if FAULT == 1
        anothers = true;
#endif
        cpu = 1;
        do
        :: cpu == CPUS -> break
        :: else -> asked[cpu] = loaded[cpu]; cpu++
        od;
        cpu = 1;
        do
        :: cpu == CPUS -> break
        :: cpu < CPUS && !asked[cpu] -> cpu++
        od;
        anothers = true;
        lock_release();
        /* The next owner gives it back, and it is mapped again. */
        lock_take_alone();
        anothers = false;
        mapped = true;
        lock_release();
        round++
    od;
    over = true
}

init
{
    atomic {
        loaded[1] = true;
        loaded[2] = true;
        run taker(0);
        run user(1);
        run user(2)
    }
}
