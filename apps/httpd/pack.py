#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn a folder into the table of apps/httpd/site.h.

usage: pack.py FOLDER OUTPUT.c DEPENDENCIES.d

DEPENDENCIES.d lists what was read for the build tool, the folder itself included, which changes when
a file is added. A page with {{ in it is a template
and gets no tag, since what it shows changes.
"""

import hashlib
import pathlib
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
PATH_MAX = 128  # REQUEST_PATH_MAX, request.h


def string(text):
    """A C string literal."""
    out = text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n")
    return f'"{out}"'


def array(content):
    """The inside of a C array."""
    lines = (content[i : i + 24] for i in range(0, len(content), 24))
    return "\n".join("    " + ",".join(map(str, line)) + "," for line in lines)


def entry(number, path, content):
    suffix = pathlib.PurePath(path).suffix
    if suffix not in TYPES:
        raise ValueError(f"{path}: no media type is known for '{suffix}'; add it to TYPES in pack.py")
    if len(path.encode()) > PATH_MAX or not path.isascii() or not path.isprintable():
        raise ValueError(f"{path!r}: a path must be printable ASCII and at most {PATH_MAX} characters")
    page = suffix == ".html" and b"{{" in content
    etag = "" if page else f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    head = f"Content-Type: {TYPES[suffix]}\r\n"
    if page:
        head += "Cache-Control: no-store\r\n"
    else:
        head += f"Content-Length: {len(content)}\r\nETag: {etag}\r\nCache-Control: no-cache\r\n"
    declaration = f"static const unsigned char bytes_{number}[] = {{\n{array(content + bytes(1))}\n}};\n"
    initializer = (
        f"    {{{string(path)}, {string(TYPES[suffix])}, {string(etag)},\n"
        f"     {string(head)}, {len(head)},\n"
        f"     (const char *)bytes_{number}, {len(content)}, {str(page).lower()}}},\n"
    )
    return declaration, initializer


def pack(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    if folder / "index.html" not in files:
        raise ValueError(f"{folder}: there is no index.html, which / is answered with")
    entries = [entry(i, f"/{p.relative_to(folder).as_posix()}", p.read_bytes()) for i, p in enumerate(files)]
    return files, (
        '/* Made by pack.py. */\n#include "httpd/site.h"\n\n'
        + "\n".join(e[0] for e in entries)
        + "\nconst struct site_file site_files[] = {\n"
        + "".join(e[1] for e in entries)
        + f"}};\nconst size_t site_count = {len(entries)};\n"
    )


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("\n\n")[1])
    folder, output, dependencies = map(pathlib.Path, sys.argv[1:])
    try:
        files, text = pack(folder)
        output.write_text(text)
        names = " ".join(str(p).replace(" ", "\\ ") for p in [folder, *files])
        dependencies.write_text(f"{output}: {names}\n")
    except (OSError, ValueError) as error:
        sys.exit(f"pack.py: {error}")


if __name__ == "__main__":
    main()
