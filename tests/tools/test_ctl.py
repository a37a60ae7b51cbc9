# SPDX-License-Identifier: MIT
"""tools/freehold ctl: what is asked, what of the answer is believed, and every way it can fail."""

import argparse
import pathlib
import re
import socket
import sys
import threading
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import cli  # noqa: E402
from freehold_lib.commands import ctl  # noqa: E402
from freehold_lib.control import Answer, Control, ControlError  # noqa: E402
from freehold_lib.machine import load  # noqa: E402
from freehold_lib.workspace import Run  # noqa: E402

MACHINE = """\
[machine]
name = "demo"
[control]
serial = true
[[app]]
name = "www"
image = "./program"
memory = "2M"
arguments = ["x"]
[[app]]
name = "echo"
image = "./program"
memory = "1M"
"""


class Machine:
    """Answers each line as `answers` says: {command: what comes back; TAG is the tag that was asked with}."""

    def __init__(self, path, answers):
        self.path, self.answers, self.asked = path, answers, []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen(1)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        port, _ = self.server.accept()
        for line in port.makefile("rb"):
            tag, _, command = line.decode().strip().partition(" ")
            if not command:
                continue
            self.asked.append(command)
            answer = self.answers[command]
            if answer is None:
                port.close()
                return
            port.sendall(answer.replace(b"TAG", tag[1:].encode()))


@pytest.fixture
def machine(tmp_path):
    def start(answers):
        return Machine(tmp_path / "control", answers)

    return start


def ask(machine, command, timeout=10):
    with Control(machine.path) as control:
        return control.ask(command, timeout)


def test_answer(machine):
    noise = b"\xff\x00garbage\n#deadbeef ok Somebody else's.\n#TAG\n#TAG maybe\n" + b"x" * 100000 + b"\n"
    said = b"#TAG app name=www state=running odd pages=1/2\r\n#TAG app name=a\n#TAG ok 2 applications\n"
    answer = ask(machine({"list": noise + said}), "list")
    assert answer == Answer([{"name": "www", "state": "running", "pages": "1/2"}, {"name": "a"}], "2 applications")


def test_refusal(machine):
    with pytest.raises(ControlError, match="^www does not run.$"):
        ask(machine({"kill www": b"#TAG error www does not run.\n"}), "kill www")


def test_silence(machine):
    with pytest.raises(ControlError, match="^The machine does not answer."):
        ask(machine({"list": b"#TAG app name=www\n#TAG o"}), "list", timeout=0.2)


def test_end(machine):
    with pytest.raises(ControlError, match="^The machine is gone"):
        ask(machine({"list": None}), "list")


def test_no_machine(tmp_path):
    with pytest.raises(ControlError, match="cannot be opened: No such file"):
        Control(tmp_path / "nothing").__enter__()
    (tmp_path / "file").write_text("")
    with pytest.raises(ControlError, match="is neither a socket nor a serial device"):
        Control(tmp_path / "file").__enter__()


def test_long_path(tmp_path):
    """A folder whose name the kernel would not take for a socket."""
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    short = tmp_path / "s"
    machine = Machine(short, {"list": b"#TAG ok fine\n"})
    short.rename(folder / "control")
    machine.path = folder / "control"
    assert ask(machine, "list").sentence == "fine"


def test_table():
    rows = [
        {"name": "www", "state": "running", "pages": "310/512", "slices": "8", "cpu_ms": "12345", "restarts": "0"},
        {"name": "a", "state": "stopped", "pages": "0/256", "restarts": "12"},
    ]
    assert ctl.table(rows) == [
        "NAME  STATE      PAGES  SLICES  QUEUES  GRANTS  GATES  FILTERS       CPU  RESTARTS",
        "www   running  310/512       8       -       -      -        -  12.345 s         0",
        "a     stopped    0/256       -       -       -      -        -         -        12",
    ]


