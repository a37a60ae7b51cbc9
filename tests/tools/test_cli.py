# SPDX-License-Identifier: MIT
"""The command line: what it refuses and how it says so, and that nothing ends in a traceback.

Whatever would build or boot is stopped before that by what the test is about.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import cli, packages, workspace  # noqa: E402
from freehold_lib.commands import size  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402

FREEHOLD = ROOT / "tools/freehold"
MACHINE = """\
[machine]
name = "test"
[[app]]
name = "www"
image = "hello"
address = "10.0.2.15/24"
forward = ["tcp/{port}:80"]
"""


def freehold(*words, **options):
    return subprocess.run(
        [FREEHOLD, *map(str, words)], capture_output=True, text=True, timeout=60, **options
    )


@pytest.fixture
def machine(tmp_path):
    """A machine file that forwards a port, and the port, which nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path / "machine.toml"
    file.write_text(MACHINE.format(port=port))
    return file, port


@pytest.fixture
def build(tmp_path):
    """A build folder of ours with nothing in it."""
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / ".freehold-lock").touch()
    return folder


def test_help_is_complete():
    top = freehold("--help")
    assert top.returncode == 0 and "examples:" in top.stdout
    for name in cli.COMMANDS:
        assert re.search(rf"^    {name} +\S", top.stdout, re.M)
        of = freehold(name, "--help")
        assert of.returncode == 0 and of.stdout.startswith(f"usage: tools/freehold {name}")
        assert len(of.stdout.splitlines()) > 8


def test_every_option_is_explained():
    (commands,) = (a for a in cli.parser()._actions if a.dest == "command")
    for name, sub in commands.choices.items():
        assert sub.description and "tools/freehold" in sub.format_help()
        for action in sub._actions:
            assert action.help and len(action.help) > 10, f"{name}: {action.dest}"


def test_help_from_another_folder_and_through_a_link(tmp_path):
    link = tmp_path / "freehold"
    link.symlink_to(FREEHOLD)
    done = subprocess.run([link, "--help"], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0 and "usage: tools/freehold" in done.stdout


@pytest.mark.parametrize(
    "words, sentence",
    [
        ((), "usage: tools/freehold"),
        (("walk",), "invalid choice: 'walk'"),
        (("run", "--nic", "rtl8139"), "invalid choice: 'rtl8139'"),
        (("run", "--emulator", "vmware"), "invalid choice: 'vmware'"),
        (("run", "--seconds", "soon"), "'soon' is no number of seconds above 0"),
        (("run", "--seconds", "-1"), "'-1' is no number of seconds above 0"),
        (("run", "--memory", "lots"), "'lots' is no amount of memory; write 128M or 1G"),
        (("run", "--cpus", "0"), "'0' is no number of CPUs from 1 to 64"),
        (("run", "--cpus", "65"), "'65' is no number of CPUs from 1 to 64"),
        (("run", "--port-offset", "70000"), "'70000' is no number from 0 to 65535"),
        (("run", "--emu", "qemu"), "unrecognized arguments: --emu qemu"),
        (("run", "--emulator", "bochs", "--nic", "virtio"), "Bochs has no virtio network card"),
        (("run", "--emulator", "bochs", "--gdb-wait"), "Debian's Bochs has no gdb server"),
        (("run", "--", "-x"), "run takes no arguments after --"),
        (("test", "--suite", "all"), "invalid choice: 'all'"),
        (("test", "--build", "/etc"), "/etc is not empty and no build folder"),
        (("test", "--build", FREEHOLD), "is no folder; choose another with --build"),
        (("test", "--build", ROOT), "holds the sources; build in a folder of its own"),
        (("image",), "the following arguments are required: --output"),
        (("image", "--output", "/dev/null"), "/dev/null is not an ordinary file"),
        (("image", "--output", "/nowhere/usb.img"), "The folder /nowhere for the image does not exist."),
        (("clean", "--build", "/usr"), "/usr is not empty and no build folder"),
    ],
)
def test_usage_errors(words, sentence):
    done = freehold(*words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("run",), ("image", "--output", "x.img")])
