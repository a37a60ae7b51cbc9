# SPDX-License-Identifier: MIT
"""Ask a running machine what its applications hold, end or restart one, change its quota of memory.

The machine file must say `[control] serial = true`. Without --device the machine is the one that
`tools/freehold run` started in QEMU, in the same build folder; with it, a real one at the other
end of a serial cable to its second port (COM2, 115200 baud).
"""

from __future__ import annotations

import argparse
import re
import zlib
from pathlib import Path

from ..abi import number
from ..control import Answer, Control, ControlError
from ..errors import FreeholdError
from ..machine import RESTARTS, Machine, load
from ..machine_table import UNITS
from ..workspace import Run
from .options import add_build, seconds

SUMMARY = "list, end and restart what runs, change memory while it runs"
EXAMPLES = """\
examples:
  tools/freehold ctl list                    what runs, and what each holds
  tools/freehold ctl kill www                end "www"; it stays ended
  tools/freehold ctl restart www             end it and start it anew, or start it after kill
  tools/freehold ctl quota www 4M            let it have 4 MiB (or 1024: so many pages of 4 KiB)
  tools/freehold ctl quota www 2M --deadline 10   less: it has 10 s to choose what to give back
  tools/freehold ctl apply machines/my.toml  make memory as a changed machine file has it
  tools/freehold ctl --device /dev/ttyS0 list     a real machine, by a serial cable

When a quota shrinks, what is unused goes first. The application is asked for the rest; when the
deadline has passed, pages that it named as dispensable are taken, and if they do not suffice it is
ended and, as its restart rule says, started anew.

exit status: 0 done; 1 the machine refuses or does not answer; 2 the command line is wrong
"""
PATIENCE = 20  # seconds for an answer, besides what the command itself takes
DEADLINE_MAX = 60
DEFAULT_DEADLINE = 2.0
COLUMNS = (
    ("NAME", "name"), ("STATE", "state"), ("PAGES", "pages"), ("SLICES", "slices"), ("QUEUES", "queues"),
    ("GRANTS", "grants"), ("GATES", "gates"), ("FILTERS", "filters"), ("CPU", "cpu_ms"), ("RESTARTS", "restarts"),
)
# What `describe` tells besides pages, and which keys of a machine file make it.
FIXED = (
    ("image", "its program"),
    ("slices", "`slices`"),
    ("queues", "whether it has a network (`address`, `mac`)"),
    ("mac", "`mac`"),
    ("allow", "what it may bind (`address`, `address6`, `mac`, `ports`)"),
    ("restart", "`restart`"),
    ("strings", "what it is started with (`arguments`, `environment`, `sched`, `quantum`, `trace`, `address`, `gateway`, `address6`, `gateway6`, `rights`)"),
)


def describe(parser: argparse.ArgumentParser) -> None:
    _add_place(parser, None)
    actions = parser.add_subparsers(
        dest="action", metavar="ACTION", title="actions", help="what is to be done", required=True
    )
    actions.add_parser("list", help="what runs: state, memory, slices, queues, grants, gates, filters, CPU time")
    for name, text in (("kill", "end an application; it stays ended"), ("restart", "end it and start it anew")):
        actions.add_parser(name, help=text).add_argument("app", type=app_name, metavar="APP")
    quota = actions.add_parser("quota", help="change how much memory an application may have")
    quota.add_argument("app", type=app_name, metavar="APP")
    quota.add_argument("pages", type=_pages, metavar="PAGES", help="pages of 4 KiB, or a size as 512K or 4M")
    apply = actions.add_parser("apply", help="make memory quotas as a changed machine file has them")
    apply.add_argument("file", type=Path, metavar="FILE.toml")
    for action in (quota, apply):
        action.add_argument(
            "--deadline",
            type=_deadline,
            default=DEFAULT_DEADLINE,
            metavar="SECONDS",
            help="how long an application may choose what to give back (default: %(default)g, at most "
            f"{DEADLINE_MAX})",
        )
    for action in actions.choices.values():
        _add_place(action, argparse.SUPPRESS)  # before the action or after it


def _add_place(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--device",
        type=Path,
        default=default,
        metavar="PATH",
        help="a serial device, or a socket, that leads to the machine",
    )
    add_build(parser)
    if default is argparse.SUPPRESS:  # what was said before the action is not to be undone
        (build,) = (action for action in parser._actions if action.dest == "build")
        build.default = default


def execute(arguments: argparse.Namespace) -> int:
    machine = load(arguments.file, arguments.build) if arguments.action == "apply" else None
    run = Run(arguments.build)
    with Control(arguments.device or control_socket(run)) as control:
        if arguments.action == "list":
            answer = control.ask("list", PATIENCE)
            print("\n".join(table(answer.rows)))
            print(answer.sentence)
        elif arguments.action == "apply":
            wrong = unlike_outside(machine, None if arguments.device else run.outside)
            apply_file(control, machine, arguments.build, arguments.deadline, wrong)
        elif arguments.action == "quota":
            print(_quota(control, arguments.app, arguments.pages, arguments.deadline).sentence)
        else:
            print(control.ask(f"{arguments.action} {arguments.app}", PATIENCE).sentence)
    return 0


