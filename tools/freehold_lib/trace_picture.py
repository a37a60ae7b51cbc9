# SPDX-License-Identifier: MIT
"""A timeline (SVG) of a trace: a row for each CPU, each vCPU, each thread, and for what a thread says of itself.

No browser and no library makes it. What is too narrow to be seen is drawn together with what is of its kind
within the same pixel or so: a long trace stays a small file, and of two that take turns in it both are seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from .machine_table import duration_text
from .trace import KERNEL
from .trace_tracks import Part, Track

WIDTH, LEFT, RIGHT, TOP, ROW, BAR, HEAD = 1000, 150, 20, 78, 22, 14, 30
# Okabe and Ito (2008), as in sched_picture.py, less the black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933")
IDLE, UPCALL, OWN, BLOCKED = "#e8e8e8", "#333333", "#f0e442", "#999999"
BUSY = ("runs", "upcall")
AWAY = ' fill-opacity="0.75"'  # over what an application seems to do while no CPU runs it
NARROW, TOGETHER = 0.5, 1.5  # pixels: the narrowest bar, and how wide one of several can get
LETTER = 6.2  # pixels, about


@dataclass
class Bar:
    left: float
    right: float
    depth: int
    kind: str
    thread: int
    name: str
    vcpu: int


def without_cpu(parts: list[Part]) -> dict[tuple[str, int], list[tuple[int, int]]]:
    """Of each application and vCPU: when the kernel says that no CPU ran it, as far as that is known of all CPUs."""
    cpus = [track for part in parts if part.title == KERNEL for track in part.tracks]
    if not cpus or not all(track.steps for track in cpus):
        return {}
    begin, end = max(track.steps[0].ns for track in cpus), max(track.steps[-1].ns for track in cpus)
    found = {}
    for part in parts:
        for vcpu, env in enumerate(part.envs):
            gaps, at = [], begin
            for since, until in sorted(_had(cpus, part.title, env)):
                if since > at:
                    gaps.append((at, since))
                at = max(at, until)
            found[part.title, vcpu] = gaps + [(at, end)] * (at < end)
    return found


def _had(cpus: list[Track], name: str, env: int) -> list[tuple[int, int]]:
    """When a CPU ran this environment, which is called so."""
    return [
        (begun.ns, ended.ns)
        for track in cpus
        for begun, ended in zip(track.steps[::2], track.steps[1::2])  # its spans follow one another
        if begun.name == name and begun.event and begun.event.thread == env
    ]


def colour(thread: int) -> str:
    return COLOURS[thread % len(COLOURS)]


def picture(parts: list[Part], begin: int, end: int, title: str) -> str:
    """The SVG file's text, for the time from `begin` to `end`, in ns since boot."""
    scale = (WIDTH - LEFT - RIGHT) / max(end - begin, 1)
    rows, top = [], TOP
    away = without_cpu(parts)
    for part in parts:
        lost = f", {part.lost} older events were overwritten" if part.lost else ""
        name = "The CPUs" if part.title == KERNEL else part.title
        rows.append(_text(12, top + 16, name + lost, 13, ' font-weight="bold"'))
        top += HEAD
        for track in part.tracks:
            bars = _bars(track, begin, end, scale)
            points = [step for step in track.steps if step.what == "i" and begin <= step.ns <= end]
            if not bars and not (points and track.kind == "own"):
                continue
            rows.append(_text(LEFT - 8, top + 12, track.title, 11, ' text-anchor="end"'))
            rows += _row(track, [bar for bar in bars if bar.kind == "idle"], top)
            rows += _row(track, [bar for bar in bars if bar.kind in BUSY], top)
            if track.kind in ("vcpu", "thread"):
                for vcpu in range(len(part.envs)):
                    gaps = [[LEFT + (ns - begin) * scale for ns in gap] for gap in away.get((part.title, vcpu), [])]
                    there = [bar for bar in bars if bar.kind in BUSY and not bar.depth and bar.vcpu == vcpu]
                    rows += _paled(there, gaps, top)
            rows += _row(track, [bar for bar in bars if bar.kind not in (*BUSY, "idle")], top)
            if track.kind == "own":
                rows += [_point(LEFT + (step.ns - begin) * scale, top, f"{step.name} {step.more}") for step in points]
            top += ROW
    height = top + 12
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif">'
    )
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, ground, _text(12, 22, title, 15), *legend(), *_axis(begin, end, scale, height), *rows, "</svg>"]) + "\n"


