# SPDX-License-Identifier: MIT
"""The packages that building and testing takes, and their installation by apt.

Only what is missing is installed, so a set-up that has nothing to do needs neither root nor network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

from .errors import FreeholdError
from .process import run_lines
from .terminal import Progress


class Package(NamedTuple):
    name: str
    purpose: str
    command: str  # what it is looked for by on machines without dpkg; "" if it brings none


# In the order in which they are listed to people. Names without versions of compilers, so that the
# table fits later releases of Debian, too.
PACKAGES = (
    Package("gcc", "compiles everything", "gcc"),
    Package("libc6-dev", "the host's C library, for the unit tests", ""),
    Package("binutils", "links everything; objcopy makes the loader's file", "objcopy"),
    Package("gnu-efi", "start-up code and headers of the UEFI loader", ""),
    Package("meson", "describes the build", "meson"),
    Package("ninja-build", "runs the build", "ninja"),
    Package("patch", "applies our patches to the sources of lwIP and musl", "patch"),
    Package("xz-utils", "unpacks the sources of lwIP", "xz"),
    Package("fdisk", "partitions disk images (sfdisk)", "sfdisk"),
    Package("dosfstools", "makes the FAT file system of disk images", "mkfs.fat"),
    Package("mtools", "fills disk images", "mcopy"),
    Package("qemu-system-x86", "the emulator that is used by default", "qemu-system-x86_64"),
    Package("ovmf", "UEFI firmware for both emulators", ""),
    Package("bochs", "the second emulator", "bochs"),
    Package("bochs-term", "its display on a terminal, which opens no port", ""),
    Package("seabios", "a video BIOS without which Bochs does not start", ""),
    Package("gdb", "debugs kernel and applications", "gdb"),
    Package("curl", "asks the demo machine's web servers something", "curl"),
    Package("netcat-openbsd", "talks to the demo machine's echo server (nc)", "nc"),
    Package("iproute2", "gives tests a network of their own (ip)", "ip"),
    Package("libjsmn-dev", "reads JSON in apps/iperf", ""),
    Package("iperf3", "measures how much TCP carries, for tools/freehold bench", "iperf3"),
    Package("nghttp2-client", "a second client for web servers (h2load), for tools/freehold bench", "h2load"),
    Package("wrk", "asks web servers as much as they can answer, for tools/freehold bench", "wrk"),
    Package("python3-pytest", "runs the tests of tools and of whole machines", "pytest"),
    Package("clang", "compiles everything a second time, for its warnings", "clang"),
    Package("libclang-rt-dev", "clang's sanitizers, for the unit tests", ""),
    Package("clang-format", "checks how the C sources are laid out", "clang-format"),
    Package("spin", "tries every interleaving of the models of several CPUs", "spin"),
    Package("clang-tidy", "looks for mistakes in the C sources", "clang-tidy"),
)
SBIN = os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"


def missing() -> list[Package]:
    """What is not installed; without dpkg, what shows no command."""
    if not shutil.which("dpkg-query"):
        path = os.environ.get("PATH", "") + SBIN
        return [p for p in PACKAGES if p.command and not shutil.which(p.command, path=path)]
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"]
        + [package.name for package in PACKAGES],
        capture_output=True,
        text=True,
        check=False,  # status 1 when a package is unknown
    )
    installed = {
        line.split()[0] for line in asked.stdout.splitlines() if line.endswith(" installed")
    }
    return [package for package in PACKAGES if package.name not in installed]


def install(packages: list[Package]) -> None:
    """Install by apt-get, as root or with sudo; FreeholdError says why that cannot be."""
    names = [package.name for package in packages]
    if not shutil.which("apt-get"):
        listed = "\n".join(f"  {p.command or p.name:22} {p.purpose}" for p in packages)
        raise FreeholdError(
            "This machine is no Debian (there is no apt-get), so nothing can be installed for you. "
            f"Install what provides these, then try again:\n{listed}"
        )
    root = _root_prefix(names)
    said: list[str] = []
    print(f"Missing packages: {', '.join(names)}.", flush=True)
    with Progress("Installing packages", done="Packages are installed") as progress:
        progress.update("apt-get update")
        # What it says of archives that cannot be reached becomes an error only if it hinders.
        updated = _apt(root, ["update"], said, progress)
        arguments = ["install", "--yes", "--no-install-recommends", *names]
        status = _apt(root, arguments, said, progress)
    if status != 0:
        raise FreeholdError(_why(names, said, updated))
    still = [package.name for package in missing()]
    if still:
        raise FreeholdError(
            f"apt-get reported success, but dpkg knows nothing of: {', '.join(still)}. "
            f"See what it says: sudo apt-get install {' '.join(still)}"
        )


def _root_prefix(names: list[str]) -> list[str]:
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise FreeholdError(
            "Packages are missing, and installing them takes root; there is no sudo here. "
            f"As root, run: apt-get install {' '.join(names)}"
        )
    ask = ["sudo", "-n", "true"]
    if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n"]
    if not sys.stdin.isatty():
        raise FreeholdError(
            "Packages are missing, and sudo wants a password, but there is no terminal to ask for "
            f"it on. As root, run: apt-get install {' '.join(names)}"
        )
    print("Packages are missing; sudo asks for your password to install them.", flush=True)
    if subprocess.run(["sudo", "-v"], check=False).returncode != 0:
        raise FreeholdError(
            f"sudo refused. As root, run: apt-get install {' '.join(names)}"
        )
    return ["sudo"]


def _apt(root: list[str], arguments: list[str], said: list[str], progress: Progress) -> int:
    def on_line(line: str) -> None:
        said.append(line)
        if re.match(r"(Get|Unpacking|Setting up|Preparing|Selecting|Fetched|Hit)", line):
            progress.update(re.sub(r"\s+", " ", line))

    return run_lines(
        [*root, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-q"]
        # Wait for another apt instead of failing; no terminal of its own that would eat Ctrl-C.
        + ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", *arguments],
        on_line,
        own_group=not root,
    )


def _why(names: list[str], said: list[str], updated: int) -> str:
    text = "\n".join(said)
    tail = "\n".join("  " + line for line in said[-12:])
    unreachable = re.search(
        r"Temporary failure resolving|Could not resolve|Could not connect|Unable to connect|"
        r"Network is unreachable|Connection timed out|Connection failed|Failed to fetch",
        text,
    )
    if unreachable:
        reason = "the package archive could not be reached; is there a network?"
    elif re.search(r"Unable to locate package|has no installation candidate", text):
        reason = (
            "the archives this machine knows do not have them all (Debian 12 does); "
            "see /etc/apt/sources.list and /etc/apt/sources.list.d."
        )
    elif "No space left" in text:
        reason = "the disk is full."
    else:
        reason = "see what apt-get said." if updated == 0 else "apt-get update failed, too."
    return f"Packages could not be installed ({', '.join(names)}): {reason}\n{tail}"
