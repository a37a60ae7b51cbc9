# SPDX-License-Identifier: MIT
"""What a bench found, as a table of its own columns: for people, for docs/performance.md, for machines."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple, Sequence


class Table(NamedTuple):
    bench: str
    conditions: dict[str, str]
    columns: list[str]
    rows: list[list[str]]
    beyond: list[str]  # what was promised and is not so, a sentence each
    raw: list[dict]  # every single run, for machines

    def as_text(self) -> str:
        wide = [max(map(len, column)) for column in zip(self.columns, *self.rows)]
        lines = [f"{name}: {value}" for name, value in self.conditions.items()]
        lines.append("")
        for row in [self.columns, *self.rows]:
            cells = [f"{row[0]:{wide[0]}}", *(f"{cell:>{width}}" for cell, width in zip(row[1:], wide[1:]))]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, *(f"BEYOND: {sentence}" for sentence in self.beyond)])

    def as_markdown(self) -> str:
        """What stands between the marks in docs/performance.md."""
        lines = ["; ".join(f"{name}: {value}" for name, value in self.conditions.items()) + ".", ""]
        lines += [f"| {' | '.join(self.columns)} |", "|---|" + "---:|" * (len(self.columns) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        if self.beyond:
            lines += ["", "Promised, and not so:", "", *(f"- {sentence}" for sentence in self.beyond)]
        return "\n".join(lines)

    def as_json(self) -> dict:
        return {"bench": self.bench, "conditions": self.conditions, "beyond": self.beyond, "runs": self.raw}


def spread(figures: Sequence[float], digits: int = 0) -> str:
    """Their median, and the least and the greatest."""
    low, middle, high = (f"{f(figures):,.{digits}f}" for f in (min, median, max))
    return f"{middle} ({low}-{high})"
