# SPDX-License-Identifier: MIT
"""tools/freehold bench: what the programs print is read, and told with ratio and limit; the Linux guest's files."""

import json
import pathlib
import struct
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bench_boot, bench_count, bench_cpu, bench_http, bench_net, bench_pair, bench_size, cli, linux_guest, linux_package  # noqa: E402
from freehold_lib.bench_report import Figure, Report  # noqa: E402
from freehold_lib.commands import bench  # noqa: E402
from freehold_lib.errors import FreeholdError, UsageError  # noqa: E402
from freehold_lib.image import build_image  # noqa: E402

LOG = """\
[exo] Freehold.
[turns] bench thread-switch 70 least 69 most 400 of 1000
[measure] bench thread-switch 55 least 54 most 300 of 1000
[measure] bench thread-switch-calls 0 in 2000
[init] measure ended with status 0
"""
REPORT = Report(
    "cpu",
    {"emulator": "none"},
    [
        Figure("fast", "what is fast", "instructions", 50, 60, 500, "slow"),
        Figure("slow", "what is slow", "instructions", 1900, 60),
    ],
)


def test_figures_are_those_of_one_application():
    assert bench_cpu.read(LOG, "measure") == {"thread-switch": 55}
    assert bench_cpu.read(LOG, "turns") == {"thread-switch": 70}
    assert bench_cpu.read("bench wake 12 least 1 most 99 of 3\n") == {"wake": 12}


def test_what_is_beyond_its_limit_is_marked():
    text = REPORT.as_text().splitlines()
    assert [line for line in text if line.startswith("what is fast")][0].split()[3:] == ["50", "60", "500", "10.0"]
    assert [line for line in text if line.startswith("what is slow")][0].split()[3:] == ["1,900", "60", "BEYOND"]
    assert "| what is fast | 50 | 60 | 500 | 10.0 | slow |" in REPORT.as_markdown()
    assert "| what is slow | **1,900** | 60 |" in REPORT.as_markdown()
    assert REPORT.beyond == [REPORT.figures[1]]


def test_json(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench_cpu, "measure", lambda build, beside: REPORT)
    assert cli.main(["bench", "cpu", "--json", str(tmp_path / "f.json")]) == 1
    told = json.loads((tmp_path / "f.json").read_text())
    assert told["figures"][0] == {
        **{"name": "fast", "what": "what is fast", "unit": "instructions", "freehold": 50},
        **{"limit": 60, "linux": 500, "linux_what": "slow", "ratio": 10.0, "within": True},
    }
    assert "BEYOND" in capsys.readouterr().out


def test_what_was_not_measured_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_cpu, "built", lambda folder, targets: folder)
    monkeypatch.setattr(bench_cpu, "freehold", lambda build: ({"null-call": 1}, 1000))
    monkeypatch.setattr(bench_cpu, "_emulator", lambda: "none")
    with pytest.raises(FreeholdError, match="info was not measured"):
        bench_cpu.measure(tmp_path, beside=False)


def test_a_table_without_linux_is_not_written():
    arguments = cli.parse(["bench", "cpu", "--write", "--no-linux"])
    with pytest.raises(UsageError, match="--no-linux"):
        bench.execute(arguments)