def test_machine_file_is_missing(words, build):
    done = freehold(*words, "--machine", "nowhere.toml", "--build", build)
    assert done.returncode == 1
    assert done.stderr == "tools/freehold: nowhere.toml: The file cannot be read: No such file or directory.\n"


def test_machine_file_is_wrong(tmp_path, build):
    file = tmp_path / "bad.toml"
    file.write_text('[machine]\nname = "x"\nmemory = "1M"\n')
    done = freehold("run", "--machine", file, "--build", build)
    assert done.returncode == 1
    assert f"{file}:3:" in done.stderr and "Traceback" not in done.stderr


def test_port_is_in_use(machine, build):
    file, port = machine
    with socket.create_server(("127.0.0.1", port)):
        done = freehold("run", "--machine", file, "--build", build)
    assert done.returncode == 1
    assert f"Port {port}/tcp of this host cannot be forwarded" in done.stderr
    assert "--port-offset" in done.stderr
    # Told before anything was built.
    assert not (build / "build.ninja").exists()


def test_port_offset_out_of_range(machine, build):
    file, port = machine
    done = freehold("run", "--machine", file, "--build", build, "--port-offset", 65535 - port + 1)
    assert done.returncode == 2 and "makes port" in done.stderr


def test_second_instance(machine, build):
    file, _ = machine
    run = workspace.Run(build)
    with workspace.lock(run.lock, "taken"):
        done = freehold("run", "--machine", file, "--build", build)
        assert run.process == str(os.getpid())
    assert done.returncode == 1
    assert f"A machine runs in {build} already (process {os.getpid()})" in done.stderr
    assert run.process is None


def test_lock_of_a_dead_process_is_free(build):
    run = workspace.Run(build)
    run.lock.write_text("12345\n")
    assert run.process is None
    with workspace.lock(run.lock, "taken"):
        pass


@pytest.mark.parametrize("command", ["gdb", "logs"])
def test_nothing_has_run(command, build):
    done = freehold(command, "--build", build)
    assert done.returncode == 1
    assert f"No machine has run in {build} yet; start one: tools/freehold run" in done.stderr


@pytest.fixture
def past_run(build):
    """What a machine that ran in QEMU and has ended left behind."""
    run = workspace.Run(build)
    elf = build / "hello.elf"
    run.remember("qemu", {"exo": elf, "init": elf, "www": elf, "www2": elf})
    run.log.write_bytes(b"\x1b[2J[exo] up\r\n[www] one\n[www2] two\n[www] three\n[ww")
    return run


def test_gdb_without_a_machine(past_run):
    done = freehold("gdb", "--build", past_run.build)
    assert done.returncode == 1 and "No machine runs in" in done.stderr


def test_gdb_of_bochs_or_a_stranger(past_run):
    with workspace.lock(past_run.lock, "taken"):
        done = freehold("gdb", "echo", "--build", past_run.build)
        assert done.returncode == 2
        assert "There is no application echo in that machine; there are init, www, www2." in done.stderr
        past_run.remember("bochs", {})
        done = freehold("gdb", "--build", past_run.build)
        assert done.returncode == 1 and "Bochs, which has no gdb server" in done.stderr


def test_logs(past_run):
    def logs(*words):
        done = freehold("logs", *words, "--build", past_run.build)
        return done.stdout if done.returncode == 0 else done.stderr

    assert logs() == "[exo] up\n[www] one\n[www2] two\n[www] three\n[ww\n"
    assert logs("www") == "[www] one\n[www] three\n"
    # Nobody runs: -f has nothing to wait for.
    assert logs("-f", "exo") == "[exo] up\n"
    assert "there are exo, init, uefi, www, www2" in logs("nobody")


