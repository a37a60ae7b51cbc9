# SPDX-License-Identifier: MIT
"""Applications that serve the network: all at once, under attack, after a crash, and with none."""

import http.client
import os
import random
import re
import resource
import socket
import time

import pytest

from conftest import ROOT
from frames import Wire
from freehold_lib import bench_lost
from freehold_lib.emulator import free_port
from traffic import HOST, PATIENCE, at_once, http_requests, tcp_echoes, udp_echoes

TIMEOUT = 50
REQUESTS = 1000
FILE = "/primes.txt"
CONTENT = (ROOT / "apps/httpd/files/primes.txt").read_bytes()
GATEWAY = "10.0.2.2"
NETWORKS = [("qemu", "virtio"), ("qemu", "e1000"), ("bochs", "e1000")]
CONFINED = r"^\[exo\] DMA is confined by 1 IOMMU, with tables of 3 levels\.$"
NOT_CONFINED = r"^\[exo\] DMA is not confined on this machine: it has no Intel VT-d\."


class Ports:
    """Ports of the host, one a service, that are free; held in `taken` so that none comes twice."""

    def __init__(self):
        self.taken = set()

    def new(self, protocol: str) -> int:
        while (port := free_port(protocol)) in self.taken:
            pass
        self.taken.add(port)
        return port


@pytest.fixture
def ports():
    return Ports()


def server(name, image, address, forwards, **more):
    """A table of the machine file; `forwards` is {(protocol, application's port): host port}."""
    return {
        "name": name,
        "image": image,
        "memory": "2M",
        "slices": 8,
        "address": f"10.0.2.{address}/24",
        "gateway": GATEWAY,
        "forward": [f"{protocol}/{host}:{port}" for (protocol, port), host in forwards.items()],
        **more,
    }


class Demo:
    """The three applications of the demo machine, on ports of this test's own."""

    def __init__(self, ports):
        self.www, self.www2 = ports.new("tcp"), ports.new("tcp")
        self.tcp, self.udp = ports.new("tcp"), ports.new("udp")
        self.apps = [
            server("www", "httpd", 15, {("tcp", 80): self.www}),
            server("www2", "httpd", 16, {("tcp", 80): self.www2}, sched="fifo"),
            server("echo", "echo", 17, {("tcp", 7): self.tcp, ("udp", 7): self.udp}, slices=4),
        ]
        self.forwards = [
            ("tcp", self.www, "10.0.2.15", 80),
            ("tcp", self.www2, "10.0.2.16", 80),
            ("tcp", self.tcp, "10.0.2.17", 7),
            ("udp", self.udp, "10.0.2.17", 7),
        ]

    def wait(self, machine):
        """Until all serve: from its address to its open port a busy host may take a server a second."""
        for name in ("www", "www2", "echo"):
            machine.wait_for(rf"^\[{name}\] \w+: listening on port", TIMEOUT)

    def ask(self, requests):
        at_once(
            (http_requests, self.www, requests, FILE, CONTENT),
            (http_requests, self.www2, requests, FILE, CONTENT),
            (tcp_echoes, self.tcp, requests),
            (udp_echoes, self.udp, requests),
        )


@pytest.fixture
def demo(ports):
    return Demo(ports)


@pytest.mark.parametrize("kind, nic, iommu", [
    *((kind, nic, False) for kind, nic in NETWORKS), ("qemu", "virtio", True), ("qemu", "e1000", True)
])  # fmt: skip
def test_three_applications_answer_at_once(boot, demo, kind, nic, iommu):
    machine = boot(demo.apps, kind=kind, nic=nic, iommu=iommu, forwards=demo.forwards)
    demo.wait(machine)
    demo.ask(REQUESTS)
    assert not re.search(r"crash|ended|killed|DMA fault", machine.text())
    said = [len(re.findall(line, machine.text(), re.M)) for line in (CONFINED, NOT_CONFINED)]
    assert said == [iommu, not iommu]


