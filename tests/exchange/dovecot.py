"""Dovecot's authentication server, as the operating system installs it, over a passwd-file in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess

from tests.databases import guard

# The service's listener without any mode: otherwise each failure doubles the time that the next one takes.
SETTINGS = """\
base_dir = {folder}/run
log_path = {folder}/log
protocols =
ssl = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
auth_mechanisms = plain
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
"""
FOLDERS = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", os.environ.get("PATH", "")))
DEADLINE_SECONDS = 30


def missing() -> str | None:
    """Why there can be no Dovecot here; None where there can."""
    lacking = [name for name in ("dovecot", "doveadm", "htpasswd") if shutil.which(name, path=FOLDERS) is None]
    return f"{', '.join(lacking)} missing: apt-get install dovecot-core apache2-utils" if lacking else None


class Dovecot:
    """A server that answers from a passwd-file."""

    def __init__(self, users: bytes) -> None:
        folder = guard.make_folder("dovecot")  # the name of a socket is short
        folder.chmod(0o755)
        (folder / "run").mkdir()
        (folder / "users").write_bytes(users)
        account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        group = "nogroup" if os.geteuid() == 0 else subprocess.check_output(["id", "-gn"], text=True).strip()
        self._settings = str(folder / "dovecot.conf")
        (folder / "dovecot.conf").write_text(SETTINGS.format(folder=folder, user=account.pw_name, group=group))
        program = shutil.which("dovecot", path=FOLDERS)
        assert program is not None
        read, write = os.pipe()
        self._server = subprocess.Popen(
            [program, "-F", "-c", self._settings], stdout=write, stderr=write, close_fds=True
        )
        guard.watch(self._server.pid)
        os.close(write)
        self._out = read
        self._log = folder / "log"

    def lets_in(self, name: str, password: str) -> bool:
        """Whether it takes the password; asked again until the server has opened its socket."""
        for _ in range(1000):
            done = subprocess.run(
                ["doveadm", "-c", self._settings, "auth", "test", name, password],
                capture_output=True,
                text=True,
                check=False,
                timeout=DEADLINE_SECONDS,
            )
            if "auth succeeded" in done.stdout:
                return True
            if "auth failed" in done.stdout:
                return False
            assert self._server.poll() is None, os.read(self._out, 4096)
            assert "auth-client" in done.stderr, done
        raise AssertionError(done)

    def log(self) -> str:
        """What it has to say."""
        return self._log.read_text() if self._log.exists() else ""

    def stop(self) -> None:
        """End it."""
        self._server.terminate()
        self._server.wait(DEADLINE_SECONDS)
        guard.release(self._server.pid)
        os.close(self._out)


def hashes(password: str, schemes: tuple[str, ...]) -> dict[str, str]:
    """What ``doveadm pw`` makes of a password."""
    words = ["doveadm", "pw", "-p", password, "-s"]
    return {scheme: subprocess.check_output([*words, scheme], text=True).strip() for scheme in schemes}
