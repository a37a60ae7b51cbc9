/* SPDX-License-Identifier: MIT */
/*
 * worst.c - what each call costs in the longest case known, with few and with many of everything.
 *
 * Runs in place of init, which has every quota, in an emulator whose time stamp counter counts
 * instructions (QEMU, -icount shift=0,sleep=off). All is measured ROUNDS times and the least counts:
 * an interrupt may have fallen into the others. Prints "cost CALL CASE few N many M".
 */
#include <stdio.h>

#include "batch.h"
#include "gate.h"
#include "ring.h"
#include "worst.h"

#define ROUNDS 3u
#define BLOCKS EXO_BATCH_MAX
#define FRAMES 32768u      /* in use besides, with many */
#define ROOM   (DEEP + 8u) /* environments that measuring needs */

static struct record {
    const char *call, *with;
    uint64_t least[2];
    int64_t error; /* the call was refused: nothing was measured */
} records[96];
static uint32_t record_count, many; /* `many`: 0 or 1 */
static uint64_t overhead;           /* of measuring */
uint8_t *scratch;
frame_t scratch_frame;
static env_t filler;

void note(const char *call, const char *with, uint64_t spent, int64_t result)
{
    struct record *r = records;

    while (r < records + record_count && (strcmp(r->call, call) || strcmp(r->with, with)))
        r++;
    if (r == records + record_count) {
        record_count++;
        *r = (struct record){call, with, {UINT64_MAX, UINT64_MAX}, 0};
    }
    if (result < 0)
        r->error = result;
    if (spent - overhead < r->least[many])
        r->least[many] = spent - overhead;
}

void withhold(void)
{
    exo_timer(1);
    exo_info(EXO_INFO_MACHINE, 0, 0); /* on the way back from here it has passed */
}

static void measure_frames(void)
{
    env_t env = {(uint32_t)exo_env_create(4, 0, 0, 0, 0, 0)};
    struct exo_operation *batch = (struct exo_operation *)scratch;
    frame_t block[BLOCKS], data = take(SELF, EXO_DATA);

    frame_t root = FRAME(COST("page_alloc", "root-table", exo_page_alloc(SELF, ANY, EXO_PML4)));
    exo_page_free(root);
    COST("page_give", "data", exo_page_give(data, env));
    for (uint32_t i = 0; i < BLOCKS; i++)
        block[i] = FRAME(COST("block_alloc", "any", exo_block_alloc(SELF, ANY)));
    COST("page_free", "block", exo_page_free(block[0]));
    block[0] = FRAME(exo_block_alloc(SELF, ANY));
    for (uint32_t i = 0; i < BLOCKS; i++)
        batch[i] = (struct exo_operation){EXO_CALL_PAGE_FREE, {block[i].n}, 0};
    exo_yield((env_t){EXO_ENV_SELF}); /* a slice's end in the middle would count, too */
    COST("batch", "free-64-blocks", exo_batch(scratch_frame, 0, BLOCKS));
    for (uint32_t i = 0; i < EXO_BATCH_MAX; i++)
        batch[i] =
            (struct exo_operation){EXO_CALL_PAGE_ALLOC, {EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PML4}, 0};
    COST("batch", "64-root-tables", exo_batch(scratch_frame, 0, EXO_BATCH_MAX));
    for (uint32_t i = 0; i < EXO_BATCH_MAX; i++)
        exo_page_free(FRAME(batch[i].result));
    while (exo_env_reclaim(env) == 1)
        ;
}

static void measure_tables(void)
{
    frame_t table[4], data = take(SELF, EXO_DATA);

    table[0] = FRAME(exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_ROOT));
    for (uint32_t i = 1; i < 4; i++)
        table[i] = take(SELF, EXO_PML4 + i);
    for (uint32_t i = 0; i < 3; i++)
        COST("pt_map", i ? "table" : "into-root", exo_pt_map(table[i], 200, table[i + 1], 0));
    COST("pt_map", "page", exo_pt_map(table[3], 511, data, EXO_WRITE));
    COST("pt_read", "page", exo_pt_read(table[3], 511));
    COST("pt_protect", "page", exo_pt_protect(table[3], 511, EXO_READ));
    COST("pt_unmap", "page", exo_pt_unmap(table[3], 511));
    for (uint32_t i = 3; i-- > 0;)
        COST("pt_unmap", i ? "table" : "from-root", exo_pt_unmap(table[i], 200));
    for (uint32_t i = 1; i < 4; i++)
        exo_page_free(table[i]);
    exo_page_free(data);
}

