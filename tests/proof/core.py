# SPDX-License-Identifier: MIT
"""The kernel's core, copied for the prover: very small tables, each entry an object of its own.

What differs from what the kernel is built of:
  - LIMITS are smaller, and so are a few dimensions without a name (TEXTS): each must be there, so
    that what was renamed is noticed;
  - `envs[i]` and the like become `(*envs_at(i))`, one object an entry: the prover then sees which
    fields of which entries change, and an index outside the table is a failure;
  - in what states invariants, "return a sentence if not" becomes "assume" before and "assert" after.
Variables of the core get functions that make them arbitrary, save and compare them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INVARIANTS = ROOT / "tests/invariants"
sys.path.insert(0, str(ROOT / "tests/model"))

import shrink  # noqa: E402

LIMITS = {
    "WORLD_FRAMES": "5u",
    "EXO_ENVS": "3u",
    "EXO_CPUS": "1u",
    "EXO_QUEUES": "1u",
    "EXO_SLICES": "1u",
    "EXO_ALLOWANCES": "1u",
    "EXO_NOTIFIERS": "2u",
    "EXO_GRANTS": "2u",
    "EXO_GATES": "1u",
    "EXO_GATE_HOLDERS": "2u",
    "EXO_GATE_DEPTH": "2u",
    "EXO_FILTERS": "2u",
    "EXO_QUEUE_BUFFERS": "2u",
    "EXO_RING_SIZE": "2u",
    "EXO_PAGE_SIZE": "320u",
    "EXO_BUFFER_SIZE": "160u",
    "EXO_PACKET_MAX": "40u",
    "EXO_CONSOLE_MAX": "4u",
    "EXO_BATCH_MAX": "2u",
    "EXO_PREFER_MAX": "2u",
    "EXO_START_STRINGS": "16u",
    "NIC_HEADER": "16u",
    "NICS": "1u",
    "SET_WORDS": "1u",
    "RECLAIM": "2u",
    "SWEEP": "2u",
    "TAKE_MAX": "2u",
    "KICK_MAX": "2u",
    "GROUP_STEPS": "2u",
    "FILL_TRIES": "2u",
    "ENTRIES": "2u",
    "TABLE_ENTRIES": "2u",
    "USER_ENTRIES": "1u",
    "WORLD_ENTRIES": "2u",
}
BLOCK = 2  # frames of a block, where there are blocks
UNWIND = 7  # iterations of a loop over any table but those of LONGER, if there are no more frames
TEXTS = {
    "env.h": {
        "uint8_t fpu[512]": "uint8_t fpu[16]",
        '#include "control.h"': '#include "entries.h"\n#include "control.h"',
        "return env->acts_as ? &envs[env->acts_as] : env;": "return env;",
    },
    # One CPU: no application has a further vCPU (world.c), and none asked to be told of its CPUs.
    "vcpu.c": {
        "    struct env *vcpu = &envs[app->vcpu[cpu]];\n\n    return vcpu->state == EXO_ENV_LIVE || vcpu->state == EXO_ENV_EMBRYO ? vcpu : NULL;": "    (void)app, (void)cpu;\n    return NULL;",
        "    const struct env *vcpu = &envs[app->vcpu[cpu]];\n": "",
        "has_some(app, cpu) || (app->vcpu[cpu] && has_some(vcpu, cpu))": "has_some(app, cpu)",
        "if (!*(const volatile uint64_t *)&control->wants_cpus)\n        return;": "return;",
    },
    "control.h": {
        "rdi, rsi, rdx, r10, r8, r9;": "rdi, rsi, rdx, r10, r8;",
        "rax, rbx, rcx, rbp, r11, r12, r13, r14, r15;": "rax;",
    },
    # A pointer to this or that would be followed at any byte.
    "list.h": {
        "*(list->first ? &at(list->first)->prev : &list->last) = n": "if (list->first) at(list->first)->prev = n; else list->last = n",
        "*(list->last ? &at(list->last)->next : &list->first) = n": "if (list->last) at(list->last)->next = n; else list->first = n",
        "*(link->prev ? &at(link->prev)->next : &list->first) = link->next": "if (link->prev) at(link->prev)->next = link->next; else list->first = link->next",
        "*(link->next ? &at(link->next)->prev : &list->last) = link->prev": "if (link->next) at(link->next)->prev = link->prev; else list->last = link->prev",
    },
    # Bytes of one of several objects: whole objects and words instead.
    "env.c": {
        "__builtin_memset(env, 0, sizeof(*env));": "*env = (struct env){0};",
        "env->generation % GENERATION_MAX": "world_modulo(env->generation, GENERATION_MAX)",
        "uint32_t slot = set_after(&slots_free, slot_last);": "uint32_t slot = state_taken(set_after(&slots_free, slot_last));",
        "return env_find(self, name);": "return state_target(env_find(self, name));",
        "envs[env->vcpu[cpu]].state == EXO_ENV_LIVE": "false",
    },
    "queue.c": {"__builtin_memset(q, 0, sizeof(*q));": "*q = (struct queue){0};"},
    "frame.c": {
        "__builtin_memset(machine_frame((frame_t){n}), 0, EXO_PAGE_SIZE);": "world_zero(n);",
        "uint32_t n = frame.n == EXO_FRAME_ANY ? frames_free.first : frame.n;": "uint32_t n = state_taken(frame.n == EXO_FRAME_ANY ? frames_free.first : frame.n);",
    },
    # Any function whatever, as long as it is one.
    "filter.c": {"(mac | (uint64_t)nic << 48) * 0x9e3779b97f4a7c15ull": "__CPROVER_uninterpreted_hash(mac | (uint64_t)nic << 48)"},
    # Operations are calls with rows of their own.
    "batch.c": {"batch_dispatch(self, operation[i].call, a)": "world_operation(a)"},
    "grant.c": {"uint32_t slot = grants_free.first;": "uint32_t slot = state_taken(grants_free.first);"},
    "block.c": {"__builtin_memset(machine_frame((frame_t){n}), 0, EXO_PAGE_SIZE);": "world_zero(n);"},
    "invariants.c": {"mapped[1u << 16]": "mapped[8]"},
}
# Tables of the core: what an entry is, and how many there are.
TABLES = {
    "envs": ("env", "env.h", lambda limits: number(limits["EXO_ENVS"])),
    "frames": ("frame", "frame.h", lambda limits: number(limits["WORLD_FRAMES"])),
    "grants": ("grant", "grant.h", lambda limits: number(limits["EXO_GRANTS"])),
    "queues": ("queue", "packet_queue.h", lambda limits: number(limits["EXO_QUEUES"])),
    "filters": ("filter", "packet_filter.h", lambda limits: number(limits["EXO_FILTERS"])),
    "gates": ("gate", "gate.h", lambda limits: number(limits["EXO_GATES"]) + 1),
    "blocks": ("block", "block.h", lambda limits: number(limits["WORLD_FRAMES"]) // BLOCK + 1),
}
# Loops that run longer than the largest table; others are bounded by it. That none goes on is proved.
LONGER = {
    "set_is_sound": 65,
    "inv_slice_ready": 65,
    "inv_gate_table": 65,
    "children_known": 65,
    "label_ok": 17,
    "call_channel_read": 8,
    "strlen": 18,
    "filter_fetch": 15,
    "beyond": 8,
    "same": 8,
    "filter_overlaps": 8,
    "any_bit": 17,
    "contents_kept": 41,
    "world_save": 41,
    "world_zero": 41,
    "world_unchanged": 41,
    "state_save_queue": 65,
    "state_unchanged_queue": 65,
    "hash_insert": 65,
    "queue_for": 65,
}
# Calls that take the first free entry of a table, or a named one: how many that has, and its first.
TAKEN = {"env_create": ("EXO_ENVS", 1), "page_alloc": ("WORLD_FRAMES", 0), "page_grant": ("EXO_GRANTS", 1)}
# CBMC has bodies for these, but not under the names of gcc's builtins.
KNOWN = ("memcpy", "memset", "strlen")
# What is not the core is not checked for its own safety.
UNCHECKED = "#pragma CPROVER check push\n" + "".join(
    f'#pragma CPROVER check disable "{check}"\n'
    for check in ("bounds", "pointer", "signed-overflow", "undefined-shift", "div-by-zero", "pointer-primitive")
)
# What there is only if a row of proof.toml asks for it: its tables and files are else as at boot.
KINDS = {
    "blocks": (("blocks",), ("block",)),
    "queues": (("queues",), ("queue", "group")),
    "filters": (("filters",), ("filter",)),
    "gates": (("gates",), ("gate",)),
}
NEVER = ("account", "trace")  # no account was written, and no ring of events


class Row(NamedTuple):
    """How one call is proved."""

    invariants: list[str]
    kinds: list[str]
    limits: dict[str, str]
    cases: list[str] = []
    apart: dict[str, list[str]] = {}


def row_of(how: dict) -> Row:
    """What proof.toml says of a call; without a row, or with a reason, it is tried with all invariants."""
    limits = {**LIMITS, **{name: f"{value}u" for name, value in how.get("bounds", {}).items()}}
    invariants = how.get("invariants") or invariants_of()
    return Row(invariants, how.get("with", []), limits, how.get("cases", []), how.get("apart", {}))


def proofs_of(row: Row) -> list[tuple[Row, str]]:
    """The proofs that are together that of the row, and of what kind of property each is; "": of every kind.

    One shows everything but the invariants that stand apart, without assuming these: more than the row asks.
    """
    for name, others in row.apart.items():
        if missing := {name, *others} - set(row.invariants):
            sys.exit(f"proof.toml sets apart {', '.join(sorted(missing))}, which the row does not list")
    rest = [name for name in row.invariants if name not in row.apart]
    alone = [row._replace(invariants=[name, *others], cases=[]) for name, others in row.apart.items()]
    return [(row._replace(invariants=rest), ""), *((proof, "invariant") for proof in alone)]


def cases_of(call: dict, row: Row) -> list[dict[str, int | None]]:
    """Together they are all that can be. Each fixes who calls, an argument, or what of a table is taken; None: no entry."""
    cases: list[dict[str, int | None]] = [{}]
    for name in row.cases:
        values = values_of(call, row, name)
        # What is no entry of a table is not looked at any further.
        cases = [{**case, name: value} for case in cases for value in values if None not in case.values()] + [
            case for case in cases if None in case.values()
        ]
    return cases


def values_of(call: dict, row: Row, name: str) -> list[int | None]:
    kinds = {argument: kind for argument, kind, *_ in call["args"]}
    if name not in ("actor", "taken") and name not in kinds:
        sys.exit(f"proof.toml splits {call['name']} by {name}, which it has no argument of")
    first = int(name == "actor" or kinds.get(name) == "env")  # slot 0 is nobody
    if name == "taken":
        first = TAKEN[call["name"]][1]
    return [*range(first, count_of(call, row.limits, name)), *[None] * (name != "actor")]


def count_of(call: dict, limits: dict[str, str], name: str) -> int:
    """How many entries there are that an argument names one of."""
    kind = {argument: kind for argument, kind, *_ in call["args"]}.get(name)
    sizes = {"actor": "EXO_ENVS", "taken": TAKEN.get(call["name"], ("",))[0]}
    return number(limits[{"env": "EXO_ENVS", "frame": "WORLD_FRAMES"}.get(kind) or sizes.get(name, "ENTRIES")])


def number(literal: str) -> int:
    return int(literal.rstrip("u"))


def shrunken(text: str, limits: dict[str, str]) -> str:
    for name, value in limits.items():
        text = re.sub(rf"^(#define {name} +)\S+", rf"\g<1>{value}", text, flags=re.M)
    return text


def closing(text: str, at: int) -> int:
    """The index after the bracket that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([") - (text[i] in ")]")
        if not depth:
            return i + 1
    raise ValueError("unbalanced brackets")


