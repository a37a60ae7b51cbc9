# SPDX-License-Identifier: MIT
"""Run a disk image in QEMU or Bochs.

    with Emulator(image, nic="virtio", forwards=[("tcp", 8080, "10.0.2.15", 80)]) as machine:
        machine.wait_for(r"listening", timeout=30)
        for line in machine.lines(seconds=60):
            print(line)

What holds:
  - the image is never written to, and several emulators may share it;
  - after stop(), no process of the emulator and no temporary file is left; should this program be
    killed, the kernel ends the emulator with it;
  - the log (the machine's serial port) stays, at `log`, unless it was put in a temporary place.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Iterator, NamedTuple, Sequence

from .errors import FreeholdError

KINDS = ("qemu", "bochs")
NICS = ("virtio", "e1000")
DISKS = ("sata", "usb")
DEFAULT_MAC = "52:54:00:12:34:56"
TAIL_LINES = 30
# Bochs 2.7 keeps at most this many hostfwd rules (its manual, "Using the 'slirp' module").
BOCHS_FORWARDS = 5
# Bochs counts heads and sectors as a disk of the nineties; the file must fill whole cylinders.
BOCHS_CYLINDER = 16 * 63 * 512

QEMU_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
QEMU_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
BOCHS_ROM = Path("/usr/share/ovmf/OVMF.fd")
# Bochs insists on a video BIOS, which UEFI firmware never runs.
BOCHS_VIDEO_ROM = Path("/usr/share/seabios/vgabios-stdvga.bin")
# Bochs's display on a pseudo-terminal (package bochs-term). The one that every installation has,
# rfb, listens on all of the host's addresses and asks nobody for a password.
BOCHS_TERM = Path("/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so")
# Instructions that Bochs counts as one second. Its time stamp counter and all its timers follow
# them, and `sync=slowdown` sleeps whenever that time runs ahead of the host's: an idle guest then
# costs the host next to nothing. Measured on a 2-core host of 2026: Bochs does about 50 million a
# second there; with 4 million, its default, the firmware alone takes more than 100 s (15 s with 50
# million); with many more, the guest's time lags behind the host's whenever it works.
BOCHS_INSTRUCTIONS = 50_000_000

PR_SET_PDEATHSIG = 1
# What a terminal driver in the firmware sends to move the cursor and set colours.
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")

_libc = ctypes.CDLL(None, use_errno=True)
_running: weakref.WeakSet[Emulator] = weakref.WeakSet()


class EmulatorError(FreeholdError):
    """The emulator could not be started or did not do what was waited for."""


class Forward(NamedTuple):
    """A port of this host that leads to a port of the guest."""

    protocol: str
    host_port: int
    guest_ip: str
    guest_port: int


def free_port(protocol: str = "tcp") -> int:
    """A port of the loopback address that nobody uses at the moment."""
    with socket.socket(socket.AF_INET, _socket_type(protocol)) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kvm_usable() -> bool:
    """Whether hardware virtualisation works: /dev/kvm alone does not say so."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return bool(re.search(r"^flags\s*:.*\b(vmx|svm)\b", flags, re.M)) and os.access(
        "/dev/kvm", os.R_OK | os.W_OK
    )


