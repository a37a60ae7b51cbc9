# SPDX-License-Identifier: MIT
"""Bytes in use on a disk image that boots httpd with its files, and of the kernel that is loaded from it.

In use are the clusters of all files and folders, and outside of them (partition tables, boot sector, tables of
clusters) each sector that holds anything. Beside it: Linux's kernel image and a RAM disk with the lean server, the
modules of a network card and the same files, compressed by gzip.
"""

from __future__ import annotations

import gzip
import struct
import tempfile
from pathlib import Path

from . import linux_guest
from .bench_guests import App, machine_file
from .bench_http import LINUX, SITE
from .bench_report import Figure, Report
from .bench_wire import Link
from .bundle import build_machine_image
from .commands.size import size_of
from .image import PARTITION_START, SECTOR
from .prepare import built

SUMMARY = "the disk image and the kernel, in bytes"
OPTIONS = ()
KERNEL = "exo/kernel.elf"
TARGETS = ("uefi/BOOTX64.EFI", KERNEL, "apps/init", "apps/httpd", LINUX)
IMAGE_LIMIT = 693_000  # what another unikernel once needed for its least image
KERNEL_LIMIT = 112 << 10


def measure(build: Path, *, beside: bool) -> Report:
    folder = built(build, TARGETS)
    conditions = {"unit": "bytes", "image": "loader, kernel, init and httpd with its files, lwIP and musl"}
    kernel = size_of(folder / KERNEL, folder)
    with tempfile.TemporaryDirectory(prefix="freehold-") as name:
        image = Path(name) / "size.img"
        app = App("httpd", "httpd", 15, memory="2M")
        build_machine_image(machine_file([app], Link("10.0.2.0", {}, {}), Path(name)), folder, image)
        used = in_use(image.read_bytes())
    linux, linux_kernel = None, None
    if beside:
        conditions["Linux"] = linux_guest.version(linux_guest.kernel())
        linux_kernel = linux_guest.kernel().stat().st_size
        linux = linux_kernel + len(gzip.compress(_ram_disk(folder)))
    return Report("size", conditions, [
        Figure("image", "disk image, in use", "bytes", used, IMAGE_LIMIT, linux, "kernel and RAM disk"),
        Figure("kernel", "kernel, as loaded", "bytes", kernel.loaded, KERNEL_LIMIT, linux_kernel, "compressed image"),
    ])


def _ram_disk(build: Path) -> bytes:
    site = {f"site/{file.name}": file for file in sorted(SITE.iterdir())}
    return linux_guest.ram_disk({"init": build / LINUX, **linux_guest.modules(), **site})


def in_use(image: bytes) -> int:
    """Of a disk image of image.py (Microsoft, "FAT32 File System Specification")."""
    boot = image[PARTITION_START:]
    sector, cluster, reserved, tables = struct.unpack_from("<HBHB", boot, 11)
    length = struct.unpack_from("<I", boot, 36)[0]  # sectors of a table of clusters
    table = struct.unpack_from(f"<{length * sector // 4}I", boot, reserved * sector)
    clusters = sum(1 for entry in table[2:] if entry & 0x0FFFFFFF)
    data = PARTITION_START + (reserved + tables * length) * sector
    end = data + (len(table) - 2) * cluster * sector
    outside = [image[at : at + SECTOR] for at in (*range(0, data, SECTOR), *range(end, len(image), SECTOR))]
    return clusters * cluster * sector + sum(SECTOR for piece in outside if any(piece))
