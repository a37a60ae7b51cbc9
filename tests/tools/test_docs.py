# SPDX-License-Identifier: MIT
"""The tutorials show what is there: each listing is the file, or the line of it, that it stands for.

tests/boot/test_tutorial.py boots what they describe.
"""

import pathlib
import re
import shlex
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from html import unescape

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import cli  # noqa: E402
from freehold_lib.trace_picture import legend  # noqa: E402

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


def test_pictures_of_the_readme_are_there():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert "docs/images/trace.svg" in pictures
    assert not [name for name in pictures if not (ROOT / name).is_file()]


def test_the_trace_of_the_readme_is_of_that_machine():
    """As the tools draw it now: the rows are those of the machine, the legend is today's."""
    (command,) = re.findall(r"^    tools/freehold (trace .*)$", (ROOT / "README.md").read_text(), re.M)
    asked = cli.parse(shlex.split(command))
    named = [app["name"] for app in tomllib.loads((ROOT / asked.machine).read_text())["app"]]
    root = ElementTree.parse(ROOT / "docs/images/trace.svg").getroot()
    drawn = list(root.iter("{http://www.w3.org/2000/svg}text"))
    texts = [each.text for each in drawn]
    assert [each.text for each in drawn if each.get("font-weight")] == ["The CPUs", *named]
    assert [text for text in texts if text.startswith("CPU ")] == [f"CPU {cpu}" for cpu in range(asked.cpus)]
    words = re.findall(r">([^<>]+)</text>", unescape("".join(legend())))
    assert len(words) == 7 and not [word for word in words if word not in texts]
