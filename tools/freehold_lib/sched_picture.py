# SPDX-License-Identifier: MIT
"""A picture (SVG) of what policies made of a workload: latencies by percentile, shares by weight."""

from __future__ import annotations

import math
from html import escape

from .machine_table import duration_text
from .sched_run import Outcome, series_of, shares, title
from .workload import Workload

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 860, 260, 90, 150, 56, 74
# Okabe and Ito (2008): told apart by those who do not see all colours, too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933")
DASHES = ("", "7 3", "2 3", "9 3 2 3")
# Where a percentile stands: by how many of those beyond it there are, as in 10 %, 1 %, 0.1 %.
SHOWN = (100_000, 500_000, 900_000, 990_000, 999_000, 999_900)
_FAR = math.log10(1e6 / 60)


def _x(share: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(-math.log10(max(1e6 - share, 1) / 1e6) / _FAR, 1)


def _style(index: int) -> str:
    dash = DASHES[index // len(COLOURS) % len(DASHES)]
    return f'stroke="{COLOURS[index % len(COLOURS)]}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"{more}>{escape(text)}</text>'


def _apart(wanted: list[float], step: float, lowest: float) -> list[float]:
    """The same places, moved so that labels do not cover each other."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    places = list(wanted)
    for before, at in zip(order, order[1:]):
        places[at] = max(places[at], places[before] + step)
    beyond = max(0.0, max(places) - lowest)
    for index in reversed(order):
        places[index] -= beyond
        beyond = max(0.0, beyond - step / 2)
    return places


def _latencies(top: float, what: str, curves: list[tuple[int, str, dict[int, int]]]) -> list[str]:
    values = [value for _, _, points in curves for share, value in points.items() if 0 < share < 10**6 and value]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values) * 1.01))

    def y(value: float) -> float:
        return top + PANEL * (1 - (math.log10(max(value, 10**low)) - low) / max(high - low, 1))

    parts = [_text(LEFT, top - 12, what, size=14, more=' font-weight="bold"')]
    for power in range(low, high + 1):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(10**power):.1f}" y2="{y(10**power):.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y(10**power) + 4, duration_text(10**power), "end"))
    for share in SHOWN:
        parts.append(f'<line x1="{_x(share):.1f}" x2="{_x(share):.1f}" y1="{top}" y2="{top + PANEL}" stroke="#eee"/>')
        parts.append(_text(_x(share), top + PANEL + 17, f"{share / 10_000:g} %", "middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, top + PANEL + 34, "of jobs took no longer", "middle"))
    ends = []
    for index, _, points in curves:
        drawn = [(_x(share), y(value)) for share, value in sorted(points.items()) if 0 < share < 10**6]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in drawn)
        parts.append(f'<polyline points="{line}" fill="none" stroke-width="2" {_style(index)}/>')
        ends.append(drawn[-1][1])
    for (index, name, _), place in zip(curves, _apart(ends, 14, top + PANEL)):
        colour = COLOURS[index % len(COLOURS)]
        parts.append(_text(WIDTH - RIGHT + 8, place + 4, name, more=f' fill="{colour}"'))
    return parts


def _shares(top: float, names: list[str], of: list[dict[str, tuple[float, float]]]) -> list[str]:
    """A block of bars for each group, a bar a policy, and a line where the weight would have it."""
    parts = [_text(LEFT, top - 12, "share of the CPU, of threads that always have work; the line: by weight", size=14, more=' font-weight="bold"')]
    most = max(share for each in of for pair in each.values() for share in pair) * 1.1

    def y(share: float) -> float:
        return top + PANEL * (1 - share / most)

    for tenth in range(0, int(most * 10) + 1):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tenth / 10):.1f}" y2="{y(tenth / 10):.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y(tenth / 10) + 4, f"{tenth * 10} %", "end"))
    block = (WIDTH - LEFT - RIGHT) / len(of[0])
    bar = block * 0.8 / len(of)
    for column, group in enumerate(of[0]):
        begin = LEFT + block * (column + 0.1)
        for index, each in enumerate(of):
            had = each[group][1]
            colour = COLOURS[index % len(COLOURS)]
            parts.append(f'<rect x="{begin + bar * index:.1f}" y="{y(had):.1f}" width="{bar * 0.9:.1f}" height="{top + PANEL - y(had):.1f}" fill="{colour}"/>')
        due = y(of[0][group][0])
        parts.append(f'<line x1="{begin - 4:.1f}" x2="{begin + block * 0.8 + 4:.1f}" y1="{due:.1f}" y2="{due:.1f}" stroke="#000" stroke-width="2"/>')
        parts.append(_text(begin + block * 0.4, top + PANEL + 17, group, "middle"))
    for index, name in enumerate(names):
        parts.append(_text(WIDTH - RIGHT + 8, top + 14 + 16 * index, name, more=f' fill="{COLOURS[index % len(COLOURS)]}"'))
    return parts


def picture(workload: Workload, outcomes: list[Outcome], names: list[str]) -> str:
    """The SVG file's text: a panel for each series of latencies, and one of shares if there are any."""
    parts, top = [], TOP + 30
    for which in series_of(workload, outcomes):
        curves = [(i, names[i], o.series[which]) for i, o in enumerate(outcomes) if o.counts.get(which)]
        kind = {"short": ", short requests", "long": ", long requests"}.get(which[1], "")
        parts += _latencies(top, f"{which[0]}{kind}", curves)
        top += PANEL + GAP
    if sum(group.kind == "busy" for group in workload.groups) > 1:
        parts += _shares(top, names, [shares(workload, outcome) for outcome in outcomes])
        top += PANEL + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top:.0f}" viewBox="0 0 {WIDTH} {top:.0f}" font-family="sans-serif">'
    ground = f'<rect width="{WIDTH}" height="{top:.0f}" fill="#fff"/>'
    return "\n".join([head, ground, _text(LEFT, 34, title(workload), size=15), *parts, "</svg>"]) + "\n"
