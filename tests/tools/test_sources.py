# SPDX-License-Identifier: MIT
"""Set-up: which entries of apt's are the Debian archive, and sources that are whole or not there."""

import hashlib
import io
import os
import pathlib
import sys
import tarfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from freehold_lib import apt_source, cbmc, prepare, sources  # noqa: E402
from freehold_lib.errors import FreeholdError  # noqa: E402

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# --- apt's entries ---

DEB822 = f"""\
# The archive.
Types: deb
# http://elsewhere.example/debian
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}
Check-Valid-Until: no

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYRING}

Types: deb
URIs: https://other.example/builds/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/other.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://inline.example/debian/
Suites: stable
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
 -----END PGP PUBLIC KEY BLOCK-----
"""
ONE_LINE = """\
# deb http://comment.example/debian bookworm main
deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main
deb http://plain.example/debian bookworm main # the archive
deb-src http://plain.example/debian bookworm main
deb [arch=amd64 trusted=yes] https://options.example/debian-remote bookworm main
deb https://docker.example/linux/debian bookworm stable
deb http://day.example/archive/debian/20250520T000000Z/ bookworm main
deb http://plain.example/debian bookworm-backports main
deb http://ubuntu.example/ubuntu jammy main
nonsense
deb http://short.example/debian
"""


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def debian(etc):
    return apt_source.debian_entries(apt_source.read_entries(etc))


def test_deb822(etc):
    (etc / "sources.list.d/debian.sources").write_text(DEB822)
    (etc / "sources.list.d/notes.txt").write_text("deb http://txt.example/debian bookworm main\n")
    found = debian(etc)
    assert [entry.uris for entry in found] == [
        ("http://mirror.example/debian",),
        ("http://inline.example/debian/",),
    ]
    assert found[0].signed_by == KEYRING
    assert found[0].others == (("Check-Valid-Until", "no"),)
    # An embedded key stays a key when the entry is written again.
    written = apt_source.source_entry(found[1], "trixie", found[1].signed_by)
    assert "\n -----END PGP PUBLIC KEY BLOCK-----\n" in written
    again = apt_source._deb822(written.replace("deb-src", "deb"))
    assert again[0].suites == ("trixie",) and "mDMEZ" in again[0].signed_by


def test_one_line(etc):
    (etc / "sources.list").write_text(ONE_LINE)
    (etc / "sources.list.d/more.list").write_text("deb http://more.example/debian sid main\n")
    found = debian(etc)
    assert [entry.uris[0] for entry in found] == [
        "http://plain.example/debian",
        "https://options.example/debian-remote",
        "http://day.example/archive/debian/20250520T000000Z/",
        "http://more.example/debian",
    ]
    assert found[1].others == (("Trusted", "yes"),)


def test_source_entry():
    entry = apt_source.Entry(("http://m.example/debian",), ("bookworm",), ("main", "contrib"), "", ())
    assert apt_source.source_entry(entry, "trixie", KEYRING) == (
        "Types: deb-src\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
    )
    assert "Signed-By" not in apt_source.source_entry(entry, "trixie", "")


def test_keyrings(monkeypatch, tmp_path):
    entry = apt_source.Entry(("http://m.example/debian",), ("bookworm",), ("main",), "/k/debian-12.gpg", ())
    all_keys = tmp_path / "debian-archive-keyring.gpg"
    monkeypatch.setattr(apt_source, "KEYRING", all_keys)
    assert apt_source.keyrings(entry) == ["/k/debian-12.gpg"]
    all_keys.touch()
    # The entry's own keyring may know no later release.
    assert apt_source.keyrings(entry) == [str(all_keys), "/k/debian-12.gpg"]
    assert apt_source.keyrings(entry._replace(signed_by=str(all_keys))) == [str(all_keys)]


def test_no_archive(etc, monkeypatch):
    monkeypatch.setattr(apt_source, "ETC", etc)
    with pytest.raises(FreeholdError, match="names the Debian archive"):
        apt_source.download("lwip", "trixie", etc, print)