def unpacked(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """An archive "newc" as the kernel reads it: {name: (mode, content)}."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110 : at + 110 + fields[11] - 1].decode()
        at = -(-(at + 110 + fields[11]) // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (fields[1], archive[at : at + fields[6]])
        at = -(-(at + fields[6]) // 4) * 4


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 4097])
def test_a_ram_disk_is_what_the_kernel_reads(tmp_path, size):
    program = tmp_path / "program"
    program.write_bytes(b"x" * size)
    assert unpacked(linux_guest.ram_disk({"init": program})) == {"init": (0o100755, b"x" * size)}


def test_folders_of_a_ram_disk_come_before_what_is_in_them():
    found = unpacked(linux_guest.ram_disk({"etc/a/b.conf": b"text", "run/": b""}))
    assert found == {
        "etc": (0o040755, b""),
        "etc/a": (0o040755, b""),
        "run": (0o040755, b""),
        "etc/a/b.conf": (0o100755, b"text"),
    }
    assert list(found)[:2] == ["etc", "etc/a"]


def test_modules_come_after_what_they_need(tmp_path):
    needs = {"virtio_pci": b"virtio,virtio_ring", "virtio_net": b"net-failover,virtio", "virtio": b"", "virtio_ring": b"virtio",
             "net-failover": b"", "other": b""}
    (tmp_path / "tree").mkdir()
    for name, others in needs.items():
        (tmp_path / f"tree/{name}.ko").write_bytes(b"\0license=GPL\0depends=" + others + b"\0")
    linux_guest._keep_modules(tmp_path / "tree", tmp_path / "kept")
    names = sorted(file.name for file in (tmp_path / "kept").iterdir())
    assert names == ["00-virtio.ko", "01-virtio_ring.ko", "02-virtio_pci.ko", "03-net_failover.ko", "04-virtio_net.ko"]


def test_a_kernel_without_its_modules_is_fetched_again(tmp_path, monkeypatch):
    (tmp_path / linux_guest.FOLDER).mkdir()
    (tmp_path / linux_guest.FOLDER / "vmlinuz-1").write_bytes(b"kernel")
    monkeypatch.setattr(linux_guest, "_provide", lambda subprojects, place: (place / "modules").mkdir())
    assert linux_guest.kernel(tmp_path).name == "vmlinuz-1"


def test_a_kernel_that_is_there_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(linux_guest, "_provide", lambda *unused: pytest.fail("it was fetched"))
    (tmp_path / linux_guest.FOLDER / "modules").mkdir(parents=True)
    (tmp_path / linux_guest.FOLDER / "vmlinuz-6.1.0-1-cloud-amd64").write_bytes(b"kernel")
    assert linux_guest.version(linux_guest.kernel(tmp_path)) == "6.1.0-1-cloud-amd64"


@pytest.mark.parametrize("module", [bench_boot, bench_http, bench_net, bench_pair])
def test_a_linux_guest_is_fetched_before_the_network_is_left(module, tmp_path, monkeypatch):
    """As root a bench is in a network namespace of its own, from where no archive can be reached."""

    class Left(Exception):
        pass

    def leave():
        raise Left

    fetched = []
    monkeypatch.setattr(module, "built", lambda folder, targets: folder)
    monkeypatch.setattr(module, "Wires", leave)
    monkeypatch.setattr(linux_guest, "kernel", lambda: fetched.append("kernel"))
    monkeypatch.setattr(linux_package.Package, "files", lambda package: fetched.append(package.name))
    options = {option.name: option.default for option in module.OPTIONS}
    with pytest.raises(Left):
        module.measure(tmp_path, beside=True, **options)
    assert fetched == ["kernel", *{bench_http: ["nginx"], bench_net: ["iperf3"]}.get(module, [])]


def efi_program(entry: int, sections: list[tuple[int, int, int]]) -> bytes:
    """Headers alone; (address, size, offset in the file) of each section."""
    head = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, len(sections), 0, 0, 0, 24, 0) + bytes(16) + struct.pack("<II", entry, 0)
    table = b"".join(struct.pack("<8sIIII16x", b"s", size, address, size, place) for address, size, place in sections)
    return b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + head + table


def test_the_first_instructions_of_an_efi_program_are_found(tmp_path):
    file = tmp_path / "program.efi"
    code = bytes(range(100))
    file.write_bytes(efi_program(0x2345, [(0x1000, 0x1000, 0x200), (0x2000, 0x1000, 0x400)]).ljust(0x400 + 0x345, b"\0") + code)
    assert bench_count.entry(file) == (code[: bench_count.MARK], 0x345)


@pytest.mark.parametrize("content", [b"", b"MZ" + bytes(100), efi_program(0x5000, [(0x1000, 0x1000, 0x200)])])
def test_what_is_no_efi_program_is_told(tmp_path, content):
    (tmp_path / "program").write_bytes(content)
    with pytest.raises(FreeholdError, match="is no EFI program"):
        bench_count.entry(tmp_path / "program")


def test_a_machine_that_never_came_there_has_no_count(tmp_path):
    (tmp_path / "program").write_bytes(efi_program(0x1000, [(0x1000, 0x1000, 0x200)]).ljust(0x300, b"\x90"))
    counter = bench_count.Counter(tmp_path, tmp_path / "program", tmp_path)
    with pytest.raises(FreeholdError, match="never came to the first instruction"):
        counter.count()
    (tmp_path / "counts").write_bytes((1234).to_bytes(8, "little"))
    assert counter.count() == 1234


def test_what_is_in_use_of_an_image_grows_by_clusters(tmp_path):
    def used(**sizes):
        for name, size in sizes.items():
            (tmp_path / name).write_bytes(bytes(size))
        image = build_image(tmp_path / "disk.img", {name: tmp_path / name for name in sizes})
        return bench_size.in_use(image.read_bytes())

    one = used(a=1)
    assert used(a=512) == one
    assert used(a=513) == one + 512
    # Its clusters, though full of zeroes, and some more of the two tables that say which are taken.
    grown = used(a=1 << 20) - one
    assert (1 << 20) <= grown <= (1 << 20) + 2 * (4 << 11) + 512