@pytest.mark.parametrize("kind, nic", NETWORKS)
def test_every_attack_is_refused_while_the_others_answer(boot, demo, kind, nic):
    """One tries everything and dies of the last; on QEMU a second one spins for ever instead."""
    names = ["hostile"] if kind == "bochs" else ["hostile", "spinner"]
    attackers = [
        server(name, "hostile", 18 + i, {}, restart="never", arguments=["spin"] * i)
        for i, name in enumerate(names)
    ]
    # Little memory: the attacks on every frame of the machine take their time.
    machine = boot([*demo.apps, *attackers], kind=kind, nic=nic, memory=64, forwards=demo.forwards)
    demo.wait(machine)
    ends = [r"^\[init\] hostile (ended|was)", r"^\[spinner\] hostile: now it spins for ever"]
    answered, deadline = 0, time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and not all(
        re.search(end, machine.text(), re.M) for end in ends[: len(names)]
    ):
        demo.ask(5)
        answered += 5
    demo.ask(20)  # beside the one that spins
    text = machine.text()
    assert answered
    assert not re.findall(r"^\[\w+\] hostile: SUCCEEDED.*", text, re.M)
    for name in names:
        summary = re.search(rf"^\[{name}\] hostile: (\d+) attacks, (\d+) refused", text, re.M)
        assert summary, f"{name} did not come to its end"
        assert summary[1] == summary[2]
        assert int(summary[1]) > 100
        assert len(re.findall(rf"^\[{name}\] hostile: .+: .+", text, re.M)) >= int(summary[1])
    assert re.search(r"^\[hostile\] crash: page fault writing 0xffffffff80000000", text, re.M)
    assert "[init] hostile ended with status 142" in text
    assert not re.search(r"^\[init\] (www|www2|echo|spinner) (ended|was)", text, re.M)


@pytest.mark.parametrize("iommu", [False, True])
def test_a_server_that_crashes_answers_again(boot, ports, demo, iommu):
    port = ports.new("tcp")
    mortal = server("mortal", "mortal", 18, {("tcp", 7): port})
    mortal["test"] = mortal.pop("image")
    forwards = [*demo.forwards, ("tcp", port, "10.0.2.18", 7)]
    machine = boot([*demo.apps, mortal], iommu=iommu, forwards=forwards)
    demo.wait(machine)
    machine.wait_for(r"^\[mortal\] answers on port 7", TIMEOUT)

    def say(word: bytes) -> bytes:
        with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
            connection.sendall(word)
            try:
                return connection.recv(100)
            except ConnectionError:
                return b""

    assert say(b"hello").startswith(b"alive for ")
    for _ in range(2):
        since = machine.mark()
        assert say(b"die") == b""
        machine.wait_for(r"^\[init\] mortal ended with status 142", TIMEOUT, since=since)
        machine.wait_for(r"^\[mortal\] answers on port 7", TIMEOUT, since=since)
        assert say(b"hello").startswith(b"alive for ")
        demo.ask(20)
    assert len(re.findall(r"^\[mortal\] crash: page fault writing 0x8", machine.text(), re.M)) == 2
    assert bool(re.search(CONFINED, machine.text(), re.M)) == iommu
    assert "DMA fault" not in machine.text()


