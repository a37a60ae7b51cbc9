# SPDX-License-Identifier: MIT
"""A trace as the JSON that Perfetto (ui.perfetto.dev) and chrome://tracing read: the Trace Event Format.

A process is one application, or the kernel, and a thread of it one track. Spans are pairs of B and E in the order in which
they nest, which is why they stand in this order in the file. Times are microseconds since boot. `args` has
the number of the event in its ring, and whose ring that is: which vCPU's, or CPU's.
"""

from __future__ import annotations

import json

from .trace_tracks import Part, Step


def text(parts: list[Part]) -> str:
    events = []
    for process, part in enumerate(parts, 1):
        events.append(_about(process, 0, "process_name", name=part.title))
        events.append(_about(process, 0, "process_sort_index", sort_index=process))
        for thread, track in enumerate(part.tracks, 1):
            events.append(_about(process, thread, "thread_name", name=track.title))
            events.append(_about(process, thread, "thread_sort_index", sort_index=thread))
            events += [_step(process, thread, step) for step in track.steps]
    lines = ",\n".join(json.dumps(event) for event in events)
    lost = {part.title: part.lost for part in parts}
    return f'{{"displayTimeUnit": "ns", "otherData": {{"lost": {json.dumps(lost)}}}, "traceEvents": [\n{lines}\n]}}\n'


def _about(process: int, thread: int, what: str, **args) -> dict:
    return {"ph": "M", "pid": process, "tid": thread, "name": what, "args": args}


def _step(process: int, thread: int, step: Step) -> dict:
    made = {"ph": step.what, "pid": process, "tid": thread, "ts": step.ns / 1000, "name": step.name, "cat": step.kind}
    if step.what == "i":
        made["s"] = "t"
    args = {"ring": step.event.ring, "event": step.event.number} if step.event else {}
    if step.more:
        args["what"] = step.more
    if args:
        made["args"] = args
    return made

