/* SPDX-License-Identifier: MIT */
/*
 * command.c - commands to the running machine.
 *
 * A line is `#TAG COMMAND ...`; each line of the answer begins with the same tag, so that whoever
 * asks can tell it from what is left of an earlier one. An answer is any number of lines
 * `#TAG app ...` and at last `#TAG ok SENTENCE` or `#TAG error SENTENCE`. One command is carried out at
 * a time; what has not been read to its end when nobody takes it is dropped.
 */
#include "command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "bundle_check.h"
#include "child.h"
#include "libos.h"
#include "orphans.h"
#include "rings.h"
#include "trace_command.h"

#define MS          UINT64_C(1000000)
#define SEND_NS     MS          /* until the port is asked again to take more */
#define GIVE_UP_NS  (5000 * MS) /* nobody takes the answer for so long: it is dropped */
#define LOOK_NS     (5 * MS)    /* until a child is looked at again that was asked for pages */
#define DEADLINE_MS 60000u      /* at most */
#define WORDS       4u          /* of a command, at most */

static bool is_open;
char command_tag[TAG_MAX + 1] = "0";

/* A command that takes time. */
static struct {
    enum { IDLE, SHRINK, RESTART, TRACE } what;
    struct app *app;
    env_t env;
    uint32_t pages;              /* wanted back */
    bool taking;                 /* enough is unused, or it is too late */
    uint32_t unused, given_back; /* of these: not used when asked, and free before the deadline */
    uint64_t deadline;           /* ns */
    uint32_t restarts;
} job;

static uint32_t info(env_t env, uint32_t index)
{
    int64_t value = exo_info(EXO_INFO_ENV, env.n, index);

    return value < 0 ? 0 : (uint32_t)value;
}

static uint32_t quota(env_t env)
{
    return info(env, EXO_ENV_QUOTA + EXO_R_PAGES);
}

static uint32_t unused_pages(env_t env)
{
    uint32_t may = quota(env), has = info(env, EXO_ENV_USED + EXO_R_PAGES);

    return may > has ? may - has : 0;
}

/* --- list and describe ------------------------------------------------------------------ */

static const char *state_of(const struct app *app)
{
    if (app->over)
        return "ending";
    if (app_runs(app))
        return "running";
    const struct app *steward = app_steward(app);
    if (steward && steward->env.n)
        return "under";
    return app->again ? "waiting" : "stopped";
}

/* What it runs as, whoever started it. */
static env_t env_of(const struct app *app)
{
    const struct app *steward = app_steward(app);

    return steward && app_runs(steward) ? orphan_to_be(steward->env, app->told.name) : app->env;
}

static void list_one(const struct app *app)
{
    const env_t env = env_of(app);
    static const char *const names[EXO_RESOURCES] = {
        [EXO_R_PAGES] = "pages",   [EXO_R_ENVS] = "envs",   [EXO_R_QUEUES] = "queues",
        [EXO_R_GRANTS] = "grants", [EXO_R_GATES] = "gates", [EXO_R_FILTERS] = "filters",
    };

    line_print("#%s app name=%s state=%s restarts=%u", command_tag, app->told.name, state_of(app),
               app->restarts);
    if (env.n) {
        uint64_t ticks = (uint64_t)exo_info(EXO_INFO_ENV, env.n, EXO_ENV_TICKS);
        line_print(" env=%u slices=%u cpu_ms=%" PRIu64, EXO_ENV_SLOT(env.n),
                   info(env, EXO_ENV_SLICES), time_ns_of(ticks) / MS);
        for (uint32_t r = 0; r < EXO_RESOURCES; r++)
            line_print(" %s=%u/%u", names[r], info(env, EXO_ENV_USED + r),
                       info(env, EXO_ENV_QUOTA + r));
    } else {
        line_print(" pages=0/%u", app->told.pages);
    }
    line_print("\n");
}

static void list(char **words, uint32_t count)
{
    (void)words;
    (void)count;
    for (uint32_t i = 0; i < app_count; i++)
        list_one(&apps[i]);
    uint32_t mine = quota((env_t){EXO_ENV_SELF}),
             used = info((env_t){EXO_ENV_SELF}, EXO_ENV_USED + EXO_R_PAGES);
    ANSWER("ok %u application%s; init has %u pages to give.", app_count, app_count == 1 ? "" : "s",
           mine - used > CHILD_RESERVE ? mine - used - CHILD_RESERVE : 0);
}

/* What each was started with, for comparison with a machine file. */
static void describe(char **words, uint32_t count)
{
    const char *bundle = (const char *)EXO_BUNDLE_ADDRESS;

    (void)words;
    (void)count;
    for (uint32_t i = 0; i < app_count; i++) {
        const struct bundle_app *told = &apps[i].told;
        ANSWER("app name=%s pages=%u slices=%u queues=%u restart=%u mac=%012" PRIx64
               " strings=%08x allow=%08x image=%08x",
               told->name, apps[i].env.n ? quota(apps[i].env) : told->pages, told->slices,
               told->queues, told->restart, told->mac,
               crc_of(bundle + told->strings_offset, told->strings_size),
               crc_of(bundle + told->allow_offset, told->allowances * sizeof(struct exo_filter)),
               crc_of(bundle + told->image_offset, told->image_size));
    }
    ANSWER("ok machine %s", ((const struct bundle_header *)bundle)->machine);
}