def test_unreachable_archive(etc, monkeypatch, tmp_path):
    """An archive that is a folder, and empty: apt itself says so, and the machine's apt is left alone."""
    archive = tmp_path / "nothing/debian"
    archive.mkdir(parents=True)
    (etc / "sources.list").write_text(f"deb file:{archive} bookworm main\n")
    monkeypatch.setattr(apt_source, "ETC", etc)
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(FreeholdError, match=r"(?s)gave no source of lwip from trixie.*\n  .*"):
        apt_source.download("lwip", "trixie", work, lambda line: None)


# --- unpacking ---


def tarball(folder, name="thing_1.orig.tar.gz", text="one\ntwo\nthree\n"):
    file = folder / name
    with tarfile.open(file, "w:gz") as archive:
        data = text.encode()
        member = tarfile.TarInfo("thing-1.0/src/file.txt")
        member.size = len(data)
        member.uid = member.gid = 4711
        archive.addfile(member, io.BytesIO(data))
    return file, hashlib.sha256(file.read_bytes()).hexdigest()


PATCH = """\
--- a/src/file.txt
+++ b/src/file.txt
@@ -1,3 +1,3 @@
 one
-two
+{word}
 three
"""


@pytest.fixture
def subprojects(tmp_path):
    folder = tmp_path / "subprojects"
    (folder / "packagecache").mkdir(parents=True)
    (folder / "packagefiles/patches/thing").mkdir(parents=True)
    return folder


@pytest.fixture
def thing(subprojects, monkeypatch):
    """A source whose tarball is in the cache; fetching is refused and counted."""
    file, digest = tarball(subprojects / "packagecache")
    fetches = []

    def refuse(package, suite, folder, on_line):
        fetches.append(package)
        raise FreeholdError("no network in tests")

    monkeypatch.setattr(apt_source, "download", refuse)
    monkeypatch.setattr(sources.shutil, "which", lambda name: None)
    made = sources.Source("thing", "1.0", "thing", "trixie", file.name, digest, "", "0" * 40)
    return made, fetches


def test_unpack_once(subprojects, thing):
    source, fetches = thing
    assert not sources.up_to_date(source, subprojects)
    assert sources.provide(subprojects, (source,)) == ["thing"]
    assert (subprojects / "thing-1.0/src/file.txt").read_text() == "one\ntwo\nthree\n"
    # Ours, not the packer's, even if we are root.
    assert (subprojects / "thing-1.0/src/file.txt").stat().st_uid == os.geteuid()
    assert sources.up_to_date(source, subprojects)
    assert sources.provide(subprojects, (source,)) == []
    assert fetches == []
    assert not list(subprojects.glob(".unpack-*"))


def test_changed_patches_unpack_again(subprojects, thing):
    source, _ = thing
    patch = subprojects / "packagefiles/patches/thing/0001-word.patch"
    sources.provide(subprojects, (source,))
    for word in ("zwei", "deux"):
        patch.write_text(PATCH.format(word=word))
        assert not sources.up_to_date(source, subprojects)
        sources.provide(subprojects, (source,))
        assert (subprojects / "thing-1.0/src/file.txt").read_text() == f"one\n{word}\nthree\n"
    patch.unlink()
    sources.provide(subprojects, (source,))
    assert (subprojects / "thing-1.0/src/file.txt").read_text() == "one\ntwo\nthree\n"


def test_patch_that_does_not_fit(subprojects, thing):
    source, _ = thing
    sources.provide(subprojects, (source,))
    patch = subprojects / "packagefiles/patches/thing/0001-word.patch"
    patch.write_text(PATCH.format(word="zwei").replace(" three", " four"))
    with pytest.raises(FreeholdError, match="0001-word.patch does not fit thing 1.0"):
        sources.provide(subprojects, (source,))
    # What was there is still there, and known to be out of date.
    assert (subprojects / "thing-1.0/src/file.txt").read_text() == "one\ntwo\nthree\n"
    assert not sources.up_to_date(source, subprojects)
    assert not list(subprojects.glob(".unpack-*"))