def separated(text: str) -> str:
    """Entries of tables by function, whose results are objects of their own."""
    start = 0
    pattern = re.compile(rf"(?<![\w.>])((?:old_)?(?:{'|'.join(TABLES)}))\[")
    declared = re.compile(r"(?:struct \w+|\w+_t) \**$")
    while found := pattern.search(text, start):
        start = found.end()
        if declared.search(text[: found.start()]):
            continue
        end = closing(text, found.end() - 1)
        text = text[: found.start()] + f"(*{found[1]}_at({text[found.end() : end - 1]}))" + text[end:]
        start = found.start() + 2  # within the index there may be another
    return re.sub(rf"(\w+) - ({'|'.join(TABLES)})\b(?!\[)", r"\2_slot(\1)", text)


def required(text: str, kind: str = "invariant") -> str:
    """A file of invariants that assumes before the call and asserts after it, without a branch."""
    start = 0
    while found := re.compile(r"^( +)if \(", re.M).search(text, start):
        end = closing(text, found.end() - 1)
        sentence = re.match(r'\s+return ("[^"]*");', text[end:])
        start = found.end()
        if sentence:
            new = f"{found[1]}REQUIRE(!{text[found.end() - 1 : end]}, {sentence[1]});"
            text = text[: found.start()] + new + text[end + sentence.end() :]
    text = text.replace("REQUIRE(!wrong, wrong);", "(void)wrong;")  # it was asserted where it was found
    text = re.sub(r"^#define REQUIRE\(.*?[^\\]\n", "", text, flags=re.M | re.S)
    return (
        '#include "state.h"\n'
        "#define REQUIRE(condition, sentence) do { bool holds_ = (condition); if (!state_assuming) "
        f'__CPROVER_assert(holds_, "{kind}: " sentence); __CPROVER_assume(holds_); }} while (0)\n' + text
    )


