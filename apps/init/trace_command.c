/* SPDX-License-Identifier: MIT */
/*
 * trace_command.c - the commands `snapshot` and `trace`.
 *
 * `snapshot` copies all rings at one time (rings.h); `trace` sends one of the copies, however slowly: first
 * a row that says whose events follow, which, and when it was so; names, if there are any; then events
 * as they lie in memory.
 */
#include "trace_command.h"

#include <inttypes.h>
#include <string.h>

#include "answer.h"
#include "libos.h"
#include "rings.h"

#define TRACE_EVENTS 64u /* in a row */
#define TRACE_BYTES  (TRACE_EVENTS * sizeof(struct exo_trace_event))

static const char KERNEL[] = "exo"; /* whose rings are those of the CPUs */

static const struct ring_copy *copy; /* that is being sent */
static uint64_t next;                /* number of its next event */
static const char *whose;            /* KERNEL: the CPUs' */
static uint32_t next_cpu;

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

/* Begin to send: who tells it, and when it was so. */
static void send(const char *name, bool runs, uint32_t cpu, const struct ring_copy *of)
{
    whose = name;
    copy = of;
    next = of->first;
    ANSWER("app name=%s state=%s cpu=%u hz=%" PRId64 " boot=%" PRId64 " size=%u first=%" PRIu64
           " end=%" PRIu64 " when=%" PRIu64,
           name, runs ? "running" : "over", cpu, exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_TSC_HZ),
           exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_BOOT_TSC), of->size, of->first, of->end,
           of->when);
}

static bool is_made(const struct ring_copy *of)
{
    if (!of->when)
        ANSWER("error There is no copy of the rings yet; ask for a snapshot first.");
    return of->when;
}

/* The ring of one CPU after the other; before that, who is who in them. */
static bool send_cpus(void)
{
    if (!ring_copied_cpu(0)) {
        ANSWER("error No application of this machine is traced, and neither are its CPUs.");
        return false;
    }
    if (!is_made(ring_copied_cpu(0)))
        return false;
    ANSWER("app env=%u called=init",
           EXO_ENV_SLOT((uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME)));
    for (uint32_t i = 0; i < app_count; i++)
        if (apps[i].env.n)
            ANSWER("app env=%u called=%s", EXO_ENV_SLOT(apps[i].env.n), apps[i].told.name);
    next_cpu = 1;
    send(KERNEL, true, 0, ring_copied_cpu(0));
    return true;
}

bool trace_begin(const char *name)
{
    if (!strcmp(name, KERNEL))
        return send_cpus();
    struct app *app = command_app(name);
    if (!app)
        return false;
    const struct ring_copy *of = ring_copied((uint32_t)(app - apps));
    if (!of) {
        ANSWER("error %s is not traced; its table in the machine file needs the key `trace`.",
               name);
        return false;
    }
    if (!is_made(of))
        return false;
    send(app->told.name, app_runs(app), 0, of);
    for (uint32_t i = 0; i < MIN(of->ring->names, EXO_TRACE_NAMES); i++)
        answer_bytes("mark", of->ring->name[i], sizeof(of->ring->name[i]));
    return true;
}

bool trace_go_on(void)
{
    uint64_t at = next % copy->size, count = MIN(copy->end - next, TRACE_EVENTS);

    count = MIN(count, copy->size - at); /* a row does not go round */
    if (count) {
        answer_bytes("events", &copy->ring->events[at],
                     (uint32_t)(count * sizeof(*copy->ring->events)));
        next += count;
        return true;
    }
    const struct ring_copy *more = whose == KERNEL ? ring_copied_cpu(next_cpu) : NULL;
    if (more) {
        send(KERNEL, true, next_cpu++, more);
        return true;
    }
    ANSWER("ok %s is traced.", whose);
    return false;
}
