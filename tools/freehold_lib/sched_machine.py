# SPDX-License-Identifier: MIT
"""Workloads on the machine: the same jobs as in the simulator, done by threads of an application
(tests/apps/workload.c) under libos, in QEMU.

QEMU counts instructions (`-icount`): one takes a nanosecond of the machine's time, and while nobody has
work time goes on to the next timer at once. So what is measured does not depend on the host.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from pathlib import Path
from typing import NamedTuple

from .abi import policies
from .bundle import build_machine_image
from .emulator import Emulator
from .errors import FreeholdError, UsageError
from .process import output_of
from .sched_run import Outcome, known_policy, only_policy, table_of
from .workload import Workload

PROGRAM_NAME = "workload"
PROGRAM = f"tests/apps/{PROGRAM_NAME}"
# What is built before a machine can boot.
TARGETS = ("uefi/BOOTX64.EFI", "exo/kernel.elf", "apps/init", PROGRAM, f"{PROGRAM}.elf")
COUNTED = ("-icount", "shift=0,sleep=off")
NAME = "load"
PATIENCE = 1800.0
CPUS_MAX = 8
THREADS_MAX = 1000  # libos has 1,024
APART = 5 * 10**9  # ns between two workloads of one machine; nobody waits for it
_RESULT = re.compile(r"(policy|switches|preemptions|idle_ns|switching_ns|longest_wait_ns|digest|broken|group|series) ")


def arguments(workload: Workload) -> list[str]:
    """The workload in few words: what is 0 or usual is left out."""
    head, *groups = workload.text.split("group ")
    lines = [head, *(f"group {group}" for group in groups)]
    return [" ".join(pair for pair in text.split("\n") if pair and not _usual(pair)) for text in lines]


def _usual(pair: str) -> bool:
    name, value = pair.split()
    usual = {"params.weight": "100"}.get(name, "0")
    return value == usual and name not in ("cpus", "kind", "lock", "group")


def fits_machine(workload: Workload) -> None:
    if workload.cpus > CPUS_MAX:
        raise UsageError(f"{workload.path} is for {workload.cpus} CPUs; the emulated machine has at most {CPUS_MAX}. Lower `cpus`, or use sched sim.")
    threads = sum(group.threads for group in workload.groups)
    if threads > THREADS_MAX:
        raise UsageError(f"{workload.path} has {threads} threads; an application has at most {THREADS_MAX}. Lower `threads`, or use sched sim.")


def is_file(name: str) -> bool:
    """As for the simulator: a name with / or .c is a file's."""
    return "/" in name or name.endswith(".c")


def check(name: str, workload: Workload) -> None:
    """UsageError if it cannot be run, before anything that takes long."""
    fits_machine(workload)
    if is_file(name):
        only_policy(Path(name))
    else:
        known_policy(name, policies())


def program_for(name: str, build: Path, folder: Path) -> tuple[Path | str, str]:
    """The program that has the policy, and the policy's name in it."""
    return link(Path(name), build, folder) if is_file(name) else (PROGRAM_NAME, name)


def link(file: Path, build: Path, folder: Path) -> tuple[Path, str]:
    """The program with the policy of that file, and the policy's name."""
    name = only_policy(file)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{name}_table.c"
    table.write_text(table_of(name))
    objects = []
    for source in (file.resolve(), table):
        objects.append(folder / f"{name}_{source.stem}.o")
        command = _compile_command(build)
        _must([*command, "-o", str(objects[-1]), "-c", str(source)], build, f"The policy {file} does not compile")
    program = folder / f"workload_{name}"
    status, said = output_of(["ninja", "-C", build, "-t", "commands", f"{PROGRAM}.elf"])
    words = shlex.split(said.splitlines()[-1]) if not status else []
    if words.count("-o") != 1:
        raise FreeholdError(f"How {PROGRAM}.elf is linked cannot be found out in {build}.")
    words[words.index("-o") + 1] = str(program)
    at = words.index("-o") + 2
    _must([*words[:at], *map(str, objects), *words[at:]], build, f"The policy {file} cannot be linked")
    return program, name


def _must(words: list[str], folder: Path, what: str) -> None:
    status, said = output_of(words, cwd=folder)
    if status:
        raise FreeholdError(f"{what}:\n{said.rstrip()}")