/* --- kill, restart, quota ----------------------------------------------------------------- */

struct app *command_app(const char *name)
{
    struct app *app = app_find(name);

    if (!app)
        ANSWER("error There is no application \"%s\" on this machine.", name);
    return app;
}

/* The same, if it is not for its steward to end and start it. */
static struct app *named_own(const char *name)
{
    struct app *app = command_app(name), *steward = app ? app_steward(app) : NULL;

    if (!steward || !steward->env.n)
        return app;
    ANSWER("error %s is under %s, which starts and ends it.", name, steward->told.name);
    return NULL;
}

static void kill_app(char **words, uint32_t count)
{
    struct app *app = named_own(words[1]);

    (void)count;
    if (!app)
        return;
    if (app_stop(app))
        ANSWER("ok %s is ended and will not be started again.", words[1]);
    else
        ANSWER("error %s does not run.", words[1]);
}

static void restart_app(char **words, uint32_t count)
{
    struct app *app = named_own(words[1]);

    (void)count;
    if (!app)
        return;
    if (!app_restart(app)) {
        ANSWER("error %s cannot be started: it wants more than this machine has.", words[1]);
        return;
    }
    job.what = RESTART;
    job.app = app;
}

static void grow(struct app *app, uint32_t pages)
{
    uint32_t now = quota(app->env), mine = quota((env_t){EXO_ENV_SELF}),
             used = info((env_t){EXO_ENV_SELF}, EXO_ENV_USED + EXO_R_PAGES);
    uint32_t left = mine - used > CHILD_RESERVE ? mine - used - CHILD_RESERVE : 0;

    if (pages - now > left ||
        exo_env_set(app->env, EXO_ENV_ADD_QUOTA, EXO_R_PAGES, pages - now) < 0) {
        ANSWER("error %s would need %u more pages; init has %u to give.", app->told.name,
               pages - now, left);
        return;
    }
    app->told.pages = pages;
    ANSWER("ok %s may have %u pages now, %u more than before.", app->told.name, pages, pages - now);
}

static void shrink(struct app *app, uint32_t pages, uint32_t ms)
{
    uint32_t wanted = quota(app->env) - pages;
    int64_t error = exo_revoke_start(app->env, wanted, time_deadline(ms * MS));

    if (error) {
        ANSWER("error %s cannot be asked for %u pages: %s", app->told.name, wanted,
               error == -EXO_E_QUOTA ? "what it takes to start would not be left to it."
                                     : exo_error_text(error));
        return;
    }
    app->told.pages = pages;
    job.what = SHRINK;
    job.app = app;
    job.env = app->env;
    job.pages = wanted;
    job.taking = false;
    job.unused = MIN(wanted, unused_pages(app->env));
    job.deadline = time_ns() + ms * MS;
}

/* A number of 1 to `most`, or 0. */
static uint32_t number_of(const char *word, uint32_t most)
{
    uint32_t value = 0;

    for (; *word >= '0' && *word <= '9' && value <= most / 10; word++)
        value = value * 10 + (uint32_t)(*word - '0');
    return *word || value > most ? 0 : value;
}

static void set_quota(char **words, uint32_t count)
{
    struct app *app = named_own(words[1]);
    uint32_t pages = number_of(words[2], 1u << 28), ms = number_of(words[3], DEADLINE_MS);

    (void)count;
    if (!app)
        return;
    if (!pages || !ms) {
        ANSWER("error A quota is a number of pages, and its deadline 1 to %u ms.", DEADLINE_MS);
    } else if (app->over) {
        ANSWER("error %s is just ending; try again in a moment.", words[1]);
    } else if (!app->env.n) {
        app->told.pages = pages;
        ANSWER("ok %s does not run; when it is started it may have %u pages.", words[1], pages);
    } else if (pages > quota(app->env)) {
        grow(app, pages);
    } else if (pages < quota(app->env)) {
        shrink(app, pages, ms);
    } else {
        ANSWER("ok %s has a quota of %u pages already.", words[1], pages);
    }
}

/* For `trace`. */
static void snapshot(char **words, uint32_t count)
{
    (void)words;
    (void)count;
    rings_copy();
    ANSWER("ok All rings of events are copied.");
}

static void trace_app(char **words, uint32_t count)
{
    (void)count;
    if (trace_begin(words[1]))
        job.what = TRACE;
}

/* --- what takes time ------------------------------------------------------------------------ */

