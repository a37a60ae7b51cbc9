#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write numbers, stubs, dispatch and the manual of the kernel's calls from calls.toml.

usage: generate.py calls.toml {numbers,stubs,dispatch,prototypes,manual} OUTPUT
"""

import sys
import tomllib

UNITS = ("env", "frame", "queue", "grant", "gate", "filter")  # structs with one member
C_TYPE = {unit: f"{unit}_t" for unit in UNITS} | {"u32": "uint32_t", "u64": "uint64_t", "perm": "uint32_t", "flag": "uint32_t"}
MOST = {"perm": "(EXO_WRITE | EXO_EXEC)", "flag": "1u"}  # the highest value of a type that has one
# What the kernel looks up for an argument: exo/core has a function of that name, kind_whose, which
# takes the caller, the argument, and where to put the reason if there is none.
FOUND = {("env", "any"), ("env", "child"), ("env", "built"), ("env", "family"), ("queue", "own"), ("gate", "own"), ("grant", "own")}
ENTRY = ("u32", "entry")  # likewise table_entry: by the frame before it and its own value
REGISTERS = ["rdi", "rsi", "rdx", "r10", "r8", "r9"]
ANSWER = 5  # registers of an answer: struct exo_words in types.h
BATCH_ARGUMENTS = 4  # EXO_BATCH_ARGUMENTS in batch.h
HEAD = "/* SPDX-License-Identifier: MIT */\n/* Written by exo/abi/generate.py from calls.toml: do not edit. */\n"


def fail(sentence):
    sys.exit(f"calls.toml: {sentence}")


def check(spec):
    """Refuse a table that contradicts itself; the rest of this file then relies on it."""
    for kind in ("call", "error"):
        seen = set()
        for entry in spec[kind]:
            if entry["number"] in seen:
                fail(f"{kind} number {entry['number']} is used twice")
            seen.add(entry["number"])
        if len({entry["name"] for entry in spec[kind]}) != len(seen):
            fail(f"two entries of {kind} have the same name")
    errors = {entry["name"] for entry in spec["error"]}
    for call in spec["call"]:
        if call["number"] in spec["retired"]:
            fail(f"number {call['number']} of {call['name']} is retired and may not be used again")
        if len(call["args"]) > len(REGISTERS):
            fail(f"{call['name']} has more than {len(REGISTERS)} arguments")
        for name, kind, *whose in call["args"]:
            if kind not in C_TYPE:
                fail(f"argument {name} of {call['name']} has the unknown type {kind}")
            if whose and (kind, *whose) not in FOUND | {ENTRY}:
                fail(f"nothing in the kernel finds the {kind} {name} of {call['name']}: {' '.join(whose)}")
        if call.get("batch") and len(call["args"]) > BATCH_ARGUMENTS:
            fail(f"{call['name']} has too many arguments for a batch: {BATCH_ARGUMENTS} at most")
        if call.get("answer") and len(call["args"]) < ANSWER:
            fail(f"{call['name']} has an answer of {ANSWER} words and needs as many arguments")
        if call.get("answer") and not call.get("lost"):
            fail(f"{call['name']} has an answer in registers, which are lost as arguments")
        if call.get("answer") and call.get("batch"):
            fail(f"{call['name']} has an answer in registers, which a batch has not")
        if "CALL" in call["errors"]:
            fail(f"{call['name']} may not return CALL: the kernel takes it for a number outside the table")
        for error in call["errors"]:
            if error not in errors:
                fail(f"{call['name']} names the unknown error {error}")


def numbers(spec):
    yield HEAD + "#ifndef EXO_CALLS_H\n#define EXO_CALLS_H\n\n/* Errors come back negated. */\nenum exo_error {\n"
    for error in spec["error"]:
        yield f"    EXO_E_{error['name']} = {error['number']}, /* {error['text']} */\n"
    yield "};\n\nenum exo_call {\n"
    for call in spec["call"]:
        yield f"    EXO_CALL_{call['name'].upper()} = {call['number']},\n"
    yield f"    EXO_CALLS = {1 + max(call['number'] for call in spec['call'])}, /* one past the last */\n}};\n\n"
    yield "/* The list's sentence for an error, positive or negated. */\n"
    yield "static inline const char *exo_error_text(long error)\n{\n    switch (error < 0 ? -error : error) {\n"
    for error in spec["error"]:
        yield f"    case EXO_E_{error['name']}:\n        return \"{error['text']}\";\n"
    yield '    default:\n        return "Unknown error.";\n    }\n}\n\n'
    yield "static inline const char *exo_error_name(long error)\n{\n    switch (error < 0 ? -error : error) {\n"
    for error in spec["error"]:
        yield f"    case EXO_E_{error['name']}:\n        return \"{error['name']}\";\n"
    yield '    default:\n        return "unknown";\n    }\n}\n\n'
    yield "/* The name of a call; a null pointer for a number that is none: there may be gaps. */\n"
    yield "static inline const char *exo_call_name(unsigned long number)\n{\n    switch (number) {\n"
    for call in spec["call"]:
        yield f"    case EXO_CALL_{call['name'].upper()}:\n        return \"{call['name']}\";\n"
    yield "    default:\n        return 0;\n    }\n}\n\n#endif\n"


def parameters(call, first=None):
    words = [first] if first else []
    words += [f"{C_TYPE[kind]} {name}" for name, kind, *_ in call["args"]]
    return ", ".join(words) or "void"


def handler(call):
    """A handler's parameters: what was found in place of what names it."""
    words = []
    for name, kind, *whose in call["args"]:
        if (kind, *whose) in FOUND:
            words.append(f"struct {kind} *{name}")
        else:
            words.append(f"{C_TYPE[kind]} {name}" + (", uint64_t *entry" if whose else ""))
    return ", ".join(["struct env *self", *words])


