# SPDX-License-Identifier: MIT
"""The folder of files becomes a table, or a sentence says why not."""

import pathlib
import subprocess
import sys

import pytest

PACK = pathlib.Path(__file__).resolve().parents[3] / "apps/httpd/pack.py"


def pack(folder, tmp_path):
    output, dependencies = tmp_path / "out.c", tmp_path / "out.d"
    result = subprocess.run(
        [sys.executable, PACK, folder, output, dependencies], capture_output=True, text=True, timeout=20
    )
    return result, output, dependencies


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "index.html").write_text("<p>{{pages}}")
    return folder


def test_table(folder, tmp_path):
    (folder / "sub").mkdir()
    (folder / "sub" / 'a"b.txt').write_bytes(bytes(range(256)))
    (folder / ".hidden").write_text("not served")
    (folder / "plain.html").write_text("no template")
    result, output, dependencies = pack(folder, tmp_path)
    assert result.returncode == 0, result.stderr
    text = output.read_text()
    assert "site_count = 3;" in text
    assert '"/sub/a\\"b.txt"' in text
    assert "hidden" not in text
    assert text.count(", true}") == 1, "index.html alone is a template"
    assert 'Content-Length: 256\\r\\nETag: \\"' in text
    # A file that is added changes the folder, so the build tool must look at that, too.
    assert str(folder) in dependencies.read_text().split()
    assert str(folder / "plain.html") in dependencies.read_text().split()
    compiled = subprocess.run(
        ["cc", "-Werror", "-c", "-I", PACK.parents[1], output, "-o", tmp_path / "out.o"],
        capture_output=True, text=True, timeout=60,
    )
    assert compiled.returncode == 0, compiled.stderr


def test_tag_follows_the_content(folder, tmp_path):
    def tag(content):
        (folder / "a.txt").write_text(content)
        _, output, _ = pack(folder, tmp_path)
        return output.read_text().split("ETag: ")[1][:20]

    assert tag("one") == tag("one") != tag("two")


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("a.exe", "/a.exe: no media type is known for '.exe'"),
        ("a\tb.txt", "a path must be printable ASCII"),
        ("\xe4.txt", "a path must be printable ASCII"),
        ("x" * 130 + ".txt", "at most 128 characters"),
    ],
)
def test_refused_names(folder, tmp_path, name, sentence):
    (folder / name).write_text("x")
    result, output, _ = pack(folder, tmp_path)
    assert result.returncode != 0 and sentence in result.stderr
    assert not output.exists()


def test_no_index(folder, tmp_path):
    (folder / "index.html").unlink()
    result, _, _ = pack(folder, tmp_path)
    assert result.returncode != 0 and "there is no index.html" in result.stderr
