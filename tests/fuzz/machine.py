#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Machine files, broken at random (machine_files.py): a bundle that init accepts, or sentences.

    machine.py --build DIR --folder DIR [--seconds N] [--count N] [--seed TEXT]
    machine.py --build DIR FILE...                                  those files alone

Whatever the text, freehold_lib.machine either reads a machine of it, and then init accepts the bundle
that is made of that, or says what is wrong: sentences, each a line, with the file's name and a line
that the file has. Anything else ends this program; the file stays in the folder.

`--build` has the programs that the files name, and tests/unit/init/accept_bundle.
"""

import argparse
import faulthandler
import pathlib
import random
import re
import struct
import subprocess
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(ROOT / "tests" / "fuzz"))

from freehold_lib.bundle import bundle_bytes  # noqa: E402
from freehold_lib.machine import MachineError, load  # noqa: E402
from machine_files import generate  # noqa: E402

PATIENCE = 20  # seconds from one line of figures to the next, and more than enough for one file
SENTENCE_MAX = 1000
REPORT = 1.0  # seconds between them, as long as none takes longer


class Broken(Exception):
    """What must hold does not; the text is a sentence."""


class Init:
    """init's check of bundles, as a program that answers one after another."""

    def __init__(self, build: pathlib.Path):
        program = build / "tests/unit/init/accept_bundle"
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wrong(self, bundle: bytes) -> str:
        """What it says against a bundle; nothing if it accepts it."""
        try:
            self.process.stdin.write(struct.pack("<I", len(bundle)) + bundle)
            self.process.stdin.flush()
            answer = self.process.stdout.readline().decode()
        except BrokenPipeError:
            answer = ""
        return answer.rstrip("\n") if answer else "makes init's check fail."

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def check(path: pathlib.Path, build: pathlib.Path, init: Init) -> bool:
    """Is this file a machine's? Broken if it cannot be told, or init does not agree."""
    lines = path.read_bytes().count(b"\n") + 1
    try:
        machine = load(path, build)
    except MachineError as error:
        check_sentences(path, lines, error.errors)
        return False
    wrong = init.wrong(bundle_bytes(machine, build))
    if wrong:
        raise Broken(f"The file is accepted, but init says: The bundle {wrong}")
    return True


def check_sentences(path: pathlib.Path, lines: int, sentences: list[str]) -> None:
    if not sentences:
        raise Broken("The file is refused without a word.")
    for sentence in sentences:
        place = re.match(r":(\d+): \S", sentence.removeprefix(str(path)))
        if not place or not 1 <= int(place[1]) <= lines:
            raise Broken(f"The sentence does not begin with the file and one of its {lines} lines: {sentence!r}")
        if not sentence.isprintable() or len(sentence) > SENTENCE_MAX or sentence[-1] not in ".?":
            raise Broken(f"This is not one clear sentence: {sentence[:300]!r}")


def tell(count: int, good: int) -> None:
    """What has been done. If nothing follows for long, something hangs: a traceback, and the end."""
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    print(f"{count} files, {good} of them machines", flush=True)


def check_whole(path: pathlib.Path, build: pathlib.Path, init: Init) -> bool:
    """check(), whatever happens in it."""
    try:
        return check(path, build, init)
    except Broken:
        raise
    except Exception as error:
        raise Broken(f"A traceback, not a sentence: {traceback.format_exc()[-2000:]}") from error


def run(build: pathlib.Path, folder: pathlib.Path, seed: str, seconds: float, most: int) -> tuple[int, int]:
    """How many files were tried, and how many of them were machines'."""
    init, path = Init(build), folder / "current.toml"
    count = good = 0
    now = time.monotonic()
    end, report = now + seconds, now
    try:
        while count < most and now < end:
            if now >= report:
                tell(count, good)
                report = now + REPORT
            path.write_bytes(generate(random.Random(f"{seed}/{count}")))
            good += check_whole(path, build, init)
            count += 1
            now = time.monotonic()
    except Broken:
        path.rename(folder / f"{seed}-{count}.toml")
        print(f"Test unit written to {folder / f'{seed}-{count}.toml'}")
        raise
    finally:
        init.close()
    path.unlink(missing_ok=True)
    return count, good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the build folder")
    parser.add_argument("--folder", type=pathlib.Path, help="where a file that fails is kept")
    parser.add_argument("--seconds", type=float, default=1e9, help="for how long")
    parser.add_argument("--count", type=int, default=1 << 62, help="at most so many files")
    parser.add_argument("--seed", default="1", help="what the files are drawn by")
    parser.add_argument("files", type=pathlib.Path, nargs="*", help="try these and no others")
    given = parser.parse_args()
    try:
        if given.files:
            init = Init(given.build)
            tell(0, 0)
            tell(len(given.files), sum(check_whole(file, given.build, init) for file in given.files))
            init.close()
        else:
            print(f"The seed is {given.seed}.")
            tell(*run(given.build, given.folder, given.seed, given.seconds, given.count))
    except Broken as error:
        print(f"ERROR: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
