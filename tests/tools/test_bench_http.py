# SPDX-License-Identifier: MIT
"""tools/freehold bench http: what wrk says is read, what is lost is counted, and all is told with its ratios."""

import pathlib
import socketserver
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import bench_h2load, bench_http, bench_lost, bench_wrk, cli, linux_package  # noqa: E402
from freehold_lib.bench_http import Found, Server  # noqa: E402
from freehold_lib.bench_wire import Door, Link  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402

SAID = "Running 1s test\nbench requests 5010 us 2000000 p50 900 p99 4000 connect 1 read 2 write 0 status 10 timeout 3\n"
OURS = Server("web", "web", 15, image="web", promised=3)
LINUX = Server("epoll", "Linux, epoll", 15)
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


def found(server, connections, rate, p99, failed=0, lost=0, second=0):
    runs = [bench_wrk.Run(rate * factor, 10, p99, failed) for factor in (1, 0.5, 2)]
    return Found(server, connections, runs, [lost, 0, 0], [bench_h2load.Run(rate, each) for each in (second, 0, 0)])


def test_what_wrk_found():
    assert bench_wrk.read(SAID) == bench_wrk.Run(rate=2500, p50=900, p99=4000, failed=16)
    with pytest.raises(FreeholdError, match="unable to connect"):
        bench_wrk.read("unable to connect to 10.0.2.15:80\n")


def test_what_h2load_found():
    said = "finished in 91.97ms, 6959.17 req/s, 2.20MB/s\nrequests: 640 total, 600 started, 599 done, 590 succeeded, 50 failed, 41 errored, 0 timeout\n"
    assert bench_h2load.read(said, 640) == bench_h2load.Run(6959.17, 50)
    for bad in ("h2load: no such host\n", said.splitlines()[0], said.replace("640", "639")):
        with pytest.raises(FreeholdError, match="h2load measured nothing"):
            bench_h2load.read(bad, 640)


def test_ratios_are_of_medians_to_the_lean_server():
    report = bench_http.table([found(OURS, 16, 6000, 100), found(LINUX, 16, 1500, 500)], {"host": "none"})
    assert report.rows == [
        ["16, web", "6,000 (3,000-12,000)", "4.00", "10 (10-10)", "100 (100-100)", "0.20", "0", "0", "6,000 (6,000-6,000)", "0"],
        ["16, Linux, epoll", "1,500 (750-3,000)", "", "10 (10-10)", "500 (500-500)", "", "0", "0", "1,500 (1,500-1,500)", "0"],
    ]
    assert not report.beyond
    assert "| 16, web | 6,000 (3,000-12,000) | 4.00 |" in report.as_markdown()
    assert report.as_json()["runs"][0] == {
        **{"server": "web", "connections": 16, "rate": 6000, "p50": 10, "p99": 100, "failed": 0, "lost": 0},
        **{"h2load_rate": 6000, "h2load_failed": 0},
    }


def test_what_is_beyond_is_told():
    def beyond(*figures):
        return bench_http.table([found(*figures), found(LINUX, figures[1], 1500, 500)], {}).beyond

    assert "less than 3 times" in beyond(OURS, 256, 4000, 100)[0]
    assert "99th percentile" in beyond(OURS, 256, 6000, 126)[0]
    assert not beyond(OURS, 64, 1000, 1000)  # promised of 16 and 256 connections alone
    assert "3 requests" in beyond(OURS, 64, 6000, 100, 1, 0)[0]
    assert "2 requests" in beyond(OURS, 64, 6000, 100, 0, 2)[0]
    assert "9 requests" in beyond(OURS, 64, 6000, 100, 0, 2, 7)[0]
    assert not bench_http.table([found(LINUX, 16, 100, 100, 5)], {}).beyond  # nothing is promised of others


