/* SPDX-License-Identifier: MIT */
/*
 * explore.c - every sequence of steps of a small machine, breadth first, each state once.
 *
 * After each step: every invariant, the frame condition, what a refused call left as it was, that
 * a new frame is zero, that the TLB was told, and that a packet given to the device is the sender's.
 * The first violation is found by a shortest sequence, which is printed as a C test.
 *
 * usage: model [--depth N] [--seconds N] [MODEL ...]      N = 0: to the closure, without a limit
 */
#include "../unit/tap.h"
#include "batch.h"
#include "condition.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_STEPS 4096u
static struct step steps[MAX_STEPS];
static uint32_t step_count;

/* Every state ever seen: its hashes, and how it was first reached. */
struct seen {
    struct hash hash;
    uint32_t from, step;
};
static struct seen *seen;
static uint32_t *seen_table;
static uint32_t seen_count, seen_room; /* a power of two */

/* States of one depth, each as the words in which it differs from the first state. */
struct frontier {
    uint32_t *id;
    uint64_t **words;
    uint32_t count, room;
};

static struct snapshot first, parent;
static struct leaf leaves[WORLD_LEAVES];
static uint32_t leaf_count;
static uint64_t transitions, refusals;

static void *grown(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (!memory) {
        printf("Bail out! out of memory\n");
        exit(1);
    }
    return memory;
}

/* True if the state is new. */
static bool see(struct hash hash, uint32_t from, uint32_t step)
{
    if (2 * seen_count >= seen_room) {
        seen_room = seen_room ? 2 * seen_room : 1u << 16;
        seen = grown(seen, seen_room / 2 * sizeof(*seen));
        seen_table = grown(seen_table, seen_room * sizeof(*seen_table));
        memset(seen_table, 0xff, seen_room * sizeof(*seen_table));
        for (uint32_t i = 0; i < seen_count; i++) {
            uint64_t at = seen[i].hash.a;
            while (seen_table[at % seen_room] != UINT32_MAX)
                at++;
            seen_table[at % seen_room] = i;
        }
    }
    uint64_t at = hash.a;
    for (; seen_table[at % seen_room] != UINT32_MAX; at++) {
        const struct seen *s = &seen[seen_table[at % seen_room]];
        if (s->hash.a == hash.a && s->hash.b == hash.b)
            return false;
    }
    seen_table[at % seen_room] = seen_count;
    seen[seen_count++] = (struct seen){hash, from, step};
    return true;
}

/* The present state, kept as pairs of place and word. */
static uint64_t *encoded(void)
{
    static struct snapshot now;
    static uint64_t pairs[2 * sizeof(now) / 8];
    const uint64_t *a = (const void *)&first, *b = (const void *)&now;
    uint32_t used = 0;

    now = parent;
    world_save(&now);
    for (uint32_t i = 0; i < sizeof(now) / 8; i++)
        if (a[i] != b[i]) {
            pairs[++used] = i;
            pairs[++used] = b[i];
        }
    pairs[0] = used;
    return memcpy(grown(NULL, (used + 1) * 8), pairs, (used + 1) * 8);
}

static void decode(uint64_t *words)
{
    uint64_t *to = (void *)&parent;

    parent = first;
    for (uint32_t i = 1; i <= words[0]; i += 2)
        to[words[i]] = words[i + 1];
    free(words);
    world_load(&parent, true);
}

static void frontier_add(struct frontier *f, uint32_t id)
{
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 1024;
        f->id = grown(f->id, f->room * sizeof(*f->id));
        f->words = grown(f->words, f->room * sizeof(*f->words));
    }
    f->id[f->count] = id;
    f->words[f->count++] = encoded();
}

/* --- checks ------------------------------------------------------------------------ */

static const char *check_zero(uint32_t n)
{
    const uint64_t *word = machine_frame((frame_t){n});
    uint32_t count = frames[n].type == EXO_PML4 ? 256 : 512;

    for (uint32_t i = 0; i < count; i++)
        if (word[i])
            return "a frame was not zero when it was given out";
    return NULL;
}

static bool forgotten(const struct leaf *leaf)
{
    for (uint32_t i = 0; i < world_flushes; i++)
        if (world_flushed[i].root == leaf->root && (world_flushed[i].address == MACHINE_TLB_ALL ||
                                                    world_flushed[i].address == leaf->address))
            return true;
    return false;
}

/*
 * The TLB may know everything that could be reached before: what cannot any more was flushed. But a
 * ZOMBIE never runs again, and its root table goes last, with a flush of its own.
 */
static const char *check_tlb(void)
{
    static struct leaf now[WORLD_LEAVES];
    uint32_t count = world_leaves(now);

    for (uint32_t i = 0; i < leaf_count; i++) {
        bool kept = envs[frames[leaves[i].root].owner].state == EXO_ENV_ZOMBIE;
        for (uint32_t j = 0; j < count && !kept; j++)
            kept = !memcmp(&leaves[i], &now[j], sizeof(now[j]));
        if (!kept && !forgotten(&leaves[i]))
            return "a TLB may still have a translation that the tables have no more";
    }
    return NULL;
}

