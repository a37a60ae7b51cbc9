/* SPDX-License-Identifier: MIT */
/*
 * worst_remote.c - an environment that makes the calls it is told to through a gate.
 *
 * Its program is one page of this application's own image, copied to the same address in its memory.
 */
#include "filter.h"
#include "prefer.h"
#include "worst.h"

#define REMOTE_STACK (EXO_STACK_TOP - EXO_PAGE_SIZE)

/* `parent` may call its gate. Upcalls stay off: what comes is the result of wait. */
__attribute__((section("remote"), aligned(4096), noinline, noreturn,
               no_stack_protector)) static void
remote_main(env_t parent)
{
    gate_t gate = {(uint32_t)exo_gate_create(0, 0)};

    exo_gate_grant(gate, parent, 1);
    uint32_t reasons = (uint32_t)exo_wait(0, (env_t){EXO_ENV_SELF});
    for (;;) {
        uint64_t called = ticks();
        if (!(reasons & EXO_UP_CALL)) {
            reasons = (uint32_t)exo_wait(0, (env_t){EXO_ENV_SELF});
            continue;
        }
        const volatile uint64_t *w = control->call.words.word;
        register uint64_t r10 __asm__("r10") = w[4];
        int64_t result;
        uint64_t from = ticks();
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(w[0]), "D"(w[1]), "S"(w[2]), "d"(w[3]), "r"(r10)
                         : "rcx", "r11", "memory");
        uint64_t spent = ticks() - from;
        reasons = (uint32_t)exo_gate_reply((uint64_t)result, spent, called, ticks(), 0, UINT64_MAX);
    }
}

/* The PT of a child that is an EMBRYO for an address; made if it is not there. */
static frame_t remote_table(env_t env, frame_t root, uint64_t address)
{
    for (uint32_t level = 0; level < 3; level++) {
        uint32_t index = address >> (39 - 9 * level) & 511;
        int64_t next = exo_pt_read(root, index);
        if (next < 0) {
            next = take(env, EXO_PDPT + level).n;
            exo_pt_map(root, index, (frame_t){(uint32_t)next}, 0);
        }
        root.n = (uint32_t)next;
    }
    return root;
}

static void remote_place(env_t env, frame_t root, uint64_t address, frame_t frame, uint32_t perm)
{
    exo_pt_map(remote_table(env, root, address), address >> EXO_PAGE_SHIFT & 511, frame, perm);
}

/* A page of the child's with this content. */
static frame_t remote_page(env_t env, const void *content)
{
    frame_t frame = take(SELF, EXO_DATA);

    memcpy(vm_window(frame), content, EXO_PAGE_SIZE);
    vm_window((frame_t){EXO_FRAME_NONE});
    exo_page_give(frame, env);
    return frame;
}

int64_t remote_call(gate_t gate, struct exo_words *words, uint64_t call, uint64_t a, uint64_t b,
                    uint64_t c, uint64_t d)
{
    control->call_deadline = 0;
    int64_t error = exo_gate_call(gate, call, a, b, c, d, words);
    words->word[REMOTE_BACK] = ticks();
    withhold();

    return error ? error : (int64_t)words->word[REMOTE_RESULT];
}

env_t remote_make(frame_t *list)
{
    static struct exo_preferred entries[EXO_PREFER_MAX];
    env_t env = {(uint32_t)COST("env_create", "quotas",
                                exo_env_create(3 * DEEP + 600, DEEP + 1, 0, 0, DEEP + 1, 0))};
    frame_t root = take(env, EXO_PML4), control_page = take(env, EXO_CONTROL);
    uint64_t code = (uint64_t)(uintptr_t)&remote_main;

    remote_place(env, root, code, remote_page(env, (const void *)code), EXO_EXEC);
    remote_place(env, root, EXO_CONTROL_ADDRESS, control_page, EXO_WRITE);
    remote_place(env, root, REMOTE_STACK, take(env, EXO_DATA), EXO_WRITE);
    frame_t table = remote_table(env, root, EXO_BUNDLE_ADDRESS), full = table;
    for (uint32_t i = 0; i < DEEP; i++) {
        entries[i] = (struct exo_preferred){take(env, EXO_DATA).n, table.n, i, 0};
        exo_pt_map(table, i, FRAME(entries[i].frame), EXO_WRITE);
    }
    for (uint32_t i = 0; i < DEEP; i++)
        take(env, EXO_DATA);
    /* A table of 512 entries. */
    full = remote_table(env, root, EXO_BUNDLE_ADDRESS + (1u << 21));
    for (uint32_t i = 0; i < 511; i++)
        exo_pt_map(full, i, control_page, EXO_READ);
    grant_t grant = {
        (uint32_t)COST("page_grant", "data", exo_page_grant(scratch_frame, env, EXO_READ, 0))};
    COST("grant_map", "page", exo_grant_map(grant, full, 511, EXO_READ));
    COST("page_ungrant", "mapped", exo_page_ungrant(grant));
    for (uint32_t i = 0; i < DEEP; i++)
        exo_page_grant(scratch_frame, env, EXO_READ, 0);
    *list = remote_page(env, entries);
    COST("env_set", "root", exo_env_set(env, EXO_ENV_SET_ROOT, root.n, 0));
    COST("env_set", "control", exo_env_set(env, EXO_ENV_SET_CONTROL, control_page.n, 0));
    COST("env_set", "name",
         exo_env_set(env, EXO_ENV_SET_NAME, 0x6161616161616161, 0x6161616161616161));
    struct exo_filter *filter = (struct exo_filter *)scratch;
    memset(filter, 0, sizeof(*filter));
    for (uint32_t i = 0; i < EXO_ALLOWANCES; i++) {
        filter->value.mac = MAC + i;
        filter->mask.mac = EXO_MAC_ALL;
        COST("env_set", "allow", exo_env_set(env, EXO_ENV_SET_ALLOW, scratch_frame.n, 0));
    }
    uint32_t self = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    COST("env_run", "any", exo_env_run(env, code, EXO_STACK_TOP - 8, self));
    return env;
}
