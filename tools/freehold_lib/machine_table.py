# SPDX-License-Identifier: MIT
"""Values of the right type out of one table of a machine file, and sentences about wrong ones."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

UNITS = {"K": 10, "KiB": 10, "M": 20, "MiB": 20, "G": 30, "GiB": 30}
TIMES = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}
_DURATION = re.compile(r"([0-9]{1,9}) ?([a-z]*)")
_SIZE = re.compile(r"([0-9]{1,12}) ?([A-Za-z]*)")
REQUIRED = object()

_TYPES = {str: "a string", bool: "true or false", int: "a number", float: "a fraction"}
_TYPES |= {list: "an array", dict: "a table"}


def plain(text: str, most: int) -> str:
    """A string of the file inside a sentence: on one line, and not without end."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: most + 1])
    return f"{shown[:most]}..." if len(shown) > most else shown


def duration_text(ns: float) -> str:
    """So that three digits are seen: "455 us"."""
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 999.5 * size else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def quote(text: str) -> str:
    return f'"{plain(text, 60)}"'


def _is_number(value: int) -> bool:
    """One of those that TOML promises to keep; Python has longer ones, and does not print them all."""
    return -(1 << 63) <= value < 1 << 63


class Errors:
    """What is wrong with a file, each a sentence that begins with file and line."""

    def __init__(self, path: Path, lines: dict[tuple, int]):
        self.path = path
        self.lines = lines
        self._found: list[tuple[int, str]] = []

    def add(self, place: tuple, sentence: str) -> None:
        """`place` is a path of toml_lines; what stands nowhere is told at what surrounds it."""
        while place and place not in self.lines:
            place = place[:-1]
        self._found.append((self.lines.get(place, 1), sentence))

    def sort(self) -> None:
        self._found.sort(key=lambda found: found[0])

    @property
    def sentences(self) -> list[str]:
        return [f"{self.path}:{line}: {sentence}" for line, sentence in self._found]


class Table:
    """One table. Each reader returns None for a value that is missing or wrong, which it told."""

    def __init__(self, errors: Errors, place: tuple, values: dict, label: str):
        self.errors = errors
        self.place = place
        self.values = values
        self.label = label  # how sentences about it begin

    def wrong(self, key: str | None, sentence: str, element: int | str | None = None) -> None:
        place = self.place + ((key,) if key else ()) + ((element,) if element is not None else ())
        sentence = f"{self.label}: `{key}` {sentence}" if key else f"{self.label} {sentence}"
        self.errors.add(place, sentence if sentence.endswith("?") else sentence + ".")

    def check_keys(self, known: tuple[str, ...]) -> None:
        for key in self.values:
            if key in known:
                continue
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean \"{close[0]}\"?" if close else f"the keys here are {', '.join(known)}."
            self.errors.add(self.place + (key,), f"{self.label}: there is no key {quote(key)}; {hint}")

    def _get(self, key: str, kind: type, default):
        if key not in self.values:
            if default is REQUIRED:
                what = f"the table [{key}]" if kind is dict else f"the key `{key}`"
                self.wrong(None, f"lacks {what}")
                return None
            return default
        return self._typed(key, self.values[key], kind, None)

    def _typed(self, key: str, value, kind: type, element):
        # A bool is an int to Python, not to a person.
        if type(value) is kind and (kind is not int or _is_number(value)):
            return value
        if type(value) is kind:
            self.wrong(key, "is a number of more than 64 bits", element)
            return None
        found = _TYPES.get(type(value), "a date or time")
        where = "must be" if element is None else "must hold"
        plural = {str: "strings"}.get(kind, _TYPES[kind]) if element is not None else _TYPES[kind]
        self.wrong(key, f"{where} {plural}, not {found}", element)
        return None

    def string(self, key: str, default=REQUIRED) -> str | None:
        return self._get(key, str, default)

    def integer(self, key: str, default=REQUIRED) -> int | None:
        return self._get(key, int, default)

    def boolean(self, key: str, default: bool) -> bool | None:
        return self._get(key, bool, default)

    def size(self, key: str, default: int) -> int | None:
        """Bytes. Units are powers of 1024, because memory comes in them."""
        value = self.values.get(key)
        if type(value) is int and _is_number(value):
            self.wrong(key, f'is {value} without a unit; write for example "{max(value, 1)}M"')
            return None
        text = self._get(key, str, None)
        if text is None:
            return None if key in self.values else default
        match = _SIZE.fullmatch(text)
        if not match or match[2] not in UNITS:
            self.wrong(
                key, f'is {quote(text)}; write a whole number and one of the units {", ".join(UNITS)} (powers of 1024)'
            )
            return None
        return int(match[1]) << UNITS[match[2]]

    def duration(self, key: str, default, least: int, most: int) -> int | None:
        """Nanoseconds, within these."""
        text = self.string(key, default)
        if type(text) is not str:
            return None
        match = _DURATION.fullmatch(text)
        if not match or match[2] not in TIMES:
            self.wrong(
                key, f'is {quote(text)}; write a whole number and one of the units {", ".join(TIMES)}, as in "10us"'
            )
            return None
        value = int(match[1]) * TIMES[match[2]]
        if not least <= value <= most:
            self.wrong(key, f"is {text}; it goes from {duration_text(least)} to {duration_text(most)}")
            return None
        return value

    def choice(self, key: str, words: tuple[str, ...], default: str) -> str | None:
        word = self.string(key, default)
        if word is None or word in words:
            return word
        close = difflib.get_close_matches(word, words, 1)
        hint = f'did you mean "{close[0]}"?' if close else f"choose one of {', '.join(words)}."
        self.errors.add(self.place + (key,), f"{self.label}: `{key}` is {quote(word)}; {hint}")
        return None

    def strings(self, key: str) -> dict[int, str]:
        """An array of strings, by position."""
        given = self._get(key, list, []) or []
        checked = ((index, self._typed(key, value, str, index)) for index, value in enumerate(given))
        return {index: text for index, text in checked if text is not None}

    def integers(self, key: str) -> dict[int, int]:
        """An array of numbers, by position."""
        given = self._get(key, list, []) or []
        checked = ((index, self._typed(key, value, int, index)) for index, value in enumerate(given))
        return {index: number for index, number in checked if number is not None}

    def strings_by_name(self, key: str) -> dict[str, str]:
        given = self._get(key, dict, {}) or {}
        checked = ((name, self._typed(key, value, str, name)) for name, value in given.items())
        return {name: text for name, text in checked if text is not None}

    def table(self, key: str, label: str) -> Table:
        values = self._get(key, dict, REQUIRED)
        if values is None:
            return _Absent(self.errors, self.place + (key,), {}, label)
        return Table(self.errors, self.place + (key,), values, label)

    def tables(self, key: str, what: str = "application") -> list[Table]:
        """An array of tables; each is called by its key `name` where it has a good one, else by what
        it is and its number."""
        if type(self.values.get(key)) is dict:
            self.errors.add(self.place + (key,), f"Write [[{key}]] with two brackets: there may be several.")
            return []
        made = []
        for index, values in enumerate(self._get(key, list, []) or []):
            if self._typed(key, values, dict, index) is None:
                continue
            name = values.get("name")
            good = type(name) is str and name.isprintable() and name == name.strip() and 0 < len(name) <= 40
            label = name if good else f"{what} {index + 1}"
            made.append(Table(self.errors, self.place + (key, index), values, label))
        return made


class _Absent(Table):
    """Stands for a table that is missing, which has been told: all it lacks is no further news."""

    def wrong(self, key, sentence, element=None) -> None:
        pass