def conditional(text: str) -> str:
    """The model's frame condition, which finds the old state in entries.c and asserts."""
    text = re.sub(r"\.\w+ = \*?IN\(before, &?\w+\),\s*", "", text)
    text = text.replace("on_cpu(IN(before, processors))", "old_current")
    text = re.sub(rf"\bc->({'|'.join(TABLES)}|slice_owner)\[", r"old_\1[", text)
    text = re.sub(r"memcmp\(&(\S+), &(\S+), sizeof\([^)]*\)\)", r"!__CPROVER_equal(\1, \2)", text)
    text = re.sub(r"memcmp\(&(\S+), (\w+), sizeof\([^)]*\)\)", r"!__CPROVER_equal(\1, *\2)", text)
    text = re.sub(r"memcmp\((\w+), (\w+), sizeof\([^)]*\)\)", r"!__CPROVER_equal(*\1, *\2)", text)
    return required(separated(text), "frame")


def tables_h() -> str:
    out = ["#ifndef ENTRIES_H", "#define ENTRIES_H", "#include <stdint.h>", "#include <string.h>"]
    out += [f"#define __builtin_{name} {name}" for name in KNOWN]
    for table, (entry, _, _) in TABLES.items():
        out += [
            f"struct {entry};",
            f"struct {entry} *{table}_at(uint64_t i);",
            f"struct {entry} *old_{table}_at(uint64_t i);",
            f"uint32_t {table}_slot(const struct {entry} *entry);",
        ]
    out += ["void world_zero(uint32_t n);", "uint32_t world_modulo(uint32_t a, uint32_t b);", "struct env *state_target(struct env *found);"]
    out += ["uint32_t state_taken(uint32_t n);", "int64_t world_operation(const uint64_t *arguments);"]
    out.append("uint64_t __CPROVER_uninterpreted_hash(uint64_t key);")
    return "\n".join([*out, "#endif"]) + "\n"