def table(rows: list[dict[str, str]]) -> list[str]:
    """Columns of one width each: names to the left, numbers to the right."""
    cells = [[title for title, _ in COLUMNS]]
    for row in rows:
        cells.append([_cell(key, row.get(key)) for _, key in COLUMNS])
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    lines = []
    for line in cells:
        parts = [text.ljust(width) if i < 2 else text.rjust(width) for i, (text, width) in enumerate(zip(line, widths))]
        lines.append("  ".join(parts).rstrip())
    return lines


def _cell(key: str, value: str | None) -> str:
    if value is None:
        return "-"
    if key == "cpu_ms" and value.isdecimal():
        return f"{int(value) / 1000:.3f} s"
    return value


def apply_file(
    control: Control, machine: Machine, build: Path, deadline: float, wrong: list[str]
) -> None:
    """All or nothing is refused; then smaller quotas first, so that there is something to give. `wrong` says
    what is known to hinder it."""
    answer = control.ask("describe", PATIENCE)
    runs = {row["name"]: row for row in answer.rows}
    wrong = differences(machine, build, answer) + wrong
    if wrong:
        raise FreeholdError("\n".join([*wrong, "Nothing was changed."]))
    changed = [app for app in machine.apps if app.pages != int(runs[app.name]["pages"])]
    for app in sorted(changed, key=lambda app: app.pages - int(runs[app.name]["pages"])):
        print(_quota(control, app.name, app.pages, deadline).sentence)
    if not changed:
        print("The machine is as the file has it.")


def differences(machine: Machine, build: Path, answer: Answer) -> list[str]:
    """What the file has other than the machine, and a running machine cannot be given."""
    runs = {row["name"]: row for row in answer.rows}
    wrong = []
    name = answer.sentence.removeprefix("machine ")
    if name != machine.name:
        wrong.append(f'{machine.path}: This is the machine "{machine.name}"; the one that runs is "{name}".')
    for app in machine.apps:
        row = runs.pop(app.name, None)
        if row is None:
            wrong.append(f"{app.name} does not run on this machine, and cannot be added while it runs.")
            continue
        wanted = {
            "image": f"{zlib.crc32(machine.image_path(app, build).read_bytes()):08x}",
            "slices": str(app.slices),
            "queues": "0" if app.mac is None else "1",
            "mac": f"{app.mac or 0:012x}",
            "allow": f"{zlib.crc32(b''.join(app.allowances)):08x}",
            "restart": str(number(RESTARTS[app.restart])),
            "strings": f"{zlib.crc32(app.strings):08x}",
        }
        other = [text for key, text in FIXED if row.get(key) != wanted[key]]
        if other:
            wrong.append(f"{app.name}: {', '.join(other)} cannot be changed while the machine runs; `memory` can.")
    wrong += [f"{name} is not in the file, and cannot be removed while the machine runs; kill it." for name in runs]
    return wrong


def unlike_outside(machine: Machine, outside: dict | None) -> list[str]:
    """What the file has other than the emulator was started with; None: it is a real machine."""
    keys = [] if machine.control else ["`serial` of [control]"]
    if outside:
        keys += ["`memory` of [machine]"] * (machine.memory != outside["memory"])
        wanted = machine.outside["forward"]
        keys += [f"`forward` of {app}" for app, before in outside["forward"].items() if wanted.get(app, before) != before]
    if not keys:
        return []
    return [f"{', '.join(keys)}: that needs a restart of the machine; end tools/freehold run and start it again."]


def _quota(control: Control, app: str, pages: int, deadline: float) -> Answer:
    return control.ask(f"quota {app} {pages} {round(deadline * 1000)}", PATIENCE + deadline)


def control_socket(run: Run) -> Path:
    if run.control.is_socket():
        return run.control
    if run.process is None:
        raise ControlError(f"No machine runs in {run.build}; start one in another terminal: tools/freehold run")
    raise ControlError(
        "The machine takes no commands: its machine file needs a table [control] with `serial = true`, and "
        "it must run in QEMU."
    )


def app_name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,15}", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no application's name")
    return text


def _pages(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})([A-Za-z]*)", text)
    if found and not found[2] and 1 <= int(found[1]) <= 1 << 28:
        return int(found[1])
    page = number("EXO_PAGE_SIZE")
    size = int(found[1]) << UNITS[found[2]] if found and found[2] in UNITS else 0
    if size and size % page == 0 and size // page <= 1 << 28:
        return size // page
    raise argparse.ArgumentTypeError(f"'{text}' is no number of pages, nor a size in whole pages as 512K or 4M")


def _deadline(text: str) -> float:
    value = seconds(text)
    if not 0.001 <= value <= DEADLINE_MAX:
        raise argparse.ArgumentTypeError(f"'{text}' is not between 0.001 and {DEADLINE_MAX} seconds")
    return value
