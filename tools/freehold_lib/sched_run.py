# SPDX-License-Identifier: MIT
"""Runs of the simulator (tests/sched), what they and those of machines say, and tables of it."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .abi import ROOT
from .errors import FreeholdError, UsageError
from .machine_table import duration_text
from .process import output_of
from .workload import Workload

SIMULATOR = "tests/sched/simulate"
SOURCES = ("main.c", "sim.c", "jobs.c", "work.c", "events.c", "draw.c", "text.c")
COMPILER = os.environ.get("CC", "cc")
_OBJECT = re.compile(r"^const struct sched sched_([a-z][a-z0-9_]*) = \{", re.M)
_PICKED = (("p50", 500_000), ("p90", 900_000), ("p99", 990_000), ("p99.9", 999_000), ("max", 1_000_000))


@dataclass
class Outcome:
    """What one run said."""

    policy: str
    numbers: dict[str, int] = field(default_factory=dict)
    digest: str = ""
    groups: dict[str, dict[str, int]] = field(default_factory=dict)
    series: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)  # {per million: value}
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    complaint: str = ""  # how it broke its contract

    @classmethod
    def read(cls, text: str) -> Outcome:
        made = cls("?")
        for line in text.splitlines():
            key, *words = line.split()
            if key == "policy":
                made.policy = words[0]
            elif key == "digest":
                made.digest = words[0]
            elif key == "group":
                made.groups[words[0]] = {name: int(value) for name, value in zip(words[1::2], words[2::2])}
            elif key == "series":
                values = (word.split(":") for word in words[3:])
                made.series.setdefault((words[0], words[1]), {}).update((int(share), int(value)) for share, value in values)
                made.counts[words[0], words[1]] = int(words[2])
            elif key == "broken":
                made.complaint = made.complaint or " ".join(words)
            elif key == "watch":
                after, *what = words
                said = f"after {duration_text(int(after))} the watch found that it {' '.join(what[:-2])} {what[-2]} thread(s); fifo took over"
                made.complaint = f"{made.complaint}; {said}" if made.complaint else said
            else:
                made.numbers[key] = int(words[0])
        return made


def built_policies(simulator: Path) -> list[str]:
    status, said = output_of([simulator])
    if status:
        raise FreeholdError(f"{simulator} does not run: {said.strip()}.")
    return said.split()


def choose(name: str, simulator: Path, folder: Path) -> tuple[Path, str]:
    """The simulator that has the policy, and the policy's name in it. A name with / or .c is a file's."""
    if "/" in name or name.endswith(".c"):
        return _with_file(Path(name), folder)
    known_policy(name, built_policies(simulator))
    return simulator, name


def known_policy(name: str, known: list[str]) -> None:
    """UsageError unless there is that one."""
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(known))}, and files that end in .c."
        raise UsageError(f"There is no policy {name}; {hint}")


def only_policy(file: Path) -> str:
    """The name of the policy that the file defines."""
    try:
        found = _OBJECT.findall(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The policy {file} cannot be read: {getattr(error, 'strerror', 'it is no text')}.") from error
    if len(found) != 1:
        raise UsageError(
            f"{file} must define one policy, with a line that begins `const struct sched sched_NAME = {{`; it has {len(found)}."
        )
    return found[0]


def table_of(name: str) -> str:
    """C: the list of policies that has that one alone."""
    return (
        f'#include "policy.h"\nextern const struct sched sched_{name};\n'
        f"const struct sched *const sched_policies[] = {{&sched_{name}}};\nconst unsigned sched_policy_count = 1;\n"
    )


def _with_file(file: Path, folder: Path) -> tuple[Path, str]:
    """A simulator with the policy of that file, and fifo, which takes over if it is broken."""
    found = only_policy(file)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{found}_table.c"
    table.write_text(table_of(found))
    libos, simulator = ROOT / "libos", folder / f"simulate_{found}"
    sources = [file, table, libos / "inherit.c", libos / "watch.c"]
    sources += [ROOT / "tests/sched" / name for name in SOURCES]
    if found != "fifo":
        sources.append(libos / "sched/fifo.c")
    includes = [f"-I{path}" for path in (libos, libos / "sched", ROOT / "exo/abi", ROOT / "tests/sched")]
    flags = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    status, said = output_of([COMPILER, *flags, *includes, "-o", simulator, *sources])
    if status:
        raise FreeholdError(f"The policy {file} does not compile:\n{said.rstrip()}")
    (name,) = built_policies(simulator)
    return simulator, name


def simulate(simulator: Path, policy: str, workload: Workload, trace: Path | None = None) -> Outcome:
    with tempfile.NamedTemporaryFile("w", suffix=".workload") as file:
        file.write(workload.text)
        file.flush()
        status, said = output_of([simulator, policy, file.name, *([trace] if trace else [])])
    if status not in (0, 1) or not said.startswith("policy "):
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        raise FreeholdError(f"The simulator {how} under {policy}: {said.strip()[-500:] or 'it said nothing'}.")
    return Outcome.read(said)


# --- tables -------------------------------------------------------------------------------


def columns(rows: list[list[str]]) -> list[str]:
    """The first column to the left, all others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(width) if i == 0 else text.rjust(width) for i, (text, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]


