# SPDX-License-Identifier: MIT
"""Machine files that nobody would write: good ones, changed in a few places.

    generate(random.Random(seed)) -> bytes

Which keys there are is read from docs/machine.md, so that a new one is tried as soon as it is described.
"""

import pathlib
import random
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

GOOD = """\
[machine]
name = "demo"
memory = "128M"
cpus = 3
[[app]]
name = "www"
image = "httpd"
arguments = ["-v", "x y"]
environment = { LANG = "C" }
memory = "2M"
slices = 8
cpu = 0
sched = "fifo"
quantum = "50us"
trace = "16K"
address = "10.0.2.15/24"
gateway = "10.0.2.2"
mac = "52:54:00:00:00:01"
restart = "always"
forward = ["tcp/8080:80", "udp/8080:81"]
ports = ["tcp/80", "udp/81", "tcp/49152-65535"]
[[app]]
name = "other"
image = "echo"
environments = 3
rights = ["directory", "tables"]
[[app]]
name = "steward"
image = "echo"
cpus = [1, 2]
[[app]]
name = "m"
image = "echo"
under = "steward"
[control]
serial = true
"""
DEMO = (ROOT / "machines" / "demo.toml").read_text()
LEAST = '[machine]\nname = "m"\n[[app]]\nname = "a"\nimage = "echo"\n'

# For each key what could stand there, the first ones right, the others nearly so. What has none here
# gets any value.
NEAR = {
    "name": ["a", "www", "0-", "-", "a" * 15, "a" * 16, "a" * 31, "exo", "A", "init ", "demo"],
    "memory": ["2M", "72K", "4K", "1G", "64G", "65G", "0K", "128 MiB", "1KiB", "999999999999G", "2m", "6K", "48M"],
    "image": ["httpd", "echo", "httpd", "./m.toml", "../m.toml", "/", ".", "..", "a/../b", "~", "nothing", "x" * 300],
    "sched": ["fifo", "round_robin", "fifo", "Fifo", "none"],
    "trace": ["4K", "256K", "64K", "16 KiB", "2K", "512K", "12K", "0K", "1", "4096", "-4K"],
    "quantum": ["50us", "1 ms", "5us", "1s", "4us", "2s", "0us", "10", "us", "999999999999us", "-1us"],
    "address": ["10.0.2.15/24", "10.0.2.16/24", "dhcp", "10.0.2.15/33", "0.0.0.0/0", "1.2.3.4/8", "::1/64", "1/2"],
    "gateway": ["10.0.2.2", "10.0.2.1", "10.0.2.254", "10.0.2.0", "10.0.2.255", "1.2.3.4", "10.0.2.02", "gateway"],
    "address6": ["fd00::15/64", "2001:db8::1/64", "fd00::16/64", "fd00::15", "fe80::1/64", "::1/64", "fd00::/129", "fd00::15%1/64"],
    "gateway6": ["fd00::1", "fe80::1", "fd00::15", "fd01::1", "fe80::1%2", "10.0.2.2", "::"],
    "mac": ["52:54:00:00:00:01", "52:54:00:00:00:02", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "2:4:0:0:0:1"],
    "restart": ["never", "on-failure", "always", "Always", "0"],
    "forward": ["tcp/8080:80", "udp/8081:81", "tcp/9:50000", "udp/1:1", "tcp/0:0", "tcp/65536:1", "tcp/99999:99999", "icmp/1:1", "tcp/80"],
    "ports": ["tcp/80", "tcp/81", "udp/53", "tcp/49152-65535", "tcp/0-65535", "udp/1-2", "tcp/8-15", "tcp/3-1"],
    "rights": ["directory", "tables", "directory", "all", ""],
    "arguments": ["-v", "", "\u00e4", "x" * 500, "\\u0000", "a\\nb"],
    "cpus": [1, 2, 64, 65, 0, -1, 1 << 63],
    "cpu": [0, 1, 63, 64, -1, 1 << 63],
    "slices": [1, 8, 50, 63, 64, 0, -1, 1 << 31, 1 << 63, 1 << 64],
    "environments": [0, 1, 50, 60, 61, 62, -1, 1 << 63],
    "under": ["steward", "www", "other", "m", "steward", ""],
    "serial": ["true", "false", "true", "True", "1"],
}
LISTS = ("forward", "ports", "rights", "arguments")

