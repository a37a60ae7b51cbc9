# SPDX-License-Identifier: MIT
"""The whole of httpd on the host, under the sanitizers, spoken to over loopback by plain sockets.

Answers are taken apart by Message below, which believes nothing: each must have exactly the bytes
that its head promises.
"""

import contextlib
import email.utils
import json
import os
import pathlib
import re
import socket
import subprocess
import time

import host_server
import pytest

SERVER = pathlib.Path(os.environ["FREEHOLD_BUILD"]) / "tests/unit/httpd/httpd_on_host"
FILES = pathlib.Path(__file__).resolve().parents[3] / "apps/httpd/files"
PRIMES = (FILES / "primes.txt").read_bytes()
ICON = (FILES / "icon.svg").read_bytes()
GET = b"GET /icon.svg HTTP/1.1\r\nHost: a\r\n\r\n"


def serving(**settings):
    environment = {"HTTPD_ADDRESS": "127.0.0.1", "HTTPD_PORT": "0"}
    return host_server.serving(SERVER, environment | {f"HTTPD_{name.upper()}": str(value) for name, value in settings.items()})


@pytest.fixture(scope="module")
def port():
    with serving() as port:
        yield port


class Message:
    """One answer, read from a file object on a socket."""

    def __init__(self, stream, head_only=False):
        line = stream.readline().decode()
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Z][A-Za-z ]+\r\n", line)
        assert match, f"not a status line: {line!r}"
        self.status = int(match[1])
        self.fields = {}
        while (line := stream.readline().decode()) != "\r\n":
            match = re.fullmatch(r"([A-Za-z-]+): (.*[^ ])\r\n", line)
            assert match, f"not a header field: {line!r}"
            assert match[1].lower() not in self.fields, f"{match[1]} is there twice"
            self.fields[match[1].lower()] = match[2]
        self.length = int(self.fields.get("content-length", -1))
        without = head_only or self.status == 304
        assert without or self.length >= 0
        self.content = b"" if without else stream.read(self.length)
        assert without or len(self.content) == self.length
        self.closes = self.fields.get("connection") == "close"


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def send(self, request):
        self.socket.sendall(request)
        return self

    def receive(self, head_only=False):
        return Message(self.stream, head_only)

    def ask(self, request):
        return self.send(request).receive(request.startswith(b"HEAD"))

    def get(self, path, fields=b"", method=b"GET"):
        return self.ask(method + b" " + path + b" HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")

    def ended(self):
        return self.stream.read(1) == b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.socket.close()


@pytest.fixture
def client(port):
    with Client(port) as client:
        yield client


def test_thousand_requests_on_one_connection(client):
    for i in range(1000):
        path, content = [(b"/icon.svg", ICON), (b"/primes.txt", PRIMES)][i % 2]
        answer = client.get(path)
        assert answer.status == 200 and answer.content == content and not answer.closes


def test_fields_of_a_file(client):
    answer = client.get(b"/primes.txt")
    assert answer.fields["content-type"] == "text/plain; charset=utf-8"
    assert re.fullmatch(r'"[0-9a-f]{16}"', answer.fields["etag"])
    said = email.utils.parsedate_to_datetime(answer.fields["date"]).timestamp()
    assert abs(said - time.time()) < 5
    assert client.get(b"/icon.svg").fields["content-type"] == "image/svg+xml"


def test_first_answer_has_a_date():
    with serving() as port, Client(port) as client:
        assert "date" in client.get(b"/icon.svg").fields


def test_head_says_what_get_says(client):
    for path in (b"/", b"/icon.svg", b"/primes.txt", b"/status.json", b"/none"):
        get, head = client.get(path), client.get(path, method=b"HEAD")
        if path in (b"/", b"/status.json"):  # their numbers grow
            assert abs(head.length - get.length) < 40
            head.fields["content-length"] = get.fields["content-length"]
        assert (get.status, get.fields) == (head.status, head.fields)


