#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prove calls of the kernel's core with CBMC, on small tables, from any state that is allowed.

usage: prove.py CALL          prove one call; prints TAP
       prove.py --plant KIND  the same with a bug in the core, which must be found
       prove.py --list {calls,slow,plants}
       prove.py --table       what is proved, as docs/security.md has it

proof.toml says which calls are proved, and of each other call why it is not.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import core  # noqa: E402

sys.path.insert(0, str(core.ROOT / "tools"))

from freehold_lib import cbmc  # noqa: E402

SHOWN = re.compile(r"^Property (\S+):\n.*\n  (.*)$", re.M)
RESULT = re.compile(r"^\[([\w.$-]+)\] (?:line \d+ )?(.*): (SUCCESS|FAILURE|UNKNOWN|ERROR)$", re.M)
MEMORY = 8 << 30  # bytes that the prover may take
# First words of what harness, invariants and machine assert, and what a line of TAP says of them.
KINDS = {
    "safe": "no access outside an object, no overflow, no endless loop, no panic",
    "invariant": "the invariants that are assumed hold again",
    "frame": "nothing changes but the caller's own objects and the declared effects",
    "refused": "an error changes nothing",
    "error": "the manual names each error",
}

# Limits that the table tells of: what each counts, and how many of these stand for none.
SIZES = (
    ("EXO_ENVS", "environments", 1),
    ("WORLD_FRAMES", "frames", 0),
    ("ENTRIES", "entries of a table", 0),
    ("EXO_SLICES", "slices", 0),
    ("EXO_GRANTS", "grants", 1),
    ("EXO_QUEUES", "queues", 0),
    ("EXO_GATES", "gates", 0),
    ("EXO_FILTERS", "filters", 1),
    ("EXO_CONSOLE_MAX", "characters of a line", 0),
    ("EXO_PAGE_SIZE", "bytes of a page", 0),
)


class Property(NamedTuple):
    kind: str
    text: str
    result: str


def settings() -> dict:
    return tomllib.loads((HERE / "proof.toml").read_text(encoding="utf-8"))


def calls() -> dict[str, dict]:
    table = tomllib.loads((core.ROOT / "exo/abi/calls.toml").read_text(encoding="utf-8"))
    return {call["name"]: call for call in table["call"]}


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit_memory, cwd=folder)
    if done.returncode not in (0, 10):  # proved, refuted
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        sys.exit(f"{Path(command[3]).name} ended with status {done.returncode}:\n{tail}")
    return done.stdout


def compile_all(call: dict, row: core.Row, folder: Path, plant: tuple | None = None) -> list[str]:
    """Compile in `folder` what is the same in each case; the prover's command there."""
    files = core.copy(folder, call, row, plant)
    defines = [f"-DWORLD_{kind.upper()}={int(kind in row.kinds)}" for kind in core.KINDS]
    defines += [f"-DWORLD_BLOCK={core.BLOCK}u", f"-DWORLD_CALL=EXO_CALL_{call['name'].upper()}"]
    run([*cbmc.command("goto-cc"), "-c", *files, "-I.", *defines], folder)
    link_case(call, row, {}, folder)
    loops = run([*cbmc.command("goto-instrument"), "--show-loops", "call"], folder)
    return [
        *cbmc.command(),
        "call",
        "--drop-unused-functions",
        "--unwinding-assertions",
        "--slice-formula",
        *("--unwind", str(core.unwind(row.limits))),
        *core.unwindset(loops),
    ]


def link_case(call: dict, row: core.Row, case: dict, folder: Path) -> None:
    """`call` in `folder` is the program of this case."""
    (folder / "case.c").write_text(core.case_c(call, case, row.limits), encoding="utf-8")
    defines = [f"-DWORLD_BLOCK={core.BLOCK}u"]
    objects = sorted(path.name for path in folder.glob("*.o"))
    run([*cbmc.command("goto-cc"), *objects, "case.c", "-I.", *defines, "-o", "call"], folder)