def _compile_command(build: Path) -> list[str]:
    """How the build compiles libos' policies, without what is about one of them."""
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    found = next((e for e in entries if e["file"].endswith("libos/sched/fifo.c") and "libos.a.p" in e["output"]), None)
    if not found:
        raise FreeholdError(f"How policies are compiled cannot be found out in {build}.")
    words = shlex.split(found["command"])
    kept, skip = [], False
    for word in words:
        if skip or word in ("-MD", "-c", found["file"]):
            skip = False
        elif word in ("-MQ", "-MF", "-o"):
            skip = True
        else:
            kept.append(word)
    return kept


class Task(NamedTuple):
    """An application that does a workload."""

    policy: str
    workload: Workload
    program: Path | str = PROGRAM_NAME
    traced: bool = False

    @property
    def memory(self) -> int:
        """MiB: twice as many jobs as are expected, of twice eight bytes; slices; three pages and a record a thread."""
        jobs = sum(group.jobs for group in self.workload.groups)
        threads = sum(group.threads for group in self.workload.groups)
        slices = min(self.workload.duration // 4000, 1 << 20)
        return 4 + (jobs * 40 + slices * 8 + threads * 20_000 + self.traced * 1_000_000 >> 20)


def machine_file(tasks: dict[str, Task]) -> str:
    """One after the other: each begins when those before it have long come to their end."""
    memory = 16 + 2 * sum(task.memory for task in tasks.values())
    cpus = max(task.workload.cpus for task in tasks.values())
    lines = ["[machine]", 'name = "sched"', f'memory = "{max(128, memory)}M"', f"cpus = {cpus}"]
    begin = APART if len(tasks) > 1 else 0  # all have to start first
    for name, task in tasks.items():
        words = ["trace" if task.traced else "table", str(begin // 10**6), *arguments(task.workload)]
        lines += ["", "[[app]]", f'name = "{name}"', f'image = "{task.program}"', f'memory = "{task.memory}M"']
        lines += [f"slices = {63 // len(tasks)}", f'sched = "{task.policy}"', 'restart = "never"']
        if task.workload.cpus > 1:
            lines.append(f"vcpus = {task.workload.cpus}")
        if task.workload.quantum:
            lines.append(f'quantum = "{task.workload.quantum}ns"')
        lines.append(f"arguments = [{', '.join(json.dumps(word) for word in words)}]")
        begin += APART + task.workload.duration
    return "\n".join(lines) + "\n"


def run_together(build: Path, tasks: dict[str, Task]) -> dict[str, tuple[Outcome, list[str]]]:
    """Boot a machine that does these tasks and wait for what comes of them: that, and the events."""
    for task in tasks.values():
        fits_machine(task.workload)
    with tempfile.TemporaryDirectory(prefix="freehold-sched-") as folder:
        file = Path(folder) / "machine.toml"
        file.write_text(machine_file(tasks), encoding="utf-8")
        machine = build_machine_image(file, build, Path(folder) / "machine.img")
        with Emulator(Path(folder) / "machine.img", memory=machine.memory, nic=None, cpus=machine.cpus, extra=COUNTED) as emulator:
            for name in tasks:
                emulator.wait_for(rf"^\[init\] {name} (ended|was) ", PATIENCE)
            log = emulator.text()
    return {name: read(log, name) for name in tasks}


def run_on_machine(build: Path, task: Task) -> tuple[Outcome, list[str]]:
    return run_together(build, {NAME: task})[NAME]


def read(log: str, name: str) -> tuple[Outcome, list[str]]:
    """What the application said, if it came to its end, and its events as the simulator writes them."""
    said = re.findall(rf"^\[{name}\] (.*)$", log, re.M)
    if "done" not in said:
        reason = next((line for line in said if line.startswith("error: ")), "") or "\n".join(log.splitlines()[-12:])
        raise FreeholdError(f"The workload did not come to its end on the machine: {reason.removeprefix('error: ')}")
    events = [line.removeprefix("event ") for line in said if line.startswith("event ")]
    return Outcome.read("\n".join(line for line in said if _RESULT.match(line))), events
