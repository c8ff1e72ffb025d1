"""What a serving child imports: a server waits for its first answer (performance: import creep undoes the start)."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.serving import COMMAND, make_folder

if TYPE_CHECKING:
    from pathlib import Path

# Runs the command and tells, on stderr, the modules that are new at each write to stdout.
SPY = """
import os, sys
seen = set(sys.modules)
write = os.write
def spy(fd, data):
    if fd == 1:
        new = set(sys.modules) - seen
        seen.update(new)
        write(2, (" ".join(sorted(new)) + "\\n").encode())
    return write(fd, data)
os.write = spy
from nwauth.cli import main
sys.exit(main())
"""

SERVING = {
    "nwauth",
    *(
        f"nwauth.{name}"
        for name in [
            "audit",
            "audit.lines",
            "build",
            "cli",
            "config",
            "build.flatfile",
            "config.kinds",
            "config.kinds.flatfile",
            "config.part",
            "config.values",
            "dropin",
            "errors",
            "model",
            "names",
            "policy",
            "policy.account",
            "protocol",
        ]
    ),
    *(
        f"nwauth.{name}"
        for name in [
            "passwords",
            "server",
            "service",
            "service.gate",
            "service.login",
            "service.operations",
            "service.rulefile",
            "service.values",
            "stores",
            "stores.base",
            "stores.down",
            "stores.flatfile",
        ]
    ),
    *(f"nwauth.passwords.{name}" for name in ("checking", "table", "values")),
    *(
        f"nwauth.stores.flatfile.{name}"
        for name in ["chores", "folder", "journal", "lines", "notes", "settling", "store", "view"]
    ),
    "nwauth.stores.textfile",
    *(
        f"nwauth.stores.textfile.{name}"
        for name in ["files", "index", "indexing", "lines", "record", "settling", "userfile", "watch"]
    ),
    *["__future__", "_bisect", "_signal", "_struct", "binascii", "bisect", "errno", "fcntl", "mmap", "select", "zlib"],
}

FORBIDDEN = {
    *[
        "argon2",
        "argparse",
        "asyncio",
        "bcrypt",
        "click",
        "collections",
        "contextlib",
        "ctypes",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
    ],
    *[
        "importlib.metadata",
        "inspect",
        "ipaddress",
        "json",
        "logging",
        "passlib",
        "pathlib",
        "re",
        "signal",
        "sqlalchemy",
        "subprocess",
    ],
    *["tempfile", "threading", "tomllib", "typing"],
}


def new_modules(folder: Path, *requests: bytes) -> list[set[str]]:
    """The modules that a fresh child has newly imported at each reply, each request sent after the reply before."""
    process = subprocess.Popen(
        [sys.executable, "-c", SPY, "-path", str(folder)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for request in requests:
            process.stdin.write(request + b"\n")
            assert process.stdout.readline().startswith((b"+OK", b"-ERR")), request
        process.stdin.close()
        return [set(line.decode().split()) for line in process.stderr.read().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(
        tmp_path / "base",
        b"bob:{ssha}tVANQoBNwAUZt9QMm3hBcbxMuTxzYWx0:\n" + b"".join(b"u%d:!:\n" % n for n in range(900)),
    )


@pytest.mark.parametrize("request_line", [b"lookup bob", b"lookup BOB", b"lookup nobody", b"set bob", b"hello"])
def test_the_first_answer_needs_these_modules_and_no_others(folder: Path, request_line: bytes) -> None:
    (first,) = new_modules(folder, request_line)
    assert first - SERVING == set()


def test_look_ups_need_nothing_more_than_the_watch_of_the_folder(folder: Path) -> None:
    first, *rest = new_modules(folder, b"lookup bob", b"lookup nobody", b"lookup u7", b"lookup U8", b"lookup bob")
    assert first & FORBIDDEN == set()
    later = set[str]().union(*rest)
    assert later - {"ctypes", "_ctypes", "ctypes._endian", "struct", "_struct", "types"} == set()


def test_the_installed_command_imports_nothing_heavy_before_it_serves(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "-path", str(folder)],
        input=b"version\n",
        capture_output=True,
        cwd=folder,
        check=True,
    )
    assert done.stdout.startswith(b"+OK nwauth ")
    imported = [line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()]
    after_site = set(imported[imported.index("site") + 1 :])
    assert "nwauth.server" in after_site
    assert after_site & FORBIDDEN == set()


@pytest.mark.parametrize(
    ("field", "password", "added"),
    [
        (
            "{ssha}uoRZZ2XD1ujlPK9h3pM5zKh7wWRzYWx0",
            "secret",
            {
                "nwauth.passwords.digests",
                "nwauth.passwords.families",
                "_operator",
                "_sha1",
                "binascii",
                "_hashlib",
                "hashlib",
                "_blake2",
            },
        ),
        (
            "rl.3StKT.4T8M",
            "rasmuslerdorf",
            {
                "nwauth.passwords.crypt3",
                "nwauth.passwords.families",
                "nwauth.passwords.libpass",
                "_operator",
                "types",
                "ctypes",
                "_ctypes",
                "ctypes._endian",
                "struct",
                "_struct",
                "ctypes.util",
            },
        ),
        (
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$oNAZ4HhbDsxlKWXYSZ8aWg",
            "secret",
            None,
        ),
    ],
)
def test_a_check_brings_in_the_library_of_its_scheme_alone(
    tmp_path: Path, field: str, password: str, added: set[str] | None
) -> None:
    folder = make_folder(tmp_path / "base", f"bob:{field}:\n".encode())
    first, second, *_ = new_modules(folder, b"version", f"check bob {password}".encode())
    assert first - SERVING == set()
    assert second & {"click", "sqlalchemy", "passlib", "logging", "asyncio", "importlib.metadata"} == set()
    if added is None:
        assert "nwauth.passwords.argon" in second
        assert "bcrypt" not in second
    else:
        assert second - SERVING - added == set()
        assert {module for module in second if module.startswith("nwauth.passwords.")} <= added