/* Whatever is with the device is in a frame of the sender's and bears the sender's address. */
static const char *check_flight(const struct flight *before)
{
    const struct flight *now = &world.flight;
    const struct queue *q = &queues[now->cookie >> 16];

    if (!now->busy)
        return NULL;
    uint32_t n = q->buffer[(now->cookie & 0xffff) / 2].n;
    if (!q->owner || !n || frames[n].owner != q->owner || !frames[n].pinned)
        return "a packet is with the device that is in no pinned frame of its queue's owner";
    if (!before->busy && filter_find(q->nic, &now->from) != q)
        return "a packet was sent with a foreign source";
    return NULL;
}

/* cpu_next after a step of a machine where time matters. */
static const char *decide(void)
{
    uint64_t disabled[EXO_ENVS] = {0}, upcalls[EXO_ENVS];

    for (uint32_t i = 1; i < EXO_ENVS; i++) {
        upcalls[i] = envs[i].upcalls;
        if (envs[i].control.n)
            disabled[i] = ((struct exo_control *)machine_frame(envs[i].control))->disabled;
    }
    struct env *env = cpu_next(&processors[0], world.now, &world.alarm);
    for (uint32_t i = 1; i < EXO_ENVS; i++)
        if (envs[i].upcalls - upcalls[i] > (disabled[i] ? 0 : 1))
            return "an upcall was nested";
    if (env && env->state != EXO_ENV_LIVE)
        return "somebody runs who does not live";
    if (world.alarm <= world.now)
        return "the alarm is not in the future: something due was not done";
    return inv_cpu_waiting(&processors[0], world.alarm);
}

/* A batch that was stopped has carried out what comes before. */
static bool refused(const struct step *step, int64_t result)
{
    return result < 0 && !(step->kind == STEP_CALL && step->call == EXO_CALL_BATCH &&
                           result <= EXO_BATCH_STOPPED(0, 0));
}

/* The frame that a step has just taken, or 0. What a batch's earlier operations took may be in use. */
static uint32_t taken(const struct step *step, int64_t result)
{
    if (step->call == EXO_CALL_PAGE_ALLOC)
        return (uint32_t)result;
    if (step->call != EXO_CALL_BATCH || result <= 0)
        return 0;
    const struct exo_operation *last =
        (void *)((char *)machine_frame((frame_t){(uint32_t)step->a[0]}) + step->a[1]);
    last += result - 1;
    return last->call == EXO_CALL_PAGE_ALLOC ? (uint32_t)last->result : 0;
}

/* What is wrong after a step that was not refused, or NULL. */
static const char *check(const struct model *model, const struct step *step, int64_t result)
{
    const char *wrong = NULL;

    if (step->kind == STEP_CALL) {
        uint64_t a[6];
        memcpy(a, step->a, sizeof(a));
        wrong = condition(&parent, step->actor, step->call, a, result);
        uint32_t n = taken(step, result);
        if (!wrong && n)
            wrong = check_zero(n);
    }
    if (!wrong && model->cpu)
        wrong = decide();
    uint32_t touched = world_touched; /* invariants only look */
    if (!wrong)
        wrong = inv_all();
    if (!wrong)
        wrong = check_tlb();
    if (!wrong)
        wrong = check_flight(&IN(&parent, &world)->flight);
    world_touched = touched;
    return wrong;
}

/* --- traces ------------------------------------------------------------------------ */

static void step_again(const struct model *model, const struct step *step)
{
    static struct snapshot before;

    before = parent;
    world_save(&before);
    world_touched = 0;
    int64_t result = step_take(model, step);
    step_print(model, step, result);
    if (model->cpu)
        cpu_next(&processors[0], world.now, &world.alarm);
    world_normalise(&before, !model->order);
}

static void trace_print(const struct model *model, uint32_t state, const struct step *last,
                        const char *wrong)
{
    uint32_t path[256], length = 0;

    for (; state && length < 256; state = seen[state].from)
        path[length++] = seen[state].step;
    printf("/* model: the %s machine breaks its promise after %u steps: %s */\n", model->name,
           length + 1, wrong);
    printf("static void test_model_%s(void)\n{\n    struct env *init = mock_boot();\n\n",
           model->name);
    printf("    mock_control(init)->upcall_entry = 0x401000;\n"
           "    mock_control(init)->upcall_stack = 0x501000;\n");
    world_boot(model->frames);
    for (const struct step *step = model->setup; step && step->kind; step++)
        step_again(model, step);
    while (length)
        step_again(model, &steps[path[--length]]);
    if (!setjmp(world_escape))
        step_print(model, last, step_take(model, last));
    else
        step_print(model, last, 0);
    printf("    tap_ok(!inv_all(), \"%s\");\n}\n", wrong);
}

/* --- the search -------------------------------------------------------------------- */

