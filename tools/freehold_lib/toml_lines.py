# SPDX-License-Identifier: MIT
"""On which line of a TOML file each key, table and array element stands.

tomllib gives values without places. This walks the same text once more, for the places alone, and
leaves meaning to tomllib: the text must be one that tomllib accepted. A path is what leads to a
value in tomllib's result: ("app", 0, "arguments", 2).
"""

from __future__ import annotations

import bisect
import re
import tomllib

Path = tuple  # of str and int

_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
STRING = (
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'"
)
_STRING = re.compile(STRING, re.S)
_PLAIN = re.compile(r"[^,\]}\n#]*")


def lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every path. An array of tables has the line of its first header."""
    return _Scanner(text.replace("\r\n", "\n")).document()


class _Scanner:
    def __init__(self, text: str):
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.tables: dict[Path, int] = {}  # array of tables -> how many so far

    def document(self) -> dict[Path, int]:
        table: Path = ()
        self.skip(_BLANK_LINES)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK_LINES)
        return self.found

    def skip(self, expression: re.Pattern) -> str:
        match = expression.match(self.text, self.at)
        assert match, "not TOML: tomllib must accept the text first"
        self.at = match.end()
        return match.group()

    def note(self, path: Path) -> None:
        self.found.setdefault(path, bisect.bisect_left(self.ends, self.at) + 1)

    def header(self) -> Path:
        many = self.text.startswith("[[", self.at)
        path: Path = ()
        start = self.at
        self.at += 2 if many else 1
        keys = self.keys()
        end, self.at = self.at + (2 if many else 1), start
        for last, key in enumerate(keys, start=1 - len(keys)):
            path += (key,)
            self.note(path)
            if last == 0 and many:
                self.tables[path] = self.tables.get(path, 0) + 1
            if path in self.tables:
                path += (self.tables[path] - 1,)
                self.note(path)
        self.at = end
        return path

    def keys(self) -> list[str]:
        """A key, which may be dotted."""
        keys = []
        while True:
            self.skip(_BLANK)
            if self.text[self.at] in "\"'":
                keys.append(tomllib.loads(f"key = {self.skip(_STRING)}")["key"])
            else:
                keys.append(self.skip(_BARE_KEY))
            self.skip(_BLANK)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def pair(self, table: Path) -> None:
        start = self.at
        keys = self.keys()
        end, self.at = self.at + 1, start
        for key in keys:
            table += (key,)
            self.note(table)
        self.at = end
        self.skip(_BLANK)
        self.value(table)

    def value(self, path: Path) -> None:
        opening = self.text[self.at]
        if opening == "[":
            self.inside("]", lambda index: self.element(path + (index,)))
        elif opening == "{":
            self.inside("}", lambda _: self.pair(path))
        else:
            self.skip(_STRING if opening in "\"'" else _PLAIN)

    def element(self, path: Path) -> None:
        self.note(path)
        self.value(path)

    def inside(self, closing: str, item) -> None:
        self.at += 1
        index = 0
        while True:
            self.skip(_BLANK_LINES)
            if self.text[self.at] == ",":
                self.at += 1
            elif self.text[self.at] == closing:
                self.at += 1
                return
            else:
                item(index)
                index += 1