def test_not_modified(client):
    tag = client.get(b"/primes.txt").fields["etag"].encode()
    for value in (tag, b"W/" + tag, b'"x", ' + tag, b"*"):
        answer = client.get(b"/primes.txt", b"If-None-Match: " + value + b"\r\n")
        assert answer.status == 304 and answer.fields["etag"].encode() == tag
        assert "content-length" not in answer.fields
    assert client.get(b"/primes.txt", b'If-None-Match: "x"\r\n').content == PRIMES
    assert client.get(b"/", b"If-None-Match: *\r\n").status == 200


def test_page_and_json_are_live(client):
    page = client.get(b"/")
    assert page.fields["content-type"] == "text/html; charset=utf-8"
    assert page.fields["cache-control"] == "no-store"
    text = page.content.decode()
    assert "<h1><i></i>mock &lt;&amp;&quot;&gt;</h1>" in text and "{{" not in text
    assert client.get(b"/index.html").status == 200
    first = json.loads(client.get(b"/status.json").content)
    second = json.loads(client.get(b"/status.json").content)
    assert first["application"] == 'mock <&">' and first["version"] == '0.0 "\\\x01'
    assert second["requests"] == first["requests"] + 1
    assert first["local"] == 2**64 - 1 and first["connections"] >= 1


@pytest.mark.parametrize(
    "path", [b"/none", b"/../index.html", b"/%2e%2e/x", b"//", b"/icon.svg/", b"/ICON.svg"]
)
def test_not_found(client, path):
    answer = client.get(path)
    assert answer.status == 404 and b"404 Not Found" in answer.content and not answer.closes
    assert client.get(b"/icon.svg").content == ICON


def test_paths_that_lead_there(client):
    for path in (b"/icon.svg?x=/..", b"/%69con%2Esvg", b"http://other/icon.svg"):
        assert client.get(path).content == ICON


def test_methods(client):
    for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH"):
        answer = client.get(b"/", method=method)
        assert answer.status == 405 and answer.fields["allow"] == "GET, HEAD" and not answer.closes
    assert client.get(b"/", method=b"BREW").status == 501
    assert client.get(b"/", method=b"get").status == 501
    assert client.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n").status == 405


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"GET /" + b"x" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 70, 431),
    ],
)
def test_refused_and_closed(client, request_bytes, status):
    # What follows is never taken for a request, and does not keep the answer from arriving.
    answer = client.send(request_bytes + GET).receive()
    assert answer.status == status and answer.closes
    assert client.ended()


def test_closed_when_asked(port):
    with Client(port) as client:
        assert client.get(b"/icon.svg", b"Connection: close\r\n").closes
        assert client.ended()
    with Client(port) as client:
        answer = client.ask(b"GET /primes.txt HTTP/1.0\r\n\r\n")
        assert answer.content == PRIMES and answer.closes and client.ended()
    with Client(port) as client:
        for _ in range(3):
            answer = client.ask(b"GET /icon.svg HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            assert answer.content == ICON and answer.fields["connection"] == "keep-alive"


def test_bodies_are_read_and_thrown_away(client):
    body = GET * 40  # would be answered if it were taken for requests
    assert client.get(b"/", b"Content-Length: %d\r\n" % len(body) + b"\r\n" + body[:-2], b"POST").status == 405
    assert client.get(b"/icon.svg").content == ICON
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(GET), GET) for _ in range(40)) + b"0\r\nX: y\r\n"
    assert client.get(b"/icon.svg", b"Transfer-Encoding: chunked\r\n\r\n" + chunks).content == ICON
    assert client.get(b"/primes.txt").content == PRIMES


def test_expectation_is_answered_at_once(client):
    answer = client.get(b"/", b"Content-Length: 9\r\nExpect: 100-continue\r\n", b"PUT")
    assert answer.status == 405 and answer.closes and client.ended()


