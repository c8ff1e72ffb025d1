"""What nwauth is measured against: basic_ncsa_auth of Debian's squid, and our own C programs."""

from __future__ import annotations

import glob
import os
import subprocess
import sys

from driver import BenchError

HERE = os.path.dirname(os.path.abspath(__file__))
INSTALLED = "/usr/lib/squid/basic_ncsa_auth"
C_PROGRAMS = {"driver": ("driver.c", "child.c", "script.c"), "echo": ("echo.c",)}


def compile_programs(work: str) -> None:
    """Into `work`, unless they are there and newer than their sources."""
    for program, sources in C_PROGRAMS.items():
        target = os.path.join(work, program)
        paths = [os.path.join(HERE, source) for source in sources]
        newest = max(os.path.getmtime(path) for path in [*paths, *glob.glob(os.path.join(HERE, "*.h"))])
        if os.path.exists(target) and os.path.getmtime(target) > newest:
            continue
        try:
            subprocess.run(["cc", "-O2", "-Wall", "-o", target, *paths], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise BenchError(f"a C compiler is needed: {error}") from error


def basic_ncsa_auth(work: str) -> str | None:
    """Its path: from the package, unpacked into `work` so that no service starts, or as installed; else None."""
    folder = os.path.join(work, "squid")
    unpacked = folder + INSTALLED
    if not os.path.exists(unpacked):
        unpack(folder, "squid")
    for path in (unpacked, INSTALLED):
        if _answers(path, work):
            return path
    print("basic_ncsa_auth: neither `apt-get download squid` nor an installed one works here", file=sys.stderr)
    return None


def unpack(folder: str, *packages: str) -> None:
    """Take Debian packages apart in `folder`: nothing is installed; what lacks then is told."""
    os.makedirs(folder, exist_ok=True)
    try:
        subprocess.run(["apt-get", "-q", "download", *packages], cwd=folder, check=True, capture_output=True)
        for package in glob.glob(os.path.join(folder, "*.deb")):
            subprocess.run(["dpkg", "-x", package, folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"{', '.join(packages)} could not be fetched: {error}", file=sys.stderr)


def _answers(path: str, work: str) -> bool:
    """Whether it runs here: its libraries may be missing."""
    empty = os.path.join(work, "empty.htpasswd")
    with open(empty, "w", encoding="ascii"):
        pass
    try:
        ran = subprocess.run([path, empty], input=b"a b\n", capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.stdout.startswith(b"ERR")
