/* SPDX-License-Identifier: MIT */
/*
 * cpu_clock.c - a clock of each vCPU that stands still while it does not have the CPU.
 *
 *   K1  it is the time stamp counter less `elsewhere`. How much that is is asked of the kernel when a
 *       slice has begun since the last look, which a word in the control page tells: between slices
 *       no call is needed
 *   K2  it never steps back, whoever reads it: kernel and application read the counter one after the
 *       other, so a look finds a little less or more than the one before
 */
#include "libos.h"

static void look(void)
{
    uint64_t slices = VCPU->page.slices, now = time_tsc(), latest = VCPU->clock_last;
    uint64_t had = (uint64_t)exo_info(EXO_INFO_ENV, VCPU->env.n, EXO_ENV_TICKS);
    const struct thread *thread = thread_current;

    if (slices != VCPU->page.slices)
        return;
    if (thread && thread->slice_from > latest) /* yield.S has read it, too */
        latest = thread->slice_from;
    VCPU->clock_elsewhere = now - (had > latest ? had : latest);
    VCPU->clock_slices = slices;
}

uint64_t cpu_clock(void)
{
    uint64_t now;

    /* The stamp first: if no slice began before this look, none did before the stamp. */
    while (now = time_tsc(), VCPU->page.slices != VCPU->clock_slices)
        look();
    return VCPU->clock_last = now - VCPU->clock_elsewhere;
}
