# SPDX-License-Identifier: MIT
"""The log on the screen: a picture of it is taken and read back, letter by letter."""

import importlib.util
import time

import pytest

from conftest import ROOT
from monitor import Monitor

TIMEOUT = 50
GREY = b"\xc8\xc8\xc8"


@pytest.fixture(scope="module")
def letters():
    """The pixels of a cell, top to bottom, as a string of 0 and 1 -> its character."""
    spec = importlib.util.spec_from_file_location("font", ROOT / "exo/dev/font.py")
    font = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(font)
    empty = ["00000000"] * 2
    return {
        "".join(empty + [f"{row:08b}" for row in rows] + empty): character
        for character, rows in font.glyphs(ROOT / "exo/dev/font.txt").items()
    }


def read_ppm(data: bytes):
    """Width, height and pixels, three bytes each, of a binary PPM."""
    magic, size, depth, pixels = data.split(b"\n", 3)
    assert (magic, depth) == (b"P6", b"255")
    width, height = map(int, size.split())
    assert len(pixels) == width * height * 3
    return width, height, pixels


def read_screen(data: bytes, letters) -> list[str]:
    """The lines of text on the picture; a cell that is no letter of ours reads as U+FFFD."""
    width, height, pixels = read_ppm(data)
    scale = 2 if width >= 1600 else 1
    bits = [
        "".join("1" if pixels[at : at + 3] == GREY else "0"
                for at in range(y * width * 3, (y + 1) * width * 3, 3 * scale))
        for y in range(0, height, scale)
    ]  # fmt: skip
    return [
        "".join(
            letters.get("".join(bits[top + y][left : left + 8] for y in range(16)), "\ufffd")
            for left in range(0, width // scale // 8 * 8, 8)
        ).rstrip()
        for top in range(0, height // scale // 16 * 16, 16)
    ]


def screendump(monitor, picture) -> bytes:
    picture.unlink(missing_ok=True)
    monitor.ask(f"screendump {picture}")
    return picture.read_bytes()


@pytest.mark.parametrize("size", [None, (1920, 1080)], ids=["default", "1920x1080"])
def test_log_is_on_the_screen(size, build, make_image, start_machine, letters, tmp_path):
    image = make_image({
        "EFI/BOOT/BOOTX64.EFI": build / "uefi/BOOTX64.EFI",
        "freehold/kernel.elf": build / "exo/kernel.elf",
        "freehold/init.elf": build / "apps/init",
        "freehold/bundle.bin": b"not a bundle",
    })  # fmt: skip
    monitor = Monitor(tmp_path / "monitor")
    extra = monitor.options
    if size:
        extra += ["-vga", "none", "-device", f"VGA,edid=on,xres={size[0]},yres={size[1]}"]
    machine = start_machine(image, extra=extra)
    machine.wait_for(r"^\[exo\] init ended", TIMEOUT)
    text = machine.text()
    log = text[text.index("[exo] Freehold") :].splitlines()
    assert len(log) > 5
    end = time.monotonic() + 10
    while True:  # the screen follows the serial port when there is time
        data = screendump(monitor, tmp_path / "screen.ppm")
        lines = read_screen(data, letters)
        if lines[: len(log)] == log or time.monotonic() > end:
            break
    if size:
        assert read_ppm(data)[:2] == size
    columns = read_ppm(data)[0] // (16 if size else 8)
    assert max(map(len, log)) <= columns, "a wrapped line would need another comparison"
    assert lines[: len(log)] == log
    assert not any(lines[len(log) :])