def test_pipelined_requests_are_answered_in_order(client):
    paths = [b"/icon.svg", b"/primes.txt", b"/none", b"/", b"/status.json"] * 60
    client.send(b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in paths))
    for path in paths:
        answer = client.receive()
        assert answer.status == (404 if path == b"/none" else 200)
        if path == b"/icon.svg":
            assert answer.content == ICON
        elif path == b"/primes.txt":
            assert answer.content == PRIMES


def test_split_at_every_byte(client):
    stream = (
        GET
        + b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        + b"HEAD /primes.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        + b"\r\n"
        + GET
    )
    for cut in range(1, len(stream)):
        client.send(stream[:cut])
        if cut % 4 == 0:
            time.sleep(0.001)  # so that many cuts arrive as two pieces; either way the answers are the same
        client.send(stream[cut:])
        assert client.receive().content == ICON
        assert client.receive().status == 405
        assert client.receive(head_only=True).length == len(PRIMES)
        assert client.receive().content == ICON


def test_byte_by_byte(client):
    for byte in GET * 2:
        client.send(bytes([byte]))
    assert client.receive().content == ICON
    assert client.receive().content == ICON


def test_slow_reader_gets_everything(port):
    # Far more than the sockets' buffers hold: the server must stop reading, keep its place and go on.
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(20)
        s.connect(("127.0.0.1", port))
        s.setblocking(False)
        request = b"GET /primes.txt HTTP/1.1\r\nHost: a\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        count, sent, asked = 400, 0, request * 400
        with contextlib.suppress(BlockingIOError):
            while sent < len(asked):
                sent += s.send(asked[sent:])
        with Client(port) as other:  # nobody else notices
            assert other.get(b"/icon.svg").content == ICON
        s.setblocking(True)
        s.settimeout(20)
        stream = s.makefile("rb")
        for i in range(count):
            assert Message(stream).content == PRIMES
            assert b"</html>" in Message(stream).content
            if sent < len(asked):
                s.sendall(asked[sent : sent + 2 * len(request)])
                sent = min(len(asked), sent + 2 * len(request))
        stream.close()


def test_half_closed_client_is_answered(client):
    client.send(GET * 3)
    client.socket.shutdown(socket.SHUT_WR)
    for _ in range(3):
        assert client.receive().content == ICON
    assert client.ended()


def test_slow_request_is_told_and_idle_client_is_not():
    with serving(request_ms=300, idle_ms=600) as port:
        with Client(port) as slow, Client(port) as idle, Client(port) as body:
            begun = time.monotonic()
            body.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1")
            slow.socket.settimeout(0.05)
            data = b""
            with contextlib.suppress(OSError):
                for byte in GET * 9:  # never idle for long, never done
                    slow.socket.sendall(bytes([byte]) if byte != 13 else b"x")
                    try:
                        data = slow.socket.recv(4096)
                        break
                    except TimeoutError:
                        pass
            assert data.startswith(b"HTTP/1.1 408 ")
            assert time.monotonic() - begun < 5
            answer = body.receive()
            assert answer.status == 408 and answer.closes and body.ended()
            assert idle.ended()


def test_client_that_does_not_read_is_dropped():
    with serving(send_ms=200) as port, socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", port))
        s.settimeout(20)
        with pytest.raises(OSError):  # reset, or closed under our hands
            while True:
                s.sendall(b"GET /primes.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        with Client(port) as other:
            assert other.get(b"/icon.svg").content == ICON


def test_full_server_closes_who_is_idle_longest():
    with serving(connections=8) as port, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(8)]
        for client in clients:
            assert client.get(b"/icon.svg").content == ICON
            time.sleep(0.01)
        late = stack.enter_context(Client(port))
        assert late.get(b"/icon.svg").content == ICON
        assert clients[0].ended()
        for client in clients[1:]:
            assert client.get(b"/icon.svg").content == ICON


def test_full_server_waits_while_all_are_busy():
    with serving(connections=2, request_ms=600) as port, contextlib.ExitStack() as stack:
        busy = [stack.enter_context(Client(port)).send(b"GET / H") for _ in range(2)]
        time.sleep(0.1)
        late = stack.enter_context(Client(port))
        assert late.get(b"/icon.svg").content == ICON  # when the busy ones have been told 408
        assert [client.receive().status for client in busy] == [408, 408]


