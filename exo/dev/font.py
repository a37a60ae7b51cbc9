#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make a C table of the letters drawn in font.txt.

usage: font.py font.txt OUTPUT

One byte a row, the leftmost pixel in bit 7; the tests read the same file through glyphs().
"""

import sys
from pathlib import Path

FIRST, LAST = " ", "~"
WIDTH, ROWS = 6, 12
A_BLOCK = 8


def glyphs(path: Path) -> dict[str, list[int]]:
    """Each character's rows, as bytes of a cell eight pixels wide."""
    rows = [
        line.split()
        for line in path.read_text(encoding="ascii").splitlines()
        if line.strip() and not line.startswith(";")
    ]
    count = ord(LAST) - ord(FIRST) + 1
    if len(rows) != -(-count // A_BLOCK) * ROWS:
        sys.exit(f"{path}: {len(rows)} rows of pixels, blocks of {ROWS} for {count} glyphs are needed.")
    font = {}
    for number in range(count):
        block, place = divmod(number, A_BLOCK)
        character = chr(ord(FIRST) + number)
        try:
            drawn = [row[place] for row in rows[block * ROWS : (block + 1) * ROWS]]
        except IndexError:
            sys.exit(f"{path}: a row of the block with '{character}' is too short.")
        if any(len(row) != WIDTH or set(row) - {".", "#"} for row in drawn):
            sys.exit(f"{path}: '{character}' must be {WIDTH} columns of '.' and '#'.")
        font[character] = [int(row.replace(".", "0").replace("#", "1"), 2) << 1 for row in drawn]
    return font


def main() -> None:
    source, output = map(Path, sys.argv[1:])
    lines = ["/* SPDX-License-Identifier: MIT */", "/* Made from font.txt by font.py. */"]
    lines += [f"#define FONT_ROWS {ROWS}u", "static const unsigned char font[][FONT_ROWS] = {"]
    for character, rows in glyphs(source).items():
        lines.append("    {" + ", ".join(f"0x{row:02x}" for row in rows) + f"}}, /* {ord(character)} */")
    output.write_text("\n".join([*lines, "};", ""]), encoding="ascii")


if __name__ == "__main__":
    main()