def property_of(place: str, text: str, result: str) -> Property:
    """What the harness, invariants or the machine assert says its kind; all else is the prover's own."""
    kind, _, rest = text.partition(": ")
    known = kind in KINDS or kind == "reach"
    return Property(kind if known else "safe", rest if known else f"{place}: {text}", result)


def checked(command: list[str], folder: Path, kind: str) -> list[tuple[str, str, str]]:
    """Place, text and result of all properties of `call` in `folder`; or of this kind, without asking about others."""
    asked = []
    if kind:
        shown = SHOWN.findall(run([*command, "--show-properties"], folder))
        asked = [place for place, text in shown if property_of(place, text, "").kind == kind]
    return RESULT.findall(run([*command, *(word for place in asked for word in ("--property", place))], folder))


def prove(call: dict, row: core.Row) -> list[Property]:
    """Every property with its result over all proofs and cases: what must hold holds in each."""
    found: dict[tuple[str, str], Property] = {}
    for proof, kind in core.proofs_of(row):
        with tempfile.TemporaryDirectory(prefix="freehold-proof-") as name:
            folder = Path(name)
            command = compile_all(call, proof, folder)
            for case in core.cases_of(call, proof):
                link_case(call, proof, case, folder)
                for place, text, result in checked(command, folder, kind):
                    if result != "SUCCESS" or (place, text) not in found:
                        found[place, text] = property_of(place, text, result)
    return list(found.values())


def refute(call: dict, row: core.Row, bug: tuple, kind: str) -> list[str]:
    """With the bug in the core: what of this kind does not hold, in the first case in which that is so."""
    with tempfile.TemporaryDirectory(prefix="freehold-proof-") as name:
        folder = Path(name)
        command = compile_all(call, row, folder, bug)
        for case in core.cases_of(call, row):
            link_case(call, row, case, folder)
            said = [property_of(*each) for each in checked(command, folder, kind)]
            if wrong := [p.text for p in said if p.kind == kind and p.result == "FAILURE"]:
                return wrong
    return []


def judge(found: list[Property], unreached: dict[str, str]) -> list[tuple[bool, str, list[str]]]:
    """For each kind of property: does it hold, what it is called, what says otherwise."""
    cases = []
    for kind, sentence in KINDS.items():
        mine = [p for p in found if p.kind == kind]
        wrong = [f"{p.text}: {p.result}" for p in mine if p.result != "SUCCESS"]
        cases.append((bool(mine) and not wrong, sentence, wrong or ["it was not asked"] * (not mine)))
    # Each result comes about: what is assumed does not contradict itself.
    for p in found:
        if p.kind == "reach":
            expected = "SUCCESS" if p.text in unreached else "FAILURE"
            sentence = f"{p.text} {'cannot come' if p.text in unreached else 'comes'} about"
            cases.append((p.result == expected, sentence, []))
    return cases


def tell(cases: list[tuple[bool, str, list[str]]]) -> int:
    print(f"1..{len(cases)}")
    for i, (good, sentence, wrong) in enumerate(cases, 1):
        print(f"{'ok' if good else 'not ok'} {i} - {sentence}")
        for line in [] if good else wrong[:20]:
            print(f"# {line}")
    return 0 if all(good for good, _, _ in cases) else 1


def plant(kind: str) -> int:
    """The prover must say that properties of this kind do not hold."""
    bug = settings()["plant"][kind]
    row = core.row_of(settings()["call"][bug["call"]])
    wrong = refute(calls()[bug["call"]], row, (bug["file"], bug["old"], bug["new"]), kind)
    for text in wrong:
        print(f"# {text}")
    return tell([(bool(wrong), f"a bug against \"{KINDS[kind]}\" is found", [])])


