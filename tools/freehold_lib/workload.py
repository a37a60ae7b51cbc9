# SPDX-License-Identifier: MIT
"""Workloads for the simulator of scheduling policies, read from TOML and checked whole
(docs/design/sched.md has the keys).

    workload = load("tests/sched/workloads/bimodal.toml")

All that is wrong is told at once, each with file, line, threads and key, as with machine files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .abi import ROOT
from .machine import MachineError, read_toml
from .machine_table import REQUIRED, Errors, Table, duration_text, quote

_NAME = re.compile(r"[a-z0-9-]{1,15}")
_HEADERS = ("tests/sched/sim.h", "libos/policy.h", "libos/schedule.h")

KINDS = ("busy", "periodic", "poisson", "bimodal", "contend")
# As enum sim_kind has them.
_KIND_NUMBERS = {"busy": 0, "periodic": 1, "poisson": 2, "bimodal": 2, "contend": 3}
_COMMON = ("name", "kind", "threads", "weight", "priority", "budget", "budget_period", "start")
_JOBS = ("service", "exponential", "lock", "hold")
_KEYS = {
    "busy": _COMMON,
    "periodic": (*_COMMON, *_JOBS, "period"),
    "poisson": (*_COMMON, *_JOBS, "rate", "load"),
    "bimodal": (*_COMMON, *_JOBS, "rate", "load", "long", "long_every"),
    "contend": (*_COMMON, *_JOBS, "pause"),
}
_TOP_KEYS = ("cpus", "duration", "seed", "switch", "quantum", "inheritance")
DURATION_MAX = 1000 * 10**9
JOBS_MAX = 20_000_000  # what a simulator of so many remembers of each fits 500 MB


def limit(name: str) -> int:
    """A #define of the simulator or of the contract."""
    for header in _HEADERS:
        found = re.search(rf"^#define {name}\s+(\d+)", (ROOT / header).read_text(encoding="utf-8"), re.M)
        if found:
            return int(found[1])
    raise KeyError(name)


@dataclass(frozen=True)
class Group:
    name: str
    kind: str
    threads: int
    weight: int
    priority: int
    fields: tuple[tuple[str, int], ...]  # as the simulator reads them
    jobs: int  # about so many in all


@dataclass(frozen=True)
class Workload:
    path: Path
    cpus: int
    duration: int  # ns
    seed: int
    switch: int
    quantum: int | None
    inheritance: bool
    groups: tuple[Group, ...]

    @property
    def text(self) -> str:
        """As the simulator reads it (tests/sched/text.c)."""
        lines = [f"cpus {self.cpus}", f"duration_ns {self.duration}", f"seed {self.seed}"]
        lines += [f"switch_ns {self.switch}", f"quantum_ns {self.quantum or 0}"]
        lines += [f"no_inheritance {int(not self.inheritance)}"]
        for group in self.groups:
            lines.append(f"group {group.name}")
            lines += [f"{name} {value}" for name, value in group.fields]
        return "\n".join(lines) + "\n"


def load(path: Path | str) -> Workload:
    """Read and check a workload. MachineError with all that is wrong."""
    path = Path(path)
    values, errors = read_toml(path)
    workload = _Reader(path, errors).workload(values)
    errors.sort()
    if errors.sentences:
        raise MachineError(errors.sentences)
    return workload


def _integer(table: Table, key: str, default, least: int, most: int) -> int | None:
    value = table.integer(key, default)
    if value is not None and not least <= value <= most:
        table.wrong(key, f"is {value}; it goes from {least} to {most}")
        return None
    return value


