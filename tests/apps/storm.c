/* SPDX-License-Identifier: MIT */
/*
 * storm.c - makes children, which make children, and ends and takes them back in random order.
 *
 * usage: storm CHILDREN [leave]    with `leave` it ends among its children
 *
 * A child has a share of the quota, no rights, and an address space of a few pages, built by the code
 * that it then runs itself (section child_code, which refers to nothing outside of it). It spins,
 * sleeps, calls a gate of its parent's, or makes children of its own as long as anything is left. A page
 * of the parent's is shared with each. At the end everything must be as it was at the start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "event.h"
#include "gate.h"
#include "libos.h"
#include "readable.h"

#define CHILD   __attribute__((section("child_code"), no_stack_protector, noinline))
#define SELF    ((env_t){EXO_ENV_SELF})
#define ANY     ((frame_t){EXO_FRAME_ANY})
#define SLOT    200u /* of each root table, where a program may put what it likes */
#define BASE    ((uint64_t)SLOT << 39)
#define AT(i)   (BASE + (i) * (uint64_t)EXO_PAGE_SIZE)
#define LARGEST 2u /* pages of code */
#define MS      1000000ull

/* Entries of the one table that an address space has. */
enum { CODE = 0, STACK = 8, CONTROL = 16, WINDOW = 24, SHARED = 32 };
enum { SPIN, SLEEP, CALL, BOMB, ROLES };

/* What a child is to have; `role` and more also go to it as the argument of its first function. */
struct order {
    uint32_t pages, envs, grants, gates;
    uint32_t role, gate;
    uint32_t own_pt; /* of the one that builds, for its window */
};

extern const char __start_child_code[], __stop_child_code[];
CHILD void child_main(uint64_t argument);

/* --- runs in parent and child -------------------------------------------------------------- */

CHILD static int64_t copy_code(uint32_t own_pt, uint64_t from, uint32_t page)
{
    int64_t frame = exo_page_alloc(SELF, ANY, EXO_DATA);

    if (frame < 0)
        return frame;
    if (exo_pt_map((frame_t){own_pt}, WINDOW, (frame_t){(uint32_t)frame}, EXO_WRITE))
        return -EXO_E_BUSY;
    uint64_t count = EXO_PAGE_SIZE / 8, to = AT(WINDOW);
    from += page * (uint64_t)EXO_PAGE_SIZE;
    __asm__ volatile("rep movsq" : "+c"(count), "+D"(to), "+S"(from)::"memory");
    exo_pt_unmap((frame_t){own_pt}, WINDOW);
    return frame;
}

/* Pages and tables of a child; its table, or why not. */
CHILD static int64_t furnish(env_t env, const struct order *order, uint64_t from)
{
    int64_t table = exo_page_alloc(env, ANY, EXO_PML4), root = table;
    uint32_t index = SLOT;

    for (uint32_t type = EXO_PDPT; type <= EXO_PT && table >= 0; type++, index = 0) {
        int64_t next = exo_page_alloc(env, ANY, type);
        if (next < 0 || exo_pt_map((frame_t){(uint32_t)table}, index, (frame_t){(uint32_t)next}, 0))
            return next < 0 ? next : -EXO_E_BUSY;
        table = next;
    }
    if (table < 0)
        return table;
    frame_t pt = {(uint32_t)table};
    for (uint32_t page = 0; page < LARGEST; page++) {
        int64_t code = copy_code(order->own_pt, from, page);
        if (code < 0)
            return code;
        int64_t error = exo_page_give((frame_t){(uint32_t)code}, env);
        if (error) {
            exo_page_free((frame_t){(uint32_t)code});
            return error;
        }
        exo_pt_map(pt, CODE + page, (frame_t){(uint32_t)code}, EXO_EXEC);
    }
    int64_t stack = exo_page_alloc(env, ANY, EXO_DATA), control_page = -EXO_E_QUOTA;
    if (stack >= 0)
        control_page = exo_page_alloc(env, ANY, EXO_CONTROL);
    if (control_page < 0)
        return control_page;
    exo_pt_map(pt, STACK, (frame_t){(uint32_t)stack}, EXO_WRITE);
    exo_pt_map(pt, CONTROL, (frame_t){(uint32_t)control_page}, EXO_WRITE);
    exo_env_set(env, EXO_ENV_SET_ROOT, (uint64_t)root, 0);
    exo_env_set(env, EXO_ENV_SET_CONTROL, (uint64_t)control_page, 0);
    return table;
}