def test_very_many_connections_are_asked_and_not_measured():
    report = bench_http.table([found(OURS, 16, 6000, 100), found(LINUX, 16, 1500, 500), Found(OURS, 10000, [], [7])], {})
    assert report.rows[-1] == ["10000, web", "", "", "", "", "", "", "7", "", ""]
    assert "10000 connections did not answer 7 requests" in report.beyond[-1]
    assert report.raw[-1] == {"server": "web", "connections": 10000, "lost": 7}


def serve(answer):
    """A server that answers the Nth request of a connection with answer(N); None: never."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            number = 0
            while self.request.recv(4096):
                said = answer(number)
                number += 1
                if said:
                    self.request.sendall(said)

    class Threads(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Threads(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize(
    "answer, lost",
    [
        (lambda number: GOOD, 0),
        (lambda number: GOOD if number < 2 else None, 4),
        (lambda number: GOOD.replace(b"body", b"else"), 12),
        (lambda number: b"HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nbody", 12),
    ],
)
def test_what_is_not_answered_is_counted(answer, lost, monkeypatch):
    monkeypatch.setattr(bench_lost, "PATIENCE", 1.0)
    with serve(answer) as server:
        assert bench_lost.count(server.server_address, "/", b"body", 4) == lost
        server.shutdown()


def test_connections_that_nobody_takes_are_lost(monkeypatch):
    monkeypatch.setattr(bench_lost, "PATIENCE", 1.0)
    with serve(lambda number: GOOD) as server:
        place = server.server_address
        server.shutdown()
    assert bench_lost.count(place, "/", b"body", 4) == 12


def test_an_answer_in_pieces_is_one():
    assert not bench_lost.whole(GOOD[:-1])
    assert not bench_lost.whole(GOOD[:20])
    assert bench_lost.whole(GOOD)


def test_clients_find_a_server():
    door = Door("tcp", 15, 80)
    assert Link("10.0.3.0", {}, {}).place(door) == ("10.0.3.15", 80)
    assert Link("10.0.2.0", {}, {door: 4711}).place(door) == ("127.0.0.1", 4711)
    six = Link("10.0.3.0", {}, {}, 24, "fd00:3::").place(door._replace(six=True))
    assert six == ("fd00:3::f", 80) and bench_http._url(six) == "http://[fd00:3::f]:80" + bench_http.PATH


@pytest.mark.parametrize("words", [["--connections", "0"], ["--connections", "1,,2"], ["--runs", "0"], ["--seconds", "-1"], ["--open", "20001"]])
def test_options_that_make_no_sense(words, capsys):
    with pytest.raises(SystemExit):
        cli.parse(["bench", "http", *words])
    assert "is no" in capsys.readouterr().err


def test_nginx_comes_with_all_libraries_that_it_needs(tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    needs = {"nginx": ["liba.so.1", "libc.so.6"], "liba.so.1": ["libb.so.1"], "libb.so.1": ["libc.so.6"], "libc.so.6": ["ld-linux-x86-64.so.2"]}
    places = {"nginx": linux_package.NGINX.program, "liba.so.1": "usr/lib/x86_64-linux-gnu/liba.so.1"}
    for name in ["nginx", "liba.so.1", "libb.so.1", "libc.so.6", "libother.so.1", "ld-linux-x86-64.so.2"]:
        file = tree / places.get(name, f"{linux_package.LIBRARIES}/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    monkeypatch.setattr(linux_package, "needed", lambda file: list(needs.get(file.name, [])))
    linux_package.gather(linux_package.NGINX, tree, tmp_path / "root")
    kept = {str(file.relative_to(tmp_path / "root")) for file in (tmp_path / "root").rglob("*") if file.is_file()}
    wanted = {f"{linux_package.LIBRARIES}/{name}" for name in ("liba.so.1", "libb.so.1", "libc.so.6")}
    assert kept == wanted | {linux_package.NGINX.program, linux_package.LOADER}
    (tree / linux_package.LIBRARIES / "libb.so.1").unlink()
    with pytest.raises(FreeholdError, match="nginx needs libb.so.1"):
        linux_package.gather(linux_package.NGINX, tree, tmp_path / "again")
