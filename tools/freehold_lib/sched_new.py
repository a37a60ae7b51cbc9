# SPDX-License-Identifier: MIT
"""Writes a scheduling policy to begin with: round robin, with the contract told beside each function."""

from __future__ import annotations

import re
from pathlib import Path

from .abi import POLICIES, ROOT
from .errors import FreeholdError, UsageError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}")
# Meson looks for policies when it configures, which a change of this file makes it do.
BUILD_FILE = ROOT / "libos/meson.build"

TEMPLATE = """\
/* SPDX-License-Identifier: MIT */
/*
 * NAME.c - say here whom the policy is for, what stays true, and how many steps a call takes.
 *
 * What it begins as is round robin. The contract is libos/policy.h, told at length in
 * docs/design/sched.md; the shortest way to see what a change does is
 *
 *     tools/freehold sched compare NAME round_robin --workload tests/sched/workloads/bimodal.toml
 */
#include "policy.h"
#include "thread_list.h"

#define QUANTUM_NS 1000000u

/* Who is ready. Another structure: thread_heap.h, threads by a number, the smallest first. */
static struct thread_list ready;

/* Four words of each thread are the policy's own (0 for a new thread). Give those you use a name:
 * #define TURNS(thread) ((thread)->policy[0]) */

/* Before all else. A simulator runs many workloads one after the other: forget everything. */
static void NAME_init(void)
{
    ready = (struct thread_list){0};
}

/* `thread` is ready: new, woken or preempted, as `why` says. thread->ran_ns is what CPU time it has
 * had so far, thread->params what the application asked for (weight, priority, ...). */
static void NAME_enqueue(struct thread *thread, enum enqueue_why why)
{
    (void)why;
    thread_list_append(&ready, thread);
}

/* Take a ready thread out, for instance because its parameters change. */
static void NAME_dequeue(struct thread *thread)
{
    thread_list_remove(&ready, thread);
}

/* Who runs on `cpu` now? NULL only if nobody is ready. Set thread->slice_ns for a slice of its own. */
static struct thread *NAME_pick_next(unsigned cpu)
{
    (void)cpu;
    return thread_list_take(&ready);
}

/* The slice of `running` is over: shall another run? If so it is enqueued, and pick_next asked. */
static bool NAME_tick(struct thread *running)
{
    (void)running;
    return ready.first != NULL;
}

/* `woken` was enqueued and no CPU is idle. Return the CPU whose thread, in `running`, should give way
 * to it at once, -1: none. */
static int NAME_wakeup(struct thread *woken, struct thread *const *running, unsigned cpus)
{
    (void)woken, (void)running, (void)cpus;
    return -1;
}

/* It called sched_yield(): it is ready again, behind others. */
static void NAME_yield(struct thread *running)
{
    thread_list_append(&ready, running);
}

/* A line for whoever has to find out what went wrong. */
static void NAME_dump(void (*print)(const char *line))
{
    thread_list_dump(&ready, print);
}

extern const struct sched sched_NAME;
const struct sched sched_NAME = {
    .name = SCHED_NAME("NAME"),
    .quantum_ns = QUANTUM_NS, /* 0: threads run until they block or yield */
    .starves = false,         /* true: some may wait for ever, by design */
    .init = NAME_init,
    .enqueue = NAME_enqueue,
    .dequeue = NAME_dequeue,
    .pick_next = NAME_pick_next,
    .tick = NAME_tick,
    .wakeup = NAME_wakeup,
    .yield = NAME_yield,
    .dump = NAME_dump,
    /* .leave, .inherit, .set, .cpu_gained and .cpu_lost may be left out; libos/policy.h says what they
     * are for. */
};
"""


def write(name: str, output: Path | None = None) -> str:
    """Write the policy; what there is to say about it."""
    if not _NAME.fullmatch(name):
        raise UsageError(f'"{name}" is no name for a policy; it begins with a letter and has 1 to 24 of the characters a-z, 0-9 and _.')
    file = output or POLICIES / f"{name}.c"
    if not output and file.exists():
        raise UsageError(f"There is a policy {name} already: {file.relative_to(ROOT)}.")
    try:
        with open(file, "x", encoding="utf-8") as created:
            created.write(TEMPLATE.replace("NAME.c", f"{file.name}").replace("NAME_", f"{name}_").replace("sched_NAME", f"sched_{name}")
                          .replace('"NAME"', f'"{name}"').replace("compare NAME", f"compare {name if not output else file}"))
    except FileExistsError as error:
        raise UsageError(f"{file} is there already.") from error
    except OSError as error:
        raise FreeholdError(f"{file} cannot be written: {error.strerror}.") from error
    if output:
        return f"{file} is a policy now. Try it: tools/freehold sched sim {file} --workload tests/sched/workloads/bimodal.toml"
    BUILD_FILE.touch()
    return (
        f"libos/sched/{name}.c is a policy now. Try it: tools/freehold sched sim {name} --workload tests/sched/workloads/bimodal.toml\n"
        f'An application runs under it with sched = "{name}" in its machine file.'
    )
