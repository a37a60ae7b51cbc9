# SPDX-License-Identifier: MIT
"""Fetch Debian packages, sources or binaries, of any suite without touching the machine's own apt.

The machine's entries for the Debian archive are copied into a private folder, turned into
entries of the suite that is wanted, and given to an apt-get that keeps its lists and caches there as
well. So its mirrors and proxies are used, no address is known here, and apt checks the signatures
of the archive and, through them, the tarball.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Callable, NamedTuple

from .errors import FreeholdError
from .process import output_of, run_lines

ETC = Path("/etc/apt")
# All of Debian's keys, of releases newer than the machine, too (package debian-archive-keyring).
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
RELEASES = "stable oldstable testing unstable sid bullseye bookworm trixie forky duke".split()
# .../debian, a mirror of that name (debian-remote), or a day of the snapshot archive.
ARCHIVE = re.compile(r"/debian(?!-security|-debug|-ports|-backports)[^/]*(/\d{8}T\d{6}Z)?/?$")
KEPT_FIELDS = ("Trusted", "Check-Valid-Until", "Check-Date")
# Run by the machine's apt after each update: they tidy the machine's own caches.
HOOKS = ("APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success", "APT::Update::Pre-Invoke")


class Entry(NamedTuple):
    """One entry of the machine's sources: fields as in the deb822 format, their names as there."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str  # a path, a key of several lines, or ""
    others: tuple[tuple[str, str], ...]


def download(package: str, suite: str, folder: Path, on_line: Callable[[str], None]) -> Path:
    """Put the source package's original tarball into `folder` (which is ours) and return its path."""
    get = ["source", "--download-only", "--tar-only", "--only-source", package]
    found = _download("deb-src", get, package, suite, folder, on_line)
    tarballs = [file for file in found if ".orig.tar." in file.name and file.suffix != ".asc"]
    if len(tarballs) != 1:
        raise FreeholdError(f"apt-get source {package} brought {len(tarballs)} tarballs, not one.")
    return tarballs[0]


def download_binary(
    packages: tuple[str, ...], suite: str, folder: Path, on_line: Callable[[str], None]
) -> list[Path]:
    """Put these packages' .deb files into `folder` (which is ours); nothing is installed."""
    get = ["download", *packages]
    found = _download("deb", get, " ".join(packages), suite, folder, on_line)
    files = [file for file in found if file.suffix == ".deb"]
    if len(files) != len(packages):
        raise FreeholdError(f"apt-get download brought {len(files)} packages of {len(packages)}.")
    return files


def unpack(package: Path, tree: Path) -> None:
    """All files of a binary package, under `tree`."""
    status, said = output_of(["dpkg", "-x", str(package), str(tree)])
    if status != 0:
        raise FreeholdError(f"{package.name} cannot be unpacked: {said}")


def _download(
    kind: str, get: list[str], what: str, suite: str, folder: Path, on_line: Callable[[str], None]
) -> list[Path]:
    """Try each of the machine's entries, with each keyring; the files that came."""
    if not shutil.which("apt-get"):
        raise FreeholdError("This machine has no apt-get.")
    entries = debian_entries(read_entries(ETC))
    if not entries:
        raise FreeholdError(
            f"Neither {ETC}/sources.list nor a file in {ETC}/sources.list.d names the Debian archive."
        )
    failures = []
    for entry in entries:
        for keyring in keyrings(entry):
            try:
                _try(get, what, source_entry(entry, suite, keyring, kind), entry, folder, on_line)
                return [file for file in folder.iterdir() if file.is_file()]
            except FreeholdError as error:
                failures.append(str(error))
    raise FreeholdError("\n".join(dict.fromkeys(failures)))


# --- the machine's entries ----------------------------------------------------


def read_entries(etc: Path) -> list[Entry]:
    """Every enabled entry for binary or source packages under `etc`, in both of apt's formats."""
    entries = []
    parts = etc / "sources.list.d"
    for file in [etc / "sources.list", *sorted(parts.glob("*"))]:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if file.suffix == ".sources":
            entries += _deb822(text)
        elif file.suffix == ".list":
            entries += filter(None, map(_one_line, text.splitlines()))
    return entries


def _deb822(text: str) -> list[Entry]:
    entries = []
    text = re.sub(r"^#.*\n?", "", text, flags=re.M)
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in " \t" and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().title()
                fields[name] = value.strip()
        enabled = fields.get("Enabled", "yes").lower() not in ("no", "false", "0", "off", "without")
        if enabled and set(fields.get("Types", "").split()) & {"deb", "deb-src"}:
            entries.append(_entry(fields))
    return entries


def _one_line(line: str) -> Entry | None:
    """deb [option=value ...] URI suite component...  (sources.list(5))"""
    found = re.match(r"\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(.*)", line.split("#")[0])
    if not found:
        return None
    # "cdrom:[a label with blanks]/" is the one URI with blanks in it; no source package is there.
    words = found[2].split()
    if len(words) < 3 or words[0].startswith("cdrom:"):
        return None
    fields = {"Uris": words[0], "Suites": words[1], "Components": " ".join(words[2:])}
    for option in (found[1] or "").split():
        name, _, value = option.partition("=")
        fields[name.title()] = value
    return _entry(fields)