def title(workload: Workload) -> str:
    cpus = f"{workload.cpus} CPU{'s' if workload.cpus > 1 else ''}"
    return f"{workload.path.stem}: {duration_text(workload.duration)} on {cpus}, a switch takes {duration_text(workload.switch)}, seed {workload.seed}"


def series_of(workload: Workload, outcomes: list[Outcome]) -> list[tuple[str, str]]:
    """Which latencies there are to show, in the workload's order."""
    names = []
    for group in workload.groups:
        kinds = ("short", "long", "all") if group.kind == "bimodal" else ("all",)
        names += [(group.name, kind) for kind in kinds if any((group.name, kind) in o.series for o in outcomes)]
    return names


def shares(workload: Workload, outcome: Outcome) -> dict[str, tuple[float, float]]:
    """Of the CPU time that threads with endless work had together: what each was due by its weight, and had."""
    busy = [group for group in workload.groups if group.kind == "busy"]
    weights = sum(group.weight * group.threads for group in busy)
    had = sum(outcome.groups[group.name]["cpu_ns"] for group in busy)
    return {
        group.name: (group.weight * group.threads / weights, outcome.groups[group.name]["cpu_ns"] / had if had else 0.0)
        for group in busy
    }


def _figures(outcome: Outcome, which: tuple[str, str]) -> list[str]:
    values = outcome.series.get(which)
    if not values:
        return ["-"] * len(_PICKED)
    return [duration_text(values[share]) for _, share in _PICKED]


def _slowdown(outcome: Outcome, group: str) -> str:
    values = outcome.series.get((group, "slowdown"))
    return f"{values[999_000] / 100:.1f}" if values else "-"


def _labels(outcomes: list[Outcome], names: list[str]) -> list[str]:
    return [f"{name} !" if outcome.complaint else name for name, outcome in zip(names, outcomes)]


def machine_title(workload: Workload, outcome: Outcome) -> str:
    """The same of a run on a machine, where a switch takes what it takes."""
    took = outcome.numbers["switching_ns"] / max(outcome.numbers["switches"], 1)
    return f"{workload.path.stem}: {duration_text(workload.duration)} on a machine, an instruction a nanosecond; a switch took {duration_text(took)}, seed {workload.seed}"


def tables(workload: Workload, outcomes: list[Outcome], names: list[str], heading: str) -> list[str]:
    """Lines: a table for each series of latencies, one for shares if there are any, one for all else."""
    labels = _labels(outcomes, names)
    lines = [heading]
    for group, kind in series_of(workload, outcomes):
        what = f"{group}, latency" if kind == "all" else f"{group}, latency of {kind} requests"
        if kind == "all" and (group, "short") in series_of(workload, outcomes):
            what = f"{group}, latency of all requests"
        rows = [[what, "jobs", *(name for name, _ in _PICKED), "missed", "slowdown p99.9"]]
        for outcome, label in zip(outcomes, labels):
            missed = str(outcome.groups[group]["missed"]) if _is_periodic(workload, group) else "-"
            count = str(outcome.counts.get((group, kind), 0))
            slow = _slowdown(outcome, group) if kind == "all" else "-"
            rows.append([f"  {label}", count, *_figures(outcome, (group, kind)), missed, slow])
        lines += ["", *columns(rows)]
    if sum(group.kind == "busy" for group in workload.groups) > 1:
        due = shares(workload, outcomes[0])
        rows = [["share of the CPU", *due], ["  by weight", *(f"{share:.2%}" for share, _ in due.values())]]
        for outcome, label in zip(outcomes, labels):
            rows.append([f"  {label}", *(f"{had:.2%}" for _, had in shares(workload, outcome).values())])
        lines += ["", *columns(rows)]
    rows = [["CPU", "switches", "preempted", "switching", "idle", "longest wait for a lock", "refused"]]
    for outcome, label in zip(outcomes, labels):
        whole = workload.duration * workload.cpus
        n = outcome.numbers
        refused = sum(group["refused"] for group in outcome.groups.values())
        rows.append(
            [f"  {label}", str(n["switches"]), str(n["preemptions"]), f"{n['switching_ns'] / whole:.1%}"]
            + [f"{n['idle_ns'] / whole:.1%}", duration_text(n["longest_wait_ns"]), str(refused)]
        )
    lines += ["", *columns(rows)]
    lines += [f"! {name} breaks the contract: {o.complaint}." for o, name in zip(outcomes, names) if o.complaint]
    return lines


def _is_periodic(workload: Workload, name: str) -> bool:
    return any(group.name == name and group.kind == "periodic" for group in workload.groups)
