# SPDX-License-Identifier: MIT
"""Find the conditions in C text, and what each may be changed into.

No parser of C: it knows comments, strings and brackets, and that a function's braces stand in the
first column, as clang-format puts them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

OPENING, CLOSING = "([{", ")]}"
LOGIC = r"&&|\|\||[!=<>]= | [<>] |^!"  # what makes a value a condition


@dataclass
class Site:
    """A condition of which mutants are made. `changes`: what is gone -> the condition instead."""

    start: int
    end: int
    line: int
    function: str
    changes: dict[str, str] = field(default_factory=dict)


def blanked(text: str, pattern: str) -> str:
    """The text with what matches made blank, so that everything else keeps its place."""
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


def bare(text: str) -> str:
    """Without the insides of strings and without lines for the preprocessor."""
    return blanked(text, r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)+\'|(?m:^)#(?:\\\n|[^\n])*')


def without_comments(text: str) -> str:
    return blanked(text, r"/\*.*?\*/|//[^\n]*")


def matching(text: str, at: int) -> int:
    """The index after the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in OPENING) - (text[i] in CLOSING)
        if depth == 0:
            return i + 1
    raise ValueError("unbalanced brackets")


def parts(text: str, separator: str) -> list[str]:
    """The text taken apart at a separator that stands in no bracket."""
    found, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in OPENING) - (c in CLOSING)
        if depth == 0 and text.startswith(separator, i):
            found.append(text[start:i].strip())
            start = i + len(separator)
    return [*found, text[start:].strip()]


def lessened(condition: str):
    """(what is gone, the condition without it) for each part of `a || b` and of `a && b`."""
    condition = condition.strip()
    if len(parts(condition, "?")) > 1:
        return  # the condition before the ? is a site of its own
    for operator, word in (("||", "part"), ("&&", "granted")):
        terms = parts(condition, operator)
        if len(terms) == 1:
            continue
        for i, term in enumerate(terms):
            before, after = terms[:i], terms[i + 1 :]
            yield f"{word}: {term}", f" {operator} ".join(before + after)
            for gone, rest in lessened(term):
                yield gone, f" {operator} ".join([*before, rest, *after])
        return
    opening = condition[:2] if condition.startswith("!(") else condition[:1]
    if opening.endswith("(") and matching(condition, len(opening) - 1) == len(condition):
        for gone, rest in lessened(condition[len(opening) : -1]):
            yield gone, f"{opening}{rest})"


def start_of_condition(shape: str, question: int) -> int:
    """Where the condition begins whose `?` stands at `question`."""
    depth = 0
    for i in range(question - 1, -1, -1):
        c = shape[i]
        if depth == 0 and (c in OPENING or c in ",;:?}"):
            return i + 1
        if depth == 0 and c == "=" and shape[i - 1] not in "=!<>" and shape[i + 1] != "=":
            return i + 1
        if depth == 0 and shape.startswith("return", i) and not shape[i - 1].isalnum():
            return i + len("return")
        depth += (c in CLOSING) - (c in OPENING)
    raise ValueError("a ? without a condition")


def spans(shape: str):
    """(kind, start, end) of each condition; `shape` has neither comments nor strings."""
    for match in re.finditer(r"\b(if|while) \(", shape):
        end = matching(shape, match.end() - 1)
        if not re.match(r"\s*\{?\s*panic\(", shape[end:]):  # ours alone: no caller gets there
            yield "if" if match[1] == "if" else "loop", match.end(), end - 1
    for match in re.finditer(r"\bfor \(", shape):
        end = matching(shape, match.end() - 1)
        first, condition, _ = parts(shape[match.end() : end - 1], ";")
        start = shape.index(";", match.end() + len(first)) + 1
        yield "loop", start, start + len(condition) + 1
    for match in re.finditer(r"\?", shape):
        yield "if", start_of_condition(shape, match.start()), match.start()
    for match in re.finditer(r"\b(?:return|bool \w+ =) ([^;?]*);", shape):
        start = match.start(1)
        for part in parts(match[1], ","):  # bool a = ..., b = ...
            start = shape.index(part, start)
            name = re.match(r"\w+ = ", part)
            inner = part[name.end() :] if name else part
            if re.search(LOGIC, inner):
                yield "value", start + len(part) - len(inner), start + len(part)
            start += len(part)


def changes(kind: str, condition: str) -> dict[str, str]:
    found = {}
    if kind == "if":
        found = {f"whole: {condition}": "false", f"inverted: {condition}": f"!({condition})"}
    elif kind == "value":
        found = {f"never: {condition}": "false", f"always: {condition}": "true"}
    for gone, rest in lessened(condition):
        found.setdefault(gone, rest)
    return {" ".join(gone.split()): rest for gone, rest in found.items()}


def functions(shape: str) -> list[tuple[int, int, str]]:
    """(start, end, name) of each function's body."""
    found = []
    for match in re.finditer(r"^[a-z][^\n;={}]*?\b(\w+)\([^;{}]*\)\n\{", shape, re.M):
        found.append((match.end() - 1, matching(shape, match.end() - 1), match[1]))
    return found


def sites(text: str) -> list[Site]:
    """The conditions of a file in their order, an outer one before those within it."""
    code = without_comments(text)
    shape = bare(code)
    bodies = functions(shape)
    found = []
    for kind, start, end in spans(shape):
        name = next((name for first, last, name in bodies if first < start < last), None)
        offered = changes(kind, code[start:end].strip())
        if name and offered:
            found.append(Site(start, end, code.count("\n", 0, start) + 1, name, offered))
    found.sort(key=lambda site: (site.start, -site.end))
    name_apart(found)
    return found


def name_apart(found: list[Site]) -> None:
    """What a function says twice is told apart by a number."""
    told = Counter()
    for site in found:
        renamed = {}
        for gone, new in site.changes.items():
            told[site.function, gone] += 1
            times = told[site.function, gone]
            renamed[f"{gone} [{times}]" if times > 1 else gone] = new
        site.changes = renamed


def schemata(text: str, found: list[Site], first: int) -> str:
    """The text with every mutant in it, numbered from `first`; mutant.h says how one is chosen."""
    code = without_comments(text)
    numbers = {}
    for site in found:
        numbers[id(site)] = first
        first += len(site.changes)

    def render(start: int, end: int, within: list[Site]) -> str:
        pieces = []
        while within:
            site = within[0]
            inner = [other for other in within[1:] if other.start < site.end]
            within = within[len(inner) + 1 :]
            number, mutated = numbers[id(site)], "false"
            for i, new in enumerate(site.changes.values(), number):
                mutated = f"mutant == {i} ? ({new}) : {mutated}"
            original = render(site.start, site.end, inner)
            pieces += [code[start : site.start]]
            pieces += [f" mutant_site({number}, {len(site.changes)}, ({mutated}), !!({original})) "]
            start = site.end
        return "".join([*pieces, code[start:end]])

    return render(0, len(code), found)
