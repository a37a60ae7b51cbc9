# SPDX-License-Identifier: MIT
"""Boot what docs/tutorial describes: each line that it promises appears, and its warnings hold."""

import re

import pytest

from conftest import ROOT
from freehold_lib.bundle import build_machine_image
from freehold_lib.machine import MachineError

MACHINE = ROOT / "machines/hello.toml"
PAGE = (ROOT / "docs/tutorial/01-hello.md").read_text()


def test_hello(build, tmp_path, start_machine):
    (promised,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)
    build_machine_image(MACHINE, build, tmp_path / "hello.img")
    machine = start_machine(tmp_path / "hello.img", nic=None)
    since = 0
    for line in promised.splitlines():
        since = machine.wait_for(f"^{re.escape(line)}$", 50, since=since).end()


def test_too_little_memory(build, tmp_path):
    small = tmp_path / "hello.toml"
    text = MACHINE.read_text()
    assert 'memory = "256K"' in text and 'memory = "64K"' in PAGE
    small.write_text(text.replace('memory = "256K"', 'memory = "64K"'))
    with pytest.raises(MachineError, match=r"hello\.toml:\d+: hello: `memory` is 64K, but .* takes"):
        build_machine_image(small, build, tmp_path / "small.img")
