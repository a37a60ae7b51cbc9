# SPDX-License-Identifier: MIT
"""The whole of apps/iperf on the host, under the sanitizers: Debian's iperf3 measures with it, others get nowhere."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess

import host_server
import pytest

SERVER = pathlib.Path(os.environ["FREEHOLD_BUILD"]) / "tests/unit/iperf/iperf_on_host"
COOKIE = b"a" * 36 + b"\0"
PARAM_EXCHANGE, CREATE_STREAMS, SERVER_ERROR, ACCESS_DENIED = b"\x09", b"\x0a", b"\xfe", b"\xff"


def serving(idle=30):
    return host_server.serving(SERVER, {"IPERF_PORT": "0", "IPERF_IDLE_S": str(idle)})


@pytest.fixture(scope="module")
def port():
    with serving() as port:
        yield port


def iperf3(port, *words):
    if not shutil.which("iperf3"):
        pytest.skip("iperf3 is missing: run tools/freehold setup")
    done = subprocess.run(["iperf3", "-c", "127.0.0.1", "-p", str(port), "-J", *words], capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.parametrize("words, streams", [([], 1), (["-R"], 1), (["-P", "5"], 5), (["-R", "-P", "32", "-N"], 32), (["-l", "1000000"], 1)])
def test_iperf3_measures(port, words, streams):
    said = iperf3(port, "-n", "4M", *words)
    assert "error" not in said
    assert len(said["end"]["streams"]) == streams
    sent, received = said["end"]["sum_sent"]["bytes"], said["end"]["sum_received"]["bytes"]
    assert sent >= 4 << 20
    # What is still on its way when the client ends the test is not received; nothing comes of nothing.
    assert 0 < received <= sent


def test_what_is_received_is_what_was_sent(port):
    """The client's last word comes after its data, if that fits the buffers on its way."""
    said = iperf3(port, "-n", "64K", "-l", "1K")
    assert said["end"]["sum_received"]["bytes"] == said["end"]["sum_sent"]["bytes"] == 65536
    assert said["end"]["cpu_utilization_percent"]["remote_total"] > 0


def test_the_beginning_may_be_left_out(port):
    end = iperf3(port, "-t", "1", "-O", "1", "-b", "80M")["end"]
    # The client counts its second second alone; were the first counted here, it would be twice as much.
    assert 0 < end["sum_received"]["bytes"] < 1.5 * end["sum_sent"]["bytes"]


@pytest.mark.parametrize("words, told", [(["-u"], "not implemented"), (["--bidir"], "not implemented"), (["-P", "33"], "parallel streams")])
def test_what_is_not_measured_is_refused_with_a_sentence(port, words, told):
    assert told in iperf3(port, "-t", "1", *words)["error"]
    assert "error" not in iperf3(port, "-n", "64K")


class Client:
    def __init__(self, port, cookie=COOKIE):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.sendall(cookie)

    def hear(self, size=1):
        got = b""
        try:
            while len(got) < size and (more := self.socket.recv(size - len(got))):
                got += more
        except ConnectionResetError:
            pass
        return got

    def text(self, text, length=None):
        self.socket.sendall(struct.pack(">I", len(text) if length is None else length) + text)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def test_another_client_is_denied(port):
    with Client(port) as first:
        assert first.hear() == PARAM_EXCHANGE
        with Client(port, b"b" * 37) as second:
            assert second.hear(2) == ACCESS_DENIED
        first.text(b"{}")
        assert first.hear() == CREATE_STREAMS
        with Client(port, b"b" * 37) as second:
            assert second.hear(2) == ACCESS_DENIED
        with Client(port):
            assert first.hear(2) == b"\x01\x02"
            with Client(port) as third:  # there are as many streams as were asked for
                assert third.hear(2) == ACCESS_DENIED


@pytest.mark.parametrize(
    "text, length",
    [(b"[]", None), (b'{"parallel":0}', None), (b"", 0), (b"{}", 8193), (b"{}", 0xFFFFFFFF), (b"\xff" * 8192, None)],
)
def test_bad_parameters_are_refused(port, text, length):
    with Client(port) as client:
        assert client.hear() == PARAM_EXCHANGE
        client.text(text, length)
        # Closed with bytes that were not read, TCP may break the connection before the rest is there.
        assert client.hear(9)[:1] in (SERVER_ERROR, b"")
    assert "error" not in iperf3(port, "-n", "64K")


def test_parameters_may_come_byte_by_byte(port):
    with Client(port) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert client.hear() == PARAM_EXCHANGE
        for byte in struct.pack(">I", 2) + b"{}":
            client.socket.sendall(bytes([byte]))
        assert client.hear() == CREATE_STREAMS


@pytest.mark.parametrize("word", [b"\x04", b"\x0c", b"\x10", b"\xff"])
def test_words_at_the_wrong_time_end_the_test(port, word):
    with Client(port) as client:
        assert client.hear() == PARAM_EXCHANGE
        client.text(b"{}")
        assert client.hear() == CREATE_STREAMS
        client.socket.sendall(word)
        assert client.hear() == b""


def test_results_that_are_too_long_end_the_test(port):
    with Client(port) as client:
        assert client.hear() == PARAM_EXCHANGE
        client.text(b"{}")
        assert client.hear() == CREATE_STREAMS
        with Client(port) as stream:
            assert client.hear(2) == b"\x01\x02"
            stream.socket.sendall(b"x" * 1000)
            client.socket.sendall(b"\x04")
            assert client.hear() == b"\x0d"
            client.text(b"", (1 << 20) + 1)
            assert client.hear(9)[:1] == SERVER_ERROR


def test_the_silent_are_let_go():
    with serving(idle=1) as port:
        with Client(port) as client, Client(port, b"") as stranger:
            assert client.hear() == PARAM_EXCHANGE
            assert client.hear() == stranger.hear() == b""
        assert "error" not in iperf3(port, "-n", "64K")


def test_more_strangers_than_there_is_room_for(port):
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(Client(port, b"")) for _ in range(12)]
        assert [client.hear() for client in strangers[8:]] == [b""] * 4
        for client in strangers[:8]:
            client.socket.close()
    assert "error" not in iperf3(port, "-n", "64K")
