# SPDX-License-Identifier: MIT
"""What all boot tests share: where the build is, machines that are turned off, logs when one fails.

The build folder is FREEHOLD_BUILD, or `build` beside the sources. Every image and emulator lives in
a temporary folder of its test, and every port is one that is free, so tests may run side by side.
"""

import json
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib.bundle import build_machine_image  # noqa: E402
from freehold_lib.emulator import Emulator  # noqa: E402
from freehold_lib.image import build_image  # noqa: E402

MACHINES = pytest.StashKey[list]()
LOG_LINES = 60


@pytest.fixture(scope="session")
def build() -> pathlib.Path:
    """The Meson build folder."""
    folder = pathlib.Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
    if not (folder / "build.ninja").is_file():
        pytest.fail(f"{folder} is not a build folder; run: meson setup build && ninja -C build")
    return folder


@pytest.fixture
def make_image(tmp_path):
    """make_image({path in the image: file or bytes}) -> a bootable disk image."""

    def make(files: dict, name: str = "disk.img") -> pathlib.Path:
        sources = {}
        for number, (path, source) in enumerate(files.items()):
            if isinstance(source, bytes):
                file = tmp_path / f"{name}.{number}"
                file.write_bytes(source)
                source = file
            sources[path] = source
        return build_image(tmp_path / name, sources)

    return make


@pytest.fixture
def start_machine(request):
    """start_machine(image, ...) -> a started Emulator; it is stopped when the test ends.

    Takes what freehold_lib.emulator.Emulator takes. The log's end is shown if the test fails.
    """
    machines = request.node.stash.setdefault(MACHINES, [])

    def start(image, **options) -> Emulator:
        machine = Emulator(image, **options)
        machines.append(machine)
        return machine.start()

    yield start
    for machine in machines:
        machine.stop()


@pytest.fixture
def boot(build, tmp_path, start_machine):
    """boot(apps, ...) -> a started Emulator that runs these applications, and nothing else.

    An application is a table of a machine file as a dict (docs/machine.md); `test` stands for the
    image of a program of tests/apps. Options as for start_machine; `declared` is the memory in MiB
    that the machine file says, if not the one that the emulator gives. With `control`, a path, commands
    are taken there.
    """

    def start(apps: list[dict], *, memory: int = 256, declared: int = 0, **options) -> Emulator:
        lines = ["[machine]", 'name = "test"', f'memory = "{declared or memory}M"']
        lines.append(f"cpus = {options.get('cpus', 1)}")
        if "control" in options:
            lines += ["[control]", "serial = true"]
        for app in apps:
            app = dict(app)
            if "test" in app:
                app["image"] = str(build / "tests/apps" / app.pop("test"))
            lines.append("[[app]]")
            lines += [f"{key} = {_toml(value)}" for key, value in app.items()]
        machine = tmp_path / "machine.toml"
        machine.write_text("\n".join(lines) + "\n")
        build_machine_image(machine, build, tmp_path / "machine.img")
        return start_machine(tmp_path / "machine.img", memory=memory, **options)

    return start


def _toml(value) -> str:
    """Strings, numbers, lists and flat tables, as TOML has them; JSON agrees on the first three."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for machine in item.stash.get(MACHINES, []):
            title = f"last {LOG_LINES} lines of the serial log ({machine.kind})"
            report.sections.append((title, machine.tail(LOG_LINES) or "(nothing)"))
