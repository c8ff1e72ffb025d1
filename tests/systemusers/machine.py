"""A private ``/etc``: its processes run in a mount namespace in which a folder of the test stands in its place.

The accounts are real, made by the system's own useradd and chpasswd or written by hand, and what reads them is the
system's own C library and PAM; but nobody else sees them, several machines stand side by side, and nothing is left when
their processes end, however they end.  Root may do it; others may where the kernel lets them have a user namespace.
"""

from __future__ import annotations

import functools
import grp
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving import IN_CI

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOT = os.geteuid() == 0
SBIN = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
SERVICE = "nwauth"
UNIX = "auth required pam_unix.so\naccount required pam_unix.so\n"
COPIED = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives")  # what programs need to start


@functools.cache
def missing() -> str | None:
    """Why there can be no such machine here; None: there can."""
    for program in ("unshare", "useradd", "chpasswd", "chage", "usermod"):
        if shutil.which(program, path=SBIN) is None:
            return f"{program} is not installed"
    tried = subprocess.run([*_namespace(), "true"], capture_output=True, text=True, check=False)
    return f"no private mount namespace is allowed here: {tried.stderr.strip()}" if tried.returncode else None


def _namespace() -> list[str]:
    return ["unshare", *([] if ROOT else ["--map-root-user"]), "--mount", "--propagation", "private"]


def _must_be_allowed() -> None:
    """Skips where there can be none, and says why; in CI it fails instead."""
    reason = missing()
    if reason is not None:
        (pytest.fail if IN_CI else pytest.skip)(f"no machine with accounts of its own: {reason}")


needs_root = pytest.mark.skipif(not ROOT, reason="only root can become another account")


class Machine:
    """One private ``/etc``, in `folder`; without accounts at first, and with the usual PAM service ``nwauth``."""

    def __init__(self, folder: Path) -> None:
        _must_be_allowed()
        self.etc = folder / "etc"
        self.hidden: list[str] = []  # files that its processes find empty
        self.etc.mkdir(parents=True)
        self.etc.chmod(0o755)
        for name in COPIED:
            _copy(f"/etc/{name}", self.etc / name)
        self.write("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n")
        self.write("group", "root:x:0:\nusers:x:100:\n")
        self.write("passwd", "")
        self.shadows()
        (self.etc / "pam.d").mkdir(mode=0o755)
        self.service(UNIX)

    # --- files ------------------------------------------------------------------------------------------------------

    def write(self, name: str, content: str, *, mode: int = 0o644) -> None:
        """A file of ``/etc``, in one step."""
        new = self.etc / f"{name}.new"
        new.write_text(content, encoding="utf-8", errors="surrogateescape")
        new.chmod(mode)
        if name == "shadow" and ROOT:
            os.chown(new, 0, SHADOW)
        new.replace(self.etc / name)

    def service(self, content: str | None, name: str = SERVICE) -> None:
        """The PAM service file of that name, or None of it."""
        if content is None:
            (self.etc / "pam.d" / name).unlink()
        else:
            self.write(f"pam.d/{name}", content)

    def accounts(self, *lines: str) -> None:
        """The content of ``/etc/passwd``."""
        self.write("passwd", "".join(f"{line}\n" for line in lines))

    def shadows(self, *lines: str) -> None:
        """The content of ``/etc/shadow``."""
        self.write("shadow", "".join(f"{line}\n" for line in lines), mode=0o640)

    # --- processes --------------------------------------------------------------------------------------------------

    def command(self, *words: str) -> list[str]:
        """A command line that runs `words` on the machine."""
        hiding = "".join(f"mount --bind /dev/null '{path}' && " for path in self.hidden)
        return [*_namespace(), "sh", "-c", f'{hiding}mount --bind "$0" /etc && exec "$@"', str(self.etc), *words]

    def run(self, *words: str, **options: Any) -> str:
        """Run a command there; what it says."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.command(*words),
            env=os.environ | {"PATH": SBIN},
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def add(self, name: str, *options: str, uid: int = 1000, password: str | None = None) -> None:
        """An account, made by useradd; its password is hashed by chpasswd as current systems do it."""
        self.run("useradd", "-M", "-N", "-u", str(uid), "-s", "/bin/sh", *options, name)
        if password is not None:
            self.run("chpasswd", "-c", "YESCRYPT", input=f"{name}:{password}\n")


def _copy(source: str, target: Path) -> None:
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True)
    elif os.path.exists(source):
        shutil.copy(source, target)


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return 0


SHADOW = _group("shadow")  # whose members may read the shadow file: libpam's helper is one


def rewritten(machine: Machine, name: str, change: Callable[[str], str]) -> None:
    """Change a file of ``/etc``."""
    machine.write(name, change((machine.etc / name).read_text()), mode=(machine.etc / name).stat().st_mode & 0o777)
