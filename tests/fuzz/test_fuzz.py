# SPDX-License-Identifier: MIT
"""tools/freehold fuzz: every target runs, and a bug that was planted is found and can be replayed."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/fuzz"))

from seeds import seeds  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
TARGETS = ("calls", "rings", "filters", "packets", "dhcp", "elf", "bundle", "firmware", "request")


def fuzz(*words):
    if not shutil.which("clang"):
        pytest.skip("clang is missing; run tools/freehold setup")
    command = [ROOT / "tools/freehold", "fuzz", *words, "--build", BUILD]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_runs(name):
    done = fuzz(name, "--seconds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.search(rf"^{name}: (\d+) executions, (\d+) edges covered, (\d+) inputs kept", done.stdout, re.M)
    executions, edges, inputs = map(int, counts.groups())
    # More inputs than the corpus has, and product code is what they reach.
    assert executions > len(list((ROOT / "tests/fuzz/corpus" / name).iterdir()))
    assert edges > 40 and inputs > 5


def test_a_planted_bug_is_found():
    shutil.rmtree(BUILD / "fuzz/new/planted", ignore_errors=True)
    done = fuzz("planted", "--seconds", "60")
    assert done.returncode == 1 and "heap-buffer-overflow" in done.stdout, done.stdout
    replay = re.search(r"To replay it: (.*)$", done.stdout, re.M)[1]
    again = subprocess.run(shlex.split(replay), capture_output=True, text=True, check=False)
    assert again.returncode != 0 and "heap-buffer-overflow" in again.stderr
    # The same input fails in the replay that the tests consist of, whichever sanitizer is first.
    program = BUILD / "tests/fuzz/replay_planted"
    again = subprocess.run([program, shlex.split(replay)[1]], capture_output=True, text=True, check=False)
    assert again.returncode != 0 and "planted.c" in again.stderr and "ok 1" not in again.stdout


def test_replay_needs_inputs(tmp_path):
    program = BUILD / "tests/fuzz/replay_planted"
    for words in ([], [tmp_path], [tmp_path / "missing"]):
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "not ok 1" in done.stdout


def test_machine_files():
    """What the generator of this seed makes is told or accepted, and one file can be tried again."""
    done = fuzz("machine", "--seconds", "5", "--seed", "test")
    assert done.returncode == 0, done.stdout + done.stderr
    files, good = map(int, re.search(r"^machine: (\d+) files, (\d+) of them machines, seed test", done.stdout, re.M).groups())
    assert files > 50 and 0 < good < files
    assert not list((BUILD / "fuzz/found/machine").glob("current.toml"))


def test_a_planted_bug_is_found_in_the_reader_of_machine_files(tmp_path):
    """One line in a copy of the tools: what was a sentence is a traceback then."""
    for folder in ("tools", "tests/fuzz", "exo/abi", "docs", "machines", "libos/sched"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    reader = tmp_path / "tools/freehold_lib/machine.py"
    text = reader.read_text()
    reader.write_text(text.replace("        return path.is_file()\n    except OSError:", "        return path.is_file()\n    except KeyError:"))
    assert reader.read_text() != text
    command = [sys.executable, tmp_path / "tests/fuzz/machine.py", "--build", BUILD]
    found = tmp_path / "found"
    found.mkdir()
    done = subprocess.run([*command, "--folder", found, "--count", "20000"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "File name too long" in done.stdout, done.stdout
    (file,) = found.iterdir()
    again = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "File name too long" in again.stdout
    # The reader as it is says a sentence about the same file.
    command[1] = ROOT / "tests/fuzz/machine.py"
    again = subprocess.run([*command, file], capture_output=True, text=True, check=False)
    assert again.returncode == 0 and "1 files, 0 of them machines" in again.stdout


def test_seeds_are_those_that_the_script_makes():
    for place, data in seeds().items():
        assert (ROOT / "tests/fuzz/corpus" / place).read_bytes() == data, place


def test_an_unknown_target_is_told():
    done = fuzz("everything")
    assert done.returncode == 2 and "There is no target everything; there are calls" in done.stderr
