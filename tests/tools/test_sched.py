# SPDX-License-Identifier: MIT
"""tools/freehold sched: policies are written, run and compared; what is wrong is told in a sentence."""

import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests/tools")]

from freehold_lib import cli, sched_new, workload  # noqa: E402
from freehold_lib.abi import policies  # noqa: E402
from freehold_lib.commands import sched  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402
from freehold_lib.machine import MachineError, load as load_machine  # noqa: E402
from freehold_lib.sched_machine import Task, arguments, link, machine_file, read  # noqa: E402
from freehold_lib.sched_run import SIMULATOR, Outcome, built_policies, simulate  # noqa: E402
from tutorial_policy import applied  # noqa: E402

BUILD = pathlib.Path(os.environ.get("FREEHOLD_BUILD", ROOT / "build"))
WORKLOADS = sorted((ROOT / "tests/sched/workloads").glob("*.toml"))
SMALL = """\
[workload]
cpus = 2
duration = "50ms"
seed = 3
switch = "1us"
[[threads]]
name = "web"
kind = "bimodal"
load = 60
service = "10us"
long = "500us"
long_every = 50
[[threads]]
name = "spin"
kind = "busy"
threads = 3
weight = 200
start = "10ms"
[[threads]]
name = "light"
kind = "busy"
weight = 100
start = "10ms"
"""


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text(SMALL)
    return file


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """run(words) -> status, standard output, error output; nothing is built."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build/.freehold-lock").touch()

    class Folder(type(tmp_path)):
        """Where the simulator is that of the build under test, and all else is written to a temporary folder."""

        def __truediv__(self, name):
            return (BUILD if name == SIMULATOR else tmp_path / "build") / name

    monkeypatch.setattr(sched, "built", lambda folder, targets: Folder(tmp_path))

    def call(*words):
        where = [] if words[0] == "new" else ["--build", str(tmp_path / "build")]
        try:
            status = cli.main(["sched", *map(str, words), *where])
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return status, said.out, said.err

    return call


# --- workloads ------------------------------------------------------------------------------


@pytest.mark.parametrize("file", WORKLOADS, ids=lambda file: file.stem)
def test_workloads_that_are_shipped(file):
    loaded = workload.load(file)
    assert loaded.groups and loaded.text.count("group ") == len(loaded.groups)


def test_what_the_simulator_is_told(small):
    text = workload.load(small).text
    assert text.startswith("cpus 2\nduration_ns 50000000\nseed 3\nswitch_ns 1000\nquantum_ns 0\nno_inheritance 0\n")
    # 60 per cent of two CPUs by requests of 0.98 * 10 us + 0.02 * 500 us on average.
    assert "group web\nkind 2\ncount 256\nparams.weight 100\n" in text
    assert re.search(r"service_ns 10000\nexponential 0\nlong_ns 500000\nlong_share 20000\ninterval_ns 16500\n", text)


WRONG = {
    "toml": (2, "cpus = ", "This is not TOML:"),
    "top key": (1, "[sched]", 'The file: there is no key "sched"; the keys here are workload, threads.'),
    "cpus": (2, "cpus = 65", "workload: `cpus` is 65; it goes from 1 to 64."),
    "cpus text": (2, 'cpus = "2"', "workload: `cpus` must be a number, not a string."),
    "duration": (3, 'duration = "50"', 'workload: `duration` is "50"; write a whole number and one of the units ns, us, ms, s, as in "10us".'),
    "long duration": (3, 'duration = "2000s"', "workload: `duration` is 2000s; it goes from 1 ms to 1000 s."),
    "duration number": (3, "duration = 5", "workload: `duration` must be a string, not a number."),
    "seed": (4, "seed = -1", "workload: `seed` is -1; it goes from 0 to"),
    "switch": (5, 'swich = "1us"', 'workload: there is no key "swich"; did you mean "switch"?'),
    "name": (7, 'name = "Web"', 'Web: `name` is "Web"; a name has 1 to 15 of the characters a-z, 0-9 and -.'),
    "no name": (7, "", "threads 1 lacks the key `name`."),
    "twice": (14, 'name = "web"', 'web: `name` is "web", the name of others before.'),
    "kind": (8, 'kind = "bimodel"', 'web: `kind` is "bimodel"; did you mean "bimodal"?'),
    "no kind": (8, "", "web lacks the key `kind`."),
    "load": (9, "load = 201", "web: `load` is 201; it goes from 1 to 200."),
    "no load": (9, "", "web needs one of the keys `rate`, requests a second, and `load`, per cent of the CPUs."),
    "load and rate": (9, "load = 1\nrate = 1", "web needs one of the keys `rate`"),
    "service": (10, 'service = "0us"', "web: `service` is 0us; it goes from 1 ns to"),
    "no service": (10, "", "web lacks the key `service`."),
    "long_every": (12, "long_every = 1", "web: `long_every` is 1; it goes from 2 to 1000000."),
    "meaning": (12, 'long_every = 50\npause = "1ms"', 'web: `pause` has no meaning for threads of the kind "bimodal".'),
    "hold": (12, 'long_every = 50\nhold = "1us"', "web: `hold` says how long, but there is no `lock`."),
    "lock": (12, 'long_every = 50\nlock = "m"', "web lacks the key `hold`."),
    "threads": (16, "threads = 5000", "spin: `threads` is 5000; it goes from 1 to 4096."),
    "all threads": (16, "threads = 4000", "spin: `threads` is 4000, with which there are 4256; 4096 fit."),
    "weight": (17, "weight = 0", "spin: `weight` is 0; it goes from 1 to 10000."),
    "priority": (17, "priority = 64", "spin: `priority` is 64; it goes from 0 to 63."),
    "budget": (17, 'budget = "2ms"\nbudget_period = "1ms"', "spin: `budget` is 2 ms, more than the period of 1 ms."),
    "budget period": (17, 'budget_period = "1ms"', "spin: `budget_period` says in which time, but there is no `budget`."),
    "budget alone": (17, 'budget = "2ms"', "spin lacks the key `budget_period`."),
    "jobs": (9, "rate = 10000000\n", None),
    "many jobs": (3, 'duration = "900s"', "web makes about 54,545,454 jobs of it all, and 20,000,000 fit; shorten `duration` or lower the rate."),
}


@pytest.mark.parametrize("line, text, sentence", WRONG.values(), ids=WRONG)
def test_a_mistake_is_a_sentence(tmp_path, line, text, sentence):
    lines = SMALL.splitlines()
    lines[line - 1] = text
    file = tmp_path / "w.toml"
    file.write_text("\n".join(lines) + "\n")
    if sentence is None:
        workload.load(file)
        return
    with pytest.raises(MachineError) as caught:
        workload.load(file)
    assert any(sentence in said for said in caught.value.errors), caught.value.errors
    assert all(re.match(rf"{re.escape(str(file))}:\d+: ", said) for said in caught.value.errors)


def test_every_mistake_is_told_at_once(tmp_path, run):
    file = tmp_path / "w.toml"
    file.write_text('[workload]\ncpus = 0\n[[threads]]\nname = "a"\nkind = "busy"\nweight = 0\n')
    status, _, error = run("sim", "fifo", "--workload", file)
    assert status == 1 and len(error.splitlines()) == 2
    assert f"{file}:2: workload: `cpus` is 0;" in error and f"{file}:6: a: `weight` is 0;" in error


# --- sim -------------------------------------------------------------------------------------


def test_the_simulator_has_every_policy():
    assert set(built_policies(BUILD / SIMULATOR)) == set(policies())


@pytest.mark.parametrize("policy", policies())
def test_the_same_again_is_the_same(small, policy):
    loaded = workload.load(small)
    first, second = (simulate(BUILD / SIMULATOR, policy, loaded) for _ in range(2))
    assert first == second and first.policy == policy and first.digest and not first.complaint
    small.write_text(SMALL.replace("seed = 3", "seed = 4"))
    assert simulate(BUILD / SIMULATOR, policy, workload.load(small)).digest != first.digest


def test_sim_prints_a_table(small, run, tmp_path):
    trace = tmp_path / "trace.txt"
    status, said, _ = run("sim", "eevdf", "--workload", small, "--trace", trace)
    assert status == 0
    assert said.startswith("small: 50 ms on 2 CPUs, a switch takes 1 us, seed 3\n")
    for heading in ("web, latency of short requests", "web, latency of long requests", "web, latency of all requests"):
        assert re.search(rf"^{heading} +jobs +p50 +p90 +p99 +p99\.9 +max ", said, re.M)
    assert re.search(r"^share of the CPU +spin +light\n  by weight +85\.71% +14\.29%\n  eevdf +8\d\.\d\d% +1\d\.\d\d%$", said, re.M)
    assert re.search(r"^  eevdf +\d+ +\d+ +\d+\.\d% +\d+\.\d% ", said, re.M)
    lines = trace.read_text().splitlines()
    assert len(lines) > 100 and all(re.fullmatch(r"\d+ cpu[01] (ready|runs|waits) (web|spin|light) \d+", line) for line in lines)


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("sched",), "the following arguments are required: ACTION"),
        (("sched", "walk"), "invalid choice: 'walk'"),
        (("sched", "sim", "fifo"), "the following arguments are required: --workload"),
        (("sched", "sim", "fifo", "--workload", "/nowhere.toml"), "/nowhere.toml: The file cannot be read: No such file or directory."),
        (("sched", "compare", "--workload", "x"), "the following arguments are required: POLICY"),
        (("sched", "compare", "fifo", "fifo", "--workload", WORKLOADS[0]), "The policy fifo is named twice."),
        (("sched", "sim", "fifo", "--workload", WORKLOADS[0], "--picture", "/nowhere/x.svg"), "The folder /nowhere for the picture does not exist."),
        (("sched", "new", "Mine"), '"Mine" is no name for a policy; it begins with a letter and has 1 to 24 of'),
        (("sched", "new", "fifo"), "There is a policy fifo already: libos/sched/fifo.c."),
        (("sched", "new", "mine", "--output", "/nowhere/mine.c"), "/nowhere/mine.c cannot be written: No such file or directory."),
    ],
)
def test_usage_errors(words, sentence):
    done = subprocess.run([ROOT / "tools/freehold", *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and sentence in done.stderr and "Traceback" not in done.stderr


def test_no_such_policy(small, run, tmp_path):
    assert run("sim", "round_robbin", "--workload", small)[0::2] == (2, "tools/freehold: There is no policy round_robbin; did you mean round_robin?\n")
    status, _, error = run("sim", "zz", "--workload", small)
    assert status == 2 and "There is no policy zz; there are central, edf, eevdf, fifo," in error
    status, _, error = run("sim", tmp_path / "mine.c", "--workload", small)
    assert status == 2 and "mine.c cannot be read: No such file or directory." in error
    (tmp_path / "mine.c").write_text("int x;\n")
    status, _, error = run("sim", tmp_path / "mine.c", "--workload", small)
    assert status == 2 and "must define one policy, with a line that begins `const struct sched sched_NAME = {`; it has 0." in error


# --- new -------------------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path, run):
    status, said, _ = run("new", "mine", "--output", tmp_path / "mine.c")
    assert status == 0 and f"{tmp_path / 'mine.c'} is a policy now." in said
    return tmp_path / "mine.c"


def test_a_new_policy_is_round_robin(mine, small, run, tmp_path):
    assert "NAME" not in mine.read_text().replace("SCHED_NAME", "")
    traces = tmp_path / "a.txt", tmp_path / "b.txt"
    status, said, _ = run("sim", mine, "--workload", small, "--trace", traces[0])
    assert status == 0 and re.search(r"^  mine +\d+", said, re.M)
    run("sim", "round_robin", "--workload", small, "--trace", traces[1])
    assert traces[0].read_text() == traces[1].read_text()


def test_a_new_policy_is_formatted(mine):
    done = subprocess.run(["clang-format", f"--style=file:{ROOT}/.clang-format", mine], capture_output=True, text=True)
    assert done.stdout == mine.read_text()


def test_a_new_policy_is_not_written_over_another(mine, run):
    assert run("new", "mine", "--output", mine)[0::2] == (2, f"tools/freehold: {mine} is there already.\n")


def test_a_new_policy_is_found_by_the_build(monkeypatch, tmp_path):
    build_file = tmp_path / "meson.build"
    build_file.touch()
    os.utime(build_file, (1, 1))
    monkeypatch.setattr(sched_new, "BUILD_FILE", build_file)
    monkeypatch.setattr(sched_new, "POLICIES", tmp_path)
    assert "libos/sched/mine.c is a policy now." in sched_new.write("mine")
    assert (tmp_path / "mine.c").is_file() and build_file.stat().st_mtime > 1


def test_a_policy_that_does_not_compile(mine, small, run):
    mine.write_text(mine.read_text().replace("return ready.first != NULL;", "return redy.first;"))
    status, _, error = run("sim", mine, "--workload", small)
    assert status == 1 and "mine.c does not compile:\n" in error and "redy" in error


def test_a_policy_that_loses_threads(mine, small, run):
    text = mine.read_text().replace("    (void)why;\n", "    static int turn;\n    if (why == ENQUEUE_WOKEN && ++turn % 100 == 0)\n        return;\n")
    mine.write_text(text)
    small.write_text(SMALL.split("[[threads]]\nname = \"spin\"")[0])
    status, said, _ = run("compare", mine, "fifo", "--workload", small)
    assert status == 1
    assert re.search(r"^! mine breaks the contract: pick_next gave none though threads are READY; after .* the watch found that it has lost \d+ thread\(s\); fifo took over\.$", said, re.M)
    assert re.search(r"^  mine ! +\d+", said, re.M) and re.search(r"^  fifo +\d+", said, re.M)


# --- compare ------------------------------------------------------------------------------------


def test_compare_makes_a_table_and_a_picture(small, run, tmp_path):
    status, said, _ = run("compare", "fifo", "central", "stride", "--workload", small)
    assert status == 0
    rows = re.findall(r"^  (fifo|central|stride) ", said, re.M)
    assert rows == ["fifo", "central", "stride"] * 5  # three latencies, shares, CPU
    file = tmp_path / "build/sched/small.svg"
    assert f"The picture is in {file}." in said
    svg = xml.etree.ElementTree.parse(file).getroot()
    name = "{http://www.w3.org/2000/svg}"
    width, height = (float(svg.get(side)) for side in ("width", "height"))
    assert len(svg.findall(f"{name}polyline")) == 9 and len(svg.findall(f"{name}rect")) == 1 + 3 * 2
    texts = [text.text for text in svg.findall(f"{name}text")]
    for policy in ("fifo", "central", "stride"):
        assert texts.count(policy) == 4
    for text in svg.findall(f"{name}text"):
        assert 0 <= float(text.get("x")) <= width and 0 < float(text.get("y")) < height
    for line in svg.findall(f"{name}polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        assert len(points) >= 10 and points == sorted(points)
        assert all(later[1] <= earlier[1] for earlier, later in zip(points, points[1:]))  # longer is higher
        assert all(0 <= y <= height for _, y in points)


def test_what_the_simulator_says_is_read():
    outcome = Outcome.read(
        "policy x\nswitches 3\ndigest 00ff\nbroken it is\nwatch 2000000 has lost 2 some\n"
        "group a refused 0 jobs 2 missed 1 cpu_ns 5 least_cpu_ns 5 most_cpu_ns 5\nseries a all 2 0:1 1000000:9\n"
    )
    assert outcome.policy == "x" and outcome.numbers == {"switches": 3} and outcome.groups["a"]["missed"] == 1
    assert outcome.series["a", "all"] == {0: 1, 1000000: 9} and outcome.counts["a", "all"] == 2
    assert outcome.complaint == "it is; after 2 ms the watch found that it has lost 2 thread(s); fifo took over"


# --- run (what boots is in tests/boot/test_sched_machine.py) ----------------------------------------


@pytest.fixture
def one_cpu(small):
    small.write_text(SMALL.replace("cpus = 2", "cpus = 1"))
    return workload.load(small)


def test_a_machine_is_told_the_same_workload(one_cpu, tmp_path):
    """The simulator makes the same of the words that the application is given."""
    words = "\n".join(arguments(one_cpu))
    assert len(words) < 500 and "_ns 0" not in words
    for number, text in enumerate((one_cpu.text, words)):
        (tmp_path / str(number)).write_text(text)
    said = [subprocess.run([BUILD / SIMULATOR, "central", tmp_path / name], capture_output=True, text=True, check=True).stdout for name in "01"]
    assert said[0] == said[1] and "series web short" in said[0]


def test_the_machine_of_a_workload(one_cpu, tmp_path):
    file = tmp_path / "m.toml"
    file.write_text(machine_file({"a": Task("edf", one_cpu), "b": Task("fifo", one_cpu, traced=True)}))
    apps = load_machine(file, None).apps
    assert [(app.name, app.sched, app.image, app.restart) for app in apps] == [("a", "edf", "workload", "never"), ("b", "fifo", "workload", "never")]
    assert [app.arguments[:2] for app in apps] == [("table", "5000"), ("trace", "10050")]
    assert all(app.pages * 4096 >= 2 * 16 * sum(group.jobs for group in one_cpu.groups) for app in apps)


def test_what_a_machine_says_is_read():
    log = "[exo] x\n[a] policy fifo\n[a] switches 3\n[a] event 7 cpu0 runs x 1\n[a] done\n[b] error: memory is out\n"
    outcome, events = read(log, "a")
    assert outcome.policy == "fifo" and outcome.numbers == {"switches": 3} and events == ["7 cpu0 runs x 1"]
    with pytest.raises(FreeholdError, match="did not come to its end on the machine: memory is out$"):
        read(log, "b")


def test_a_policy_s_file_is_linked_for_the_machine(mine, tmp_path):
    if not (BUILD / "tests/apps/workload.elf").is_file():
        pytest.skip("the application is not built")
    program, name = link(mine, BUILD, tmp_path / "linked")
    text = program.read_bytes()
    assert name == "mine" and b"freehold policy mine" in text and b"freehold policy central" not in text
    mine.write_text(mine.read_text().replace("return ready.first != NULL;", "return redy.first;"))
    with pytest.raises(FreeholdError, match="mine.c does not compile:\n"):
        link(mine, BUILD, tmp_path / "linked")


def test_what_cannot_run_on_a_machine(small, run):
    small.write_text(SMALL.replace("cpus = 2", "cpus = 9"))
    status, _, error = run("run", "fifo", "--workload", small)
    assert status == 2 and "small.toml is for 9 CPUs; the emulated machine has at most 8. Lower `cpus`, or use sched sim." in error
    small.write_text(SMALL.replace("cpus = 2", "cpus = 1").replace("threads = 3", "threads = 999"))
    status, _, error = run("run", "fifo", "--workload", small)
    assert status == 2 and "small.toml has 1256 threads; an application has at most 1000." in error
    small.write_text(SMALL.replace("cpus = 2", "cpus = 1"))
    assert run("run", "fife", "--workload", small)[0::2] == (2, "tools/freehold: There is no policy fife; did you mean fifo?\n")


# --- docs/tutorial/02-scheduler.md ----------------------------------------------------------------

PAGE = (ROOT / "docs/tutorial/02-scheduler.md").read_text()


def listings(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)


def promised(heading, said):
    """The tables of the page that begin so are among what was said, to the digit."""
    found = [text for text in listings("text") if text.startswith(heading)]
    assert found
    return [all(line in said.splitlines() for line in text.splitlines()) for text in found]


@pytest.fixture
def changed(mine):
    """mine.c as it is at the end of the page."""
    for listing in listings("c"):
        mine.write_text(applied(mine.read_text(), listing))
    return mine


def test_the_tutorial_s_workload_is_there():
    assert listings("toml")[0] == (ROOT / "tests/sched/workloads/bimodal.toml").read_text()


def test_the_tutorial_s_first_run(mine, run):
    status, said, _ = run("sim", mine, "--workload", ROOT / "tests/sched/workloads/bimodal.toml")
    assert status == 0 and promised("web, latency of short", said) == [True, False]


def test_the_tutorial_s_policy_does_what_the_page_says(changed, run, tmp_path):
    picture = tmp_path / "mine.svg"
    words = ["compare", changed, "round_robin", "central", "--workload", ROOT / "tests/sched/workloads/bimodal.toml"]
    status, said, _ = run(*words, "--picture", picture)
    assert status == 0 and promised("web, latency of short", said) == [False, True]
    assert promised("web, latency of long", said) == [True]
    xml.etree.ElementTree.parse(picture)
    text = changed.read_text()
    assert ".starves = true," in text and ".starves = false" not in text and "thread_list" not in text


def test_the_tutorial_s_commands_are_understood():
    for command in "".join(listings("sh")).splitlines():
        program, *words = command.split()
        assert program == "tools/freehold" and cli.parse(words).command == "sched"


def test_the_tutorial_s_machine_file(tmp_path):
    file = tmp_path / "m.toml"
    file.write_text('[machine]\nname = "m"\n[[app]]\nname = "a"\nimage = "hello"\n' + listings("toml")[1])
    assert load_machine(file, None).apps[0].sched == "mine"