def answer_of(port: int, path: str) -> tuple:
    """Status, head without its date, and content."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    connection.request("GET", path)
    answer = connection.getresponse()
    head = [(name, value) for name, value in answer.getheaders() if name != "Date"]
    return answer.status, head, answer.read()


def garbage(port: int, count: int) -> None:
    """Connections that make no sense, each of which must end by itself or be ours to end."""
    random_ = random.Random(9)
    pieces = [b"GET ", b"/ HTTP/1.1\r\n", b"Host: h\r\n", b"\r\n", b"POST ", b"Content-Length: 9\r\n", b"\r", b"\n\n"]
    for _ in range(count):
        with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
            sent = [random_.choice([*pieces, random_.randbytes(50)]) for _ in range(random_.randint(1, 9))]
            try:
                connection.sendall(b"".join(sent))
                if random_.random() < 0.5:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
            except ConnectionError:
                pass


@pytest.mark.parametrize("kind, nic", NETWORKS)
def test_cheetah_serves_what_httpd_serves(boot, ports, kind, nic):
    www, cheetah = ports.new("tcp"), ports.new("tcp")
    apps = [
        server("www", "httpd", 15, {("tcp", 80): www}),
        server("cheetah", "cheetah", 16, {("tcp", 80): cheetah}),
    ]
    forwards = [("tcp", www, "10.0.2.15", 80), ("tcp", cheetah, "10.0.2.16", 80)]
    machine = boot(apps, kind=kind, nic=nic, forwards=forwards)
    for name in ("httpd", "cheetah"):
        machine.wait_for(rf"^\[\w+\] {name}: listening on port", TIMEOUT)
    files = [f"/{file.name}" for file in (ROOT / "apps/httpd/files").iterdir() if file.suffix != ".html"]
    assert FILE in files
    for path in [*files, "/nothing", "/%zz"]:
        assert answer_of(cheetah, path) == answer_of(www, path)
    for path in ("/", "/status.json"):  # these tell about whom they come from
        assert answer_of(cheetah, path)[0] == answer_of(www, path)[0] == 200
    at_once(
        (http_requests, cheetah, REQUESTS, FILE, CONTENT),
        (http_requests, cheetah, REQUESTS, FILE, CONTENT),
        (garbage, cheetah, REQUESTS // 10),
    )
    assert answer_of(cheetah, FILE)[2] == CONTENT
    assert not re.search(r"crash|ended|killed", machine.text())


SMALL = "/icon.svg"
CROWD = 1100  # more than FD_SETSIZE of most systems, and than a ring has slots


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_a_thousand_clients_at_once(boot):
    """All are connected at the same time and ask again and again; not one may go without its answer."""
    settings = {"FREEHOLD_NET_BUFFERS": "256/256", "FREEHOLD_NET_MEMORY": "4096"}
    places = {"httpd": 15, "cheetah": 16}
    limits = {"httpd": "HTTPD_CONNECTIONS", "cheetah": "CHEETAH_CLIENTS"}
    apps = [
        server(name, name, host, {}, memory="16M", environment={**settings, limits[name]: "2048"})
        for name, host in places.items()
    ]
    small = (ROOT / "apps/httpd/files" / SMALL[1:]).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * CROWD)), hard))
    with Wire("virtio") as wire:
        machine = boot(apps, nic=None, extra=wire.arguments)
        for name, host in places.items():
            machine.wait_for(rf"^\[{name}\] {name}: listening on port", TIMEOUT)
            assert bench_lost.count((f"10.0.2.{host}", 80), SMALL, small, CROWD, rounds=2) == 0, name
        machine.stop()
    assert not re.search(r"crash|ended|killed", machine.text())


SOCKETS = [("qemu", "virtio", "fifo"), ("qemu", "virtio", "round_robin"), ("bochs", "e1000", "round_robin")]


@pytest.mark.parametrize("kind, nic, policy", SOCKETS)
def test_sockets_between_threads_and_applications(boot, kind, nic, policy):
    apps = [
        server("echo", "echo", 17, {}, sched=policy),
        server("check", "", 18, {}, sched=policy, test="sockets", arguments=["10.0.2.17"], restart="never"),
    ]
    machine = boot(apps, kind=kind, nic=nic)
    machine.wait_for(r"^\[init\] check (ended|was)", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[check\] not ok .*", text, re.M)
    passed, failed = re.search(r"^\[check\] checks: (\d+) passed, (\d+) failed", text, re.M).groups()
    assert int(failed) == 0
    assert int(passed) == len(re.findall(r"^\[check\] ok ", text, re.M)) >= 20
    assert "[init] check ended with status 0" in text


def test_an_address_by_dhcp(boot):
    echo = {"name": "echo", "image": "echo", "memory": "2M", "address": "dhcp"}
    machine = boot([echo])
    machine.wait_for(
        r"^\[echo\] network: address 10\.0\.2\.\d+, netmask 255\.255\.255\.0, gateway 10\.0\.2\.2,",
        TIMEOUT,
    )


def test_too_little_memory_for_a_network(boot):
    machine = boot([server("echo", "echo", 17, {}, memory="720K", restart="never")])
    machine.wait_for(r"^\[init\] echo ended with status 1", TIMEOUT)
    assert re.search(r"^\[echo\] no network: its quota of memory .*: raise `memory` in", machine.text(), re.M)


def test_without_a_network_card(boot, demo):
    machine = boot(demo.apps, nic=None)
    machine.wait_for(r"^\[exo\] No network card was found", TIMEOUT)
    for name in ("www", "www2", "echo"):
        machine.wait_for(rf"^\[{name}\] no network: ", TIMEOUT)


def test_little_memory(boot, demo):
    """64 MiB beyond what the firmware takes are enough for the demo."""
    machine = boot(demo.apps, memory=70, forwards=demo.forwards)
    free = machine.wait_for(r"^\[exo\] (\d+) MiB of memory are free", TIMEOUT)
    assert int(free[1]) <= 64
    demo.wait(machine)
    demo.ask(20)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has had so far: utime and stime of proc(5)."""
    fields = (open(f"/proc/{pid}/stat").read()).rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("kind, nic", NETWORKS)
def test_an_idle_machine_lets_the_host_rest(boot, demo, kind, nic):
    machine = boot(demo.apps, kind=kind, nic=nic, forwards=demo.forwards)
    demo.wait(machine)
    demo.ask(1)  # all of them are up and have nothing left to do
    seconds, before = 8, cpu_seconds(machine.pid)
    time.sleep(seconds)
    assert cpu_seconds(machine.pid) - before < 0.15 * seconds


def test_more_than_the_machine_has(boot):
    apps = [
        {"name": "small", "image": "hello", "memory": "1M"},
        {"name": "large", "image": "hello", "memory": "60M"},
    ]
    # The builder would refuse this for the machine's own memory; a stick may be put into another.
    machine = boot(apps, nic=None, memory=64, declared=256)
    machine.wait_for(r"^\[init\] large is not started: it wants 15360 pages", TIMEOUT)
    machine.wait_for(r"^\[small\] Hello", TIMEOUT)
