# SPDX-License-Identifier: MIT
"""A flame graph (SVG) of a profile: a bar a function, as wide as the time in it and what it called, on top of its caller.

No browser and no script makes it; a viewer that knows <title> tells name and share of a bar under the pointer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html import escape

from .profile import IDLE, Stack
from .symbols import KERNEL

WIDTH, LEFT, TOP, ROW, FOOT = 1200, 10, 44, 18, 14
NARROW = 0.3  # pixels: what is narrower is left out
LETTER = 6.6  # pixels, about
# Okabe and Ito (2008), as in the other pictures: the kernel's, and in turn those of applications.
KERNEL_COLOUR = "#999999"
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2")


@dataclass
class Bar:
    name: str
    count: int = 0
    inner: dict[str, Bar] = field(default_factory=dict)


def tree(samples: Counter[Stack]) -> Bar:
    """What was at work; of CPUs that had nothing to do there is nothing to show."""
    root = Bar("all")
    for stack, count in sorted(samples.items()):
        if stack == (IDLE,):
            continue
        at = root
        at.count += count
        for name in stack:
            at = at.inner.setdefault(name, Bar(name))
            at.count += count
    return root


def _depth(bar: Bar) -> int:
    return 1 + max((_depth(inner) for inner in bar.inner.values()), default=0)


def picture(samples: Counter[Stack], title: str) -> str:
    root = tree(samples)
    depth = _depth(root)
    height = TOP + depth * ROW + FOOT
    scale = (WIDTH - 2 * LEFT) / max(root.count, 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(sorted(root.inner))}

    def draw(bar: Bar, left: float, level: int, colour: str) -> None:
        width = bar.count * scale
        if width < NARROW:
            return
        y = TOP + (depth - 1 - level) * ROW
        share = f"{bar.name}: {100 * bar.count / root.count:.1f} % ({bar.count} of {root.count})"
        fits = int((width - 6) / LETTER)
        name = bar.name if len(bar.name) <= fits else bar.name[: fits - 2] + ".." if fits > 4 else ""
        label = f'<text x="{left + 3:.1f}" y="{y + 13}">{escape(name)}</text>' if name else ""
        shade = 1 - 0.3 * (level % 2)
        parts.append(
            f'<g><title>{escape(share)}</title><rect x="{left:.2f}" y="{y}" width="{width:.2f}" height="{ROW - 1}" '
            f'fill="{colour}" fill-opacity="{shade:g}"/>{label}</g>'
        )
        for inner in bar.inner.values():
            draw(inner, left, level + 1, _colour(inner.name, level, colour, colours))
            left += inner.count * scale

    draw(root, LEFT, 0, "#dddddd")
    return "\n".join([*parts, "</svg>", ""])


def _colour(name: str, level: int, below: str, colours: dict[str, str]) -> str:
    if name == KERNEL:
        return KERNEL_COLOUR
    return below if level else colours[name]
