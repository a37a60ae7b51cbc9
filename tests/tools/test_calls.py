# SPDX-License-Identifier: MIT
"""The call table: its generator refuses contradictions, and the committed manual is the generated one."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GENERATE = ROOT / "exo/abi/generate.py"
TABLE = ROOT / "exo/abi/calls.toml"


def generate(table, what, output):
    return subprocess.run(
        [sys.executable, GENERATE, table, what, output], capture_output=True, text=True, timeout=20
    )


def test_manual_is_up_to_date(tmp_path):
    output = tmp_path / "calls.md"
    assert generate(TABLE, "manual", output).returncode == 0
    committed = ROOT / "docs/api/calls.md"
    assert output.read_text() == committed.read_text(), (
        "docs/api/calls.md differs from calls.toml: run "
        "python3 exo/abi/generate.py exo/abi/calls.toml manual docs/api/calls.md"
    )


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        ("number = 1\nname = \"page_free\"", "number = 0\nname = \"page_free\"", "call number 0 is used twice"),
        ("retired = []", "retired = [23]", "number 23 of info is retired and may not be used again"),
        ('name = "page_free"', 'name = "page_alloc"', "two entries of call have the same name"),
        ('errors = ["QUOTA", "RANGE", "MEMORY"]', 'errors = ["NOPE"]', "env_create names the unknown error NOPE"),
        (
            'errors = ["RANGE", "OWNER", "TYPE", "BUSY", "QUOTA", "MEMORY", "EMPTY"]',
            'errors = ["RANGE"]\nbatch = true',
            "queue_bind has too many arguments for a batch: 4 at most",
        ),
        ('errors = ["QUOTA", "RANGE", "MEMORY"]', 'errors = ["CALL"]', "env_create may not return CALL"),
        ('[["deadline", "u64"]]', '[["deadline", "u63"]]', "argument deadline of timer has the unknown type u63"),
        ("answer = true\nlost = true", "answer = true", "gate_call has an answer in registers, which are lost as arguments"),
        ('"queue", "own"', '"queue", "any"', "nothing in the kernel finds the queue queue of queue_unbind: any"),
    ],
)
def test_contradictions_are_refused(tmp_path, old, new, sentence):
    text = TABLE.read_text()
    assert old in text
    broken = tmp_path / "calls.toml"
    broken.write_text(text.replace(old, new, 1))
    result = generate(broken, "numbers", tmp_path / "out.h")
    assert result.returncode != 0
    assert sentence in result.stderr
    assert not (tmp_path / "out.h").exists()
