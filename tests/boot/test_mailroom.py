# SPDX-License-Identifier: MIT
"""The mailroom: mail comes in and is delivered, and a break-in at the front yields nothing."""

import re
import smtplib
import socket

import pytest

from traffic import HOST, PATIENCE
from freehold_lib.emulator import free_port

TIMEOUT = 50
NETWORKS = [("qemu", "virtio"), ("bochs", "e1000")]


def part(name, image=None, **more):
    more = {"memory": "2M", "slices": 4, "rights": ["directory"], **more}
    return {"name": name, **({"image": image or name} if "test" not in more else {}), **more}


REST = [part("mail-parser", memory="1M"), part("mail-queue"), part("mail-control", memory="512K")]


@pytest.fixture
def mailroom(boot):
    """mailroom(kind, nic) -> (machine, port of the host that leads to the front)"""

    def start(kind="qemu", nic="virtio"):
        port = free_port("tcp")
        front = part("mail-front", address="10.0.2.15/24", gateway="10.0.2.2", ports=["tcp/25"])
        machine = boot([front, *REST], kind=kind, nic=nic, forwards=[("tcp", port, "10.0.2.15", 25)])
        machine.wait_for(r"^\[mail-front\] mailroom: listening on port 25", TIMEOUT)
        return machine, port

    return start


def delivered(machine):
    line = r"^\[mail-control\] mailroom: message (\d+) from <(.*)> to <(.*)>, (\d+) bytes$"
    return [found.groups() for found in re.finditer(line, machine.text(), re.M)]


@pytest.mark.parametrize("kind, nic", NETWORKS)
def test_mail_is_delivered(mailroom, kind, nic):
    machine, port = mailroom(kind, nic)
    text = "Subject: hello\r\n\r\n.dots\r\n..\r\n" + "x" * 900 + "\r\n"
    with smtplib.SMTP(HOST, port, timeout=PATIENCE) as client:
        for number in range(3):
            client.sendmail(f"me{number}@example.org", ["you@example.org", "they@example.org"], text)
    machine.wait_for(r"^\[mail-control\] mailroom: message 3 from .* to <they@example.org>", TIMEOUT)
    assert delivered(machine) == [
        (str(n + 1), f"me{n}@example.org", to, str(len(text)))
        for n in range(3)
        for to in ("you@example.org", "they@example.org")
    ]
    with smtplib.SMTP(HOST, port, timeout=PATIENCE) as client:
        client.ehlo()
        assert client.docmd("MAIL", "FROM:nobody")[0] == 501
        assert client.docmd("MAIL", "FROM:<a@b> SIZE=31000")[0] == 552
        assert client.docmd("x" * 3000)[0] == 500
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@b", "c@d", "x" * 1500)
        assert refused.value.smtp_code == 554
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:  # it tells the size beforehand
            client.sendmail("a@b", "c@d", ("x" * 700 + "\r\n") * 50)
        assert refused.value.smtp_code == 552
    assert not re.search(r"crash|ended|killed", machine.text())


def answers(connection, count):
    text = b""
    while text.count(b"\r\n") < count:
        piece = connection.recv(4096)
        assert piece, text
        text += piece
    return [line[:3] for line in text.split(b"\r\n")[:-1]]


def test_commands_in_one_packet_and_byte_by_byte(mailroom):
    machine, port = mailroom()
    with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
        connection.sendall(b"HELO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
        assert answers(connection, 7) == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"NOOP\r\n":
            connection.sendall(bytes([byte]))
        # Neither ends a line: what follows is not a command of its own.
        connection.sendall(b"NOOP\nNOOP\r\nNOOP\rNOOP\r\nQUIT\r\n")
        assert answers(connection, 5) == [b"220", b"250", b"501", b"501", b"221"]
    machine.wait_for(r"^\[mail-control\] mailroom: message 1 from <a@b> to <c@d>, 3 bytes$", TIMEOUT)


def test_more_clients_than_places(mailroom):
    machine, port = mailroom()
    held = [socket.create_connection((HOST, port), timeout=PATIENCE) for _ in range(16)]
    assert all(answers(connection, 1) == [b"220"] for connection in held)
    with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
        assert answers(connection, 1) == [b"421"]
    held.pop().close()
    machine.mark()
    with smtplib.SMTP(HOST, port, timeout=PATIENCE) as client:
        client.sendmail("late@b", "c@d", "x")
    for connection in held:
        connection.close()
    machine.wait_for(r"^\[mail-control\] mailroom: message 1 from <late@b>", TIMEOUT)


def test_a_break_in_at_the_front_yields_nothing(boot):
    machine = boot(
        [part("mail-front", test="breakin", restart="never", slices=16), *REST], nic=None, memory=64
    )
    machine.wait_for(r"^\[init\] mail-front (ended|was)", TIMEOUT)
    machine.wait_for(r"^\[mail-control\] mailroom: message 1 from <thief@x> to <a@b>, 8 bytes$", TIMEOUT)
    text = machine.text()
    assert not re.findall(r"^\[mail-front\] break-in: (?:SUCCEEDED|the parser).*", text, re.M)
    tries, refused = re.search(r"^\[mail-front\] break-in: (\d+) tries, (\d+) refused$", text, re.M).groups()
    assert tries == refused and int(tries) > 1000
    assert "[mail-front] break-in: a message like a client's: queued" in text
    assert "[init] mail-front ended with status 0" in text
    assert not re.search(r"^\[init\] mail-(parser|queue|control) (ended|was)", text, re.M)