@pytest.mark.parametrize(
    "text, pages",
    [("512", 512), ("4M", 1024), ("64K", 16), ("1GiB", 1 << 18), ("0", None), ("6K", None), ("4MB", None),
     ("-1", None), ("", None), ("x", None), ("999999999999", None), ("1.5M", None), ("300000000", None)],
)
def test_pages(text, pages):
    if pages:
        assert ctl._pages(text) == pages
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="is no number of pages"):
            ctl._pages(text)


@pytest.mark.parametrize(
    "words, sentence",
    [
        ([], "required: ACTION"),
        (["lisst"], "invalid choice: 'lisst'"),
        (["kill"], "required: APP"),
        (["kill", "WWW"], "'WWW' is no application's name"),
        (["kill", "www; list"], "is no application's name"),
        (["quota", "www", "4MB"], "'4MB' is no number of pages"),
        (["quota", "www", "4M", "--deadline", "0"], "no number of seconds"),
        (["quota", "www", "4M", "--deadline", "61"], "is not between 0.001 and 60 seconds"),
    ],
)
def test_command_line(words, sentence, capsys):
    with pytest.raises(SystemExit) as end:
        cli.parse(["ctl", *words])
    assert end.value.code == 2 and sentence in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--build", "x", "--device", "d", "list"], ["list", "--build", "x", "--device", "d"]])
def test_place_before_or_after(words):
    arguments = cli.parse(["ctl", *words])
    assert (arguments.build, arguments.device) == (pathlib.Path("x"), pathlib.Path("d"))
    arguments = cli.parse(["ctl", "list"])
    assert (arguments.build, arguments.device) == (ROOT / "build", None)


def test_nothing_runs(tmp_path, capsys):
    assert cli.main(["ctl", "--build", str(tmp_path), "list"]) == 1
    assert "No machine runs in" in capsys.readouterr().err


@pytest.fixture
def described(tmp_path):
    """A machine file, its program, and what a machine that runs it says of itself."""
    from test_machine import program

    (tmp_path / "program").write_bytes(program())
    (tmp_path / "m.toml").write_text(MACHINE)
    machine = load(tmp_path / "m.toml", tmp_path)
    rows = "".join(
        f"#TAG app name={app.name} pages={app.pages} slices=4 queues=0 restart=1 mac=000000000000 "
        f"strings={zlib.crc32(app.strings):08x} allow=00000000 image={zlib.crc32(program()):08x}\n"
        for app in machine.apps
    )
    return tmp_path, (rows + "#TAG ok machine demo\n").encode()


def apply(described, machine, new, capsys):
    folder, said = described
    (folder / "m.toml").write_text(new)
    done = {f"quota {name} {pages} 2000": f"#TAG ok {name} {pages}\n".encode()
            for name, pages in (("www", 1024), ("echo", 128))}
    running = machine({"describe": said} | done)
    status = cli.main(["ctl", "--device", str(running.path), "--build", str(folder), "apply", str(folder / "m.toml")])
    return status, capsys.readouterr(), running.asked


def test_apply_memory(described, machine, capsys):
    new = MACHINE.replace('"2M"', '"4M"').replace('"1M"', '"512K"')
    status, said, asked = apply(described, machine, new, capsys)
    assert status == 0 and said.out == "echo 128\nwww 1024\n"
    assert asked == ["describe", "quota echo 128 2000", "quota www 1024 2000"]  # what frees memory first


def test_apply_nothing(described, machine, capsys):
    status, said, asked = apply(described, machine, MACHINE, capsys)
    assert status == 0 and said.out == "The machine is as the file has it.\n" and asked == ["describe"]


