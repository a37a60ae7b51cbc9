# SPDX-License-Identifier: MIT
"""The workloads of the scheduling laboratory on the machine, in virtual time: an instruction takes a
nanosecond (QEMU, -icount), so that nothing here depends on how fast the host is or what else it does.

The firmware takes longer than all workloads together: there are two boots, each of which does several of them
one after the other.
"""

import re
import sys
from dataclasses import replace

import pytest

from conftest import ROOT
from freehold_lib import sched_new
from freehold_lib.abi import policies
from freehold_lib.sched_machine import Task, link, run_together
from freehold_lib.sched_run import SIMULATOR, machine_title, shares, simulate, tables
from freehold_lib.workload import load

sys.path.append(str(ROOT / "tests/tools"))
from tutorial_policy import applied  # noqa: E402

WORKLOADS = ROOT / "tests/sched/workloads"
SHORT, LONG = ("web", "short"), ("web", "long")
P50, P999, MOST = 500_000, 999_000, 1_000_000


def workload(name):
    return load(WORKLOADS / f"{name}.toml")


QUANTUM_50 = replace(workload("requests"), quantum=50_000)  # of those that `central` takes, the longest


def crowd(threads, folder):
    """As many that never give way."""
    text = (WORKLOADS / "quantum.toml").read_text()
    assert text.count("threads = 3") == 1
    (folder / "crowd.toml").write_text(text.replace("threads = 3", f"threads = {threads}"))
    return load(folder / "crowd.toml")


TUTORIAL = (ROOT / "docs/tutorial/02-scheduler.md").read_text()