static void measure_revocation(env_t env, gate_t gate, frame_t list)
{
    struct exo_words words;
    uint32_t unused = (uint32_t)(exo_info(EXO_INFO_ENV, env.n, EXO_ENV_QUOTA + EXO_R_PAGES) -
                                 exo_info(EXO_INFO_ENV, env.n, EXO_ENV_USED + EXO_R_PAGES));

    int64_t result =
        remote_call(gate, &words, EXO_CALL_REVOKE_PREFER, list.n, EXO_PREFER_MAX, 0, 0);
    note("revoke_prefer", "list", words.word[REMOTE_TICKS], result);
    COST("revoke_start", "any", exo_revoke_start(env, unused + DEEP, 1));
    COST("revoke_take", "64-mapped-pages", exo_revoke_take(env));
}

/* One with as much of everything as one call takes back of it. */
static void measure_environment(void)
{
    frame_t list;
    env_t env = remote_make(&list);
    struct exo_words words;
    gate_t gate = {0};

    exo_slice_set(1, env);
    while (!gate.n) {
        exo_yield((env_t){EXO_ENV_SELF});
        gate = gate_find(env, 0);
    }
    withhold();
    for (uint32_t i = 1; i <= DEEP; i++)
        COST("slice_set", "any", exo_slice_set(i, SELF));
    uint64_t from = ticks();
    int64_t result = remote_call(gate, &words, EXO_CALL_INFO, EXO_INFO_MACHINE, 0, 0, 0);
    note("gate_call", "until-served", words.word[REMOTE_CALLED] - from, result);
    note("gate_reply", "until-returned", words.word[REMOTE_BACK] - words.word[REMOTE_REPLIED],
         result);
    uint32_t self = (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME);
    remote_call(gate, &words, EXO_CALL_NOTIFY_ALLOW, self, 1, 0, 0);
    COST("notify", "any", exo_notify(env, 1));
    measure_revocation(env, gate, list);
    env_t child[DEEP];
    for (uint32_t i = 0; i < DEEP; i++) {
        child[i].n = (uint32_t)remote_call(gate, &words, EXO_CALL_ENV_CREATE, 0, 0, 0, 0);
        remote_call(gate, &words, EXO_CALL_GATE_CREATE, 0, 0, 0, 0);
    }
    for (uint32_t i = 1; i <= DEEP; i++)
        exo_slice_set(i, env);
    COST("env_kill", "full", exo_env_kill(env, 0));
    uint64_t most = 0;
    do {
        from = ticks();
        result = exo_env_reclaim(env);
        uint64_t to = ticks();
        most = to - from > most ? to - from : most;
    } while (result == 1);
    note("env_reclaim", "longest-piece", most, result);
    for (uint32_t i = 0; i < DEEP; i++) /* they are ours now */
        exo_env_reclaim(child[i]);
}

/* --- the rest ------------------------------------------------------------------------ */

/* As many as may call one gate, or notify one environment: the last is looked for the longest. */
static void measure_peers(gate_t gate)
{
    env_t peer[EXO_GATE_HOLDERS];
    const uint32_t last = EXO_GATE_HOLDERS - 1;

    _Static_assert(EXO_NOTIFIERS == EXO_GATE_HOLDERS, "one loop for both");
    for (uint32_t i = 0; i <= last; i++)
        peer[i].n = (uint32_t)exo_env_create(0, 0, 0, 0, 0, 0);
    for (uint32_t i = 0; i < last; i++) {
        exo_gate_grant(gate, peer[i], 1);
        exo_notify_allow(peer[i], 1);
    }
    COST("gate_grant", "8th", exo_gate_grant(gate, peer[last], 1));
    COST("notify_allow", "8th", exo_notify_allow(peer[last], 1));
    for (uint32_t i = 0; i <= last; i++) {
        exo_notify_allow(peer[i], 0);
        exo_env_reclaim(peer[i]);
    }
}

