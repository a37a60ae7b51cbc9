# SPDX-License-Identifier: MIT
"""The image builder: what firmware looks for is where the specifications put it."""

import pathlib
import struct
import subprocess
import sys
import uuid
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib.image import ImageError, build_image  # noqa: E402

SECTOR = 512
ESP = uuid.UUID("C12A7328-F81F-11D2-BA4B-00C04FC93EC9")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "loader").write_bytes(b"MZ" + bytes(range(256)) * 50)
    (tmp_path / "empty").write_bytes(b"")
    return {
        "EFI/BOOT/BOOTX64.EFI": tmp_path / "loader",
        "freehold/a long name with spaces.bin": tmp_path / "empty",
    }


def gpt_header(image: bytes, sector: int) -> dict:
    """UEFI specification, 5.3.2 "GPT Header"; checks both checksums."""
    raw = image[sector * SECTOR : (sector + 1) * SECTOR]
    assert raw[:8] == b"EFI PART"
    size, crc = struct.unpack_from("<II", raw, 12)
    assert zlib.crc32(raw[:16] + bytes(4) + raw[20:size]) == crc
    mine, other, first, last = struct.unpack_from("<QQQQ", raw, 24)
    table, count, width, table_crc = struct.unpack_from("<QIII", raw, 72)
    entries = image[table * SECTOR : table * SECTOR + count * width]
    assert zlib.crc32(entries) == table_crc
    assert mine == sector
    return {"other": other, "first": first, "last": last, "entries": entries, "width": width}


def test_partition_table(files, tmp_path):
    image = build_image(tmp_path / "disk.img", files).read_bytes()
    sectors = len(image) // SECTOR
    assert image[510:512] == b"\x55\xaa" and image[446 + 4] == 0xEE, "protective MBR"
    main = gpt_header(image, 1)
    assert main["other"] == sectors - 1
    assert gpt_header(image, sectors - 1)["entries"] == main["entries"]
    used = [
        entry
        for at in range(0, len(main["entries"]), main["width"])
        if any((entry := main["entries"][at : at + main["width"]])[:16])
    ]
    assert len(used) == 1
    assert uuid.UUID(bytes_le=used[0][:16]) == ESP
    first, last = struct.unpack_from("<QQ", used[0], 32)
    assert main["first"] <= first < last <= main["last"]
    assert first % 2048 == 0, "aligned to 1 MiB"


def test_file_system(files, tmp_path):
    image = build_image(tmp_path / "disk.img", files)
    partition = tmp_path / "partition"
    data = image.read_bytes()
    partition.write_bytes(data[1 << 20 : len(data) - (1 << 20)])
    boot = partition.read_bytes()[:SECTOR]
    assert boot[82:90] == b"FAT32   "
    assert struct.unpack_from("<I", boot, 28) == (2048,), "hidden sectors before the partition"
    check = subprocess.run(
        ["/usr/sbin/fsck.fat", "-n", partition], capture_output=True, text=True, timeout=30
    )
    assert check.returncode == 0, check.stdout + check.stderr
    for name, source in files.items():
        copy = subprocess.run(
            ["mtype", "-i", partition, f"::{name}"], capture_output=True, timeout=30
        )
        assert copy.stdout == source.read_bytes()


@pytest.mark.parametrize(
    "name", ["/absolute", "../outside", "a/../../b", "co:lon", "dot.", "new\nline", ""]
)
def test_bad_names(name, files, tmp_path):
    with pytest.raises(ImageError, match="is not a relative path"):
        build_image(tmp_path / "disk.img", {name: files["EFI/BOOT/BOOTX64.EFI"]})
    assert not (tmp_path / "disk.img").exists()


def test_missing_source(tmp_path):
    with pytest.raises(ImageError, match="nothing-here.* is not there; build it first"):
        build_image(tmp_path / "disk.img", {"a": tmp_path / "nothing-here"})


@pytest.mark.parametrize(
    "other, sentence",
    [
        ("efi/boot/bootx64.efi", "are one name in a FAT file system"),
        ("efi/boot/BootX64.efi/inside", "cannot be a file and, for .*, a folder as well"),
    ],
)
def test_names_that_clash(other, sentence, files, tmp_path):
    files[other] = files["EFI/BOOT/BOOTX64.EFI"]
    with pytest.raises(ImageError, match=sentence):
        build_image(tmp_path / "disk.img", files)


def test_folders_in_other_letters_are_one(files, tmp_path):
    files["efi/boot/second"] = files["EFI/BOOT/BOOTX64.EFI"]
    image = build_image(tmp_path / "disk.img", files)
    for name in ("EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/second"):
        copy = subprocess.run(
            ["mtype", "-i", f"{image}@@{1 << 20}", f"::{name}"], capture_output=True, timeout=30
        )
        assert copy.stdout == files["EFI/BOOT/BOOTX64.EFI"].read_bytes()


def test_output_is_replaced_whole_or_not_at_all(files, tmp_path, monkeypatch):
    output = tmp_path / "disk.img"
    output.write_bytes(b"the image of yesterday")
    broken = tmp_path / "bin" / "mcopy"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no space >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent), prepend=":")
    with pytest.raises(ImageError, match="mcopy failed while building the image: no space"):
        build_image(output, files)
    assert output.read_bytes() == b"the image of yesterday"
    assert not list(tmp_path.glob(".*tmp"))


def test_output_is_a_folder_or_in_none(files, tmp_path):
    with pytest.raises(ImageError, match="is not an ordinary file"):
        build_image(tmp_path, files)
    with pytest.raises(ImageError, match="folder .* does not exist"):
        build_image(tmp_path / "nowhere" / "disk.img", files)
