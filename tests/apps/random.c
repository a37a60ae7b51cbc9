/* SPDX-License-Identifier: MIT */
/*
 * random.c - makes calls of every number, with arguments drawn from a seed, and counts.
 *
 * usage: random CALLS [SEED]
 *
 * Arguments are plausible more often than not: frames and tables that it took for this, frames and
 * names of others, gates, grants and queues that it was given, and extremes. What it needs to go on is
 * left alone: a frame that is its own and was not taken for this is never named (but its root table from
 * SPARE_SLOT on), nor does it end itself, sleep for longer than NAP_NS or give its time to a child.
 * Where chance alone would hardly ever lead, as to a child with all that it takes to run, it is led there
 * now and then (prefer).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "gate.h"
#include "libos.h"
#include "random.h"

#define SPARE_SLOT 200u    /* of the root table: where a program may put what it likes */
#define CALL_NS    100000u /* for an answer to a call through a gate, now and then */
#define REPORTS    10u
#define SHOWN      (EXO_CALLS + 1) /* the last place counts numbers outside the table */

/* What the arguments of each call are (random.h); b is a batch. */
static const char *const kinds[EXO_CALLS] = {
    [EXO_CALL_PAGE_ALLOC] = "efy",
    [EXO_CALL_PAGE_FREE] = "f",
    [EXO_CALL_PAGE_GIVE] = "de",
    [EXO_CALL_PT_MAP] = "tifp",
    [EXO_CALL_PT_UNMAP] = "ti",
    [EXO_CALL_PT_PROTECT] = "tip",
    [EXO_CALL_PT_READ] = "ti",
    [EXO_CALL_ENV_CREATE] = "nnnnnn",
    [EXO_CALL_ENV_SET] = "enfu",
    [EXO_CALL_ENV_RUN] = "euuu",
    [EXO_CALL_ENV_KILL] = "ku",
    [EXO_CALL_ENV_RECLAIM] = "e",
    [EXO_CALL_SLICE_SET] = "ic",
    [EXO_CALL_YIELD] = "",
    [EXO_CALL_WAIT] = "w",
    [EXO_CALL_TIMER] = "u",
    [EXO_CALL_POLL] = "",
    [EXO_CALL_QUEUE_BIND] = "prrrr",
    [EXO_CALL_QUEUE_UNBIND] = "q",
    [EXO_CALL_QUEUE_BUFFER] = "qid",
    [EXO_CALL_QUEUE_KICK] = "q",
    [EXO_CALL_FILTER_ADD] = "qFo",
    [EXO_CALL_FILTER_DEL] = "l",
    [EXO_CALL_CONSOLE_WRITE] = "fiz",
    [EXO_CALL_INFO] = "nxi",
    [EXO_CALL_BATCH] = "b",
    [EXO_CALL_NOTIFY_ALLOW] = "en",
    [EXO_CALL_NOTIFY] = "eu",
    [EXO_CALL_PAGE_GRANT] = "depu",
    [EXO_CALL_PAGE_UNGRANT] = "g",
    [EXO_CALL_GRANT_MAP] = "gtip",
    [EXO_CALL_GATE_CREATE] = "uu",
    [EXO_CALL_GATE_DELETE] = "a",
    [EXO_CALL_GATE_GRANT] = "aen",
    [EXO_CALL_GATE_CALL] = "auuuuu",
    [EXO_CALL_GATE_REPLY] = "uuuuuw",
    [EXO_CALL_REVOKE_PREFER] = "dn",
    [EXO_CALL_REVOKE_START] = "enu",
    [EXO_CALL_REVOKE_TAKE] = "e",
    [EXO_CALL_BLOCK_ALLOC] = "ef",
    [EXO_CALL_CHANNEL_READ] = "",
    [EXO_CALL_CHANNEL_WRITE] = "nuu",
};

struct call {
    uint64_t number, argument[6];
};

static uint32_t done[SHOWN], refused[SHOWN];

/* Fills a page: whatever a batch reads as an operation is one of these. */
static struct exo_operation page[EXO_PAGE_SIZE / sizeof(struct exo_operation)]
    __attribute__((aligned(EXO_PAGE_SIZE)));
#define PAGE_OPERATIONS (sizeof(page) / sizeof(*page))

/* --- calls ------------------------------------------------------------------------------ */

static void choose(struct call *call, bool within_batch);

/* A page of operations; where the batch begins is a whole operation, or refused. */
static void batch(struct call *call)
{
    uint64_t *a = call->argument;

    for (uint32_t i = 0; i < 8; i++) {
        struct call one;
        choose(&one, true);
        page[i].call = one.number;
        memcpy(page[i].argument, one.argument, sizeof(page[i].argument));
    }
    for (uint32_t i = 0; i < PAGE_OPERATIONS; i++)
        page[i].result = 0;
    a[0] = below(8) ? vm_frame((uint64_t)page).n : frame_of(EXO_PML4, EXO_RING);
    a[1] = sizeof(*page) * below(8);
    a[2] = below(8) ? 1 + below(8) : below(2) ? below(100) : extreme();
    if (!below(16))
        a[1] = below(2) ? EXO_PAGE_SIZE - 8ull : 1 + 2ull * below(2000);
}

/* The first two cost time without effort; with as many frames and queues given back as taken there were
 * few. */
static bool is_rare(uint64_t number)
{
    return number == EXO_CALL_YIELD || number == EXO_CALL_WAIT || number == EXO_CALL_PAGE_FREE ||
           number == EXO_CALL_QUEUE_UNBIND;
}