class _Reader:
    def __init__(self, path: Path, errors: Errors):
        self.path = path
        self.errors = errors
        self.locks: dict[str, int] = {}
        self.cpus = 1

    def workload(self, values: dict) -> Workload | None:
        top = Table(self.errors, (), values, "The file")
        top.check_keys(("workload", "threads"))
        head = Table(self.errors, ("workload",), values.get("workload", {}), "workload")
        if "workload" in values:
            head = top.table("workload", "workload")
        head.check_keys(_TOP_KEYS)
        self.cpus = _integer(head, "cpus", 1, 1, limit("SCHED_CPUS")) or 1
        length = head.duration("duration", "2s", 10**6, DURATION_MAX)
        seed = _integer(head, "seed", 1, 0, 2**63 - 1)
        switch = head.duration("switch", "1us", 0, 10**6)
        quantum = head.duration("quantum", None, 1000, 10**9)
        inheritance = head.boolean("inheritance", True)
        tables = top.tables("threads", "threads")
        if not tables and "threads" not in values:
            self.errors.add((), "The file has no threads; add a table [[threads]].")
        most = limit("SIM_GROUPS")
        if len(tables) > most:
            tables[most].wrong(None, f"is one too many: there are at most {most} groups of threads")
            del tables[most:]
        groups = [self.group(table, length or 0) for table in tables]
        self.together(tables, groups)
        if self.errors.sentences:
            return None
        return Workload(self.path, self.cpus, length, seed, switch, quantum, bool(inheritance), tuple(groups))

    def together(self, tables: list[Table], groups: list[Group | None]) -> None:
        """What is wrong with none of them alone."""
        seen: set[str] = set()
        threads = jobs = 0
        for table, group in zip(tables, groups):
            if not group:
                continue
            if group.name in seen:
                table.wrong("name", f'is "{group.name}", the name of others before')
            seen.add(group.name)
            threads += group.threads
            if threads > limit("SIM_THREADS") >= threads - group.threads:
                table.wrong("threads", f"is {group.threads}, with which there are {threads}; {limit('SIM_THREADS')} fit")
            jobs += group.jobs
            if jobs > JOBS_MAX >= jobs - group.jobs:
                table.wrong(None, f"makes about {jobs:,} jobs of it all, and {JOBS_MAX:,} fit; shorten `duration` or lower the rate")

    def group(self, table: Table, length: int) -> Group | None:
        before = len(self.errors.sentences)
        name = table.string("name")
        if name is not None and not _NAME.fullmatch(name):
            table.wrong("name", f"is {quote(name)}; a name has 1 to 15 of the characters a-z, 0-9 and -")
        kind = table.choice("kind", KINDS, REQUIRED)
        if kind is None:
            return None
        self.check_keys(table, kind)
        threads = _integer(table, "threads", 256 if kind in ("poisson", "bimodal") else 1, 1, limit("SIM_THREADS"))
        weight = _integer(table, "weight", limit("SCHED_WEIGHT"), 1, limit("SCHED_WEIGHT_MAX"))
        priority = _integer(table, "priority", 0, 0, limit("SCHED_PRIORITIES") - 1)
        start = table.duration("start", "0s", 0, DURATION_MAX)
        fields = {"kind": _KIND_NUMBERS[kind], "count": threads, "params.weight": weight}
        fields |= {"params.priority": priority, "start_ns": start}
        fields |= self.jobs(table, kind) if kind != "busy" else {}
        fields |= self.promise(table, kind, fields)
        if len(self.errors.sentences) > before:
            return None
        interval = fields.get("interval_ns", 0)
        streams = 1 if kind in ("poisson", "bimodal") else threads
        each = interval if kind != "contend" else interval + fields["service_ns"] + fields.get("hold_ns", 0)
        jobs = streams * length // max(each, 1) if kind != "busy" else 0
        return Group(name, kind, threads, weight, priority, tuple(fields.items()), jobs)

    def check_keys(self, table: Table, kind: str) -> None:
        every = tuple(dict.fromkeys(key for keys in _KEYS.values() for key in keys))
        table.check_keys(every)
        for key in table.values:
            if key in every and key not in _KEYS[kind]:
                table.wrong(key, f'has no meaning for threads of the kind "{kind}"')

    def jobs(self, table: Table, kind: str) -> dict[str, int]:
        """Of what length they are, and when they come."""
        service = table.duration("service", REQUIRED, 1, DURATION_MAX)
        fields = {"service_ns": service, "exponential": int(table.boolean("exponential", False) or False)}
        mean = service or 0
        if kind == "bimodal":
            fields["long_ns"] = long = table.duration("long", REQUIRED, 1, DURATION_MAX)
            every = _integer(table, "long_every", REQUIRED, 2, 10**6)
            fields["long_share"] = 10**6 // (every or 10**6)
            mean += ((long or 0) - mean) // (every or 1)
        if "lock" in table.values or kind == "contend":
            fields |= self.lock(table)
            mean += fields.get("hold_ns") or 0
        elif "hold" in table.values:
            table.wrong("hold", "says how long, but there is no `lock`")
        if kind == "periodic":
            fields["interval_ns"] = table.duration("period", REQUIRED, 1000, DURATION_MAX)
        elif kind == "contend":
            fields["interval_ns"] = table.duration("pause", "0s", 0, DURATION_MAX)
        else:
            fields["interval_ns"] = self.interval(table, mean)
        return fields

    def interval(self, table: Table, mean: int) -> int | None:
        """Between requests, on average: `rate` a second, or as many as make `load` per cent."""
        if ("rate" in table.values) == ("load" in table.values):
            table.wrong(None, "needs one of the keys `rate`, requests a second, and `load`, per cent of the CPUs")
            return None
        if "rate" in table.values:
            rate = _integer(table, "rate", REQUIRED, 1, 10**7)
            return rate and 10**9 // rate
        load = _integer(table, "load", REQUIRED, 1, 200)
        return load and max(mean * 100 // (load * self.cpus), 1)

    def lock(self, table: Table) -> dict[str, int | None]:
        name = table.string("lock")
        hold = table.duration("hold", REQUIRED, 1, DURATION_MAX)
        if name is None:
            return {"hold_ns": hold}
        if not _NAME.fullmatch(name):
            table.wrong("lock", f"is {quote(name)}; a name has 1 to 15 of the characters a-z, 0-9 and -")
        number = self.locks.setdefault(name, len(self.locks))
        if number == limit("SIM_LOCKS"):
            table.wrong("lock", f"names one lock too many: there are at most {limit('SIM_LOCKS')}")
        return {"lock": number, "hold_ns": hold}

    def promise(self, table: Table, kind: str, fields: dict) -> dict[str, int | None]:
        """`budget` in each period, for edf."""
        if "budget" not in table.values:
            if "budget_period" in table.values:
                table.wrong("budget_period", "says in which time, but there is no `budget`")
            return {}
        if "budget_period" in table.values or kind != "periodic":
            period = table.duration("budget_period", REQUIRED, 1000, limit("SCHED_PERIOD_MAX_NS"))
        else:
            period = fields.get("interval_ns")
        budget = table.duration("budget", REQUIRED, limit("SCHED_RUNTIME_MIN_NS"), limit("SCHED_PERIOD_MAX_NS"))
        if budget and period and budget > period:
            table.wrong("budget", f"is {duration_text(budget)}, more than the period of {duration_text(period)}")
        return {"params.runtime_ns": budget, "params.period_ns": period}