def _entry(fields: dict[str, str]) -> Entry:
    return Entry(
        tuple(fields.get("Uris", "").split()),
        tuple(fields.get("Suites", "").split()),
        tuple(fields.get("Components", "").split()),
        fields.get("Signed-By", ""),
        tuple((name, fields[name]) for name in KEPT_FIELDS if name in fields),
    )


def debian_entries(entries: list[Entry]) -> list[Entry]:
    """Those that are the Debian archive itself, each once: no updates, no security, no others."""
    found: dict[tuple[str, ...], Entry] = {}
    for entry in entries:
        uris = tuple(uri for uri in entry.uris if ARCHIVE.search(uri.split("?")[0]))
        # Others' archives have a path and suites of these names, too, but keys of their own.
        foreign = entry.signed_by.startswith("/") and "debian" not in Path(entry.signed_by).name
        if (
            uris
            and not foreign
            and "main" in entry.components
            and set(entry.suites) & set(RELEASES)
        ):
            found.setdefault(uris, entry._replace(uris=uris))
    return list(found.values())


def keyrings(entry: Entry) -> list[str]:
    """What to check the suite's signature with, best first: the entry's may know one release only."""
    wanted = [str(KEYRING)] if KEYRING.exists() else []
    wanted.append(entry.signed_by)  # "": all keys that the machine's apt trusts
    return list(dict.fromkeys(wanted))


# --- an apt of our own ----------------------------------------------------------


def source_entry(entry: Entry, suite: str, keyring: str, kind: str = "deb-src") -> str:
    """`entry` as a deb822 text for packages of `suite`: sources, or binaries with the kind "deb"."""
    lines = [f"Types: {kind}", f"URIs: {' '.join(entry.uris)}", f"Suites: {suite}", "Components: main"]
    if keyring:
        lines.append(f"Signed-By: {keyring}")
    lines += [f"{name}: {value}" for name, value in entry.others]
    return "\n".join(lines) + "\n"


def _try(
    get: list[str],
    what: str,
    source: str,
    entry: Entry,
    folder: Path,
    on_line: Callable[[str], None],
) -> None:
    state = folder / "apt"
    shutil.rmtree(state, ignore_errors=True)
    (state / "sources").mkdir(parents=True)
    (state / "sources/debian.sources").write_text(source)
    environment = {"APT_CONFIG": str(_configuration(state)), "LC_ALL": "C"}
    suite = source.split("Suites: ")[1].split("\n")[0]
    lists = "*_Packages*" if source.startswith("Types: deb\n") else "*_Sources*"
    said: list[str] = []

    def hear(line: str) -> None:
        said.append(line)
        if re.match(r"(Get|Hit|Fetched|Need)\b", line):
            on_line(line)

    for step in (["update"], get):
        status = run_lines(["apt-get", "-q", *step], hear, cwd=folder, environment=environment)
        # An update that reached nothing is, to apt, a success with warnings.
        if status != 0 or (step == ["update"] and not list((state / "lists").glob(lists))):
            tail = [line for line in said if re.match(r"[EW]:|Err:", line)][-4:] or said[-4:]
            kind = "" if lists == "*_Packages*" else "source of "
            raise FreeholdError(
                f"{entry.uris[0]} gave no {kind}{what} from {suite} (apt-get {step[0]}):\n"
                + "\n".join("  " + line for line in tail)
            )


def _configuration(state: Path) -> Path:
    """The machine's configuration (proxies, credentials) with folders of our own and no hooks."""
    parts = state / "conf.d"
    for part in (parts, state / "lists/partial", state / "cache/archives/partial"):
        part.mkdir(parents=True)
    theirs = sorted((ETC / "apt.conf.d").glob("*")) if (ETC / "apt.conf.d").is_dir() else []
    if os.environ.get("APT_CONFIG"):
        theirs.insert(0, Path(os.environ["APT_CONFIG"]))
    for number, file in enumerate(theirs):
        # apt passes over names with dots other than ".conf".
        if file.is_file() and re.fullmatch(r"[A-Za-z0-9_-]+(\.conf)?", file.name):
            (parts / f"{number:03}-{file.name}").symlink_to(file)
    (parts / "zzz-freehold").write_text("".join(f"#clear {hook};\n" for hook in HOOKS))
    first = state / "apt.conf"
    first.write_text(
        f'Dir::Etc::Parts "{parts}";\n'
        f'Dir::Etc::SourceList "/dev/null";\n'
        f'Dir::Etc::SourceParts "{state}/sources";\n'
        f'Dir::State::Lists "{state}/lists";\n'
        f'Dir::Cache "{state}/cache";\n'
        # As root, apt would drop its rights and then could not write into our folder.
        f'APT::Sandbox::User "root";\n'
        f'Acquire::Languages "none";\n'
    )
    return first