class Emulator:
    """One machine, off until start().

    image     disk image to boot from
    kind      "qemu" or "bochs"
    memory    guest RAM in MiB
    cpus      how many CPUs
    nic       "virtio" (QEMU alone), "e1000" or None
    disk      how the image is attached: "sata", or "usb" as a stick (QEMU alone; Bochs: IDE)
    forwards  list of (protocol, host_port, guest_ip, guest_port); the host side is 127.0.0.1
    cpu       CPU model as the emulator names it; None: the one with the most features
    log       file for the serial port's output; None: a temporary one
    gdb       QEMU alone: a socket file on which a gdb server listens, so that no port is opened;
              with `gdb_wait` the machine does not run before a debugger says continue
    iommu     QEMU alone: Intel VT-d stands between the devices and memory
    control   QEMU alone: a socket file that leads to the second serial port; None: there is none
    extra     further arguments (QEMU) or configuration lines (Bochs)
    """

    def __init__(
        self,
        image: Path | str,
        *,
        kind: str = "qemu",
        memory: int = 256,
        cpus: int = 1,
        nic: str | None = "virtio",
        mac: str = DEFAULT_MAC,
        disk: str = "sata",
        forwards: Sequence[tuple[str, int, str, int]] = (),
        log: Path | str | None = None,
        cpu: str | None = None,
        gdb: Path | str | None = None,
        gdb_wait: bool = False,
        iommu: bool = False,
        control: Path | str | None = None,
        extra: Sequence[str] = (),
    ):
        if kind not in KINDS:
            raise EmulatorError(f"There is no emulator '{kind}'; choose one of {', '.join(KINDS)}.")
        if nic is not None and nic not in NICS:
            raise EmulatorError(f"There is no NIC model '{nic}'; choose one of {', '.join(NICS)}.")
        if disk not in DISKS:
            raise EmulatorError(f"There is no disk '{disk}'; choose one of {', '.join(DISKS)}.")
        if kind == "bochs" and disk == "usb":
            raise EmulatorError("Firmware in Bochs boots from no USB stick; choose sata.")
        if kind == "bochs" and nic == "virtio":
            raise EmulatorError("Bochs has no virtio NIC; choose e1000.")
        if kind == "bochs" and control:
            raise EmulatorError("The second serial port is connected in QEMU alone; leave `control` out.")
        if kind == "bochs" and gdb:
            raise EmulatorError("Debian's Bochs has no gdb server; use QEMU for gdb.")
        if kind == "bochs" and iommu:
            raise EmulatorError("Bochs has no IOMMU; use QEMU.")
        if kind == "bochs" and len(forwards) > BOCHS_FORWARDS:
            raise EmulatorError(
                f"Bochs forwards at most {BOCHS_FORWARDS} ports, {len(forwards)} were asked for."
            )
        self.image = Path(image)
        self.kind = kind
        self.memory = memory
        self.cpus = cpus
        self.nic = nic
        self.mac = mac
        self.disk = disk
        self.forwards = [Forward(*rule) for rule in forwards]
        self.cpu = cpu
        self.gdb = Path(gdb).absolute() if gdb else None
        self.gdb_wait = gdb_wait
        self.iommu = iommu
        self.control = Path(control).absolute() if control else None
        self.extra = list(extra)
        self._wanted_log = Path(log) if log else None
        self._folder: Path | None = None
        self._process: subprocess.Popen | None = None
        self.log = self._wanted_log or Path()

    # --- life ---------------------------------------------------------------

    def start(self) -> Emulator:
        """Start the machine; EmulatorError says what is missing or in the way."""
        if self.running:
            raise EmulatorError("The emulator runs already.")
        if not self.image.is_file():
            raise EmulatorError(f"The image {self.image} is not there; build it first.")
        check_ports(self.forwards)
        self._remove_socket()
        self._folder = Path(tempfile.mkdtemp(prefix="freehold-emulator-"))
        try:
            self.log = self._wanted_log or self._folder / "serial.log"
            self.log.write_bytes(b"")
            command = self._qemu_command() if self.kind == "qemu" else self._bochs_command()
            with open(self._folder / "output", "wb") as output:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder,
                    # Bochs draws on a terminal of its own, of a kind that is known everywhere:
                    # TERM may be missing, as in CI, or name one that is not known here.
                    env={**os.environ, "TERM": "linux"},
                    start_new_session=True,
                    preexec_fn=_die_with_parent(),
                )
            _running.add(self)
            self._check_started()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the machine and remove what is temporary. May be called more than once."""
        process, self._process = self._process, None
        if process:
            # Bochs's debugger catches SIGTERM and stays; it has nothing to save either.
            _end_group(process, gently=self.kind == "qemu")
            _running.discard(self)
        if self._folder:
            if not self._wanted_log and self.log.is_file():
                self._last_text = self.text()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            self._remove_socket()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the machine to end by itself: its exit status, None after `timeout` seconds."""
        if not self._process:
            raise EmulatorError("The emulator does not run.")
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    @property
    def status(self) -> int | None:
        """The exit status of a machine that ended by itself; None while it runs or once stopped.

        Negative: the signal that ended it. QEMU's isa-debug-exit gives (v << 1) | 1.
        """
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The emulator's process, for example to measure the CPU time it takes."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(self, *unused) -> None:
        self.stop()

    # --- log ----------------------------------------------------------------

    _last_text = ""

    def text(self) -> str:
        """The serial output so far, without carriage returns and cursor movements."""
        try:
            raw = self.log.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            return self._last_text
        return clean(raw)

    def lines(self, seconds: float | None = None) -> Iterator[str]:
        """Each line of the log from its start, as it is completed.

        Ends when the machine has ended or was stopped, or after `seconds`; then the last line may
        be one without a line's end.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        if not self.log.is_file():
            yield from self.text().splitlines()
            return
        # Opened once: the file can still be read when stop() has removed it.
        with open(self.log, "rb") as log:
            rest = b""
            while True:
                # In this order, or what is written between the two looks would be lost.
                over = not self.running or (deadline is not None and time.monotonic() >= deadline)
                *complete, rest = (rest + log.read()).split(b"\n")
                yield from map(clean, complete)
                if over:
                    break
                time.sleep(0.05)
        if rest:
            yield clean(rest)

    def mark(self) -> int:
        """The present end of the log, for wait_for(since=)."""
        return len(self.text())

    def tail(self, lines: int = TAIL_LINES) -> str:
        return "\n".join(self.text().splitlines()[-lines:])

    def wait_for(self, pattern: str, timeout: float, *, since: int = 0) -> re.Match:
        """Wait until a line of the log matches (re.search, MULTILINE) and return the match.

        A line counts once it is whole: of one still being written, `$` would match any part. What
        the machine wrote last counts as it is.
        EmulatorError, with the log's end, when `timeout` seconds pass or the machine ends first.
        """
        expression = re.compile(pattern, re.M)
        deadline = time.monotonic() + timeout
        while True:
            # Look at the process first: what it wrote before it ended must still be seen.
            alive = self.running
            text = self.text()
            match = expression.search(text if not alive else text[: text.rfind("\n") + 1], since)
            if match:
                return match
            if not alive:
                reason = f"the emulator ended before the log had '{pattern}'{self.said()}"
                break
            if time.monotonic() > deadline:
                reason = f"the log had no '{pattern}' within {timeout:g} s"
                break
            time.sleep(0.05)
        tail = self.tail() or "(nothing)"
        raise EmulatorError(f"{self.kind}: {reason}; the log ends with:\n{tail}")

    # --- the inside -----------------------------------------------------------

    def _check_started(self) -> None:
        """Catch an emulator that refuses its arguments: it ends within moments."""
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            if not self.running:
                raise EmulatorError(f"{self.kind} ended at once{self.said()}")
            time.sleep(0.02)

    def _remove_socket(self) -> None:
        for path in (self.gdb, self.control):
            if path and path.is_socket():
                path.unlink()

    def said(self) -> str:
        """The emulator's own last words as the end of a sentence; empty if there are none."""
        try:
            said = (self._folder / "output").read_text(errors="replace").strip()
        except (OSError, TypeError):
            said = ""
        return f" and said: {said[-1000:]}" if said else ""

    def _qemu_command(self) -> list[str]:
        qemu = _find("qemu-system-x86_64", "qemu-system-x86")
        for firmware in (QEMU_CODE, QEMU_VARS):
            if not firmware.is_file():
                raise EmulatorError(f"{firmware} is missing; install the package ovmf.")
        variables = self._folder / "variables.fd"
        shutil.copyfile(QEMU_VARS, variables)
        kvm = kvm_usable()
        # An IOMMU that can remap interrupts wants KVM to leave the I/O APIC to QEMU.
        split = ",kernel-irqchip=split" if self.iommu else ""
        # A kernel that the firmware is handed comes first, and only one thing can.
        first = "" if "-kernel" in self.extra else ",bootindex=0"
        if self.disk == "usb":
            disk = ["-device", "qemu-xhci", "-device", f"usb-storage,drive=disk{first}"]
        else:
            disk = ["-device", f"ide-hd,drive=disk{first}"]
        command = [
            qemu,
            *("-machine", f"q35{split},accel={'kvm' if kvm else 'tcg'}"),
            # It must be there before the devices behind it.
            *(["-device", "intel-iommu"] if self.iommu else []),
            # Newer firmware turns five-level page tables on where it finds them; the loader refuses.
            *("-cpu", self.cpu or ("host,la57=off" if kvm else "max,la57=off")),
            *("-m", f"{self.memory}M"),
            *("-smp", str(self.cpus)),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "std"),
            *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={_escape(QEMU_CODE)}"),
            *("-drive", f"if=pflash,unit=1,format=raw,file={_escape(variables)}"),
            *("-drive", f"if=none,id=disk,format=raw,snapshot=on,file={_escape(self.image.resolve())}"),
            *disk,
            *("-chardev", f"file,id=serial,path={_escape(self.log.resolve())}"),
            *("-serial", "chardev:serial"),
        ]
        if self.control:
            (self._folder / "control").symlink_to(self.control.parent)  # as for gdb below
            where = f"path=control/{_escape(self.control.name)}"
            command += ["-chardev", f"socket,id=control,{where},server=on,wait=off"]
            command += ["-serial", "chardev:control"]
        if self.nic:
            rules = "".join(
                f",hostfwd={rule.protocol}:127.0.0.1:{rule.host_port}-{rule.guest_ip}:{rule.guest_port}"
                for rule in self.forwards
            )
            # Without romfile= the firmware would offer to boot from the network.
            model = "virtio-net-pci,disable-legacy=on" if self.nic == "virtio" else "e1000"
            if self.iommu and self.nic == "virtio":
                model += ",iommu_platform=on"  # or it would go past the IOMMU
            command += ["-netdev", f"user,id=net{rules}"]
            command += ["-device", f"{model},netdev=net,mac={self.mac},romfile="]
        if self.gdb:
            # By way of a link: the kernel takes socket names of at most 107 characters.
            (self._folder / "gdb").symlink_to(self.gdb.parent)
            command += ["-gdb", f"unix:gdb/{_escape(self.gdb.name)},server=on,wait=off"]
            command += ["-S"] if self.gdb_wait else []
        return command + self.extra

    def _bochs_command(self) -> list[str]:
        bochs = _find("bochs", "bochs")
        for rom, package in ((BOCHS_ROM, "ovmf"), (BOCHS_VIDEO_ROM, "seabios")):
            if not rom.is_file():
                raise EmulatorError(f"{rom} is missing; install the package {package}.")
        # A copy, because Bochs writes to its disk and locks it by a file beside it.
        disk = self._folder / "disk.img"
        shutil.copyfile(self.image, disk)
        size = -(-disk.stat().st_size // BOCHS_CYLINDER) * BOCHS_CYLINDER
        os.truncate(disk, size)
        lines = [
            f"romimage: file={BOCHS_ROM}",
            f"vgaromimage: file={BOCHS_VIDEO_ROM}",
            f"cpu: model={self.cpu or 'corei7_skylake_x'}, count={self.cpus},"
            f" ips={BOCHS_INSTRUCTIONS}, reset_on_triple_fault=0",
            f"memory: guest={self.memory}, host={self.memory}",
            "pci: enabled=1, chipset=i440fx" + (", slot1=e1000" if self.nic else ""),
            "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
            f"ata0-master: type=disk, path={disk}, mode=flat, cylinders={size // BOCHS_CYLINDER},"
            " heads=16, spt=63",
            f"com1: enabled=1, mode=file, dev={self.log.resolve()}",
            "display_library: term"
            if BOCHS_TERM.exists()
            else 'display_library: rfb, options="timeout=0"',
            "sound: driver=dummy",
            "clock: sync=slowdown, time0=utc",
            f"log: {self._folder / 'bochs.log'}",
            "panic: action=fatal",
            "error: action=report",
            "info: action=ignore",
            "debug: action=ignore",
        ]
        if self.nic:
            slirp = ["# slirp config"] + [
                f"hostfwd = {rule.protocol}:127.0.0.1:{rule.host_port}"
                f"-{rule.guest_ip}:{rule.guest_port}"
                for rule in self.forwards
            ]
            (self._folder / "slirp.conf").write_text("\n".join(slirp) + "\n")
            lines.append(
                f"e1000: enabled=1, mac={self.mac}, ethmod=slirp, ethdev={self._folder},"
                f" script={self._folder / 'slirp.conf'}"
            )
        configuration = self._folder / "bochsrc"
        configuration.write_text("\n".join(lines + self.extra) + "\n")
        commands = self._folder / "commands"
        commands.write_text("c\n")
        return [bochs, "-q", "-unlock", "-f", str(configuration), "-rc", str(commands)]


def clean(raw: bytes) -> str:
    """A piece of a log as text, without carriage returns and cursor movements."""
    return TERMINAL_CODES.sub("", raw.decode("utf-8", "replace"))


def check_ports(forwards: Sequence[tuple[str, int, str, int]]) -> None:
    """EmulatorError unless each port of this host that is to be forwarded is free."""
    rules = [Forward(*rule) for rule in forwards]
    for rule in rules:
        if not 1 <= rule.host_port <= 65535:
            raise EmulatorError(f"{rule.host_port} is no port number; ports are 1 to 65535.")
        if [(r.protocol, r.host_port) for r in rules].count((rule.protocol, rule.host_port)) > 1:
            raise EmulatorError(
                f"Port {rule.host_port}/{rule.protocol} of this host is forwarded twice."
            )
        _check_port(rule.protocol, rule.host_port)


def _check_port(protocol: str, port: int) -> None:
    with socket.socket(socket.AF_INET, _socket_type(protocol)) as probe:
        if protocol == "tcp":
            # A connection of a former run may linger; that hinders neither us nor the emulator.
            # For UDP the option would let us take a port that somebody listens on.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise EmulatorError(
                f"Port {port}/{protocol} of this host cannot be forwarded to the guest "
                f"({error.strerror}); stop what uses it or choose another."
            ) from error


def _socket_type(protocol: str) -> socket.SocketKind:
    if protocol not in ("tcp", "udp"):
        raise EmulatorError(f"'{protocol}' is no protocol to forward; choose tcp or udp.")
    return socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM


def _find(program: str, package: str) -> str:
    found = shutil.which(program)
    if not found:
        raise EmulatorError(f"{program} is missing; install the package {package}.")
    return found


def _escape(path: Path) -> str:
    """A path inside a QEMU option, where a comma would end the value."""
    return str(path).replace(",", ",,")


def _die_with_parent():
    # The signal is sent when the *thread* that started the child ends, so only the main thread
    # may ask for it.
    if threading.current_thread() is not threading.main_thread():
        return None
    return lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_group(process: subprocess.Popen, gently: bool) -> None:
    ways = [(signal.SIGTERM, 3)] if gently else []
    for signal_number, patience in ways + [(signal.SIGKILL, 10)]:
        try:
            os.killpg(process.pid, signal_number)
        except ProcessLookupError:
            pass
        try:
            process.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


@atexit.register
def _stop_all() -> None:
    for emulator in list(_running):
        emulator.stop()