def losing_stub(call):
    """A stub for a call that loses its arguments' registers, or answers in the first five: *answer, if not refused."""
    answer = ", struct exo_words *answer" if call.get("answer") else ""
    yield f"static inline int64_t exo_{call['name']}({parameters(call)}{answer})\n{{\n"
    for (name, kind, *_), register in zip(call["args"], REGISTERS):
        value = f"{name}.n" if kind in UNITS else name
        yield f'    register uint64_t {register} __asm__("{register}") = {value};\n'
    changed = ", ".join(f'"+r"({register})' for register in REGISTERS[: len(call["args"])])
    yield "    int64_t result;\n"
    yield f'    __asm__ volatile("syscall" : "=a"(result), {changed}\n'
    yield f'                     : "a"((uint64_t)EXO_CALL_{call["name"].upper()}) : "rcx", "r11", "memory");\n'
    if answer:
        yield f"    if (result >= 0)\n        *answer = (struct exo_words){{{{{', '.join(REGISTERS[:ANSWER])}}}}};\n"
    yield "    return result;\n}\n\n"


def stubs(spec):
    yield HEAD + '#ifndef EXO_STUBS_H\n#define EXO_STUBS_H\n\n#include "exo_calls.h"\n#include "types.h"\n\n'
    for call in spec["call"]:
        yield f"/* Returns {call['returns']}; or -EXO_E_...: {', '.join(call['errors']) or 'none'}. */\n"
        if call.get("lost"):
            yield from losing_stub(call)
            continue
        yield f"static inline int64_t exo_{call['name']}({parameters(call)})\n{{\n"
        inputs = [f'"a"((uint64_t)EXO_CALL_{call["name"].upper()})']
        constraint = {"rdi": "D", "rsi": "S", "rdx": "d"}
        for (name, kind, *_), register in zip(call["args"], REGISTERS):
            value = f"{name}.n" if kind in UNITS else name
            if register in constraint:
                inputs.append(f'"{constraint[register]}"((uint64_t){value})')
            else:
                yield f'    register uint64_t {register} __asm__("{register}") = {value};\n'
                inputs.append(f'"r"({register})')
        yield "    int64_t result;\n"
        yield f'    __asm__ volatile("syscall" : "=a"(result) : {", ".join(inputs)} : "rcx", "r11", "memory");\n'
        yield "    return result;\n}\n\n"
    yield "#endif\n"