def test_logs_follow(past_run):
    with workspace.lock(past_run.lock, "taken"):
        process = subprocess.Popen(
            [FREEHOLD, "logs", "-f", "www", "--build", past_run.build], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "[www] one\n"
        assert process.stdout.readline() == "[www] three\n"
        with open(past_run.log, "ab") as log:
            log.write(b"w] four\n[www2] no\n")
        assert process.stdout.readline() == "[www] four\n"
    # The machine has ended.
    assert process.wait(20) == 0 and process.stdout.read() == ""


def test_clean_leaves_what_is_not_ours(build, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/precious").write_text("work")
    assert freehold("clean", "--build", tmp_path / "other").returncode == 2
    assert (tmp_path / "other/precious").exists()
    run = workspace.Run(build)
    with workspace.lock(run.lock, "taken"):
        done = freehold("clean", "--build", build)
        assert done.returncode == 1 and "end it first" in done.stderr and build.exists()
    assert freehold("clean", "--build", build).returncode == 0
    assert not build.exists()


def test_unexpected_errors_are_a_sentence(monkeypatch, capsys):
    def fail(arguments):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli.COMMANDS["size"], "execute", fail)
    assert cli.main(["size"]) == 1
    said = capsys.readouterr().err
    assert said == (
        "tools/freehold: division by zero (ZeroDivisionError). This was not expected; set "
        "FREEHOLD_TRACEBACK=1 and try again to see where it comes from.\n"
    )
    monkeypatch.setenv("FREEHOLD_TRACEBACK", "1")
    assert cli.main(["size"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_end_it(number, status, build):
    """While it waits for somebody else's build, say."""
    with workspace.lock(build / ".freehold-lock", "taken"):
        process = subprocess.Popen(
            [FREEHOLD, "size", "--build", build], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A shell lets what it runs in the background ignore SIGINT, and this may be under such a one.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert f"Process {os.getpid()} is building in this folder; waiting" in process.stdout.readline()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == status
    assert said in ("tools/freehold: Terminated.\n", "tools/freehold: Interrupted.\n")


# --- packages ---


def test_nothing_to_install_with(monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda name, path=None: None)
    missing = packages.missing()
    assert {package.name for package in missing} >= {"gcc", "meson", "qemu-system-x86"}
    with pytest.raises(FreeholdError, match=r"(?s)no Debian .*  gcc +compiles everything"):
        packages.install(missing)


def test_no_root_and_no_sudo(monkeypatch):
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages.shutil, "which", lambda name: name if name == "apt-get" else None)
    with pytest.raises(FreeholdError, match="As root, run: apt-get install meson bochs"):
        packages.install([package for package in packages.PACKAGES if package.name in ("meson", "bochs")])


@pytest.mark.parametrize(
    "said, sentence",
    [
        ("Err:1 ... Temporary failure resolving 'mirror.example'", "is there a network?"),
        ("E: Unable to locate package bochs-term", "do not have them all"),
        ("dpkg: error: No space left on device", "the disk is full"),
        ("E: something else", "see what apt-get said"),
    ],
)
def test_why_apt_failed(said, sentence):
    assert sentence in packages._why(["bochs"], ["Reading ...", said], 0)


# --- sizes ---


def test_limits_hold():
    """The sizes that are promised, measured in the build under test."""
    folder = pathlib.Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
    sizes = size.measure(folder)
    named = {measured.name: measured for measured in sizes}
    assert set(size.LIMITS) <= set(named), "an image that has a limit is not built"
    print("\n".join(size.table(sizes)))
    for measured in sizes:
        assert measured.within, f"{measured.name} is larger than {measured.limit} bytes"


def test_beyond_a_limit(tmp_path):
    file = tmp_path / "apps/hello"
    file.parent.mkdir()
    file.write_bytes(bytes(256 * 1024))
    assert size.size_of(file, tmp_path).within
    file.write_bytes(bytes(256 * 1024 + 1))
    beyond = size.size_of(file, tmp_path)
    assert not beyond.within and size.table([beyond])[1].endswith("262144  BEYOND")


# --- every test is run ---


def test_every_test_file_is_in_a_meson_file():
    for folder in ("boot", "tools"):
        text = (ROOT / "tests" / folder / "meson.build").read_text()
        for file in (ROOT / "tests" / folder).glob("test_*.py"):
            name = file.stem.removeprefix("test_")
            assert re.search(rf"'{name}'", text), f"{file} is not run: name it in tests/{folder}/meson.build"