ODD_TEXT = ["\0", "\x1b[2J", "\x7f", "\x85", "\u2028", "\ufeff", "\u202e", "\u0660\u0661", "e\u0301", "\uff11", "\U0001f4a5"]
ODD_TEXT += ["\r", "\r\n", "\t", "%s", "{}", "`", "\\", "'", '"', "\\x41", "\\ud800", "\\U00110000", "\\u00e4"]
ODD_BYTES = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\0", b"\xef\xbb\xbf", b"\x80"]
TOKENS = ["[", "]", "[[", "]]", "{", "}", "=", ".", ",", "#", '"', "'", '"""', "'''", "\n", "\\", "true", "nan", "-inf"]
TOKENS += ["0x", "0b2", "1_000", "1__0", "+1", "1e", "1e400", "-0", "07:32:00", "1979-05-27", "1979-13-99", "app", "machine"]
NUMBERS = ["0", "-1", "+0", "1_0", "0xff", "0o17", "0b1", "1.5", "-0.0", "1e3", "9e999", "inf", "-inf", "nan"]
TIMES = ["1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "1979-05-27 07:32:00.999999999-23:59", "0001-01-01"]

# How many of something is many: around the limits of Python's and of ours.
MANY = (2, 9, 17, 30, 129, 200, 300, 500, 1000, 4301, 20000)


def keys_of_the_manual() -> dict[str, list[str]]:
    """By table: machine, app, control."""
    found: dict[str, list[str]] = {}
    table = None
    for line in (ROOT / "docs" / "machine.md").read_text().splitlines():
        heading = re.match(r"## `\[+(\w+)\]+`", line)
        if line.startswith("#"):
            table = heading[1] if heading else None
        row = re.match(r"\| `(\w+)` \|", line)
        if table and row:
            found.setdefault(table, []).append(row[1])
    return found


KEYS = keys_of_the_manual()
ALL_KEYS = sorted({key for keys in KEYS.values() for key in keys})


# --- values -------------------------------------------------------------------------------------------


def quoted(chance: random.Random, text: str) -> str:
    """A string, in one of TOML's four kinds; a good one where the text allows it."""
    kind = chance.randrange(8)
    if kind == 0:
        return f'"""{text}"""'
    if kind == 1:
        return f"'''{text}'''"
    if kind == 2:
        return f"'{text}'"
    return f'"{text}"'


def text_of(chance: random.Random) -> str:
    some = chance.choice(chance.choice(list(NEAR.values())))
    text = str(some)
    for _ in range(chance.choice((0, 0, 1, 1, 3))):
        at = chance.randrange(len(text) + 1)
        cut = at + chance.choice((0, 0, 1, 3))
        text = text[:at] + chance.choice(ODD_TEXT + ["a", "0", "/", ":", "-", ".", " "]) + text[cut:]
    return text if chance.randrange(30) else text * (1 + chance.choice(MANY) // max(len(text), 1))


def number_of(chance: random.Random) -> str:
    how = chance.randrange(6)
    if how < 3:
        return chance.choice(NUMBERS)
    if how == 3:
        return str(chance.choice((-1, 1)) * chance.getrandbits(chance.randrange(1, 130)))
    digits = chance.choice(MANY)
    prefix, digit = chance.choice((("", "9"), ("-", "1"), ("0x", "f"), ("0b", "1"), ("0o", "7"), ("1.", "3"), ("1e", "9")))
    return prefix + digit * digits


def value(chance: random.Random, depth: int = 0) -> str:
    how = chance.randrange(10 if depth < 3 else 7)
    if how < 3:
        return quoted(chance, text_of(chance))
    if how < 5:
        return number_of(chance)
    if how == 5:
        return chance.choice(("true", "false"))
    if how == 6:
        return chance.choice(TIMES)
    inside = [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if how < 9:
        return f"[{', '.join(inside)}]"
    return "{ " + ", ".join(f"{chance.choice('abc')} = {each}" for each in inside) + " }"


def near(chance: random.Random, key: str) -> str:
    """What could stand at a key; for one that this file knows nothing of, any value."""
    if key not in NEAR:
        return value(chance)
    there = NEAR[key][: 3 if chance.randrange(3) else None]
    if key in LISTS:
        some = chance.choices(there, k=chance.choice((0, 1, 1, 2, 3, 7)))
        return "[" + ", ".join(f'"{each}"' for each in some) + "]"
    one = chance.choice(there)
    return str(one) if key == "serial" or isinstance(one, int) else f'"{one}"'


def nested(chance: random.Random) -> str:
    depth = chance.choice(MANY)
    opening, closing = chance.choice((("[", "]"), ("{ a = ", " }"), ("[{ a = ", "}]"), ("[1, ", "]"), ("[\n", "\n]")))
    inner = chance.choice(("", "1", '"x"'))
    return opening * depth + inner + closing * chance.choice((depth, depth, depth - 1))


# --- changes: each takes the text and gives another ----------------------------------------------------


def pick(chance: random.Random, lines: list[str]) -> int:
    return chance.randrange(len(lines)) if lines else 0


def by_line(chance: random.Random, text: str) -> str:
    lines = text.splitlines()
    at, to = pick(chance, lines), pick(chance, lines)
    how = chance.randrange(4)
    if not lines:
        return text
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(to, lines[at])
    elif how == 2:
        lines[at], lines[to] = lines[to], lines[at]
    else:
        lines[at:to] = []
    return "\n".join(lines) + "\n"


def with_value(chance: random.Random, text: str) -> str:
    """Another value at a key that is there: near, of the wrong kind, or without end."""
    lines = text.splitlines()
    places = [i for i, line in enumerate(lines) if "=" in line]
    if not places:
        return text
    at = chance.choice(places)
    key = lines[at].split("=")[0].strip()
    how = chance.randrange(16)
    new = near(chance, key) if how < 10 else nested(chance) if how == 10 else value(chance)
    lines[at] = f"{key} = {new}"
    return "\n".join(lines) + "\n"


def with_key(chance: random.Random, text: str) -> str:
    """One more key, of the manual or nearly, somewhere."""
    key = chance.choice(ALL_KEYS)
    value_ = near(chance, key) if chance.randrange(4) else value(chance)
    if not chance.randrange(4):
        key = chance.choice(
            (key + "s", key[:-1], f'"{key}"', f"app.{key}", f"{key}.{key}", quoted(chance, text_of(chance)), "a." * 400 + "a")
        )
    lines = text.splitlines()
    lines.insert(chance.randrange(len(lines) + 1), f"{key} = {value_}")
    return "\n".join(lines) + "\n"


def with_table(chance: random.Random, text: str) -> str:
    """One more table: a good application, or something that is none."""
    if chance.randrange(2):
        name = chance.choice(NEAR["name"]) + chance.choice("abc")
        table = f'[[app]]\nname = "{name}"\nimage = "{chance.choice(("echo", "httpd"))}"\n'
        for key in chance.sample(KEYS["app"], chance.randrange(5)):
            if key not in ("name", "image"):
                table += f"{key} = {near(chance, key)}\n"
    else:
        header = chance.choice(list(KEYS) + ["app.environment", "extra", "app.app", '"a b"'])
        table = chance.choice(("[{}]", "[[{}]]", "[ {} ]", "[[{}]")).format(header) + "\n"
    return chance.choice((text + table, table + text))


def without_end(chance: random.Random, text: str) -> str:
    count = chance.choice(MANY)
    how = chance.randrange(5)
    if how == 0:
        return text + "".join(f'[[app]]\nname = "a{i}"\nimage = "echo"\nmemory = "72K"\nslices = 1\n' for i in range(count % 40))
    if how == 1:
        return text + "".join(f"k{i} = {i}\n" for i in range(count))
    if how == 2:
        return text + "#" + "x" * count + "\n"
    if how == 3:
        return text + "[" + ".".join("a" * count) + "]\n"
    return text + "x = [" + "1," * count + "]\n"


def by_token(chance: random.Random, text: str) -> str:
    tokens = re.findall(r"\w+|\s+|.", text, re.S)
    at = pick(chance, tokens)
    how = chance.randrange(4)
    if how == 0 or not tokens:
        tokens.insert(at, chance.choice(TOKENS))
    elif how == 1:
        tokens[at] = chance.choice(TOKENS)
    elif how == 2:
        tokens[at] = tokens[pick(chance, tokens)]
    else:
        del tokens[at]
    return "".join(tokens)


def by_character(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(ODD_TEXT) + text[at + chance.randrange(2) :]


def cut(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return chance.choice((text[:at], text[at:], text[at:] + text[:at]))


CHANGES = [with_value] * 8 + [with_key] * 3 + [by_token] * 3 + [by_character] * 2
CHANGES += [by_line, by_line, with_table, with_table, without_end, cut]


def by_byte(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    how = chance.randrange(3)
    if how == 0:
        return data[:at] + chance.choice(ODD_BYTES) + data[at:]
    if how == 1:
        return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    return data.replace(b"\n", b"\r\n")


def generate(chance: random.Random) -> bytes:
    text = chance.choice((GOOD, GOOD, DEMO, LEAST))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        text = chance.choice(CHANGES)(chance, text)
    data = text.encode(errors="surrogateescape")
    return data if chance.randrange(8) else by_byte(chance, data)