def choice(name: str, count: int) -> list[str]:
    """The end of a function: the address of one of so many objects."""
    return [
        "    switch (i) {",
        *(f"    case {i}:\n        return &{name}{i};" for i in range(count - 1)),
        f"    default:\n        return &{name}{count - 1};\n    }}\n}}",
    ]


def tables_c(limits: dict[str, str], kinds: list[str]) -> str:
    absent = {table for kind, (tables, _) in KINDS.items() if kind not in kinds for table in tables}
    out = ['#include "state.h"', '#include "world.h"']
    arbitrary, save, same = [], [], []
    for table, (entry, _, length) in TABLES.items():
        count = length(limits)
        for i in range(count):
            name = f"{table}_{i}"
            out.append(f"static struct {entry} {name}, saved_{name};")
            if table not in absent:
                arbitrary.append(f"    __CPROVER_havoc_object(&{name});")
            save.append(f"    saved_{name} = {name};")
            same.append(f"    same &= __CPROVER_equal({name}, saved_{name});")
        out += [
            f"struct {entry} *{table}_at(uint64_t i)\n{{",
            f'    if (state_inside)\n        __CPROVER_assert(i < {count}, "safe: an index is within {table}");',
            *choice(f"{table}_", count),
            f"struct {entry} *old_{table}_at(uint64_t i)\n{{",
            *choice(f"saved_{table}_", count),
        ]
        out.append(f"uint32_t {table}_slot(const struct {entry} *entry)\n{{")
        out += [f"    if (entry == &{table}_{i})\n        return {i};" for i in range(count - 1)]
        out.append(f"    return {count - 1};\n}}")
    for name, lines, kind, end in (
        ("arbitrary", arbitrary, "void", ""),
        ("save", save, "void", ""),
        ("unchanged", ["    bool same = true;", *same], "bool", "    return same;"),
    ):
        out += [f"{kind} state_{name}_entries(void);\n{kind} state_{name}_entries(void)\n{{", *lines, end, "}"]
    return "\n".join(out) + "\n"


