# SPDX-License-Identifier: MIT
"""The tutorials show what is there: each listing is the file, or the line of it, that it stands for.

tests/boot/test_tutorial.py boots what they describe.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEDULER = ROOT / "docs/tutorial/02-scheduler.md"  # more of it: test_sched.py
HELLO = ROOT / "docs/tutorial/01-hello.md"


def listings(kind, page=HELLO):
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.M | re.S)


def test_program_is_hello():
    assert listings("c") == [(ROOT / "apps/hello/main.c").read_text()]


def test_machine_file_is_the_one_for_hello():
    assert listings("toml") == [(ROOT / "machines/hello.toml").read_text()]


def test_build_line_is_there():
    (line,) = listings("meson")
    assert line in (ROOT / "apps/meson.build").read_text()


def test_files_and_folders_that_are_named_exist():
    pages = HELLO.read_text() + SCHEDULER.read_text()
    names = re.findall(r"`((?:apps|docs|libos|machines|tests|tools)/[a-z0-9_./-]+)`", pages)
    missing = [name for name in names if "mine" not in name and not (ROOT / name).exists()]
    assert names and not missing