def rows() -> list[str]:
    said = settings()["call"]
    names = calls()
    for name in said:
        if name not in names:
            sys.exit(f"proof.toml speaks of {name}, which is no call")
    out = []
    for name in names:
        if name not in said:
            sys.exit(f"proof.toml says nothing of {name}: prove it (tests/proof/prove.py {name}) or say why not")
        out.append(f"| `{name}` | {row(name, said[name])} |")
    return out


def row(name: str, how: dict) -> str:
    if ("reason" in how) == ("invariants" in how):
        sys.exit(f"proof.toml gives {name} neither or both of a reason and a list of invariants")
    if "reason" in how:
        return f"no: {how['reason']} | | | "
    unknown = set(how["invariants"]) - set(core.invariants_of())
    if unknown:
        sys.exit(f"proof.toml gives {name} {', '.join(sorted(unknown))}, which tests/invariants does not have")
    never = "; ".join(f"{result}: {why}" for result, why in how.get("unreached", {}).items())
    yes = f"yes, by the suite `proof-slow` ({how['slow']})" if "slow" in how else "yes"
    short = ", ".join(f"`{i.removeprefix('inv_')}`" for i in how["invariants"])
    return f"{yes} | {short} | {bounds(core.row_of(how))} | {never or 'all'}"


def sizes(limits: dict[str, str], besides: dict[str, str]) -> list[str]:
    """Those limits that differ from `besides`."""
    return [
        f"{what}: {core.number(limits[name]) - less}"
        for name, what, less in SIZES
        if limits[name] != besides.get(name)
    ]


def bounds(row: core.Row) -> str:
    """What differs in this row."""
    return ", ".join([*sizes(row.limits, core.LIMITS), *(f"with {kind}" for kind in row.kinds)])


def table() -> str:
    proved = [how for how in settings()["call"].values() if "reason" not in how]
    shown = {i: sum(i in how["invariants"] for how in proved) for i in core.invariants_of()}
    return "\n".join(
        [
            f"Bounds: {', '.join(sizes(core.LIMITS, {}))}. Frame 0 is the kernel's.",
            "No block, queue, filter or gate exists but in the rows that say so, and no account was written. There is one CPU: no",
            "application has a further vCPU, and none asked to be told of its CPUs.",
            "",
            f"Proved of each call that says yes ({len(proved)} of {len(calls())}), for all arguments, from every state within",
            "the bounds in which the invariants of its row, and what `tests/proof/sound.c` says, hold:",
            "",
            *(f"- {sentence};" for sentence in list(KINDS.values())[:-1]),
            f"- {list(KINDS.values())[-1]}, and each result can come about unless its row says why not.",
            "",
            "Invariants that a row does not list are neither assumed nor shown of that call here. Of so many calls each is",
            "assumed and shown: " + ", ".join(f"`{i.removeprefix('inv_')}` {n}" for i, n in shown.items()) + ".",
            "",
            "| call | proved | invariants (`inv_`) assumed and shown again | other bounds | results reached |",
            "|---|---|---|---|---|",
            *rows(),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("call", nargs="?")
    parser.add_argument("--plant", metavar="KIND")
    parser.add_argument("--list", choices=("calls", "slow", "plants"))
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    said = settings()
    if not (arguments.list or arguments.table) and not cbmc.up_to_date():
        print(f"1..0 # skip CBMC {cbmc.VERSION} is missing: tools/freehold setup")
        return 0
    if arguments.list in ("calls", "slow"):
        slow = arguments.list == "slow"
        proved = {name: how for name, how in said["call"].items() if "reason" not in how}
        print("\n".join(name for name, how in proved.items() if ("slow" in how) == slow))
    elif arguments.list == "plants":
        print("\n".join(said["plant"]))
    elif arguments.table:
        print(table())
    elif arguments.plant:
        return plant(arguments.plant)
    else:
        call = calls().get(arguments.call)
        if not call:
            parser.error(f"there is no call {arguments.call}")
        how = said["call"].get(arguments.call, {})
        return tell(judge(prove(call, core.row_of(how)), how.get("unreached", {})))
    return 0


if __name__ == "__main__":
    sys.exit(main())