/* A table and a frame that fit. */
static void into_its_level(uint64_t *argument)
{
    uint32_t level = below(4);

    argument[0] = frame_of(EXO_PML4 + level, EXO_PML4 + level);
    argument[2] = frame_of(EXO_PDPT + level, EXO_PDPT + level);
    argument[3] = level == 3 ? below(4) : 0;
}

/* What a child lacks still to be run. */
static void prefer_child(struct call *call)
{
    uint64_t *a = call->argument;
    const struct child *child = &children[below(CHILDREN)];

    if (call->number == EXO_CALL_ENV_CREATE) { /* a small one, so that there can be several */
        a[0] = below(64);
        for (uint32_t i = 1; i < 6; i++)
            a[i] = below(2);
        return;
    }
    if (!child->name)
        return;
    a[0] = child->name;
    if (call->number == EXO_CALL_PAGE_ALLOC) {
        a[1] = EXO_FRAME_ANY;
        a[2] = child->root ? EXO_CONTROL : EXO_PML4;
    }
    if (call->number == EXO_CALL_ENV_SET) {
        a[1] = below(2) ? EXO_ENV_SET_ROOT : EXO_ENV_SET_CONTROL;
        a[2] = a[1] == EXO_ENV_SET_ROOT ? child->root : child->control_page;
    }
}

static void prefer(struct call *call)
{
    uint64_t *a = call->argument;

    switch (call->number) {
    case EXO_CALL_PAGE_ALLOC:
        if (!below(4))
            prefer_child(call);
        break;
    case EXO_CALL_ENV_CREATE:
    case EXO_CALL_ENV_SET:
    case EXO_CALL_ENV_RUN:
        prefer_child(call);
        break;
    case EXO_CALL_PT_MAP:
        into_its_level(a);
        break;
    case EXO_CALL_GRANT_MAP:
        a[0] = grant_received();
        a[1] = frame_of(EXO_PT, EXO_PT);
        a[2] = below(512);
        break;
    case EXO_CALL_QUEUE_BIND:
        a[0] = 0;
        break;
    default:
        break;
    }
}

static void choose(struct call *call, bool within_batch)
{
    const char *kind = "";

    do
        call->number = below(EXO_CALLS);
    while (is_rare(call->number) && below(8));
    if (!below(EXO_CALLS))
        call->number = EXO_CALLS + (draw() >> below(60)) % (UINT64_MAX - EXO_CALLS);
    else if (kinds[call->number])
        kind = kinds[call->number];
    for (uint32_t i = 0; i < 6; i++)
        call->argument[i] = *kind ? argument(*kind++) : argument('u');
    if (call->number == EXO_CALL_BATCH && !within_batch)
        batch(call);
    if (below(2))
        prefer(call);
    /* A vCPU for its own CPU would have its slices. */
    if (call->number == EXO_CALL_ENV_SET && call->argument[1] == EXO_ENV_SET_VCPU)
        call->argument[2] |= 1;
    /* Its own root table, but where libos has nothing. */
    if (call->argument[0] == root && call->number >= EXO_CALL_PT_MAP &&
        call->number <= EXO_CALL_PT_READ)
        call->argument[1] = SPARE_SLOT + below(4);
    if (call->number == EXO_CALL_GRANT_MAP && call->argument[1] == root)
        call->argument[2] = SPARE_SLOT + below(4);
}

static int64_t make(const struct call *call)
{
    const uint64_t *a = call->argument;
    int64_t result;
    uint64_t rdi = a[0], rsi = a[1], rdx = a[2];
    register uint64_t r10 __asm__("r10") = a[3];
    register uint64_t r8 __asm__("r8") = a[4];
    register uint64_t r9 __asm__("r9") = a[5];

    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     : "a"(call->number)
                     : "rcx", "r11", "memory");
    return result;
}

static void one_call(void)
{
    struct call call;

    choose(&call, false);
    if (call.number == EXO_CALL_GATE_CALL)
        control->call_deadline = time_deadline(below(8) ? NAP_NS : CALL_NS);
    int64_t result = make(&call);
    uint32_t place = call.number < EXO_CALLS ? (uint32_t)call.number : EXO_CALLS;
    if (result < 0)
        refused[place]++;
    else
        done[place]++;
    if (result >= 0)
        keep(call.number, call.argument, result);
    if (call.number == EXO_CALL_BATCH)
        for (uint32_t i = 0; i < PAGE_OPERATIONS; i++)
            if (page[i].result > 0)
                keep(page[i].call, page[i].argument, page[i].result);
}

/* --- the whole -------------------------------------------------------------------------- */

static uint32_t sum(const uint32_t *counts)
{
    uint32_t all = 0;

    for (uint32_t i = 0; i < SHOWN; i++)
        all += counts[i];
    return all;
}

int main(int argc, char **argv)
{
    uint32_t calls = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;

    /* All its memory is there from now on: see draw_start. */
    memset(page, 0, sizeof(page));
    for (uint32_t i = 0; i < SHOWN; i++)
        done[i] = refused[i] = 0;
    draw_start(argc > 2 ? (uint64_t)atoi(argv[2]) : 0);
    printf("random: begins, environment %u\n", self);
    for (uint32_t i = 1; i <= calls; i++) {
        if (i % 1024 == 1)
            look_around();
        one_call();
        if (i % (calls / REPORTS) == 0)
            printf("random: %u calls in this life: %u done, %u refused\n", i, sum(done),
                   sum(refused));
    }
    for (uint32_t i = 0; i < SHOWN; i++)
        printf("random: %s: %u done, %u refused\n", exo_call_name(i) ? exo_call_name(i) : "no call",
               done[i], refused[i]);
    printf("random: the end\n");
    return 0;
}