/* A child that is ready to run but for exo_env_run, its table in *pt; or why not, and nothing is left. */
CHILD static int64_t build(const struct order *order, uint64_t from, uint32_t *pt)
{
    int64_t env = exo_env_create(order->pages, order->envs, 0, order->grants, order->gates, 0);

    if (env < 0)
        return env;
    int64_t table = furnish((env_t){(uint32_t)env}, order, from);
    if (table < 0) {
        while (exo_env_reclaim((env_t){(uint32_t)env}) > 0)
            ;
        return table;
    }
    *pt = (uint32_t)table;
    return env;
}

CHILD static int64_t start(env_t env, uint32_t role, uint32_t gate, uint32_t pt)
{
    uint64_t entry = AT(CODE) + ((uint64_t)child_main - (uint64_t)__start_child_code);

    return exo_env_run(env, entry, AT(STACK + 1) - 8,
                       role | (uint64_t)gate << 4 | (uint64_t)pt << 36);
}

/* --- the child ----------------------------------------------------------------------------- */

/* Children until quota, frames or slots are out; again and again, as some may be ended. */
CHILD static void bomb(uint32_t own_pt)
{
    struct order order = {10, 1, 0, 0, BOMB, 0, own_pt};
    uint32_t pt = 0;

    for (uint32_t n = 0;; n++) {
        order.pages = 30 + n % 30;
        order.envs = 1 + n % 3;
        int64_t env = build(&order, BASE, &pt);
        if (env >= 0)
            start((env_t){(uint32_t)env}, n % 2 ? BOMB : SPIN, 0, pt);
        if (env >= 0)
            exo_slice_set(n % 64, (env_t){(uint32_t)env});
        exo_yield((env_t){EXO_ENV_SELF});
    }
}

CHILD void child_main(uint64_t argument)
{
    uint32_t role = argument & 15, gate = (uint32_t)(argument >> 4);
    volatile uint64_t *shared = (volatile uint64_t *)AT(SHARED);
    struct exo_words words;

    if (role == BOMB)
        bomb((uint32_t)(argument >> 36));
    for (;;) {
        if (role == SLEEP)
            exo_wait(0, (env_t){EXO_ENV_SELF}); /* for ever: nothing is told to it */
        if (role == CALL)
            exo_gate_call((gate_t){gate}, 1, 2, 3, 4, 5, &words);
        if (role == CALL)
            *shared += 1; /* it ends here when the page is taken back */
    }
}

/* --- the parent ---------------------------------------------------------------------------- */

#define CHILDREN 8u
#define LENT     8

static struct child {
    env_t env;
    grant_t grant;
    bool over; /* killed, and not yet taken back */
} children[CHILDREN];
static uint32_t own_pt, shared_frame, gate;
static int64_t own_slices;
static uint32_t counts[ROLES], killed, reclaimed, orphans, died, answered;
static uint64_t state = 88172645463325252;

static uint32_t below(uint32_t limit)
{
    state ^= state << 13; /* xorshift64, Marsaglia 2003 */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) % limit);
}

static int64_t about_me(uint32_t index)
{
    return exo_info(EXO_INFO_ENV, EXO_ENV_SELF, index);
}

static void answer(void *argument, env_t caller, struct exo_words *words)
{
    (void)argument;
    (void)caller;
    words->word[0]++;
    answered++;
}

static bool prepare(void)
{
    frame_t table = {(uint32_t)about_me(EXO_ENV_ROOT)};
    uint32_t index = SLOT;

    for (uint32_t type = EXO_PDPT; type <= EXO_PT; type++, index = 0) {
        int64_t next = exo_page_alloc(SELF, ANY, type);
        if (next < 0 || exo_pt_map(table, index, (frame_t){(uint32_t)next}, 0))
            return false;
        table.n = (uint32_t)next;
    }
    own_pt = table.n;
    own_slices = about_me(EXO_ENV_SLICES);
    shared_frame = (uint32_t)exo_page_alloc(SELF, ANY, EXO_DATA);
    gate = (uint32_t)gate_open(1, answer, NULL);
    return __stop_child_code - __start_child_code <= (int64_t)(LARGEST * EXO_PAGE_SIZE);
}

/* One of our own positions in the CPU's vector, if not enough of them are lent. */
static void give_time(env_t env)
{
    uint32_t self = (uint32_t)about_me(EXO_ENV_SELF_NAME), own = 0;

    if (about_me(EXO_ENV_SLICES) <= own_slices - LENT)
        return;
    for (uint32_t i = 0; i < EXO_TABLES_LEAST; i++)
        if (exo_info(EXO_INFO_SLICE, i, 0) == (int64_t)self && ++own == 2)
            exo_slice_set(i, env);
}