def prototypes(spec):
    yield HEAD + '#ifndef EXO_HANDLERS_H\n#define EXO_HANDLERS_H\n\n#include "exo_calls.h"\n#include "types.h"\n\n'
    yield "/* Calls have one shape: not each of them needs its caller. */\n"
    yield '#pragma GCC diagnostic ignored "-Wunused-parameter"\n\n'
    yield "".join(f"struct {kind};\n" for kind in sorted({kind for kind, _ in FOUND}))
    yield "\n/* What an argument names, if the caller is that to it; else NULL with the reason in *error. */\n"
    for kind, whose in sorted(FOUND):
        yield f"struct {kind} *{kind}_{whose}(struct env *self, {C_TYPE[kind]} name, int64_t *error);\n"
    yield "uint64_t *table_entry(struct env *self, frame_t table, uint32_t index, int64_t *error);\n\n"
    for call in spec["call"]:
        yield f"int64_t call_{call['name']}({handler(call)});\n"
    own = " | ".join(f"1ull << EXO_CALL_{call['name'].upper()}" for call in spec["call"] if call.get("vcpu"))
    yield "\n/* Is the call about who makes it, though that one be a vCPU of another environment? */\n"
    yield f"#define CALLS_OWN ({own})\n"
    yield "static inline bool call_is_own(uint64_t number)\n{\n    return number < 64 && CALLS_OWN >> number & 1;\n}\n"
    yield "\n/* Check the width of each argument and carry out the call. */\n"
    yield "int64_t call_dispatch(struct env *self, uint64_t number, const uint64_t a[6]);\n"
    yield "/* The same by number, for who has checked that there is such a call: one below EXO_CALLS. */\n"
    yield "typedef int64_t call_function(struct env *self, const uint64_t a[6]);\n"
    yield "extern call_function *const call_table[EXO_CALLS];\n"
    short = [call["name"] for call in spec["call"] if call.get("short")]
    yield "/* Of calls that have a shorter way that way, which goes on in the function if it is not open. */\n"
    yield f"call_function {', '.join(f'do_{name}, short_{name}' for name in short)};\n"
    yield "/* The call of a number that is none: an upcall to `self`, whose result is that number, or an error. */\n"
    yield "int64_t call_foreign(struct env *self, uint64_t number);\n"
    yield "/* The same for what may be in a batch. */\n"
    yield "int64_t batch_dispatch(struct env *self, uint64_t number, const uint64_t a[6]);\n\n#endif\n"


def dispatch(spec):
    """A function a call, which saves no register that this one does not need; a table of them; two switches."""
    yield HEAD + '#include "exo_handlers.h"\n\n'
    for call in spec["call"]:
        yield from thunk(call)
    named = {call["number"]: call["name"] for call in spec["call"]}
    short = {call["number"] for call in spec["call"] if call.get("short")}
    for number in (n for n in range(max(named)) if n not in named):
        named[number] = f"retired_{number}"
        yield f"static int64_t do_{named[number]}(struct env *self, const uint64_t *a)\n{{\n"
        yield f"    (void)a;\n    return call_foreign(self, {number});\n}}\n\n"
    yield "#ifndef SHORT_WAY /* a machine without */\n#define SHORT_WAY(call) do_##call\n#endif\n\n"
    yield "call_function *const call_table[EXO_CALLS] = {\n"
    yield "".join(f"    {f'SHORT_WAY({name})' if n in short else f'do_{name}'},\n" for n, name in sorted(named.items()))
    yield "};\n\n"
    yield from switch("batch_dispatch", {call["number"]: call["name"] for call in spec["call"] if call.get("batch")})
    yield "\n"
    yield from switch("call_dispatch", named)