def state_of(name: str, text: str, kinds: list[str]) -> str:
    """A file of the core with functions behind it that handle each of its variables."""
    text, variables = shrink.exposed(name, text)
    stem = name.removesuffix(".c")
    absent = stem in NEVER or any(stem in files and kind not in kinds for kind, (_, files) in KINDS.items())
    saved, havoc, save, same = [], [], [], []
    for match in variables:
        kind, variable, array = match[1].strip(), match[2], match[3]
        if variable in TABLES:
            continue
        saved.append(f"    __typeof__({variable}) {variable};")
        if "*" not in kind and not absent:
            havoc.append(f"    __CPROVER_havoc_object(&{variable});")
        if array:
            loop = f"    for (uint32_t i = 0; i < sizeof({variable}) / sizeof(*{variable}); i++)\n    "
            save.append(f"{loop}    saved_{stem}.{variable}[i] = {variable}[i];")
            same.append(f"{loop}    same &= __CPROVER_equal(saved_{stem}.{variable}[i], {variable}[i]);")
        else:
            save.append(f"    saved_{stem}.{variable} = {variable};")
            same.append(f"    same &= __CPROVER_equal(saved_{stem}.{variable}, {variable});")
    structure = [f"static struct {{", *saved, f"}} saved_{stem};"] if saved else []
    parts = [
        *structure,
        f"void state_arbitrary_{stem}(void);\nvoid state_arbitrary_{stem}(void)\n{{",
        *havoc,
        f"}}\nvoid state_save_{stem}(void);\nvoid state_save_{stem}(void)\n{{",
        *save,
        f"}}\n_Bool state_unchanged_{stem}(void);\n_Bool state_unchanged_{stem}(void)\n{{\n    _Bool same = 1;",
        *same,
        "    return same;\n}",
    ]
    return text + "\n" + UNCHECKED + "\n".join(parts) + "\n"