static bool create(struct child *child)
{
    uint32_t role = below(ROLES), pt = 0;
    struct order order = {16 + below(100), below(4), 0, 0, role, gate, own_pt};
    int64_t env = build(&order, (uint64_t)__start_child_code, &pt);

    if (env < 0)
        return false;
    child->env = (env_t){(uint32_t)env};
    child->over = false;
    int64_t grant = exo_page_grant((frame_t){shared_frame}, child->env, EXO_WRITE, 0);
    child->grant = (grant_t){grant < 0 ? 0 : (uint32_t)grant};
    if (grant >= 0)
        exo_grant_map(child->grant, (frame_t){pt}, SHARED, EXO_WRITE);
    gate_allow((gate_t){gate}, child->env, true);
    if (start(child->env, role, gate, pt))
        return false;
    give_time(child->env);
    counts[role]++;
    return true;
}

static void finish(env_t env)
{
    int64_t left;

    do
        left = exo_env_reclaim(env);
    while (left > 0);
    reclaimed += !left;
}

/* Of what it had some is taken back, more later: others are ended meanwhile. */
static void end(struct child *child)
{
    if (child->grant.n && below(2))
        exo_page_ungrant(child->grant); /* under its feet */
    if (exo_env_kill(child->env, 1))
        died++;
    else
        killed++;
    child->over = true;
    for (uint32_t n = below(4); n--;)
        if (exo_env_reclaim(child->env) == 0) {
            reclaimed++;
            child->env.n = 0;
            return;
        }
}

static bool known(uint32_t name)
{
    for (uint32_t i = 0; i < CHILDREN; i++)
        if (children[i].env.n == name)
            return true;
    return false;
}

/* Children of children that were ended are ours. The table may be old in part: it only names them. */
static void end_orphans(void)
{
    uint32_t count;
    int64_t self = about_me(EXO_ENV_SELF_NAME);
    const volatile struct exo_account *account = readable_accounts(&count);

    for (uint32_t slot = 0; account && slot < count; slot++) {
        env_t env = account[slot].name;
        if (!env.n || known(env.n) || exo_info(EXO_INFO_ENV, env.n, EXO_ENV_PARENT) != self)
            continue;
        exo_env_kill(env, 2);
        finish(env);
        orphans++;
    }
}

static void step(void)
{
    struct child *child = &children[below(CHILDREN)];

    if (!child->env.n) {
        if (!create(child) && child->env.n)
            end(child);
    } else if (child->over) {
        finish(child->env);
        child->env.n = 0;
    } else if (!below(4)) {
        end(child);
    } else if (!below(6)) {
        notify_wait((1 + below(3)) * MS);
    }
    if (!below(16))
        end_orphans();
}

static void end_all(void)
{
    for (uint32_t i = 0; i < CHILDREN; i++) {
        struct child *child = &children[i];
        if (child->env.n && !child->over)
            end(child);
        if (child->env.n)
            finish(child->env);
        child->env.n = 0;
    }
    while (about_me(EXO_ENV_USED + EXO_R_ENVS)) {
        end_orphans();
        notify_wait(10 * MS);
    }
}

static void remember(int64_t *vector)
{
    for (uint32_t i = 0; i < EXO_RESOURCES; i++) {
        vector[i] = about_me(EXO_ENV_USED + i);
        vector[EXO_RESOURCES + i] = about_me(EXO_ENV_QUOTA + i);
    }
    vector[2 * EXO_RESOURCES] = about_me(EXO_ENV_SLICES);
}

int main(int argc, char **argv)
{
    uint32_t wanted = argc > 1 ? (uint32_t)atoi(argv[1]) : 100, made = 0, count, different = 0;
    int64_t before[2 * EXO_RESOURCES + 1], after[2 * EXO_RESOURCES + 1];

    if (!prepare() || !readable_accounts(&count)) {
        printf("storm: it lacks what it takes\n");
        return 1;
    }
    printf("storm: begins with %ld pages and %ld environments\n",
           about_me(EXO_ENV_QUOTA + EXO_R_PAGES), about_me(EXO_ENV_QUOTA + EXO_R_ENVS));
    remember(before);
    while (made < wanted) {
        step();
        uint32_t now = counts[SPIN] + counts[SLEEP] + counts[CALL] + counts[BOMB];
        if (now != made && now % 50 == 0)
            printf("storm: %u children so far\n", now);
        made = now;
    }
    if (argc > 2)
        return 0;
    end_all();
    remember(after);
    for (uint32_t i = 0; i < 2 * EXO_RESOURCES + 1; i++)
        different += before[i] != after[i];
    printf(
        "storm: made %u: %u spin, %u sleep, %u call, %u bombs; %u killed, %u ended by themselves\n",
        made, counts[SPIN], counts[SLEEP], counts[CALL], counts[BOMB], killed, died);
    printf("storm: %u orphans, %u taken back, %u calls answered\n", orphans, reclaimed, answered);
    printf("storm: %u of %u figures differ from the start\n", different, 2 * EXO_RESOURCES + 1);
    return different != 0;
}