def test_interrupted_unpacking_leaves_nothing(subprojects, thing, monkeypatch):
    source, _ = thing

    def interrupt(patch, tree, source):
        raise KeyboardInterrupt

    (subprojects / "packagefiles/patches/thing/0001-word.patch").write_text(PATCH.format(word="zwei"))
    with monkeypatch.context() as m:
        m.setattr(sources, "_apply", interrupt)
        with pytest.raises(KeyboardInterrupt):
            sources.provide(subprojects, (source,))
    assert not (subprojects / "thing-1.0").exists()
    # One that was killed could not tidy up; the next one does.
    (subprojects / ".unpack-dead/tree").mkdir(parents=True)
    sources.provide(subprojects, (source,))
    assert not list(subprojects.glob(".unpack-*"))
    assert sources.up_to_date(source, subprojects)


def test_folder_of_somebody_else_is_kept(subprojects, thing, capsys):
    source, _ = thing
    (subprojects / "thing-1.0").mkdir()
    (subprojects / "thing-1.0/precious").write_text("work")
    sources.provide(subprojects, (source,))
    assert (subprojects / "thing-1.0.aside-1/precious").read_text() == "work"
    assert "it is now thing-1.0.aside-1" in capsys.readouterr().out


def test_link_is_left_alone(subprojects, thing, tmp_path):
    source, _ = thing
    (tmp_path / "mine").mkdir()
    (subprojects / "thing-1.0").symlink_to(tmp_path / "mine")
    assert sources.provide(subprojects, (source,)) == []
    (tmp_path / "mine").rmdir()
    assert sources.provide(subprojects, (source,)) == ["thing"]
    assert not (subprojects / "thing-1.0").is_symlink()


def test_damaged_tarball_is_not_used(subprojects, thing):
    source, fetches = thing
    cached = subprojects / "packagecache" / source.tarball
    cached.write_bytes(cached.read_bytes()[:-1] + b"x")
    with pytest.raises(FreeholdError) as error:
        sources.provide(subprojects, (source,))
    assert fetches == ["thing"]
    for words in ("could not be fetched", "no network in tests", "git is missing", source.sha256):
        assert words in str(error.value)
    assert not (subprojects / "thing-1.0").exists()


def test_fetched_tarball_must_match(subprojects, thing, monkeypatch):
    source, _ = thing
    (subprojects / "packagecache" / source.tarball).unlink()

    def other(package, suite, folder, on_line):
        return tarball(folder, text="something else\n")[0]

    monkeypatch.setattr(apt_source, "download", other)
    with pytest.raises(FreeholdError, match="it is not used"):
        sources.provide(subprojects, (source,))
    assert not (subprojects / "packagecache" / source.tarball).exists()


def test_table_is_complete():
    for source in sources.SOURCES:
        assert len(source.sha256) == 64 and len(source.revision) == 40
        assert source.repository.startswith("https://")
        int(source.sha256, 16), int(source.revision, 16)


# --- the prover ---


def test_prover_of_another_digest_is_not_used(subprojects, monkeypatch):
    def other(packages, suite, folder, on_line):
        files = [folder / f"{name}_1_amd64.deb" for name in packages]
        for file in files:
            file.write_text("something else")
        return files

    monkeypatch.setattr(apt_source, "download_binary", other)
    with pytest.raises(FreeholdError, match="it is not used"):
        cbmc.provide(subprojects)
    assert not cbmc.up_to_date(subprojects)
    assert not list(subprojects.glob(".unpack-*")) and not (subprojects / cbmc.FOLDER).exists()
    with pytest.raises(FreeholdError, match="run tools/freehold setup"):
        cbmc.command(subprojects=subprojects)


def test_nothing_hinders_without_the_prover(subprojects, monkeypatch, capsys):
    def refuse(packages, suite, folder, on_line):
        raise FreeholdError("no network in tests")

    monkeypatch.setattr(apt_source, "download_binary", refuse)
    monkeypatch.setattr(cbmc, "up_to_date", lambda folder=subprojects: False)
    monkeypatch.setattr(cbmc.provide, "__defaults__", (subprojects,))
    monkeypatch.setattr(prepare, "SUBPROJECTS", subprojects)
    assert not prepare.prover()
    assert "its tests will be skipped. no network in tests" in capsys.readouterr().out