def thunk(call):
    linkage = "" if call.get("short") else "static "
    yield f"__attribute__((noinline)) {linkage}int64_t do_{call['name']}(struct env *self, const uint64_t *a)\n{{\n"
    if not call["args"]:
        yield "    (void)a;\n"
    if any(whose for _, _, *whose in call["args"]):
        yield "    int64_t error;\n\n"
    narrow = [i for i, (_, kind, *_) in enumerate(call["args"]) if kind not in ("u64", *MOST)]
    if narrow:
        joined = " | ".join(f"a[{i}]" for i in narrow)
        yield f"    if (({joined}) >> 32)\n        return -EXO_E_RANGE;\n"
    for i, (_, kind, *_) in enumerate(call["args"]):
        if kind in MOST:
            yield f"    if (a[{i}] > {MOST[kind]})\n        return -EXO_E_RANGE;\n"
    values = ["self"]
    for i, (name, kind, *whose) in enumerate(call["args"]):
        if (kind, *whose) == ENTRY:
            find = f"table_entry(self, (frame_t){{(uint32_t)a[{i - 1}]}}, (uint32_t)a[{i}], &error)"
            yield f"    uint64_t *entry = {find};\n    if (!entry)\n        return error;\n"
            values += [f"(uint32_t)a[{i}]", "entry"]
        elif whose:
            find = f"{kind}_{whose[0]}(self, ({C_TYPE[kind]}){{(uint32_t)a[{i}]}}, &error)"
            yield f"    struct {kind} *{name} = {find};\n    if (!{name})\n        return error;\n"
            values.append(name)
        elif kind == "u64":
            values.append(f"a[{i}]")
        elif kind not in UNITS:
            values.append(f"(uint32_t)a[{i}]")
        else:
            values.append(f"({C_TYPE[kind]}){{(uint32_t)a[{i}]}}")
    yield f"    return call_{call['name']}({', '.join(values)});\n}}\n\n"


def switch(name, named):
    yield f"int64_t {name}(struct env *self, uint64_t number, const uint64_t a[6])\n{{\n    switch (number) {{\n"
    for number in sorted(named):
        yield f"    case {number}:\n        return do_{named[number]}(self, a);\n"
    yield "    default:\n        return -EXO_E_CALL;\n    }\n}\n"


def manual(spec):
    yield "# The calls\n\nWritten by `exo/abi/generate.py` from `exo/abi/calls.toml`.\n\n"
    yield "Number in rax, arguments in rdi, rsi, rdx, r10, r8, r9; the result comes back in rax.\n"
    yield "rcx and r11 are lost, of some calls the arguments' registers, too. A negative result is an error. A refused call changes nothing.\n\n"
    yield "A number that is not in this table is no call: it becomes the upcall `EXO_UP_FOREIGN` of the caller\n"
    yield "(`exo/abi/control.h`), or, with upcalls disabled, the error `EXO_E_CALL`.\n\n"
    yield "| number | call | returns |\n|---|---|---|\n"
    for call in spec["call"]:
        yield f"| {call['number']} | [`{call['name']}`](#{call['name']}) | {call['returns']} |\n"
    for call in spec["call"]:
        arguments = ", ".join(f"{C_TYPE[kind]} {name}" for name, kind, *_ in call["args"])
        arguments += ", struct exo_words *answer" if call.get("answer") else ""
        yield f"\n## {call['name']}\n\n`exo_{call['name']}({arguments})`\n\n{call['doc'].strip()}\n\n"
        yield f"Returns {call['returns']}.\n\nErrors: {', '.join(call['errors']) or 'none'}.\n"
        if call.get("lost"):
            yield f"\nLost: {', '.join(REGISTERS[: len(call['args'])])}, but for an answer in them.\n"
        if call.get("batch"):
            yield "\nMay be in a [`batch`](#batch).\n"
    yield "\n# The errors\n\n| number | name | meaning |\n|---|---|---|\n"
    for error in spec["error"]:
        yield f"| -{error['number']} | `EXO_E_{error['name']}` | {error['text']} |\n"


def main():
    source, what, output = sys.argv[1:]
    writer = {"numbers": numbers, "stubs": stubs, "prototypes": prototypes, "dispatch": dispatch, "manual": manual}[what]
    with open(source, "rb") as file:
        spec = tomllib.load(file)
    check(spec)
    text = "".join(writer(spec))
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)


main()
