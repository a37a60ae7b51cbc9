# SPDX-License-Identifier: MIT
"""`tools/freehold profile`: what an application does most is what is seen most, on one CPU and on two."""

import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib.profile import unfolded  # noqa: E402

MACHINE = """\
[machine]
name = "spinning"
cpus = {cpus}
[[app]]
name = "busy"
image = "{build}/tests/apps/spin"
memory = "1M"
"""


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_spinning_application(build, tmp_path, cpus):
    machine = tmp_path / "machine.toml"
    machine.write_text(MACHINE.format(build=build, cpus=cpus))
    command = [ROOT / "tools/freehold", "profile", "--build", build, "--machine", machine, "--out", tmp_path, "--run", "sleep 3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stdout + done.stderr
    samples = unfolded((tmp_path / "profile.txt").read_text())
    total = samples.total()
    spinning = sum(count for stack, count in samples.items() if stack[0] == "busy" and "main" in stack and "exo" not in stack)
    assert total > 50 and spinning > 0.8 * total / cpus, samples
    idle = samples[("idle",)]
    assert idle < 0.1 * total if cpus == 1 else idle > 0.4 * total, f"the second CPU has nothing to do: {samples}"
    assert re.search(r"\d %  busy +(main|time_ns|time_of|time_ns_of)$", done.stdout, re.M)
    ElementTree.parse(tmp_path / "profile.svg")