static void steps_expand(const struct choice *choice)
{
    uint32_t actors = choice->kind == STEP_CALL ? EXO_ENVS - 1 : 1, combinations = actors;

    for (uint32_t i = 0; i < 6; i++)
        combinations *= choice->a[i].count ? choice->a[i].count : 1;
    for (uint32_t c = 0; c < combinations; c++) {
        uint32_t rest = c / actors;
        struct step step = {choice->kind, choice->call, (uint8_t)(1 + c % actors), {0}};
        for (uint32_t i = 0; i < 6; i++)
            if (choice->a[i].count) {
                step.a[i] = choice->a[i].value[rest % choice->a[i].count];
                rest /= choice->a[i].count;
            }
        if (step_count == MAX_STEPS)
            abort();
        steps[step_count++] = step;
    }
}

/* One step from `parent`. NULL, or what is wrong. */
static const char *try_step(const struct model *model, uint32_t from, uint32_t number,
                            struct frontier *next)
{
    const struct step *step = &steps[number];

    if (setjmp(world_escape))
        return "the kernel panicked";
    int64_t result = step_take(model, step);
    if (result == STEP_IMPOSSIBLE)
        return NULL;
    transitions++;
    if (refused(step, result)) {
        refusals++;
        return world_unchanged(&parent) ? NULL : "a refused call changed something";
    }
    const char *wrong = check(model, step, result);
    if (wrong)
        return wrong;
    world_normalise(&parent, !model->order);
    if (see(world_hash(&parent), from, number))
        frontier_add(next, seen_count - 1);
    return NULL;
}

static bool begin(const struct model *model)
{
    free(seen);
    free(seen_table);
    seen = NULL;
    seen_table = NULL;
    step_count = seen_count = seen_room = 0;
    transitions = refusals = 0;
    for (const struct choice *choice = model->choice; choice->kind; choice++)
        steps_expand(choice);
    world_boot(model->frames);
    world_touched = UINT32_MAX;
    world_save(&first);
    for (const struct step *step = model->setup; step && step->kind; step++) {
        parent = first;
        world_save(&parent);
        int64_t result = step_take(model, step);
        if (result < 0) {
            step_print(model, step, result);
            return false;
        }
        if (model->cpu)
            cpu_next(&processors[0], world.now, &world.alarm);
        world_normalise(&parent, !model->order);
    }
    world_touched = UINT32_MAX;
    world_save(&first);
    parent = first;
    see(world_hash(&parent), 0, 0);
    return true;
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* True if nothing is wrong in all states up to the depth. */
static bool explore(const struct model *model, uint32_t depth_max, double seconds)
{
    struct frontier frontier = {0};
    double start = seconds_now();
    uint32_t depth = 0, expanded = 0;
    bool in_time = true;

    if (!begin(model)) {
        printf("# %s: the set-up is refused\n", model->name);
        return false;
    }
    for (frontier_add(&frontier, 0); frontier.count && in_time && (!depth_max || depth < depth_max);
         depth++) {
        struct frontier next = {0};
        for (uint32_t i = 0; i < frontier.count; i++) {
            decode(frontier.words[i]);
            leaf_count = world_leaves(leaves);
            for (uint32_t s = 0; s < step_count; s++) {
                const char *wrong = try_step(model, frontier.id[i], s, &next);
                if (wrong) {
                    trace_print(model, frontier.id[i], &steps[s], wrong);
                    return false;
                }
                world_load(&parent, false);
            }
            expanded++;
        }
        free(frontier.id);
        free(frontier.words);
        frontier = next;
        in_time = !seconds || seconds_now() - start < seconds;
    }
    printf("# %s: %u states, %llu transitions (%llu refused), %s %u, %.1f s\n", model->name,
           seen_count, (unsigned long long)transitions, (unsigned long long)refusals,
           frontier.count ? "all to depth" : "closed at depth", depth, seconds_now() - start);
    for (uint32_t i = 0; i < frontier.count; i++)
        free(frontier.words[i]);
    free(frontier.id);
    free(frontier.words);
    return true;
}

int main(int argc, char **argv)
{
    long depth = -1;
    double seconds = 0;
    int i = 1;

    for (; i + 1 < argc && argv[i][0] == '-'; i += 2)
        if (!strcmp(argv[i], "--depth"))
            depth = strtol(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "--seconds"))
            seconds = strtod(argv[i + 1], NULL);
        else
            break;
    if (i < argc && argv[i][0] == '-') {
        fprintf(stderr, "usage: model [--depth N] [--seconds N] [MODEL ...]\n");
        return 2;
    }
    for (uint32_t m = 0; m < model_count; m++) {
        bool wanted = i == argc;
        for (int j = i; j < argc; j++)
            wanted |= !strcmp(argv[j], models[m].name);
        if (wanted)
            tap_ok(explore(&models[m], depth < 0 ? models[m].depth : (uint32_t)depth, seconds),
                   "%s: every promise holds after every sequence of steps", models[m].name);
    }
    return tap_done();
}
