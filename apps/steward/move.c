/* SPDX-License-Identifier: MIT */
/*
 * move.c - the policy `cores` on the machine: whole CPUs are moved between two groups of applications by
 * slice_set.
 *
 * The steward keeps the first of its CPUs, to be there at once when something happens. Each other one
 * belongs to one of the groups at a time: each application of that has one position there, and the steward
 * all others, which nobody uses while it sleeps. So a CPU is moved by as many calls as there are applications.
 */
#include <string.h>

#include "cores.h"
#include "libos.h"
#include "steward.h"

enum group { NOBODY, BATCH, CRITICAL };

static struct cores cores;
static uint32_t cpu[EXO_CPUS];   /* the first `cores.cpus`: those that are divided */
static enum group has[EXO_CPUS]; /* who has it */
static uint32_t dealt[EXO_CPUS]; /* how many of its positions, its first, are not the steward's */
static uint32_t critical;        /* clients of that group, a bit each */
static uint32_t slices;          /* of a CPU */

static uint32_t index_of(const struct bundle_app *apps, uint32_t count, const char *name)
{
    uint32_t i = 0;

    while (i < count && strcmp(apps[i].name, name) != 0)
        i++;
    return i;
}

static const char *init(const struct bundle_app *apps, uint32_t count, char **words)
{
    for (; *words; words++) {
        uint32_t i = index_of(apps, count, *words);
        if (i == count || i >= BUNDLE_UNDER)
            return "cores takes names of applications, and none of that name can be under it";
        critical |= 1u << i;
    }
    uint64_t shared = steward_cpus & (steward_cpus - 1); /* without the lowest */
    for (; shared; shared &= shared - 1)
        cpu[cores.cpus++] = (uint32_t)__builtin_ctzll(shared);
    slices = (uint32_t)exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_CPU_SLICES);
    if (!critical)
        return "cores takes the names of the latency-critical applications";
    return cores.cpus ? NULL : "cores takes one CPU for itself: `cpus` must have two or more";
}

static bool is_of(uint32_t client, enum group group)
{
    return clients[client].env.n && (critical >> client & 1) == (group == CRITICAL);
}

/*
 * The positions of one CPU that are not the steward's become a group's: one for each of its applications, each
 * time another the first, as a CPU that is soon taken again may not come to the last.
 */
static void deal(uint32_t which, enum group group)
{
    static uint32_t turns[CRITICAL + 1];
    uint32_t first = cpu[which] * slices, members = 0, at = turns[group]++;

    for (uint32_t i = 0; i < BUNDLE_UNDER; i++)
        members += is_of(i, group);
    for (uint32_t i = 0; i < BUNDLE_UNDER; i++)
        if (is_of(i, group))
            exo_slice_set(first + at++ % members, clients[i].env);
    for (uint32_t i = members; i < dealt[which]; i++)
        exo_slice_set(first + i, (env_t){EXO_ENV_SELF});
    dealt[which] = members;
    has[which] = group;
}

static void regroup(uint32_t client)
{
    (void)client;
    memset(has, 0, sizeof(has));
}

static uint64_t turn(void)
{
    uint32_t wanting = (uint32_t)__builtin_popcount(clients_ready() & critical);
    uint64_t again = cores_decide(&cores, wanting, time_tsc(), time_ticks(CORES_PATIENCE_NS));

    for (uint32_t i = 0; i < cores.cpus; i++) {
        enum group group = i < cores.critical ? CRITICAL : BATCH;
        if (has[i] != group)
            deal(i, group);
    }
    return again;
}

const struct policy policy_cores = {"cores", init, regroup, regroup, turn};