def listings(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", TUTORIAL, re.M | re.S)


@pytest.fixture(scope="module")
def measured(build, tmp_path_factory):
    """{task: what came of it}"""
    folder = tmp_path_factory.mktemp("mine")
    sched_new.write("mine", folder / "mine.c")
    for listing in listings("c"):
        (folder / "mine.c").write_text(applied((folder / "mine.c").read_text(), listing))
    mine, _ = link(folder / "mine.c", build, folder)
    tasks = {
        "fifo": Task("fifo", workload("requests")),
        "central": Task("central", QUANTUM_50),
        "stride": Task("stride", workload("weights")),
        "eevdf": Task("eevdf", workload("weights")),
        "edf": Task("edf", workload("deadlines")),
        "mine": Task("mine", workload("requests"), mine),
        "round-robin": Task("round_robin", workload("requests")),
        "few": Task("eevdf", crowd(2, folder)),
        "many": Task("eevdf", crowd(1000, folder)),
        "turns": Task("round_robin", workload("quantum")),
    }
    return {name: outcome for name, (outcome, _) in run_together(build, tasks).items()}


def test_long_requests_do_not_hold_up_short_ones(measured, build):
    """The same requests come as in the simulator, and the same comes of it: tenfold, at least."""
    there = {"fifo": simulate(build / SIMULATOR, "fifo", workload("requests")), "central": simulate(build / SIMULATOR, "central", QUANTUM_50)}
    for outcomes in (measured, there):
        assert outcomes["fifo"].series[SHORT][P999] >= 10 * outcomes["central"].series[SHORT][P999]
    for name in there:
        for kind in (SHORT, LONG):
            assert abs(measured[name].counts[kind] - there[name].counts[kind]) <= 20


def test_the_tutorial_s_policy_on_the_machine(measured):
    """The page's table, with figures that are about those: they are the policy's and libos'."""
    mine, turns = measured["mine"], measured["round-robin"]
    assert turns.series[SHORT][P999] > 4 * mine.series[SHORT][P999]
    requests = workload("requests")
    said = tables(requests, [mine], ["mine"], machine_title(requests, mine))
    (promised,) = [text.splitlines() for text in listings("text") if text.startswith("requests: 4 s on a machine")]
    assert [words(line) for line in said] == [words(line) for line in promised]
    microseconds = {"us": 1, "ms": 1000}
    for then, now in zip(promised, said):
        for (figure, unit), (figure_now, unit_now) in zip(*(re.findall(r"([0-9.]+) ([um]s)\b", line) for line in (then, now))):
            ratio = float(figure_now) * microseconds[unit_now] / (float(figure) * microseconds[unit])
            assert 2 / 3 < ratio < 3 / 2 or "switch took" in now, (then, now)


def words(line):
    """Not the width of the columns, which is that of the figures."""
    return re.findall(r"[a-z][a-z ]+", " ".join(re.sub(r"[0-9.]+ [num]s\b", "", line).split()))


@pytest.mark.parametrize("policy", ["stride", "eevdf"])
def test_shares_are_those_of_the_weights(measured, policy):
    """Within 1 % of each over 10 s, of each thread."""
    weights, outcome = workload("weights"), measured[policy]
    assert weights.duration == 10 * 10**9
    for due, had in shares(weights, outcome).values():
        assert abs(had / due - 1) < 0.01
    total = sum(group.weight * group.threads for group in weights.groups)
    cpu = sum(numbers["cpu_ns"] for numbers in outcome.groups.values())
    for group in weights.groups:
        for most in ("least_cpu_ns", "most_cpu_ns"):
            assert abs(outcome.groups[group.name][most] / (cpu * group.weight / total) - 1) < 0.01


def test_no_deadline_is_missed(measured):
    """100,000 periods of threads whose promise edf took."""
    promised = [numbers for name, numbers in measured["edf"].groups.items() if name != "rest"]
    assert sum(numbers["jobs"] for numbers in promised) >= 100_000
    assert all(numbers["missed"] == 0 and numbers["refused"] == 0 for numbers in promised)
    assert measured["edf"].groups["rest"]["cpu_ns"] > 10**9  # there was somebody to preempt


def test_a_quantum_of_50_us_holds(measured):
    """From when a thread is picked to when it is made to give way. None is longer than the quantum and what
    a timer interrupt, an upcall and, at times, the end of the kernel's own slice take."""
    cut = measured["turns"].series["-", "cut"]
    assert measured["turns"].counts["-", "cut"] > 9000
    assert 50_000 <= cut[P50] <= 53_000 and cut[MOST] <= 56_000, cut


def test_preemption_among_many(measured):
    """What a slice takes beyond its 50 us. eevdf has two heaps: one of 1,000 is ten levels deep."""
    few, many = (measured[name] for name in ("few", "many"))
    assert many.groups["spin"]["least_cpu_ns"] > 0
    costs = [workload("quantum").duration / outcome.numbers["switches"] - 50_000 for outcome in (few, many)]
    assert 0 < costs[0] and costs[1] < 2 * costs[0], costs


@pytest.fixture(scope="module")
def on_two(build):
    """{policy: what came of the weights on two CPUs}, in a shorter time than a user would take"""
    weights = replace(workload("weights"), cpus=2, duration=2 * 10**9)
    done = run_together(build, {policy: Task(policy, weights) for policy in ("stride", "eevdf", "steal")})
    return weights, {policy: outcome for policy, (outcome, _) in done.items()}


@pytest.mark.parametrize("policy", ["stride", "eevdf"])
def test_shares_on_two_cpus(on_two, policy):
    weights, outcomes = on_two
    for due, had in shares(weights, outcomes[policy]).values():
        assert abs(had / due - 1) < 0.01


def test_all_cpus_are_used(on_two):
    """Threads that always have work leave none idle, under any of them; steal gives each its turn."""
    weights, outcomes = on_two
    for outcome in outcomes.values():
        had = sum(numbers["cpu_ns"] for numbers in outcome.groups.values())
        assert had > 0.99 * 2 * weights.duration
    assert all(numbers["least_cpu_ns"] > weights.duration / 10 for numbers in outcomes["steal"].groups.values())


@pytest.fixture(scope="module")
def traced(build):
    """{policy: its events on the machine}"""
    tasks = {policy.replace("_", "-"): Task(policy, workload("script"), traced=True) for policy in policies()}
    done = run_together(build, tasks)
    return {task.policy: done[name][1] for name, task in tasks.items()}


@pytest.mark.parametrize("policy", policies())
def test_simulator_and_machine_agree(traced, policy, build, tmp_path):
    """The same events in the same order, who is ready, runs, waits; and that of the simulator does not
    depend on what a switch takes."""
    text = (WORKLOADS / "script.toml").read_text()
    orders = []
    for switch in ("2500ns", "1us", "4us"):
        assert 'switch = "2500ns"' in text
        (tmp_path / "script.toml").write_text(text.replace('switch = "2500ns"', f'switch = "{switch}"'))
        simulate(build / SIMULATOR, policy, load(tmp_path / "script.toml"), tmp_path / "events.txt")
        orders.append(order((tmp_path / "events.txt").read_text().splitlines()))
    assert orders[0] == orders[1] == orders[2] and len(orders[0]) >= 45
    assert order(traced[policy]) == orders[0]


def order(events):
    return [event.split(" ", 1)[1] for event in events]