@pytest.mark.parametrize(
    "old, new, sentence",
    [
        ('["x"]', '["y"]', "www: what it is started with (`arguments`, `environment`, `sched`, `quantum`, `trace`, `address`, `gateway`, `address6`, `gateway6`, `rights`) "
         "cannot be changed while the machine runs; `memory` can."),
        ('"2M"', '"2M"\nslices = 5\nrestart = "never"', "www: `slices`, `restart` cannot be changed"),
        ('"2M"', '"2M"\nmac = "52:54:00:00:00:01"', "www: whether it has a network (`address`, `mac`), `mac`, what it may bind"),
        ('name = "echo"', 'name = "other"', "echo is not in the file, and cannot be removed"),
        ('name = "echo"', 'name = "other"', "other does not run on this machine, and cannot be added"),
        ('name = "demo"', 'name = "mine"', 'This is the machine "mine"; the one that runs is "demo".'),
    ],
)
def test_apply_refused(described, machine, capsys, old, new, sentence):
    """With a change of memory beside it, which then is not made either."""
    text = MACHINE.replace(old, new, 1).replace('"1M"', '"512K"')
    status, said, asked = apply(described, machine, text, capsys)
    assert status == 1 and sentence in said.err and "Nothing was changed." in said.err and asked == ["describe"]


NETWORK = '"2M"\naddress = "10.0.2.15/24"'
FORWARD = f'{NETWORK}\nforward = ["tcp/8080:80", "udp/7007:7"]'


@pytest.mark.parametrize(
    "before, after, keys",
    [
        ("", "", None),
        ('memory = "256M"', 'memory = "512M"', "`memory` of [machine]"),
        ('memory = "128M"', "", None),  # as it is anyway
        ("FORWARD", "NETWORK", "`forward` of www"),
        ("FORWARD", FORWARD.replace("8080", "8081"), "`forward` of www"),
        ("FORWARD", FORWARD.replace('"tcp/8080:80", "udp/7007:7"', '"udp/7007:7", "tcp/8080:80"'), None),
    ],
)
def test_apply_what_only_a_restart_changes(described, machine, monkeypatch, capsys, before, after, keys):
    """The emulator has it, not the machine: what it was started with is remembered beside it."""
    def text(change):
        known = {"FORWARD": FORWARD, "NETWORK": NETWORK}
        if change.startswith("memory"):
            return MACHINE.replace('name = "demo"', f'name = "demo"\n{change}')
        return MACHINE.replace('"2M"', known.get(change, change or '"2M"'))

    folder, said = described
    (folder / "m.toml").write_text(text(before))
    started = load(folder / "m.toml", folder)
    if started.apps[0].mac:
        row = f"queues=1 restart=1 mac={started.apps[0].mac:012x} strings={zlib.crc32(started.apps[0].strings):08x}"
        row += f" allow={zlib.crc32(b''.join(started.apps[0].allowances)):08x} "
        said = re.sub(rb"queues=0.*?allow=00000000 ", row.encode(), said, count=1)
    run = Run(folder)
    run.remember("qemu", {}, started.outside)
    running = machine({"describe": said, "quota echo 128 2000": b"#TAG ok smaller\n"})
    monkeypatch.setattr(ctl, "control_socket", lambda run: running.path)
    (folder / "m.toml").write_text(text(after).replace('"1M"', '"512K"'))
    status = cli.main(["ctl", "--build", str(folder), "apply", str(folder / "m.toml")])
    answer = capsys.readouterr()
    if keys is None:
        assert status == 0 and answer.out == "smaller\n", answer
    else:
        assert status == 1 and answer.err.splitlines()[-1].endswith("Nothing was changed.")
        assert f"{keys}: that needs a restart of the machine" in answer.err and running.asked == ["describe"]


def test_apply_without_control(described, machine, capsys):
    status, said, asked = apply(described, machine, MACHINE.replace("serial = true", "serial = false"), capsys)
    assert status == 1 and "`serial` of [control]: that needs a restart" in said.err and asked == ["describe"]


def test_apply_to_a_real_machine(described, machine, capsys):
    """What an emulator was started with in this folder is nothing to a machine at the end of a cable."""
    Run(described[0]).remember("qemu", {}, {"memory": 1, "forward": {"www": ["tcp/1:1"]}})
    status, said, _ = apply(described, machine, MACHINE, capsys)
    assert status == 0 and said.out == "The machine is as the file has it.\n"


def test_apply_other_program(described, machine, capsys):
    (described[0] / "program").write_bytes((described[0] / "program").read_bytes() + b"x")
    status, said, _ = apply(described, machine, MACHINE, capsys)
    assert status == 1 and "www: its program cannot be changed" in said.err