def case_c(call: dict, case: dict[str, int | None], limits: dict[str, str]) -> str:
    """Who calls, and with what: anybody and anything, or one case of it."""

    def value(name: str, variable: str) -> list[str]:
        if name not in case:
            return [f"return {variable};"]
        if case[name] is None:
            return [f"__CPROVER_assume({variable} >= {count_of(call, limits, name)});", f"return {variable};"]
        return [f"__CPROVER_assume({variable} == {case[name]});", f"return {case[name]};"]

    out = ['#include "state.h"', '#include "world.h"', "uint64_t nondet_word(void);"]
    out += ["uint32_t state_actor(void)\n{", "uint32_t any = (uint32_t)nondet_word();", *value("actor", "any"), "}"]
    out += ["uint64_t state_argument(uint32_t i)\n{", "uint64_t any = nondet_word();"]
    targets = [name for name, kind, *_ in call["args"] if kind == "env" and name in case]
    for i, (name, kind, *_) in enumerate(call["args"]):
        if name in case and kind != "env":
            out += [f"if (i == {i}) {{", *value(name, "any"), "}"]
    out += ["return any;\n}", "uint32_t state_taken(uint32_t n)\n{"]
    if "taken" in case and TAKEN[call["name"]][1]:
        out += ['__CPROVER_assert(n, "safe: entry 0 is never taken");']
    out += [*value("taken", "n"), "}"]
    out += ["struct env *state_target(struct env *found)\n{"]
    for name in targets:
        there = "NULL" if case[name] is None else f"envs_at({case[name]})"
        out += ['__CPROVER_assert(found != envs_at(0), "safe: slot 0 is nobody");']
        out += [f"__CPROVER_assume(found == {there});", f"return {there};"]
    out += ["return found;\n}"]
    return "\n".join(out) + "\n"


def state_c(stems: list[str], invariants: list[str], call: dict) -> str:
    """What state.h declares, over all files."""
    out = ['#include "state.h"', '#include "world.h"', "bool state_assuming, state_inside;"]
    for stem in [*stems, "entries"]:
        out += [
            f"void state_arbitrary_{stem}(void);",
            f"void state_save_{stem}(void);",
            f"bool state_unchanged_{stem}(void);",
        ]
    all_stems = ["entries", *stems]
    out += ["void state_arbitrary(void)\n{", *(f"    state_arbitrary_{s}();" for s in all_stems), "}"]
    out += ["void state_save(void)\n{", *(f"    state_save_{s}();" for s in all_stems), "}"]
    out += ["bool state_unchanged(void)\n{\n    bool same = true;"]
    out += [*(f"    same &= state_unchanged_{s}();" for s in all_stems), "    return same;\n}"]
    out += ["void state_invariants(void)\n{"]
    out += [f"    {name}();" for name in invariants]
    out += ["}", "void state_results(int64_t result)\n{"]
    errors = errors_of(call)
    named = " || ".join(["!state_refused(result)", *(f"result == -EXO_E_{error}" for error in errors)])
    out += [f'    __CPROVER_assert({named}, "error: the manual names it");']
    out += ['    __CPROVER_assert(result < 0, "reach: success");']
    out += [f'    __CPROVER_assert(result != -EXO_E_{e}, "reach: {e}");' for e in errors]
    # A batch that stops has done something.
    refused = "result < 0 && result > -256" if call["name"] == "batch" else "result < 0"
    out += ["}", "bool state_refused(int64_t result)\n{", f"    return {refused};"]
    return "\n".join([*out, "}"]) + "\n"


def invariants_of() -> list[str]:
    text = (INVARIANTS / "invariants.h").read_text(encoding="utf-8")
    names = re.findall(r"^const char \*(inv_\w+)\(void\);", text, re.M)
    return [name for name in names if name != "inv_all"]


def errors_of(call: dict) -> list[str]:
    """What the call may return: the dispatch refuses what does not fit its type."""
    narrow = any(kind != "u64" for _, kind, *_ in call["args"])
    return ["RANGE"] * (narrow and "RANGE" not in call["errors"]) + call["errors"]


