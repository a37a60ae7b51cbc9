#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copy the kernel's core with small tables, so that an explorer can walk all of its states.

usage: shrink.py [--plant OLD NEW] OUTPUT-FOLDER FILE ...

Copies each file with the limits below, or with --plant one file as planted_FILE in which OLD, found
exactly once, is NEW: a bug that the explorer must find. Each .c file gets a table of its variables
at the end, from which the explorer takes the whole state: none can be forgotten. Variables of one
file lose their `static`, so that the explorer can normalise them. Nothing else differs from what
the kernel is built of.
"""

import re
import sys
from pathlib import Path

LIMITS = {
    "EXO_ENVS": "5u",
    "EXO_QUEUES": "2u",
    "EXO_SLICES": "3u",
    "SET_WORDS": "1u",
    "EXO_GRANTS": "4u",
    "EXO_NOTIFIERS": "1u",
    "EXO_GATE_HOLDERS": "2u",
    "EXO_GATE_DEPTH": "2u",
    "EXO_GATES": "2u",
    "EXO_FILTERS": "4u",
    "EXO_ALLOWANCES": "2u",
    "EXO_QUEUE_BUFFERS": "8u",
    "EXO_RING_SIZE": "2u",
    "RECLAIM": "2u",
    "KICK_MAX": "2u",
    "NICS": "1u",
    "EXO_PACKET_MAX": "200u",
    "GROUP_STEPS": "1u",
    "FILL_TRIES": "2u",
    "EXO_PREFER_MAX": "3u",
    "TAKE_MAX": "2u",
}
VARIABLE = re.compile(r"^(?:static )?((?:struct )?\w+ \**)(\w+)((?:\[\w+\])*)( = [^;(]+)?;", re.M)
# What may be a variable: a line from the first column to a semicolon, without a bracket before it.
DECLARATION = re.compile(r"^(?:static )?[a-z]\w*[ *][^(){}/\n]*?;", re.M)
NOT_STATE = ("static const ", "const ", "extern ", "typedef ", "return ", "struct variable ")


def shrunken(text: str, limits: dict[str, str]) -> str:
    for name, value in limits.items():
        text = re.sub(rf"^(#define {name} +)\S+", rf"\g<1>{value}", text, flags=re.M)
    return text


def exposed(name: str, text: str) -> tuple[str, list[re.Match]]:
    """The text with its variables visible, and VARIABLE's match for each of them."""
    variables = []

    def visible(match: re.Match) -> str:
        declaration = match[0]
        if declaration.startswith(NOT_STATE):
            return declaration
        if not (found := VARIABLE.fullmatch(declaration)):
            sys.exit(f"shrink.py: {name}: cannot tell which variable this declares: {declaration}")
        variables.append(found)
        return declaration.removeprefix("static ")

    return DECLARATION.sub(visible, text), variables


def opened(name: str, text: str) -> str:
    """Its variables visible, and a table of them at the end."""
    text, variables = exposed(name, text)
    rows = "".join(f"    {{&{found[2]}, sizeof({found[2]})}},\n" for found in variables)
    return (
        f"{text}\nstruct variable {{\n    void *at;\n    size_t size;\n}};\n"
        f"extern const struct variable variables_{Path(name).stem}[];\n"
        f"const struct variable variables_{Path(name).stem}[] = {{\n{rows}    {{NULL, 0}},\n}};\n"
    )


def main() -> None:
    arguments = sys.argv[1:]
    plant = None
    if arguments[0] == "--plant":
        plant, arguments = arguments[1:3], arguments[3:]
    folder, *files = arguments
    for file in map(Path, files):
        text = file.read_text(encoding="utf-8")
        if plant:
            if text.count(plant[0]) != 1:
                sys.exit(f"shrink.py: {file} holds {plant[0]!r} {text.count(plant[0])} times, not once")
            text = text.replace(*plant)
        text = shrunken(text, LIMITS)
        if file.suffix == ".c":
            text = opened(file.name, text)
        output = f"planted_{file.name}" if plant else file.name
        (Path(folder) / output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