def test_many_connections():
    with serving(connections=200) as port, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(200)]
        for _ in range(3):
            for client in clients:
                client.send(b"GET /primes.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            for client in clients:
                assert client.receive().content == PRIMES
        facts = json.loads(clients[0].get(b"/status.json").content)
        assert facts["connections"] == 200 and facts["evicted"] == 0


def test_more_half_requests_than_buffers():
    # 16 buffers are there for requests that are not complete; the slowest clients lose theirs.
    with serving(connections=64) as port, contextlib.ExitStack() as stack:
        slow = []
        for _ in range(40):
            slow.append(stack.enter_context(Client(port)).send(GET[:20]))
            time.sleep(0.005)
        with Client(port) as other:
            assert other.get(b"/icon.svg").content == ICON
        for client in slow[24:]:
            assert client.send(GET[20:]).receive().content == ICON
        for client in slow[:24]:
            with contextlib.suppress(ConnectionResetError):
                assert client.ended()


def test_who_has_waited_longest_gives_way():
    # Clients that do not read hold all the buffers for input, with deadlines far away. Others that come
    # later and have less time shall not pay for it.
    with serving(send_ms=60000, request_ms=8000) as port, contextlib.ExitStack() as stack:
        for _ in range(16):
            greedy = stack.enter_context(socket.socket())
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.connect(("127.0.0.1", port))
            greedy.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    greedy.send(b"GET /primes.txt HTTP/1.1\r\nHost: a\r\n\r\n" * 400)
        with Client(port) as other:
            assert json.loads(other.get(b"/status.json").content)["evicted"] == 0
        late = [stack.enter_context(Client(port)) for _ in range(3)]
        for client in late:
            client.send(GET[:20])
            time.sleep(0.05)
        for client in late:
            assert client.send(GET[20:]).receive().content == ICON
        assert json.loads(late[0].get(b"/status.json").content)["evicted"] == 3


def test_connections_come_and_go(port):
    for _ in range(300):
        with Client(port) as client:
            assert client.get(b"/icon.svg").content == ICON
    with Client(port) as client:
        assert json.loads(client.get(b"/status.json").content)["connections"] < 10


def test_garbage_of_all_kinds(port):
    import random

    chance = random.Random(7)
    for _ in range(300):
        with Client(port) as client:
            data = bytearray(GET * 3)
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            with contextlib.suppress(OSError):
                client.send(bytes(data))
                client.socket.shutdown(socket.SHUT_WR)
                while client.stream.peek(1):
                    client.receive(head_only=False)
    with Client(port) as client:
        assert client.get(b"/icon.svg").content == ICON


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"port": "x"}, "HTTPD_PORT is 'x', but must be a number from 0 to 65535"),
        ({"port": "65536"}, "HTTPD_PORT is '65536', but must be a number from 0 to 65535"),
        ({"connections": "0"}, "HTTPD_CONNECTIONS is '0', but must be a number from 1 to 8192"),
        ({"idle_ms": ""}, "HTTPD_IDLE_MS is '', but must be a number"),
        ({"send_ms": "99999999999999999999"}, "HTTPD_SEND_MS is '99999999999999999999', but must be a number"),
        ({"address": "here"}, "here is not an IP address"),
        ({"address": "192.0.2.1"}, "cannot listen on 192.0.2.1 port 0"),
    ],
)
def test_wrong_settings_are_told(settings, sentence):
    environment = os.environ | {"HTTPD_ADDRESS": "127.0.0.1", "HTTPD_PORT": "0"}
    environment |= {f"HTTPD_{name.upper()}": value for name, value in settings.items()}
    result = subprocess.run([SERVER], env=environment, capture_output=True, text=True, timeout=20)
    assert result.returncode != 0 and sentence in result.stderr
