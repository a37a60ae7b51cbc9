/* SPDX-License-Identifier: MIT */
/*
 * crowd.c - what a switch between applications costs, in instructions, when there are 2, 20 and 200 that
 * always have work.
 *
 * Runs in place of init. The others are environments with memory of their own whose program, a page of this
 * image, does nothing but give the CPU on. When it has gone round it is here again.
 */
#include <string.h>

#include "../bench/measure.h"
#include "libos.h"

#define MOST   200u
#define ROUNDS 20u
#define SELF   ((env_t){EXO_ENV_SELF})

__attribute__((section("other"), aligned(4096), noinline, noreturn, no_stack_protector)) static void
other_main(void)
{
    for (;;)
        exo_yield(SELF);
}

static frame_t take(env_t env, uint32_t type)
{
    int64_t frame = exo_page_alloc(env, (frame_t){EXO_FRAME_ANY}, type);

    return (frame_t){frame > 0 ? (uint32_t)frame : EXO_FRAME_NONE};
}

static bool place(env_t env, frame_t table, uint64_t address, frame_t frame, uint32_t perm)
{
    for (uint32_t level = 0; level < 3; level++) {
        uint32_t index = address >> (39 - 9 * level) & 511;
        int64_t next = exo_pt_read(table, index);
        if (next < 0) {
            next = take(env, EXO_PDPT + level).n;
            exo_pt_map(table, index, (frame_t){(uint32_t)next}, 0);
        }
        table.n = (uint32_t)next;
    }
    return !exo_pt_map(table, address >> EXO_PAGE_SHIFT & 511, frame, perm);
}

/* Another application, with one position of the CPU. */
static bool another(uint32_t position)
{
    env_t env = {(uint32_t)exo_env_create(16, 0, 0, 0, 0, 0)};
    frame_t root = take(env, EXO_PML4), page = take(env, EXO_CONTROL), code = take(SELF, EXO_DATA);
    uint64_t entry = (uint64_t)(uintptr_t)&other_main;

    memcpy(vm_window(code), (const void *)entry, EXO_PAGE_SIZE);
    vm_window((frame_t){EXO_FRAME_NONE});
    exo_page_give(code, env);
    return place(env, root, entry, code, EXO_EXEC) &&
           place(env, root, EXO_CONTROL_ADDRESS, page, EXO_WRITE) &&
           !exo_env_set(env, EXO_ENV_SET_ROOT, root.n, 0) &&
           !exo_env_set(env, EXO_ENV_SET_CONTROL, page.n, 0) &&
           !exo_env_run(env, entry, EXO_STACK_TOP - 8, 0) && !exo_slice_set(position, env);
}

static uint64_t begun(void)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SLICES_RUN);
}

/* With one position for each, as others have. */
static void measure(uint32_t count)
{
    char name[32];

    critical_enter();
    exo_yield(SELF);
    uint64_t before = begun();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t from = stamp();
        exo_yield(SELF);
        samples[i] = stamp() - from;
    }
    uint64_t turns = begun() - before;
    critical_exit();
    snprintf(name, sizeof(name), "applications-%u", count);
    tell(name, ROUNDS, count);
    printf("turns %lu of %u\n", (unsigned long)turns, ROUNDS);
}

int main(void)
{
    uint32_t slices = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_CPU_SLICES);

    printf("positions %u\n", slices);
    measure_nothing(100);
    /* All positions but one, to one that never runs. */
    env_t nobody = {(uint32_t)exo_env_create(0, 0, 0, 0, 0, 0)};
    for (uint32_t i = 1; i < slices; i++)
        exo_slice_set(i, nobody);
    for (uint32_t count = 2; count <= MOST && count <= slices; count++) {
        if (!another(count - 1)) {
            printf("error: application %u cannot be made\n", count);
            return 1;
        }
        if (count == 2 || count == 20 || count == MOST)
            measure(count);
    }
    printf("measured\n");
    return 0;
}