def sources(folder: Path) -> list[Path]:
    """What is copied; generates in `folder` what is generated."""
    made = {"numbers": "exo_calls.h", "prototypes": "exo_handlers.h", "dispatch": "exo_dispatch.c"}
    for what, name in made.items():
        generate = [sys.executable, ROOT / "exo/abi/generate.py", ROOT / "exo/abi/calls.toml", what]
        subprocess.run([*generate, folder / name], check=True)
    return sorted(
        [
            *(ROOT / "exo/core").glob("*.[ch]"),
            *INVARIANTS.glob("*.[ch]"),
            *(ROOT / "exo/abi").glob("*.h"),
            *(folder / name for name in made.values()),
            *HERE.glob("*.[ch]"),
            *(ROOT / "tests/model").glob("condition.[ch]"),
        ]
    )


def planted(source: Path, text: str, plant: tuple | None) -> str:
    if not plant or source.name != plant[0]:
        return text
    if text.count(plant[1]) != 1:
        sys.exit(f"{source} holds {plant[1]!r} {text.count(plant[1])} times, not once")
    return text.replace(plant[1], plant[2])


def transformed(source: Path, text: str, limits: dict[str, str]) -> str:
    for old, new in TEXTS.get(source.name, {}).items():
        if old not in text:
            sys.exit(f"{source} holds no {old!r} any more: see TEXTS in tests/proof/core.py")
        text = text.replace(old, new)
    if limits["EXO_PAGE_SIZE"] != LIMITS["EXO_PAGE_SIZE"]:
        # Of a call that needs no room for them: to touch them would be an access outside an object.
        text = re.sub(r"^_Static_assert\([^;]*<= EXO_PAGE_SIZE[^;]*;", "", text, flags=re.M)
    return separated(shrunken(text, limits))


def copy(folder: Path, call: dict, row: Row, plant: tuple | None = None) -> list[str]:
    """Everything that the prover compiles, in `folder`; returns the C files."""
    limits = row.limits
    files, stems, seen = [], [], ""
    for source in sources(folder):
        text = source.read_text(encoding="utf-8")
        seen += text
        text = transformed(source, planted(source, text, plant), limits)
        if source.suffix == ".c":
            files.append(source.name)
            if source.parent == INVARIANTS or source.name == "sound.c":
                text = UNCHECKED + required(text)
            elif source.name == "condition.c":
                text = UNCHECKED + conditional(text)
            elif source.parent == HERE:
                text = UNCHECKED + text
            elif source.parent.name == "core":
                text = state_of(source.name, text, row.kinds)
                stems.append(source.stem)
            text = '#include "entries.h"\n' + text
        (folder / source.name).write_text(text, encoding="utf-8")
    for name in limits:
        if not re.search(rf"^#define {name} ", seen, re.M):
            sys.exit(f"nothing defines {name} any more: see LIMITS in tests/proof/core.py")
    if "entries" in stems:
        sys.exit("a file of the core has the name of one that is generated")
    state = state_c(stems, row.invariants, call)
    (folder / "state.c").write_text(UNCHECKED + state, encoding="utf-8")
    (folder / "entries.h").write_text(tables_h(), encoding="utf-8")
    (folder / "entries.c").write_text(UNCHECKED + tables_c(limits, row.kinds), encoding="utf-8")
    return [*files, "state.c", "entries.c"]


def unwind(limits: dict[str, str]) -> int:
    return max(UNWIND, number(limits["WORLD_FRAMES"]) + 2)


def unwindset(loops: str) -> list[str]:
    """--unwindset for those of --show-loops that need it."""
    names = re.findall(r"^Loop (\S+):", loops, re.M) + ["strlen.0"]  # the prover's own
    found = [f"{name}:{LONGER[f]}" for name in names if (f := name.rsplit(".", 1)[0]) in LONGER]
    return ["--unwindset", ",".join(found)]
