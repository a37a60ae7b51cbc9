# SPDX-License-Identifier: MIT
"""What a bench found: figures of ours beside those of the Linux guest of the same run, told in three ways."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    name: str  # as the programs print it
    what: str
    unit: str
    freehold: int
    limit: int | None = None  # promised: at most so much
    linux: int | None = None
    linux_what: str = ""  # what that one does in its place

    @property
    def ratio(self) -> float | None:
        """How many times ours the other's is."""
        return self.linux / self.freehold if self.linux is not None and self.freehold else None

    @property
    def within(self) -> bool:
        return self.limit is None or self.freehold <= self.limit


class Report(NamedTuple):
    bench: str
    conditions: dict[str, str]
    figures: list[Figure]

    @property
    def beyond(self) -> list[Figure]:
        return [figure for figure in self.figures if not figure.within]

    def as_text(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.conditions.items()]
        lines += ["", f"{'':44} {'Freehold':>10} {'limit':>8} {'Linux':>10} {'ratio':>7}"]
        for figure in self.figures:
            cells = f"{figure.freehold:>10,} {_number(figure.limit):>8} {_number(figure.linux):>10} {_ratio(figure):>7}"
            lines.append(f"{figure.what:44} {cells}{'' if figure.within else '  BEYOND'}".rstrip())
        return "\n".join(lines)

    def as_markdown(self) -> str:
        """What stands between the marks in docs/performance.md."""
        lines = ["; ".join(f"{name}: {value}" for name, value in self.conditions.items()) + ".", ""]
        lines += ["| what | Freehold | limit | Linux | ratio | what Linux does |", "|---|---:|---:|---:|---:|---|"]
        for figure in self.figures:
            ours = f"{figure.freehold:,}" if figure.within else f"**{figure.freehold:,}**"
            cells = [figure.what, ours, _number(figure.limit), _number(figure.linux), _ratio(figure), figure.linux_what]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def as_json(self) -> dict:
        figures = [figure._asdict() | {"ratio": figure.ratio, "within": figure.within} for figure in self.figures]
        return {"bench": self.bench, "conditions": self.conditions, "figures": figures}


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _ratio(figure: Figure) -> str:
    return "" if figure.ratio is None else f"{figure.ratio:.1f}"