static void measure_rest(void)
{
    COST("info", "environment", exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_TICKS));
    COST("info", "frame", exo_info(EXO_INFO_FRAME, scratch_frame.n, EXO_FRAME_TYPE));
    memset(scratch, 'a', EXO_CONSOLE_MAX);
    COST("console_write", "256-bytes", exo_console_write(scratch_frame, 0, EXO_CONSOLE_MAX));
    gate_t gate = {(uint32_t)COST("gate_create", "any", exo_gate_create(1, 1))};
    measure_peers(gate);
    COST("gate_delete", "any", exo_gate_delete(gate));
    uint64_t from = ticks();
    int64_t read = exo_channel_read();
    uint64_t spent = ticks() - from;
    if (read >> 56 == 7) /* as many as one call takes; who measures sends them */
        note("channel_read", "7-bytes", spent, read);
    COST("channel_write", "any", exo_channel_write(16, 0x6161616161616161, 0x6161616161616161));
    COST("timer", "set", exo_timer(time_tsc() + UINT64_C(1000000000000)));
    COST("timer", "cancel", exo_timer(0));
    COST("poll", "any", exo_poll());
    COST("yield", "nobody-else", exo_yield((env_t){EXO_ENV_SELF}));
    exo_wait(time_tsc() + 1000000, (env_t){EXO_ENV_SELF}); /* more bytes may come */
    COST("wait", "deadline-passed", exo_wait(1, (env_t){EXO_ENV_SELF}));
}

/* One more environment that is LIVE and has what it takes, but no time. */
static env_t another(void)
{
    env_t env = {(uint32_t)exo_env_create(2, 0, 0, 0, 0, 0)};

    exo_env_set(env, EXO_ENV_SET_ROOT, take(env, EXO_PML4).n, 0);
    exo_env_set(env, EXO_ENV_SET_CONTROL, take(env, EXO_CONTROL).n, 0);
    exo_env_run(env, EXO_IMAGE_BASE, EXO_STACK_TOP, 0);
    return env;
}

static uint32_t used(uint32_t resource)
{
    return (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_USED + resource);
}

/* As many of everything as leaves room for measuring. */
static void fill(void)
{
    uint32_t queues = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_QUEUES) - 8 - HEARERS;
    uint32_t envs = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_ENVS) - 2 - ROOM;

    while (used(EXO_R_ENVS) < envs)
        another();
    for (uint32_t i = 0; i < FRAMES; i++)
        take(SELF, EXO_DATA);
    for (uint32_t i = 0; i < EXO_GATES - DEEP - 4; i++)
        exo_gate_create(i, i);
    for (uint32_t i = 0; i < EXO_GRANTS - DEEP - 8; i++)
        exo_page_grant(scratch_frame, filler, EXO_READ, 0);
    for (uint32_t i = 0; i < queues; i++) {
        frame_t f[EXO_RINGS];
        for (uint32_t r = 0; r < EXO_RINGS; r++)
            f[r] = take(SELF, EXO_RING);
        queue_t queue = {(uint32_t)exo_queue_bind(0, f[0], f[1], f[2], f[3])};
        for (uint16_t port = 1; port <= 3; port++)
            if (!shares_place(MAC + 16 + i))
                filter_make(queue, MAC + 16 + i, port, NULL);
    }
}

static void measure(void)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        withhold();
        measure_frames();
        measure_tables();
        measure_environment();
        measure_network();
        measure_rest();
    }
}

static void tell(const char *when)
{
    printf("%s: %u environments, %u pages, %u queues, %u grants, %u gates, %u filters\n", when,
           used(EXO_R_ENVS) + 2, used(EXO_R_PAGES), used(EXO_R_QUEUES), used(EXO_R_GRANTS),
           used(EXO_R_GATES), used(EXO_R_FILTERS));
    fflush(stdout);
}

int main(void)
{
    scratch = vm_alloc(1, EXO_DATA);
    network_init();
    scratch_frame = vm_frame((uint64_t)(uintptr_t)scratch);
    uint64_t from = ticks();
    overhead = ticks() - from;
    filler = another();
    tell("few");
    critical_enter();
    measure();
    many = 1;
    fill();
    critical_exit();
    tell("many");
    critical_enter();
    measure();
    critical_exit();
    for (const struct record *r = records; r < records + record_count; r++)
        if (r->error)
            printf("refused %s %s: %s\n", r->call, r->with, exo_error_text(r->error));
        else
            printf("cost %s %s few %lu many %lu\n", r->call, r->with, (unsigned long)r->least[0],
                   (unsigned long)r->least[1]);
    printf("measured\n");
    return 0;
}
