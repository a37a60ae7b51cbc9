/* SPDX-License-Identifier: MIT */
/*
 * trace_command.c - the commands `snapshot` and `trace`.
 *
 * `snapshot` copies all rings at one time (rings.h); `trace` sends the copies of one application's, or
 * of the CPUs, however slowly. Of each ring comes first a row that says whose events follow, which, and when
 * it was so; behind the first one names, if there are any; then events as they lie in memory.
 */
#include "trace_command.h"

#include <inttypes.h>
#include <string.h>

#include "answer.h"
#include "libos.h"
#include "readable.h"
#include "rings.h"

#define TRACE_EVENTS 64u /* in a row */
#define TRACE_BYTES  (TRACE_EVENTS * sizeof(struct exo_trace_event))

static const char KERNEL[] = "exo"; /* whose rings are those of the CPUs */

static uint32_t whose; /* index in `apps`, or RINGS_OF_CPUS */
static uint32_t next_env, next_ring;
static const struct ring_copy *copy; /* that is being sent; NULL: none yet */
static uint64_t next;                /* number of its next event */

/* Bytes as hexadecimal digits, in an answer's row. */
static void answer_bytes(const char *what, const void *bytes, uint32_t count)
{
    static char digits[2 * TRACE_BYTES + 1];
    _Static_assert(sizeof(copy->ring->name[0]) <= TRACE_BYTES, "it fits");

    for (uint32_t i = 0; i < count; i++) {
        uint8_t byte = ((const uint8_t *)bytes)[i];
        digits[2 * i] = "0123456789abcdef"[byte >> 4];
        digits[2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
    digits[2 * count] = '\0';
    ANSWER("app %s=%s", what, digits);
}

static const char *name(void)
{
    return whose == RINGS_OF_CPUS ? KERNEL : apps[whose].told.name;
}

/* Begin to send the next ring: who tells it, and when it was so. False: there is none. */
static bool send_ring(void)
{
    const struct ring_copy *of = ring_copied(whose, next_ring);
    bool runs = whose == RINGS_OF_CPUS || app_runs(&apps[whose]);

    if (!of)
        return false;
    ANSWER("app name=%s state=%s cpu=%u env=%u hz=%" PRId64 " boot=%" PRId64
           " size=%u first=%" PRIu64 " end=%" PRIu64 " when=%" PRIu64,
           name(), runs ? "running" : "over", next_ring, EXO_ENV_SLOT((uint32_t)of->ring->env),
           exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_TSC_HZ),
           exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_BOOT_TSC), of->size, of->first, of->end,
           of->when);
    copy = of;
    next = of->first;
    next_ring++;
    return true;
}

static void answer_env(uint32_t env, const char *called)
{
    ANSWER("app env=%u called=%s", EXO_ENV_SLOT(env), called);
}

/* Who is who in the rings of the CPUs, by the kernel's accounts, which may be old; a vCPU is called like its
 * application. False: all are told. */
static bool send_account(void)
{
    uint32_t count;
    const volatile struct exo_account *account = readable_accounts(&count);

    while (account && next_env < count &&
           (!account[next_env].name.n || !account[next_env].label[0]))
        next_env++;
    if (!account || next_env >= count)
        return false;
    char label[sizeof(account->label) + 1] = "";
    for (uint32_t i = 0; i < sizeof(account->label); i++)
        label[i] = account[next_env].label[i];
    answer_env(account[next_env++].name.n, label);
    return true;
}

/* And this is so now. What a ring says of itself counts if the kernel says the same. */
static void send_apps(void)
{
    const struct ring_copy *of;

    answer_env((uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME), "init");
    for (uint32_t i = 0; i < app_count; i++) {
        if (apps[i].env.n)
            answer_env(apps[i].env.n, apps[i].told.name);
        for (uint32_t n = 1; apps[i].env.n && (of = ring_copied(i, n)); n++)
            if (exo_info(EXO_INFO_ENV, of->ring->env, EXO_ENV_PARENT) == apps[i].env.n)
                answer_env((uint32_t)of->ring->env, apps[i].told.name);
    }
}

static bool can_be_sent(void)
{
    const struct ring_copy *of = ring_copied(whose, 0);

    if (!of && whose == RINGS_OF_CPUS)
        ANSWER("error No application of this machine is traced, and neither are its CPUs.");
    else if (!of)
        ANSWER("error %s is not traced; its table in the machine file needs the key `trace`.",
               name());
    else if (!of->when)
        ANSWER("error There is no copy of the rings yet; ask for a snapshot first.");
    return of && of->when;
}

bool trace_begin(const char *word)
{
    struct app *app = strcmp(word, KERNEL) ? command_app(word) : NULL;

    if (!app && strcmp(word, KERNEL))
        return false;
    whose = app ? (uint32_t)(app - apps) : RINGS_OF_CPUS;
    if (!can_be_sent())
        return false;
    copy = NULL;
    next_ring = next_env = 0;
    return true;
}

static bool send_events(void)
{
    uint64_t at = next % copy->size, count = MIN(copy->end - next, TRACE_EVENTS);

    count = MIN(count, copy->size - at); /* a row does not go round */
    if (!count)
        return false;
    answer_bytes("events", &copy->ring->events[at],
                 (uint32_t)(count * sizeof(*copy->ring->events)));
    next += count;
    return true;
}

bool trace_go_on(void)
{
    if (whose == RINGS_OF_CPUS && !copy && send_account())
        return true;
    if (whose == RINGS_OF_CPUS && !copy)
        send_apps();
    if (copy && send_events())
        return true;
    if (send_ring()) {
        for (uint32_t i = 0; next_ring == 1 && i < MIN(copy->ring->names, EXO_TRACE_NAMES); i++)
            answer_bytes("mark", copy->ring->name[i], sizeof(copy->ring->name[i]));
        return true;
    }
    ANSWER("ok %s is traced.", name());
    return false;
}
