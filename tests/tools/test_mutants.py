# SPDX-License-Identifier: MIT
"""tests/mutation finds the conditions of C text, and what is made of it compiles to each mutant."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/mutation"))

import conditions  # noqa: E402

TEXT = """\
#define ASK(x) if (x) return 9 /* no mutants here */
static int check(int a, int b)
{
    bool one = a > 1, two = a == 2 || b;

    if (a && (b < 3 || one)) /* if (nothing) */
        return "if (no)"[0] != 'i' ? 7 : 1;
    for (int i = 0; i < 2 && two; i++)
        a++;
    if (a < 0)
        panic("never");
    return a ? 2 : 3;
}
static bool both(int a, int b)
{
    return !(a || b);
}
"""


def named():
    return [f"{site.function}: {gone}" for site in conditions.sites(TEXT) for gone in site.changes]


def test_every_condition_is_found():
    check = """\
never: a > 1 | always: a > 1 |
never: a == 2 || b | always: a == 2 || b | part: a == 2 | part: b |
whole: a && (b < 3 || one) | inverted: a && (b < 3 || one) |
granted: a | granted: (b < 3 || one) | part: b < 3 | part: one |
whole: "if (no)"[0] != 'i' | inverted: "if (no)"[0] != 'i' |
granted: i < 2 | granted: two | whole: a | inverted: a"""
    both = ["never: !(a || b)", "always: !(a || b)", "part: a", "part: b"]
    expected = [f"check: {gone.strip()}" for gone in check.replace("\n", " ").split(" | ")]
    assert named() == expected + [f"both: {gone}" for gone in both]


def test_what_is_said_twice_is_told_apart():
    text = "int f(int a)\n{\n    if (a)\n        a--;\n    if (a)\n        a--;\n    return a;\n}\n"
    gone = [gone for site in conditions.sites(text) for gone in site.changes]
    assert gone == ["whole: a", "inverted: a", "whole: a [2]", "inverted: a [2]"]


def test_each_mutant_behaves_as_it_is_named(tmp_path):
    """All in one program: its results for each mutant, and the places that the run came to."""
    sites = conditions.sites(TEXT)
    count = len(named())
    program = tmp_path / "program.c"
    program.write_text(
        "#include <stdbool.h>\n#include <stdio.h>\nvoid panic(const char *text);\n"
        "void panic(const char *text) { (void)text; }\n"
        + conditions.schemata(TEXT, sites, 1)
        + 'int main(void) { printf("%d %d %d", check(0, 0), check(2, 0), both(0, 0)); return 0; }\n'
    )
    here = ROOT / "tests/mutation"
    command = ["cc", "-w", "-include", here / "mutant.h", f"-DMUTANTS={count + 1}", program, here / "mutant.c"]
    subprocess.run([*command, "-o", tmp_path / "program"], check=True, timeout=60)

    def result(number):
        variables = {"MUTANT": str(number), "MUTANT_REACHED": str(tmp_path / "reached")}
        done = subprocess.run([tmp_path / "program"], env=variables, capture_output=True, text=True, timeout=60)
        return done.stdout

    assert result(0) == "3 1 1"
    reached = {int(line) for line in (tmp_path / "reached").read_text().split()}
    assert len(reached) == len(sites)
    by_name = {name: result(number) for number, name in enumerate(named(), 1)}
    assert by_name["check: inverted: a && (b < 3 || one)"] == "1 2 1"
    assert by_name["check: inverted: a"] == "2 1 1"
    assert by_name["check: granted: a"] == "1 1 1"
    assert by_name["check: inverted: \"if (no)\"[0] != 'i'"] == "3 7 1"
    assert by_name["both: never: !(a || b)"] == "3 1 0"
