# SPDX-License-Identifier: MIT
"""What docs/security.md says is proved is what tests/proof proves, and no call is passed over."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/proof"))

import prove  # noqa: E402

BEGIN, END = "<!-- proof: begin -->\n", "<!-- proof: end -->\n"


def test_table_is_up_to_date():
    program = ROOT / "tests/proof/prove.py"
    done = subprocess.run([sys.executable, program, "--table"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    written = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert written.strip() == done.stdout.strip(), "run tests/proof/prove.py --table and put it between the markers"


def test_every_call_has_a_row():
    rows = [re.match(r"\| `(\w+)` \| (yes|no: .)", row) for row in prove.rows()]
    assert all(rows)
    assert [row[1] for row in rows] == list(prove.calls())


def test_missing_call_is_refused(monkeypatch):
    said = prove.settings()
    del said["call"]["page_free"]
    monkeypatch.setattr(prove, "settings", lambda: said)
    with pytest.raises(SystemExit, match="says nothing of page_free"):
        prove.rows()


def test_what_stands_apart_is_shown_too():
    """Together the proofs show what the row lists, and none assumes what it does not."""
    row = prove.core.Row(["a", "b", "c"], [], {}, ["actor"], {"b": ["a"]})
    (rest, every), (alone, kind) = prove.core.proofs_of(row)
    assert (rest.invariants, rest.cases, every) == (["a", "c"], ["actor"], "")
    assert (alone.invariants, alone.cases, kind) == (["b", "a"], [], "invariant")
    with pytest.raises(SystemExit, match="sets apart d, which the row does not list"):
        prove.core.proofs_of(row._replace(apart={"b": ["d"]}))


def test_no_name_is_defined_twice(tmp_path):
    """The compiler of the prover takes one of two definitions and says nothing."""
    row = prove.core.row_of({})
    seen: dict[str, str] = {}
    for file in prove.core.copy(tmp_path, prove.calls()["notify"], row):
        text = (tmp_path / file).read_text(encoding="utf-8")
        functions = re.findall(r"^(?!static)(?:\w+ )+\**(\w+)\([^;{]*\)\s*\{", text, re.M)
        variables = re.findall(r"^(?!static|extern|typedef|return)(?:struct )?\w+ \**(\w+)(?:\[\w+\])*(?: =[^;]*)?;", text, re.M)
        for name in functions + variables:
            assert name not in seen, f"{name} is defined in {seen[name]} and in {file}"
            seen[name] = file
    assert {"state_save", "state_save_entries", "state_save_tables", "call_notify", "envs", "frames_at"} <= set(seen)


def test_judgement():
    good = [prove.Property(kind, "text", "SUCCESS") for kind in prove.KINDS]
    good.append(prove.Property("reach", "success", "FAILURE"))
    assert all(case[0] for case in prove.judge(good, {}))
    for i, found in enumerate(good):
        opposite = "SUCCESS" if found.result == "FAILURE" else "FAILURE"
        bad = good[:i] + [found._replace(result=opposite)] + good[i + 1 :]
        assert not all(case[0] for case in prove.judge(bad, {})), found
        # What was not even asked is not proved.
        if found.kind != "reach":
            assert not all(case[0] for case in prove.judge(good[:i] + good[i + 1 :], {})), found