/*
 * Nothing is taken before all of it can be, or the deadline has passed: what it does not use yet is
 * the room in which it works on giving back the rest.
 */
static void shrink_go_on(void)
{
    const char *name = job.app->told.name;
    uint32_t there = MIN(job.pages, unused_pages(job.env));

    if (app_runs(job.app) && !job.taking) {
        if (there < job.pages && time_ns() < job.deadline)
            return;
        job.taking = true;
        job.unused = MIN(job.unused, there);
        job.given_back = there - job.unused;
    }
    int64_t missing = app_runs(job.app) ? exo_revoke_take(job.env) : -EXO_E_STATE;
    if (missing > 0)
        return;
    job.what = IDLE;
    if (missing < 0)
        ANSWER("error %s was to give back %u pages and ended.", name, job.pages);
    else
        ANSWER("ok %s may have %u pages now, %u fewer: %u were unused, %u it gave back, %u were "
               "taken.",
               name, quota(job.env), job.pages, job.unused, job.given_back,
               job.pages - job.unused - job.given_back);
}

static void restart_go_on(void)
{
    const char *name = job.app->told.name;

    if (job.app->over || job.app->wish == WISH_START)
        return;
    if (app_runs(job.app))
        ANSWER("ok %s is started anew (environment %u).", name, EXO_ENV_SLOT(job.app->env.n));
    else
        ANSWER("error %s could not be started; the machine's log says why.", name);
    job.what = IDLE;
}

/* --- lines ------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *usage;
    uint32_t words;
    void (*run)(char **words, uint32_t count);
} commands[] = {
    {"list", "list", 1, list},
    {"describe", "describe", 1, describe},
    {"kill", "kill APP", 2, kill_app},
    {"restart", "restart APP", 2, restart_app},
    {"quota", "quota APP PAGES MILLISECONDS", 4, set_quota},
    {"snapshot", "snapshot", 1, snapshot},
    {"trace", "trace APP", 2, trace_app},
};

static bool tag_ok(const char *word)
{
    size_t length = strlen(word);

    return word[0] == '#' && length >= 2 && length <= 1 + TAG_MAX &&
           strspn(word + 1, "0123456789abcdef") == length - 1;
}

static void run(char *line)
{
    char *words[WORDS + 1] = {NULL}, *rest = NULL;
    uint32_t count = 0;
    char *word = strtok_r(line, " ", &rest);

    snprintf(command_tag, sizeof(command_tag), "0");
    if (!word)
        return;
    if (!tag_ok(word)) {
        ANSWER("error A line begins with # and a tag of up to %u hexadecimal digits.", TAG_MAX);
        return;
    }
    snprintf(command_tag, sizeof(command_tag), "%s", word + 1);
    while (count <= WORDS && (word = strtok_r(NULL, " ", &rest)))
        words[count++] = word;
    for (uint32_t i = 0; count && i < sizeof(commands) / sizeof(*commands); i++) {
        if (strcmp(words[0], commands[i].name) != 0)
            continue;
        if (count != commands[i].words)
            ANSWER("error It is: %s", commands[i].usage);
        else
            commands[i].run(words, count);
        return;
    }
    ANSWER("error There is no such command; there are list, describe, kill, restart, quota, "
           "snapshot, trace.");
}

static void next_line(char *line, enum line what)
{
    if (what == LINE_WHOLE) {
        run(line);
        return;
    }
    snprintf(command_tag, sizeof(command_tag), "0");
    if (what == LINE_LONG)
        ANSWER("error A line has at most %u characters.", LINE_LENGTH);
    else
        ANSWER("error A line has printable ASCII characters only.");
}

void command_init(bool on)
{
    if (!on)
        return;
    is_open = exo_channel_write(0, 0, 0) >= 0;
    printf(is_open ? "commands are taken over the second serial port\n"
                   : "no commands can be taken: this machine has no second serial port\n");
}

/* True once all of the answer is sent, or dropped because nobody takes it. */
static bool answered(void)
{
    static uint64_t since;

    if (line_send()) {
        since = 0;
        return true;
    }
    if (!since)
        since = time_ns();
    if (time_ns() - since < GIVE_UP_NS)
        return false;
    since = 0;
    line_drop();
    if (job.what == TRACE)
        job.what = IDLE;
    return true;
}

uint64_t command_serve(void)
{
    char line[LINE_LENGTH + 1];

    if (!is_open)
        return 0;
    if (job.what == SHRINK)
        shrink_go_on();
    else if (job.what == RESTART)
        restart_go_on();
    if (!answered())
        return time_ns() + SEND_NS;
    if (job.what == TRACE) {
        job.what = trace_go_on() ? TRACE : IDLE;
        return time_ns();
    }
    if (job.what != IDLE)
        return time_ns() + LOOK_NS;
    enum line what = line_read(line);
    if (what == LINE_NONE)
        return 0;
    next_line(line, what);
    return time_ns(); /* one line a round: the applications are looked after in between */
}