def _text(x: float, y: float, text: str, size: int, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{more}>{escape(text)}</text>'


def _rect(left: float, top: float, width: float, height: float, fill: str, more: str = "", title: str = "") -> str:
    shape = f'<rect x="{left:.2f}" y="{top:.1f}" width="{max(width, NARROW):.2f}" height="{height}" fill="{fill}"{more}'
    return f"{shape}><title>{escape(title)}</title></rect>" if title and width > TOGETHER else f"{shape}/>"


def _bars(track: Track, begin: int, end: int, scale: float) -> list[Bar]:
    """What of the track lies in the time that is shown; narrow ones of a kind side by side are one."""
    bars: list[Bar] = []
    open_since: list[int] = []
    last: dict[tuple, Bar] = {}
    for step in track.steps:
        if step.what == "B":
            open_since.append(step.ns)
        elif step.what == "E":
            since = open_since.pop()
            if step.ns < begin or since > end:
                continue
            left, right = (LEFT + (min(max(ns, begin), end) - begin) * scale for ns in (since, step.ns))
            bar = Bar(left, right, len(open_since), step.kind, step.thread, step.name, step.vcpu)
            alike = (bar.depth, bar.kind, bar.thread, bar.name, bar.vcpu)
            near = last.get(alike)
            if near and right - near.left < TOGETHER:
                near.right = right
                continue
            last[alike] = bar
            bars.append(bar)
    return sorted(bars, key=lambda bar: bar.depth)


def _paled(bars: list[Bar], gaps: list[list[float]], top: float) -> list[str]:
    """What is drawn over these bars in the gaps, both from left to right."""
    parts, at = [], 0
    for bar in bars:
        while at < len(gaps) and gaps[at][1] <= bar.left:
            at += 1
        for left, right in gaps[at:]:
            if left >= bar.right:
                break
            left, right = max(left, bar.left), min(right, bar.right)
            parts.append(_rect(left, top, right - left, BAR, "#fff", AWAY))
    return parts


def _row(track: Track, bars: list[Bar], top: float) -> list[str]:
    parts = []
    for bar in bars:
        width = bar.right - bar.left
        if bar.kind == "blocked":
            parts.append(_rect(bar.left, top + BAR / 2 - 0.5, width, 1, BLOCKED))
        elif bar.kind == "ready":
            parts.append(_rect(bar.left, top + 3, width, BAR - 6, colour(bar.thread), ' fill-opacity="0.25"'))
        elif bar.kind == "idle":
            parts.append(_rect(bar.left, top, width, BAR, IDLE))
        elif bar.kind == "upcall":
            parts.append(_rect(bar.left, top, width, BAR / 2 if bar.depth else BAR, UPCALL, title=bar.name))
        elif bar.kind == "own":
            inset = min(bar.depth, 3) * 2
            parts.append(_rect(bar.left, top + inset, width, BAR - 2 * inset, OWN, ' stroke="#8a8000" stroke-width="0.4"', bar.name))
        else:
            parts.append(_rect(bar.left, top, width, BAR, colour(bar.thread), title=bar.name))
        if track.kind != "thread" and bar.kind in ("runs", "own") and len(bar.name) * LETTER < width - 4:
            fill = "#fff" if bar.kind == "runs" else "#000"
            parts.append(_text(bar.left + 3, top + 11, bar.name, 10, f' fill="{fill}"'))
    return parts


def _point(x: float, top: float, name: str) -> str:
    y = top + BAR / 2
    shape = f"M{x:.2f} {y - 5:.1f}l4 5l-4 5l-4-5z"
    return f'<path d="{shape}" fill="#000"><title>{escape(name.strip())}</title></path>'


def legend() -> list[str]:
    parts, x = [], 12.0
    items = (
        ("runs", COLOURS[0], BAR, ""), ("can run, waits for the CPU", COLOURS[0], BAR - 6, ' fill-opacity="0.25"'),
        ("is blocked", BLOCKED, 1, ""), ("libos: an upcall", UPCALL, BAR / 2, ""), ("nothing can run", IDLE, BAR, ""),
        ("the program's own", OWN, BAR, ""), ("has no CPU", COLOURS[1], BAR, ' fill-opacity="0.25"'),
    )  # fmt: skip
    for words, fill, height, more in items:
        parts.append(_rect(x, 42 - height / 2, 22, height, fill, more))
        parts.append(_text(x + 27, 46, words, 11))
        x += 44 + len(words) * LETTER
    return parts


def _axis(begin: int, end: int, scale: float, height: float) -> list[str]:
    """Lines at round times, counted from where the picture begins."""
    span = max(end - begin, 1)
    step = 10 ** math.floor(math.log10(span / 2))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2, 5) if span / (step * factor) <= 11)
    parts, at = [], 0.0
    while at <= span:
        x = LEFT + at * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 8}" stroke="#ddd"/>')
        parts.append(_text(x, TOP - 12, duration_text(at) if at else "0", 10, ' text-anchor="middle"'))
        at += step
    return parts
